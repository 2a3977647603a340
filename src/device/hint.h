/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_HINT_H
#define PRECARIUM_DEVICE_HINT_H

#include "device/device.h"
#include "device/queue.h"

/*
 * Hints to the processor: what serving the next devices in line begins with is
 * fetched into its cache while this one is served.  Among hundreds of clients
 * none of it is there otherwise, and each line leads to the next one.
 *
 * A hint is no access of lent memory.  It yields no value, it is dropped
 * without a fault where the memory is gone, and what is loaded later is what
 * the memory holds then.  It names addresses that were resolved before, and
 * reads nothing to find them but our own memory.
 */
static inline void hint(const void *at)
{
	__builtin_prefetch(at);
}

/* The place of the next request: the index, and the entry or descriptor. */
static inline void hint_ring(const struct virtq *virtq)
{
	uint64_t place =
		virtq->packed ? virtq->desc.host + (uint64_t)VIRTQ_DESC_SIZE *
							   virtq->next_avail
			      : virtq->avail.host + VIRTQ_AVAIL_RING +
					2ull * (virtq->next_avail &
						(virtq->size - 1));

	hint((const void *)(uintptr_t)place);
	hint((const void *)(uintptr_t)virtq->avail.host);
}

/* The first part of the line, which was taken out, is about to be served.
 * Four steps, so that each finds in the cache what it looks into. */
static inline void hint_line(const struct lane *lane)
{
	const struct device_part *part = TAILQ_FIRST(&lane->line);
	const struct queue *queue;

	if (!part)
		return;
	queue = TAILQ_FIRST(&part->line);
	if (queue && queue->attached)
		hint_ring(queue->virtq);
	part = TAILQ_NEXT(part, next);
	if (!part)
		return;
	queue = TAILQ_FIRST(&part->line);
	if (queue && queue->virtq)
		hint(queue->virtq);
	part = TAILQ_NEXT(part, next);
	if (!part)
		return;
	queue = TAILQ_FIRST(&part->line);
	if (queue) {
		hint(queue);
		hint(&queue->enabled);
		hint(&queue->virtq);
	}
	part = TAILQ_NEXT(part, next);
	if (part) {
		hint(part);
		hint(&part->line);
	}
}

#endif
