// SPDX-License-Identifier: MIT
#include "virtio/blk.h"

/*
 * The geometry that old firmware expects: 63 sectors a track, 16 heads, and at
 * most as many cylinders as an ATA disk.  Never larger than the capacity.
 */
/*@
  requires out: \valid(config);
  terminates \true;
  exits \false;
  assigns config->geometry;
  ensures inside: config->geometry.cylinders * config->geometry.heads *
    config->geometry.sectors <= capacity;
  ensures some: 0 < capacity ==> 0 < config->geometry.cylinders;
*/
static void set_geometry(struct virtio_blk_config *config, uint64_t capacity)
{
	uint64_t cylinders = capacity / 1008; /* of 16 times 63 */

	if (cylinders == 0) {
		config->geometry.cylinders = (uint16_t)capacity;
		config->geometry.heads = 1;
		config->geometry.sectors = 1;
		return;
	}
	config->geometry.cylinders =
		cylinders < 16383 ? (uint16_t)cylinders : 16383;
	config->geometry.heads = 16;
	config->geometry.sectors = 63;
}

void vblk_config(const struct vblk_device *d, struct virtio_blk_config *config)
{
	struct virtio_blk_config fill = { 0 };

	fill.capacity = d->capacity;
	fill.seg_max = VBLK_SEG_MAX;
	set_geometry(&fill, d->capacity);
	fill.blk_size = d->blk_size;
	fill.topology.physical_block_exp = d->physical_block_exp;
	fill.topology.alignment_offset = d->alignment_offset;
	fill.topology.min_io_size = d->min_io_size;
	fill.topology.opt_io_size = d->opt_io_size;
	fill.writeback = d->writeback;
	fill.num_queues = d->queues;
	if (d->discard) {
		fill.max_discard_sectors = VBLK_RANGE_SECTORS_MAX;
		fill.max_discard_seg = VBLK_RANGES_MAX;
		fill.discard_sector_alignment = d->discard_alignment;
	}
	if (d->write_zeroes) {
		fill.max_write_zeroes_sectors = VBLK_RANGE_SECTORS_MAX;
		fill.max_write_zeroes_seg = VBLK_RANGES_MAX;
		fill.write_zeroes_may_unmap = d->may_unmap;
	}
	*config = fill;
}
