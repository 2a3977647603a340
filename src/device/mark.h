/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_MARK_H
#define PRECARIUM_DEVICE_MARK_H

#include "device/queue.h"

/*
 * What of a client's memory was written, marked in its log (dirty.h): which
 * bytes of a ring that are depends on its layout.
 */

/* Of a ring that is logged: a request was completed in this slot, and we wrote
 * where we ask for kicks. */
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

/* These spans: the kernel, or we, may have written there, whatever it says. */
static inline void mark_data(struct device *device,
			     const struct prec_span *spans, uint32_t count)
{
	for (uint32_t i = 0; device->dirty.all && i < count; i++)
		dirty_mark(&device->dirty, spans[i].address, spans[i].size);
}

#endif
