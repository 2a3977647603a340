/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_STORE_NVME_QUEUE_H
#define PRECARIUM_STORE_NVME_QUEUE_H

#include "store/nvme/bus.h"
#include "store/nvme/wire.h"

/*
 * A submission queue and its completion queue, of one page each.
 *
 * A command has a slot, which is the number that it completes by.  A queue has
 * one entry more than slots, so it is never full.  What a controller says of
 * slots is a claim: a completion of a slot that is not in flight is counted and
 * dropped.
 *
 * One thread at a time.
 */
#define NVME_DEPTH_MAX 64u
#define NVME_SLOTS_MAX (NVME_DEPTH_MAX - 1)

struct nvme_queue {
	struct nvme_bus *bus;
	uint32_t id;
	uint32_t depth;	       /* entries; slots + 1 */
	uint32_t doorbells[2]; /* offsets: submission, completion */
	struct nvme_command *sq;
	struct nvme_completion *cq;
	uint64_t sq_address; /* as the controller has them */
	uint64_t cq_address;

	/* Private. */
	uint32_t tail;
	uint32_t rung; /* as far as the controller was told */
	uint32_t head;
	uint32_t acknowledged;
	uint32_t phase;
	uint64_t flying;   /* a bit for each slot */
	uint64_t nonsense; /* completions that were dropped */
};

/* Both queues become empty: nothing is in flight, and nothing that the
 * controller has written before is taken for a completion.  It must not use
 * them. */
void nvme_queue_clear(struct nvme_queue *queue);

/* Enter a copy of the command, with this slot, which must not be in flight. */
void nvme_queue_put(struct nvme_queue *queue, uint32_t slot,
		    const struct nvme_command *command);

/* Let the controller see what was put.  False: it is gone. */
bool nvme_queue_ring(struct nvme_queue *queue);

/* Take the next completion: its slot, status and value.  False: there is
 * none. */
bool nvme_queue_reap(struct nvme_queue *queue, uint32_t *slot, uint16_t *status,
		     uint32_t *value);

/* Give the controller the entries back that completions were taken from. */
void nvme_queue_acknowledge(struct nvme_queue *queue);

static inline bool nvme_queue_flies(const struct nvme_queue *queue,
				    uint32_t slot)
{
	return queue->flying >> slot & 1;
}

#endif
