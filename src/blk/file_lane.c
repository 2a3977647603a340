// SPDX-License-Identifier: MIT
#include "blk/file.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>

#include <precarium/access.h>

#include "blk/ring.h"

/*
 * One worker's lane to a file: an io_uring and a fixed number of slots.
 *
 * A transfer is cut into windows of at most SLOT_VECTORS pieces.  When the
 * kernel reports a window, the transfer's cursor moves by what really moved,
 * and the next window begins there: a short count and a transfer of many
 * pieces are the same case.  It ends when all has moved, or with an error.
 *
 * Alignment is the client's choice.  A window that O_DIRECT would not take
 * goes through the page cache by the second descriptor; the kernel keeps the
 * two coherent.
 */
enum {
	LANE_SLOTS = 128,
	SLOT_VECTORS = 64,
	/* EAGAIN and EINTR are the kernel's passing troubles: not for ever. */
	RETRIES_MAX = 64,
};

struct file_slot {
	struct store_io *io;
	struct file_slot *next_free;
	uint64_t done;	    /* the cursor: bytes of the transfer that moved */
	uint64_t span_done; /* … of them, in span `span` */
	uint32_t span;
	uint32_t retries;
	bool direct;	/* the window went past the page cache */
	bool no_direct; /* … which was refused once: no more for this one */
	bool cancelled;
	struct iovec vectors[SLOT_VECTORS];
};

struct file_lane {
	struct store_lane lane;
	const struct file_store *file;
	struct io_uring ring;
	struct file_slot *free;
	struct file_slot slots[LANE_SLOTS];
};

static struct file_lane *file_lane(struct store_lane *lane)
{
	return (struct file_lane *)lane;
}

struct store_lane *file_lane_open(const struct store *store,
				  struct store_error *error)
{
	struct file_lane *lane = calloc(1, sizeof(*lane));

	if (!lane) {
		snprintf(error->text, sizeof(error->text), "out of memory");
		return NULL;
	}
	/* A slot has one entry; as many again for their cancelling. */
	if (!blk_ring_open(&lane->ring, 2 * LANE_SLOTS, error)) {
		free(lane);
		return NULL;
	}
	lane->lane.store = store;
	lane->lane.fd = lane->ring.ring_fd;
	lane->file = (const struct file_store *)store;
	for (uint32_t i = 0; i < LANE_SLOTS; i++) {
		lane->slots[i].next_free = lane->free;
		lane->free = &lane->slots[i];
	}
	return &lane->lane;
}

void file_lane_close(struct store_lane *lane)
{
	io_uring_queue_exit(&file_lane(lane)->ring);
	free(lane);
}

/* The window from the cursor on.  The addresses are checked spans, and nobody
 * but the kernel follows them.  Gives the number of vectors. */
static uint32_t slot_fill_window(struct file_slot *slot, uint32_t align)
{
	const struct store_io *io = slot->io;
	uint64_t offset = io->offset + slot->done;
	uint64_t bits = offset;
	uint64_t skip = slot->span_done;
	uint32_t count = 0;

	for (uint32_t i = slot->span; i < io->span_count; i++) {
		uint64_t host = io->spans[i].host + skip;
		uint64_t size = io->spans[i].size - skip;

		skip = 0;
		if (size == 0)
			continue;
		if (count == SLOT_VECTORS)
			break;
		slot->vectors[count].iov_base = (void *)(uintptr_t)host;
		slot->vectors[count].iov_len = size;
		count++;
		bits |= host | size;
	}
	slot->direct = !slot->no_direct && bits % align == 0;
	return count;
}

static void slot_move(struct file_slot *slot, uint64_t moved)
{
	const struct store_io *io = slot->io;

	slot->done += moved;
	while (slot->span < io->span_count) {
		uint64_t left = io->spans[slot->span].size - slot->span_done;

		if (moved < left) {
			slot->span_done += moved;
			return;
		}
		moved -= left;
		slot->span++;
		slot->span_done = 0;
	}
}

