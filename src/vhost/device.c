// SPDX-License-Identifier: MIT
#include <string.h>

#include "vhost/connection.h"
#include "virtio/store.h"

/* VIRTIO 1.2, clause 6: features that are not of one device. */
#define VIRTIO_F_INDIRECT_DESC 28
#define VIRTIO_F_EVENT_IDX     29
#define VIRTIO_F_VERSION_1     32

uint64_t vhost_device_features(const struct vhost_export *export)
{
	uint64_t features =
		1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_F_INDIRECT_DESC |
		1ull << VIRTIO_F_EVENT_IDX | 1ull << VHOST_F_PROTOCOL_FEATURES |
		1ull << VHOST_F_LOG_ALL | 1ull << VIRTIO_BLK_F_SEG_MAX |
		1ull << VIRTIO_BLK_F_BLK_SIZE | 1ull << VIRTIO_BLK_F_FLUSH |
		1ull << VIRTIO_BLK_F_CONFIG_WCE;

	if (export->queues_max > 1)
		features |= 1ull << VIRTIO_BLK_F_MQ;
	if (export->store->read_only)
		features |= 1ull << VIRTIO_BLK_F_RO;
	return features;
}

bool vhost_device_event_index(const struct vhost_connection *connection)
{
	return connection->features >> VIRTIO_F_EVENT_IDX & 1;
}

struct vblk_device vhost_device_of(const struct vhost_connection *connection)
{
	const struct store *store = connection->export->store;

	return (struct vblk_device){
		.capacity = store->capacity / VIRTIO_BLK_SECTOR,
		.blk_size = store->block_size,
		.queues = (uint16_t)connection->queue_count,
		.read_only = store->read_only,
		.writeback = connection->cache_mode != 0,
	};
}

void vhost_device_config(const struct vhost_connection *connection,
			 uint8_t bytes[VHOST_CONFIG_MAX])
{
	const struct vblk_device device = vhost_device_of(connection);
	struct virtio_blk_config config;

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
