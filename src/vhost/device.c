// SPDX-License-Identifier: MIT
#include <string.h>

#include "vhost/connection.h"
#include "virtio/block.h"
#include "virtio/store.h"

/* VIRTIO 1.2, clause 6: features that are not of one device. */
#define VIRTIO_F_INDIRECT_DESC 28
#define VIRTIO_F_VERSION_1     32

/* Descriptors for data in one request.  As many as QEMU's default ring of 128
 * leaves beside header and status, as other back-ends say. */
#define SEGMENTS_MAX 126u

/* Longer ones are cut by the guest: one request shall not keep the others
 * waiting for long. */
#define SEGMENT_SIZE_MAX (1u << 20)

uint64_t vhost_device_features(const struct vhost_export *export)
{
	uint64_t features = 1ull << VIRTIO_F_VERSION_1 |
			    1ull << VIRTIO_F_INDIRECT_DESC |
			    1ull << VHOST_F_PROTOCOL_FEATURES |
			    1ull << VIRTIO_BLK_F_SIZE_MAX |
			    1ull << VIRTIO_BLK_F_SEG_MAX |
			    1ull << VIRTIO_BLK_F_BLK_SIZE |
			    1ull << VIRTIO_BLK_F_FLUSH |
			    1ull << VIRTIO_BLK_F_CONFIG_WCE;

	if (export->queues_max > 1)
		features |= 1ull << VIRTIO_BLK_F_MQ;
	if (export->store->read_only)
		features |= 1ull << VIRTIO_BLK_F_RO;
	return features;
}

_Static_assert(sizeof(struct virtio_blk_config) <= VHOST_CONFIG_MAX,
	       "the configuration fits a message");

void vhost_device_config(const struct vhost_connection *connection,
			 uint8_t bytes[VHOST_CONFIG_MAX])
{
	const struct vhost_export *export = connection->export;
	struct virtio_blk_config config;

	memset(&config, 0, sizeof(config));
	config.capacity = export->store->capacity / VIRTIO_BLK_SECTOR;
	config.size_max = SEGMENT_SIZE_MAX;
	config.seg_max = SEGMENTS_MAX;
	config.blk_size = export->store->block_size;
	config.writeback = connection->cache_mode;
	config.num_queues = (uint16_t)export->queues_max;
	memset(bytes, 0, VHOST_CONFIG_MAX);
	memcpy(bytes, &config, sizeof(config));
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
