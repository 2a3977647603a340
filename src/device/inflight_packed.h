/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_INFLIGHT_PACKED_H
#define PRECARIUM_DEVICE_INFLIGHT_PACKED_H

#include "device/inflight.h"
#include "virtio/packed.h"

/*
 * The log of requests in flight of packed rings (QueueRegionPacked).  A packed
 * ring forgets a request when another is completed over it, so the log has its
 * descriptors, too, in entries that are linked.  What is read back is a claim
 * like what is read from the ring: packed_retake checks it.
 */

/* Bytes for so many entries. */
uint64_t inflight_packed_size(uint32_t entries);

/*
 * The ring was set up, to resume at *base (packed_seek).  Read what the
 * previous server left, if that was not done yet: then *recovered, *taken is
 * how many requests were in flight, and *base where that server was.  A log
 * that is new is made ready.  A log that is gone, or for which there is no
 * memory, is not used any more.
 *
 * PREC_RANGE: it has room for smaller rings only.  PREC_INVALID: it holds what
 * no server leaves.  PREC_GONE: the ring is gone.  PREC_SYSTEM: no memory; it
 * is still to be read.
 */
PREC_MUST_CHECK enum prec_status
inflight_packed_read(struct inflight_queue *log, const struct virtq *q,
		     uint32_t *base, bool *recovered, uint32_t *taken);

/* Take the next request that the previous server had taken; *answer as from
 * packed_retake.  False: no more. */
bool inflight_packed_next(struct inflight_queue *log, struct virtq *q,
			  const struct prec_space *space,
			  struct virtq_request *r, enum virtq_answer *answer);

/* The descriptors of the request that is taken next: *num of them, the
 * caller's.  NULL: there is none, or no memory. */
struct pvirtq_desc *inflight_packed_peek(struct inflight_queue *log,
					 uint16_t *num);

/* The request with this buffer id was taken from the ring.  Nothing of it may
 * have been carried out yet. */
void inflight_packed_taken(struct inflight_queue *log, const struct virtq *q,
			   uint16_t id);

/* It is about to be completed; nothing else of the queue may be until
 * inflight_packed_completed. */
void inflight_packed_completing(struct inflight_queue *log,
				const struct virtq *q, uint16_t id);

/* It was completed, and the ring has moved on. */
void inflight_packed_completed(struct inflight_queue *log,
			       const struct virtq *q, uint16_t id);

#endif
