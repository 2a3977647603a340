/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_LAYOUT_H
#define PRECARIUM_DEVICE_LAYOUT_H

#include "device/inflight_packed.h"
#include "device/inflight_split.h"
#include "virtio/vring.h"

/*
 * What the device does by the layout of a ring, as virtio/vring.h does what
 * virtio does: the log of requests in flight, and the place at which to resume.
 */

/* The ring was set up: find the place at which to resume, which the client says
 * is `base` if `has_base`.  *taken and the status as inflight_split_read and
 * inflight_packed_read say. */
PREC_MUST_CHECK enum prec_status
layout_find_place(struct virtq *q, const struct prec_space *space,
		  struct inflight_queue *log, bool has_base, uint32_t base,
		  uint32_t *taken);

/* Take the next request that the previous server had taken.  False: no more. */
bool layout_retake(struct virtq *q, const struct prec_space *space,
		   struct inflight_queue *log, struct virtq_request *r,
		   enum virtq_answer *answer);

/* Of a queue without a log they do nothing, and cost no call. */
static inline void layout_log_taken(const struct virtq *q,
				    struct inflight_queue *log, uint16_t head)
{
	if (!log->span.size)
		return;
	if (q->packed)
		inflight_packed_taken(log, q, head);
	else
		inflight_split_taken(log, head);
}

static inline void layout_log_completing(const struct virtq *q,
					 struct inflight_queue *log,
					 uint16_t head)
{
	if (!log->span.size)
		return;
	if (q->packed)
		inflight_packed_completing(log, q, head);
	else
		inflight_split_completing(log, head);
}

static inline void layout_log_completed(const struct virtq *q,
					struct inflight_queue *log,
					uint16_t head)
{
	if (!log->span.size)
		return;
	if (q->packed)
		inflight_packed_completed(log, q, head);
	else
		inflight_split_completed(log, head, q->next_used);
}

#endif