static void lane_queue(struct file_lane *lane, struct file_slot *slot)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&lane->ring);
	const struct store_io *io = slot->io;
	const struct file_store *file = lane->file;
	uint32_t count;
	int fd;

	/* A slot has at most one entry waiting, and there are as many. */
	assert(sqe);
	if (io->kind == STORE_FLUSH) {
		io_uring_prep_fsync(sqe, file->fd, IORING_FSYNC_DATASYNC);
		io_uring_sqe_set_data(sqe, slot);
		return;
	}
	count = slot_fill_window(slot, file->align);
	slot->direct = slot->direct && file->direct_fd >= 0;
	fd = slot->direct ? file->direct_fd : file->fd;
	if (io->kind == STORE_READ)
		io_uring_prep_readv(sqe, fd, slot->vectors, count,
				    io->offset + slot->done);
	else
		io_uring_prep_writev2(sqe, fd, slot->vectors, count,
				      io->offset + slot->done,
				      io->durable ? RWF_DSYNC : 0);
	io_uring_sqe_set_data(sqe, slot);
}

bool file_lane_add(struct store_lane *generic, struct store_io *io)
{
	struct file_lane *lane = file_lane(generic);
	struct file_slot *slot = lane->free;

	if (!slot)
		return false;
	lane->free = slot->next_free;
	slot->io = io;
	slot->done = 0;
	slot->span = 0;
	slot->span_done = 0;
	slot->retries = 0;
	slot->no_direct = false;
	slot->cancelled = false;
	io->slot = slot;
	lane_queue(lane, slot);
	return true;
}

bool file_lane_start(struct store_lane *generic)
{
	struct file_lane *lane = file_lane(generic);

	while (io_uring_sq_ready(&lane->ring)) {
		int got = io_uring_submit(&lane->ring);

		if (got == -EINTR)
			continue;
		if (got <= 0)
			return false;
	}
	return true;
}

/* What the kernel said about a window.  True: the transfer has ended. */
static bool slot_ended(struct file_slot *slot, int32_t got)
{
	struct store_io *io = slot->io;
	bool passing = got == -EAGAIN || got == -EINTR;

	if (passing && !slot->cancelled && slot->retries++ < RETRIES_MAX)
		return false;
	if (got == -EINVAL && slot->direct) {
		slot->no_direct = true;
		return false;
	}
	if (got > 0) {
		slot_move(slot, (uint64_t)got);
		if (slot->done < io->size && !slot->cancelled)
			return false;
		got = slot->done < io->size ? -ECANCELED : 0;
	} else if (got == 0 && slot->done < io->size) {
		got = -EIO; /* the image has become shorter */
	}
	io->result = prec_result_of_call(got < 0 ? -1 : 0, -got);
	io->result.done = slot->done;
	return true;
}

struct store_io *file_lane_reap(struct store_lane *generic)
{
	struct file_lane *lane = file_lane(generic);
	struct io_uring_cqe *cqe;

	while (io_uring_peek_cqe(&lane->ring, &cqe) == 0) {
		struct file_slot *slot = io_uring_cqe_get_data(cqe);
		int32_t got = cqe->res;

		io_uring_cqe_seen(&lane->ring, cqe);
		if (!slot)
			continue; /* the answer to a cancel */
		if (!slot_ended(slot, got)) {
			lane_queue(lane, slot);
			continue;
		}
		slot->next_free = lane->free;
		lane->free = slot;
		return slot->io;
	}
	return NULL;
}

void file_lane_cancel(struct store_lane *generic, struct store_io *io)
{
	struct file_lane *lane = file_lane(generic);
	struct file_slot *slot = io->slot;
	struct io_uring_sqe *sqe;

	if (slot->cancelled)
		return;
	slot->cancelled = true;
	/* Without an entry it ends by itself: cancelling is a favour. */
	if (io_uring_sq_space_left(&lane->ring) <= LANE_SLOTS)
		return;
	sqe = io_uring_get_sqe(&lane->ring);
	io_uring_prep_cancel(sqe, slot, 0);
	io_uring_sqe_set_data(sqe, NULL);
}
