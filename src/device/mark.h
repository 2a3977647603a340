/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_MARK_H
#define PRECARIUM_DEVICE_MARK_H

#include "device/queue.h"

/*
 * Marking what was written into a client's memory in its log (dirty.h).  Which
 * bytes of a ring those are depends on its layout.
 */

/* For a ring that is logged: a request was completed in this slot; we wrote to
 * the place where we ask for kicks. */
void mark_ring_completed(struct queue *queue, uint64_t slot);
void mark_ring_hint(struct queue *queue);

static inline void mark_completed(struct queue *queue, uint64_t slot)
{
	if (queue->addr.logged)
		mark_ring_completed(queue, slot);
}

static inline void mark_hint(struct queue *queue)
{
	if (queue->addr.logged)
		mark_ring_hint(queue);
}

/* The kernel, or we, may have written to these spans, whatever it reports. */
static inline void mark_data(struct device *device,
			     const struct prec_span *spans, uint32_t count)
{
	for (uint32_t i = 0; device->dirty.all && i < count; i++)
		dirty_mark(&device->dirty, spans[i].address, spans[i].size);
}

#endif
