// SPDX-License-Identifier: MIT
#include <string.h>

#include "vhost/connection.h"
#include "store/store.h"

/* VIRTIO 1.2, clause 6: features that are not of one device. */
#define VIRTIO_F_NOTIFY_ON_EMPTY 24 /* 6.3, for drivers of old */
#define VIRTIO_F_INDIRECT_DESC	 28
#define VIRTIO_F_EVENT_IDX	 29
#define VIRTIO_F_VERSION_1	 32
#define VIRTIO_F_RING_PACKED	 34

/* Is there any use in asking the store for these? */
static uint64_t range_features(const struct store *store)
{
	if (store->read_only || store->discard_align == 0)
		return 0;
	return 1ull << VIRTIO_BLK_F_DISCARD | 1ull << VIRTIO_BLK_F_WRITE_ZEROES;
}

uint64_t vhost_device_features(const struct vhost_export *export)
{
	uint64_t features =
		1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_F_INDIRECT_DESC |
		1ull << VIRTIO_F_EVENT_IDX | 1ull << VIRTIO_F_RING_PACKED |
		1ull << VHOST_F_PROTOCOL_FEATURES | 1ull << VHOST_F_LOG_ALL |
		1ull << VIRTIO_BLK_F_SEG_MAX | 1ull << VIRTIO_BLK_F_BLK_SIZE |
		1ull << VIRTIO_BLK_F_FLUSH | 1ull << VIRTIO_BLK_F_CONFIG_WCE |
		1ull << VIRTIO_F_NOTIFY_ON_EMPTY |
		1ull << VIRTIO_BLK_F_TOPOLOGY | 1ull << VIRTIO_BLK_F_GEOMETRY |
		range_features(export->store);

	if (export->queues_max > 1)
		features |= 1ull << VIRTIO_BLK_F_MQ;
	if (export->store->read_only)
		features |= 1ull << VIRTIO_BLK_F_RO;
	return features;
}

bool vhost_device_notifies_on_empty(const struct vhost_connection *connection)
{
	return connection->features >> VIRTIO_F_NOTIFY_ON_EMPTY & 1;
}

bool vhost_device_event_index(const struct vhost_connection *connection)
{
	return connection->features >> VIRTIO_F_EVENT_IDX & 1;
}

/* Smaller than the field, or not told. */
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

/* As it is for a driver that took these features. */
static struct vblk_device device_with(const struct vhost_connection *connection,
				      uint64_t features)
{
	const struct store *store = connection->export->store;
	struct vblk_device device = {
		.capacity = store_capacity(store) / VIRTIO_BLK_SECTOR,
		.blk_size = store->block_size,
		.queues = (uint16_t)connection->queue_count,
		.read_only = store->read_only,
		.writeback = connection->cache_mode != 0,
		.discard = features >> VIRTIO_BLK_F_DISCARD & 1,
		.write_zeroes = features >> VIRTIO_BLK_F_WRITE_ZEROES & 1,
		.may_unmap = true,
		.discard_alignment = store->discard_align / VIRTIO_BLK_SECTOR,
	};

	return device;
}

bool vhost_device_packed(const struct vhost_connection *connection)
{
	return connection->features >> VIRTIO_F_RING_PACKED & 1;
}

struct vblk_device vhost_device_of(const struct vhost_connection *connection)
{
	return device_with(connection, connection->features);
}

/* It is read before features are agreed on. */
void vhost_device_config(const struct vhost_connection *connection,
			 uint8_t bytes[VHOST_CONFIG_MAX])
{
	struct vblk_device device = device_with(
		connection, vhost_device_features(connection->export));
	struct virtio_blk_config config;

	set_topology(&device, connection->export->store);
	memset(&config, 0, sizeof(config));
	vblk_config(&device, &config);
	memset(bytes, 0, VHOST_CONFIG_MAX);
	memcpy(bytes, &config, VIRTIO_BLK_CONFIG_SIZE);
}

/*
 * VIRTIO 1.2, 5.2.6.2: a driver that did not take FLUSH cannot ask for
 * durability later, so its writes must have it at once; nor may one that set
 * the cache to writethrough be left to hope.
 */
bool vhost_device_writes_through(const struct vhost_connection *connection)
{
	const uint64_t flush = 1ull << VIRTIO_BLK_F_FLUSH;
	const uint64_t wce = 1ull << VIRTIO_BLK_F_CONFIG_WCE;

	if (!(connection->features & flush))
		return true;
	return (connection->features & wce) && connection->cache_mode == 0;
}
