// SPDX-License-Identifier: MIT
#include "device/mark.h"

/* The log is by the guest's addresses, also where the ring has others. */
static uint64_t guest_address(const struct queue *queue, struct prec_span area)
{
	const struct device *device = queue->device;

	if (device->iotlb)
		iotlb_to_memory(device->iotlb, device->memory, &area);
	return area.address;
}

/* For the log, the client names a split used ring by a separate address, unless
 * it translates addresses: QEMU then names one of the IOMMU. */
static void mark_used(struct queue *queue, uint64_t offset, uint64_t size)
{
	uint64_t base = queue->device->iotlb
				? guest_address(queue, queue->virtq->used)
				: queue->addr.log;

	if (base <= PREC_ADDRESS_MAX - 8ull * VIRTQ_SIZE_MAX)
		dirty_mark(&queue->device->dirty, base + offset, size);
}

/* That address is of one area, but a packed ring is written in two. */
static void mark_packed(struct queue *queue, const struct prec_span *area,
			uint64_t offset, uint64_t size)
{
	dirty_mark(&queue->device->dirty, guest_address(queue, *area) + offset,
		   size);
}

void mark_ring_hint(struct queue *queue)
{
	const struct virtq *virtq = queue->virtq;

	if (virtq->packed)
		mark_packed(queue, &virtq->used, 0, PVIRTQ_EVENT_SIZE);
	else
		mark_used(queue,
			  VIRTQ_USED_RING +
				  VIRTQ_USED_ENTRY * (uint64_t)virtq->size,
			  sizeof(uint16_t));
}

void mark_ring_completed(struct queue *queue, uint64_t slot)
{
	if (queue->virtq->packed) {
		mark_packed(queue, &queue->virtq->desc, VIRTQ_DESC_SIZE * slot,
			    VIRTQ_DESC_SIZE);
		return;
	}
	mark_used(queue, VIRTQ_USED_RING + VIRTQ_USED_ENTRY * slot,
		  VIRTQ_USED_ENTRY);
	mark_used(queue, VIRTQ_USED_IDX, sizeof(uint16_t));
}
