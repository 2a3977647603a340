// SPDX-License-Identifier: MIT
#include "device/feature.h"

#include <string.h>

#include "store/store.h"

/* VIRTIO 1.2, clause 6: features that every kind of device may have. */
#define VIRTIO_F_NOTIFY_ON_EMPTY 24 /* 6.3, legacy drivers */
#define VIRTIO_F_INDIRECT_DESC	 28
#define VIRTIO_F_EVENT_IDX	 29
#define VIRTIO_F_VERSION_1	 32
#define VIRTIO_F_RING_PACKED	 34

/* Offered only if the store can carry them out. */
static uint64_t range_features(const struct store *store)
{
	if (store->read_only || store->discard_align == 0)
		return 0;
	return 1ull << VIRTIO_BLK_F_DISCARD | 1ull << VIRTIO_BLK_F_WRITE_ZEROES;
}

/*
 * CONFIG_WCE is not offered.  A driver that turns the cache off by it asks for
 * no flush from then on, but the front-end does not repeat what it has set: not
 * to a server that was started again, nor to the one that a machine migrates to
 * (QEMU 7.2).  That server would take the cache for on.  A driver without
 * CONFIG_WCE takes it for on as well, and flushes (VIRTIO 1.2, 5.2.6.2).
 */
uint64_t device_features(const struct device_policy *policy)
{
	uint64_t features =
		1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_F_INDIRECT_DESC |
		1ull << VIRTIO_F_EVENT_IDX | 1ull << VIRTIO_F_RING_PACKED |
		1ull << VIRTIO_BLK_F_SEG_MAX | 1ull << VIRTIO_BLK_F_BLK_SIZE |
		1ull << VIRTIO_BLK_F_FLUSH | 1ull << VIRTIO_F_NOTIFY_ON_EMPTY |
		1ull << VIRTIO_BLK_F_TOPOLOGY | 1ull << VIRTIO_BLK_F_GEOMETRY |
		range_features(policy->store);

	if (policy->queues_max > 1)
		features |= 1ull << VIRTIO_BLK_F_MQ;
	if (policy->store->read_only)
		features |= 1ull << VIRTIO_BLK_F_RO;
	return features;
}

bool device_notifies_on_empty(const struct device *device)
{
	return device->features >> VIRTIO_F_NOTIFY_ON_EMPTY & 1;
}

bool device_event_index(const struct device *device)
{
	return device->features >> VIRTIO_F_EVENT_IDX & 1;
}

/* Fits the field, or is not told. */
static uint32_t at_most(uint32_t value, uint32_t most)
{
	return value <= most ? value : 0;
}

/* 5.2.4: in logical blocks. */
static void set_topology(struct vblk_device *device, const struct store *store)
{
	const struct store_topology *topology = &store->topology;
	uint32_t block = store->block_size;
	uint8_t exponent = 0;

	while (exponent < 31 && block << exponent < topology->physical_block)
		exponent++;
	device->physical_block_exp = exponent;
	device->alignment_offset =
		(uint8_t)at_most(topology->alignment / block, UINT8_MAX);
	device->min_io_size =
		(uint16_t)at_most(topology->min_io / block, UINT16_MAX);
	device->opt_io_size = topology->opt_io / block;
}

/* The device as a driver that accepted these features sees it. */
static struct vblk_device device_with(const struct device *device,
				      uint64_t features)
{
	const struct store *store = device->policy->store;
	struct vblk_device block = {
		.capacity = store_capacity(store) / VIRTIO_BLK_SECTOR,
		.blk_size = store->block_size,
		.queues = (uint16_t)device->queue_count,
		.read_only = store->read_only,
		.writeback = true,
		.discard = features >> VIRTIO_BLK_F_DISCARD & 1,
		.write_zeroes = features >> VIRTIO_BLK_F_WRITE_ZEROES & 1,
		.may_unmap = true,
		.discard_alignment = store->discard_align / VIRTIO_BLK_SECTOR,
	};

	return block;
}

bool device_packed(const struct device *device)
{
	return device->features >> VIRTIO_F_RING_PACKED & 1;
}

struct vblk_device device_of(const struct device *device)
{
	return device_with(device, device->features);
}

void device_config(const struct device *device,
		   struct virtio_blk_config *config)
{
	struct vblk_device block =
		device_with(device, device_features(device->policy));

	set_topology(&block, device->policy->store);
	memset(config, 0, sizeof(*config));
	vblk_config(&block, config);
}

/* VIRTIO 1.2, 5.2.6.2: a driver that did not accept FLUSH cannot ask for
 * durability later, so its writes must be durable when they complete. */
bool device_writes_through(const struct device *device)
{
	return !(device->features >> VIRTIO_BLK_F_FLUSH & 1);
}
