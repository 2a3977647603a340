// SPDX-License-Identifier: MIT
#include "store/nvme/queue.h"

#include <assert.h>
#include <string.h>

void nvme_queue_clear(struct nvme_queue *queue)
{
	memset(queue->sq, 0, NVME_PAGE);
	memset(queue->cq, 0, NVME_PAGE);
	queue->tail = 0;
	queue->rung = 0;
	queue->head = 0;
	queue->acknowledged = 0;
	queue->phase = 1;
	queue->flying = 0;
}

void nvme_queue_put(struct nvme_queue *queue, uint32_t slot,
		    const struct nvme_command *command)
{
	struct nvme_command *entry = &queue->sq[queue->tail];

	assert(slot + 1 < queue->depth && !nvme_queue_flies(queue, slot));
	*entry = *command;
	entry->slot = (uint16_t)slot;
	queue->flying |= 1ull << slot;
	queue->tail = (queue->tail + 1) % queue->depth;
}

static bool ring(struct nvme_queue *queue, uint32_t which, uint32_t value)
{
	return queue->bus->ops->store(queue->bus, queue->doorbells[which],
				      value);
}

bool nvme_queue_ring(struct nvme_queue *queue)
{
	if (queue->rung == queue->tail)
		return true;
	queue->rung = queue->tail;
	return ring(queue, 0, queue->tail);
}

static void advance(struct nvme_queue *queue)
{
	if (++queue->head < queue->depth)
		return;
	queue->head = 0;
	queue->phase ^= 1;
}

bool nvme_queue_reap(struct nvme_queue *queue, uint32_t *slot, uint16_t *status,
		     uint32_t *value)
{
	for (;;) {
		struct nvme_completion *entry = &queue->cq[queue->head];
		/* Once the phase is there, so is the rest of the entry, and
		 * what the command has stored. */
		uint32_t last = __atomic_load_n(&entry->last, __ATOMIC_ACQUIRE);

		if ((last >> 16 & 1) != queue->phase)
			break;
		*slot = last & 0xffff;
		*status = (uint16_t)(last >> 17);
		*value = entry->value;
		advance(queue);
		if (*slot < NVME_DEPTH_MAX && nvme_queue_flies(queue, *slot)) {
			queue->flying &= ~(1ull << *slot);
			return true;
		}
		queue->nonsense++;
	}
	return false;
}

void nvme_queue_acknowledge(struct nvme_queue *queue)
{
	if (queue->acknowledged == queue->head)
		return;
	queue->acknowledged = queue->head;
	/* If it is gone, the next command finds that. */
	ring(queue, 1, queue->head);
}
