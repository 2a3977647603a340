// SPDX-License-Identifier: MIT
#include "store/file/ways.h"

#include <errno.h>
#include <linux/falloc.h>
#include <sys/ioctl.h>

#include "store/file/window.h"

/* For a file in memory, in bytes. */
#define RANGE_PIECE (16u << 20)

static enum range_way choose_way(const struct file_store *file,
				 const struct store_io *io,
				 const struct store_range *range,
				 uint32_t lacks)
{
	bool discard = io->kind == STORE_DISCARD;

	if (discard && file->block_device && !(lacks & WAY_DISCARD))
		return WAY_DISCARD;
	if ((discard || range->unmap) && !(lacks & WAY_PUNCH))
		return WAY_PUNCH;
	if (discard)
		return WAY_NOTHING;
	return lacks & WAY_ZERO ? WAY_WRITE : WAY_ZERO;
}

uint64_t way_piece(const struct file_lane *lane, const struct file_slot *slot)
{
	uint64_t left = slot->io->ranges[slot->span].size - slot->span_done;

	if (lane->file->manner == FILE_MEMORY && left > RANGE_PIECE)
		return RANGE_PIECE;
	return left;
}

/* BLKDISCARD without a thread of our own, for Linux from 6.12 on; others refuse
 * it.  The number is that of linux/blkdev.h, which came with it. */
#define CMD_DISCARD _IO(0x12, 0)

static void prep_discard(struct io_uring_sqe *sqe, int fd, uint64_t offset,
			 uint64_t size)
{
	io_uring_prep_rw(IORING_OP_URING_CMD, sqe, fd, NULL, 0, 0);
	sqe->cmd_op = CMD_DISCARD;
	sqe->addr = offset;
	sqe->addr3 = size;
}

void way_prep(struct io_uring_sqe *sqe, struct file_lane *lane,
	      struct file_slot *slot)
{
	const struct store_range *range = &slot->io->ranges[slot->span];
	uint64_t offset = range->offset + slot->span_done;
	uint64_t left = way_piece(lane, slot);
	int fd = lane->file->fd;

	slot->way = choose_way(lane->file, slot->io, range,
			       lane->lacks | slot->lacks);
	switch (slot->way) {
	case WAY_DISCARD:
		prep_discard(sqe, fd, offset, left);
		break;
	case WAY_PUNCH:
		io_uring_prep_fallocate(
			sqe, fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			(off_t)offset, (off_t)left);
		break;
	case WAY_ZERO:
		io_uring_prep_fallocate(
			sqe, fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
			(off_t)offset, (off_t)left);
		break;
	case WAY_WRITE:
		window_prep(sqe, lane, slot);
		break;
	case WAY_NOTHING:
		io_uring_prep_nop(sqe);
		break;
	}
}

/* Some errors are about the file, others about this range only: a block device
 * has larger sectors, or somebody else has it to himself just now. */
bool way_detours(struct file_lane *lane, struct file_slot *slot, int32_t got)
{
	if (got >= 0 || slot->cancelled || slot->way == WAY_WRITE ||
	    slot->way == WAY_NOTHING)
		return false;
	if (got == -EOPNOTSUPP || got == -ENOSYS || got == -ENODEV ||
	    got == -ENOTTY)
		lane->lacks |= slot->way;
	else
		slot->lacks |= slot->way;
	return true;
}
