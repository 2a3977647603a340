// SPDX-License-Identifier: MIT
#include "store/file/file.h"

#include <errno.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <precarium/access.h>

#include "store/file/uring.h"

/*
 * One worker's lane to a file: a fixed number of slots, and the worker's
 * io_uring, which its lanes share.  The lane that finds a completion of another
 * lane keeps it for that one.
 *
 * A transfer is split into windows of at most SLOT_VECTORS pieces.  When the
 * kernel completes a window, the cursor of the transfer advances by the bytes
 * that moved, and the next window begins there.  So a short count and a
 * transfer of many pieces are the same case.  The transfer ends when all bytes
 * have moved, or with an error.
 *
 * The client chooses the alignment.  A window that O_DIRECT would refuse goes
 * through the page cache, by the other descriptor; the kernel keeps the two
 * coherent.
 *
 * Discards and zeroes go range by range, in the first of these ways that works:
 *
 *	discard	let a block device forget the blocks: for a discard only
 *	punch	free the blocks: for a discard, or for zeroes that may be freed
 *	zero	let the file system make the blocks zeroes and keep them
 *	write	write zeroes, in windows
 *	nothing	ignore a discard, which is a hint
 *
 * A block device supports punch and zero as well, in whole sectors.  What a way
 * fails with does not matter: a discard cannot fail, and zeroes fail only as
 * the write of them does.
 *
 * Durable transfers are synced when all their bytes have moved, apart from the
 * write: of one that does both, an error would not say which part failed.  One
 * sync is for all that wait for one, and no two of a file overlap (sync.h).
 *
 * If the file is memory, the worker copies the bytes itself: a thread of the
 * kernel would do the same, and would have to be woken first.  Windows are
 * small there, because all clients of the lane take turns.  Ranges are small
 * too: writers to the file wait while the kernel works on one.
 */
enum {
	LANE_SLOTS = 128,
	SLOT_VECTORS = 64,
	/* EAGAIN and EINTR are transient, but not tried again for ever. */
	RETRIES_MAX = 64,
	ZEROES_SIZE = 65536,
	/* Entries that are submitted together: the disk works on them while
	 * the next ones are prepared. */
	ENTRIES_AT_ONCE = 8,
	/* For a file in memory, in bytes. */
	COPY_WINDOW = 65536,
	COPIES_A_TURN = 256 << 10,
	COPY_LEAST = 4096, /* a shorter copy counts as this much */
	RANGE_PIECE = 16 << 20,
};

/* How a range is discarded or made zeroes.  Bits, for `lacks`. */
enum range_way {
	WAY_PUNCH = 1,
	WAY_ZERO = 2,
	WAY_WRITE = 4,
	WAY_NOTHING = 8,
	WAY_DISCARD = 16,
};

struct file_slot {
	struct store_io *io;
	struct file_lane *lane;
	/* In the list of free slots, of copies, or of those that wait for a
	 * sync; or that the same sync is for as for the leader. */
	struct file_slot *next;
	int32_t synced; /* the result of that sync */
	/* In the list of those without an entry, or that were found completed,
	 * with this result. */
	struct file_slot *ring_next;
	int32_t found;
	uint64_t done;	    /* the cursor: bytes of the transfer that moved */
	uint64_t span_done; /* … of them, in span, or range, `span` */
	uint32_t span;
	uint32_t retries;
	enum range_way way;
	uint32_t lacks; /* ways that failed for this range */
	bool syncing;	/* all is written, and being made durable */
	bool direct;	/* the window went by O_DIRECT */
	bool no_direct; /* which was refused once, so not again */
	bool cancelled;
	struct iovec vectors[SLOT_VECTORS];
};

struct file_lane {
	struct store_lane lane;
	struct file_store *file;
	struct file_uring *uring;
	uint32_t lacks; /* ways that the file system does not support */
	struct file_slot *free;
	struct file_slot *copy; /* windows for the worker to copy, in turn */
	struct file_slot **copy_last;
	uint32_t copies;	     /* bytes to copy in this turn, still */
	struct file_slot *to_sync;   /* wait for the next sync */
	struct file_slot *leader;    /* whose sync is with the kernel */
	struct file_slot *synced;    /* have their result */
	struct file_slot *unsent;    /* found no entry free */
	struct file_slot *completed; /* found by other lanes */
	struct file_sync_place place;
	struct file_slot slots[LANE_SLOTS];
};

static uint8_t zeroes[ZEROES_SIZE]; /* never written */

static struct file_lane *file_lane(struct store_lane *lane)
{
	return (struct file_lane *)lane;
}

struct store_lane *file_lane_open(const struct store *store,
				  struct store_error *error)
{
	struct file_lane *lane = calloc(1, sizeof(*lane));

	if (!lane) {
		store_fail(error, "out of memory");
		return NULL;
	}
	lane->uring = file_uring_get(error);
	if (!lane->uring) {
		free(lane);
		return NULL;
	}
	lane->lane.store = store;
	lane->lane.fd = lane->uring->ring.ring_fd;
	/* One that was opened here, and is not constant. */
	lane->file = (struct file_store *)(uintptr_t)store;
	lane->copy_last = &lane->copy;
	for (uint32_t i = 0; i < LANE_SLOTS; i++) {
		lane->slots[i].lane = lane;
		lane->slots[i].next = lane->free;
		lane->free = &lane->slots[i];
	}
	return &lane->lane;
}

void file_lane_close(struct store_lane *lane)
{
	file_sync_leave(&file_lane(lane)->file->syncs, &file_lane(lane)->place);
	file_uring_put(file_lane(lane)->uring);
	free(lane);
}

/* Fill the vectors with the window at the cursor, of at most `most` bytes.  The
 * addresses come from checked spans, and only the kernel dereferences them.
 * Returns the number of vectors. */
static uint32_t slot_fill_window(struct file_slot *slot, uint32_t align,
				 uint64_t most)
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
		if (count == SLOT_VECTORS || most == 0)
			break;
		size = size < most ? size : most;
		most -= size;
		slot->vectors[count].iov_base = (void *)(uintptr_t)host;
		slot->vectors[count].iov_len = size;
		count++;
		bits |= host | size;
	}
	slot->direct = !slot->no_direct && bits % align == 0;
	return count;
}

static uint64_t piece_size(const struct store_io *io, uint32_t i)
{
	return io->range_count ? io->ranges[i].size : io->spans[i].size;
}

static void slot_move(struct file_slot *slot, uint64_t moved)
{
	const struct store_io *io = slot->io;
	uint32_t count = io->range_count ? io->range_count : io->span_count;

	slot->done += moved;
	while (slot->span < count) {
		uint64_t left = piece_size(io, slot->span) - slot->span_done;

		if (moved < left) {
			slot->span_done += moved;
			return;
		}
		moved -= left;
		slot->span++;
		slot->span_done = 0;
		slot->lacks = 0;
	}
}

static void prep_fsync(struct io_uring_sqe *sqe, const struct file_store *file)
{
	io_uring_prep_fsync(sqe, file->fd, IORING_FSYNC_DATASYNC);
}

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

/* Fill the vectors with at most `size` bytes of zeroes.  Returns their
 * number. */
static uint32_t fill_zeroes(struct file_slot *slot, uint64_t size)
{
	uint32_t count = 0;

	while (size > 0 && count < SLOT_VECTORS) {
		uint64_t piece = size < ZEROES_SIZE ? size : ZEROES_SIZE;

		slot->vectors[count].iov_base = zeroes;
		slot->vectors[count].iov_len = piece;
		size -= piece;
		count++;
	}
	return count;
}

/* How many bytes of its range the next operation covers. */
static uint64_t range_piece(const struct file_lane *lane,
			    const struct file_slot *slot)
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

static void prep_range(struct io_uring_sqe *sqe, const struct file_lane *lane,
		       struct file_slot *slot)
{
	const struct store_range *range = &slot->io->ranges[slot->span];
	uint64_t offset = range->offset + slot->span_done;
	uint64_t left = range_piece(lane, slot);
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
		io_uring_prep_writev(sqe, fd, slot->vectors,
				     fill_zeroes(slot, left), offset);
		break;
	case WAY_NOTHING:
		io_uring_prep_nop(sqe);
		break;
	}
}

/* Choose the descriptor for the window that was filled. */
static int window_fd(const struct file_store *file, struct file_slot *slot)
{
	slot->direct = slot->direct && file->direct_fd >= 0;
	return slot->direct ? file->direct_fd : file->fd;
}

static void prep_window(struct io_uring_sqe *sqe, const struct file_lane *lane,
			struct file_slot *slot)
{
	const struct file_store *file = lane->file;
	const struct store_io *io = slot->io;
	uint32_t count = slot_fill_window(slot, file->align, io->size);
	int fd = window_fd(file, slot);

	if (io->kind == STORE_READ)
		io_uring_prep_readv(sqe, fd, slot->vectors, count,
				    io->offset + slot->done);
	else
		io_uring_prep_writev(sqe, fd, slot->vectors, count,
				     io->offset + slot->done);
}

static bool is_sync(const struct file_slot *slot)
{
	return slot->io->kind == STORE_FLUSH || slot->syncing;
}

static void queue_copy(struct file_lane *lane, struct file_slot *slot)
{
	slot->next = NULL;
	*lane->copy_last = slot;
	lane->copy_last = &slot->next;
}

static void prep_slot(struct io_uring_sqe *sqe, const struct file_lane *lane,
		      struct file_slot *slot)
{
	bool sync = is_sync(slot);

	if (sync)
		prep_fsync(sqe, lane->file);
	else if (slot->io->range_count)
		prep_range(sqe, lane, slot);
	else
		prep_window(sqe, lane, slot);
	io_uring_sqe_set_data(sqe, slot);
	/* The kernel never syncs inline, so a sync needs no flag. */
	if (lane->file->manner == FILE_WAITS && !sync)
		io_uring_sqe_set_flags(sqe, IOSQE_ASYNC);
}

static void send_slot(struct file_lane *lane, struct file_slot *slot)
{
	struct io_uring_sqe *sqe = file_uring_entry(lane->uring);

	if (!sqe) {
		slot->ring_next = lane->unsent;
		lane->unsent = slot;
		return;
	}
	prep_slot(sqe, lane, slot);
	if (io_uring_sq_ready(&lane->uring->ring) >= ENTRIES_AT_ONCE)
		file_uring_submit(lane->uring);
}

/* For its lane to find when that reaps. */
static void keep_completed(struct file_slot *slot, int32_t got)
{
	struct file_lane *lane = slot->lane;

	slot->found = got;
	slot->ring_next = lane->completed;
	lane->completed = slot;
	lane->uring->undelivered++;
}

/* False: the kernel takes no more just now. */
static bool send_all(struct file_lane *lane)
{
	struct file_slot *slot;

	while ((slot = lane->unsent)) {
		struct io_uring_sqe *sqe;

		if (slot->cancelled) {
			lane->unsent = slot->ring_next;
			keep_completed(slot, -ECANCELED);
			continue;
		}
		sqe = file_uring_entry(lane->uring);
		if (!sqe)
			return false;
		lane->unsent = slot->ring_next;
		prep_slot(sqe, lane, slot);
	}
	return file_uring_submit(lane->uring);
}

/* Sync for all that wait, if none of this lane is under way, and no other lane
 * is before it. */
static void begin_sync(struct file_lane *lane)
{
	struct file_sync_line *line = &lane->file->syncs;

	if (lane->leader)
		return;
	if (!lane->to_sync) {
		if (lane->place.in_line)
			file_sync_leave(line, &lane->place);
		return;
	}
	if (!file_sync_enter(line, &lane->place))
		return;
	lane->leader = lane->to_sync;
	lane->to_sync = NULL;
	send_slot(lane, lane->leader);
}

static void wait_for_sync(struct file_lane *lane, struct file_slot *slot)
{
	/* Again, after an error that was transient. */
	if (slot == lane->leader) {
		send_slot(lane, slot);
		return;
	}
	slot->next = lane->to_sync;
	lane->to_sync = slot;
	begin_sync(lane);
}

static void lane_queue(struct file_lane *lane, struct file_slot *slot)
{
	bool sync = is_sync(slot);
	bool ranges = slot->io->range_count && !sync;

	if (lane->file->manner == FILE_MEMORY && !ranges)
		queue_copy(lane, slot);
	else if (sync)
		wait_for_sync(lane, slot);
	else
		send_slot(lane, slot);
}

bool file_lane_add(struct store_lane *generic, struct store_io *io)
{
	struct file_lane *lane = file_lane(generic);
	struct file_slot *slot = lane->free;

	if (!slot)
		return false;
	lane->free = slot->next;
	slot->io = io;
	slot->done = 0;
	slot->span = 0;
	slot->span_done = 0;
	slot->retries = 0;
	slot->lacks = 0;
	slot->syncing = false;
	slot->no_direct = false;
	slot->cancelled = false;
	io->first_sync_failed = false;
	io->slot = slot;
	slot_move(slot, 0); /* skip empty pieces */
	lane_queue(lane, slot);
	return true;
}

enum store_left file_lane_start(struct store_lane *generic)
{
	struct file_lane *lane = file_lane(generic);

	lane->copies = COPIES_A_TURN;
	begin_sync(lane);
	/* Other lanes, with completions, may have had their turn before. */
	if (!send_all(lane) && !lane->copy && !lane->uring->undelivered)
		return STORE_NO_ROOM;
	if (lane->copy || lane->uring->undelivered)
		return STORE_MORE;
	/* Another lane syncs, and does not tell when it has. */
	return lane->to_sync && !lane->leader ? STORE_NO_ROOM : STORE_NOTHING;
}

/* End the transfer; a negative `got` is an errno. */
static bool slot_end(struct file_slot *slot, int32_t got)
{
	struct store_io *io = slot->io;

	io->result = prec_result_of_call(got < 0 ? -1 : 0, -got);
	io->result.done = slot->done;
	return true;
}

/* Handle the result of a window.  True: the transfer has ended. */
static bool window_ended(struct file_slot *slot, int32_t got)
{
	struct store_io *io = slot->io;

	if (got == -EINVAL && slot->direct) {
		slot->no_direct = true;
		return false;
	}
	if (got > 0) {
		slot_move(slot, (uint64_t)got);
		if (slot->cancelled && (io->durable || slot->done < io->size))
			return slot_end(slot, -ECANCELED);
		slot->syncing = io->durable && slot->done == io->size;
		if (slot->syncing || slot->done < io->size)
			return false;
		got = 0;
	} else if (got == 0 && slot->done < io->size) {
		got = -EIO; /* the image was truncated */
	}
	return slot_end(slot, got);
}

/* True: this way failed, and the next one may do.  Some errors are about the
 * file, others about this range only: a block device has larger sectors, or
 * somebody else has it to himself just now. */
static bool range_detours(struct file_lane *lane, struct file_slot *slot,
			  int32_t got)
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

/* Handle the result of a range.  True: the transfer has ended. */
static bool range_ended(struct file_lane *lane, struct file_slot *slot,
			int32_t got)
{
	struct store_io *io = slot->io;

	if (range_detours(lane, slot, got))
		return false;
	if (got < 0)
		return slot_end(slot, got);
	if (slot->way != WAY_WRITE)
		slot_move(slot, range_piece(lane, slot));
	else if (got > 0)
		slot_move(slot, (uint64_t)got);
	else
		return slot_end(slot, -EIO);
	if (slot->cancelled && (io->durable || slot->done < io->size))
		return slot_end(slot, -ECANCELED);
	slot->syncing = io->durable && slot->done == io->size;
	if (slot->syncing || slot->done < io->size)
		return false;
	return slot_end(slot, 0);
}

/* Try again what failed for a moment? */
static bool is_passing(struct file_slot *slot, int32_t got)
{
	return (got == -EAGAIN || got == -EINTR) && !slot->cancelled &&
	       slot->retries++ < RETRIES_MAX;
}

static bool slot_ended(struct file_lane *lane, struct file_slot *slot,
		       int32_t got)
{
	if (is_passing(slot, got))
		return false;
	return slot->io->range_count ? range_ended(lane, slot, got)
				     : window_ended(slot, got);
}

/* Once a sync has failed, none succeeds.  One that was cancelled has not
 * failed. */
static int32_t judge_sync(struct file_lane *lane, struct file_slot *slot,
			  int32_t got)
{
	struct store *store = &lane->file->store;
	bool ended = slot->cancelled && (got == -ECANCELED || got == -EINTR);
	int error;

	if (got < 0 && !ended)
		slot->io->first_sync_failed = store_sync_failed(store, -got);
	error = store_sync_error(store);
	return got >= 0 && error ? -error : got;
}

/* Handle the result of a sync, for all that it was for.  True: it is known. */
static bool sync_ended(struct file_lane *lane, struct file_slot *slot,
		       int32_t got)
{
	if (is_passing(slot, got))
		return false;
	got = judge_sync(lane, slot, got);
	/* If the file is memory there is no leader. */
	while (slot == lane->leader && slot->next) {
		struct file_slot *other = slot->next;

		slot->next = other->next;
		other->synced = got;
		other->next = lane->synced;
		lane->synced = other;
	}
	if (slot == lane->leader) {
		lane->leader = NULL;
		file_sync_leave(&lane->file->syncs, &lane->place);
		begin_sync(lane);
	}
	return slot_end(slot, got);
}

/* Copy the next window.  Returns what the ring would: bytes, or an errno. */
static int32_t copy_window(const struct file_lane *lane, struct file_slot *slot)
{
	const struct file_store *file = lane->file;
	const struct store_io *io = slot->io;
	off_t offset = (off_t)(io->offset + slot->done);
	ssize_t got;
	int count;

	if (is_sync(slot))
		return fdatasync(file->fd) < 0 ? -errno : 0;
	count = (int)slot_fill_window(slot, file->align, COPY_WINDOW);
	if (io->kind == STORE_READ)
		got = preadv(window_fd(file, slot), slot->vectors, count,
			     offset);
	else
		got = pwritev(window_fd(file, slot), slot->vectors, count,
			      offset);
	return got < 0 ? -errno : (int32_t)got;
}

/* Queue the slot again for its next window or way, or free it.  True: the
 * transfer has ended, and the slot is free. */
static bool slot_answered(struct file_lane *lane, struct file_slot *slot,
			  int32_t got)
{
	bool ended = is_sync(slot) ? sync_ended(lane, slot, got)
				   : slot_ended(lane, slot, got);

	if (!ended) {
		lane_queue(lane, slot);
		return false;
	}
	slot->next = lane->free;
	lane->free = slot;
	return true;
}

/* Return one that shared a sync which has ended, or was cancelled before its
 * own; or NULL. */
static struct store_io *reap_synced(struct file_lane *lane)
{
	struct file_slot *slot = lane->synced;

	if (!slot)
		return NULL;
	lane->synced = slot->next;
	slot_end(slot, slot->synced);
	slot->next = lane->free;
	lane->free = slot;
	return slot->io;
}

/* Copy until a transfer ends, which is returned, or the turn is over: NULL. */
static struct store_io *copy_some(struct file_lane *lane)
{
	while (lane->copy && lane->copies > 0) {
		struct file_slot *slot = lane->copy;
		int32_t got = copy_window(lane, slot);
		uint32_t cost = got > COPY_LEAST ? (uint32_t)got : COPY_LEAST;

		lane->copies -= cost < lane->copies ? cost : lane->copies;
		lane->copy = slot->next;
		if (!lane->copy)
			lane->copy_last = &lane->copy;
		if (slot_answered(lane, slot, got))
			return slot->io;
	}
	return NULL;
}

/* The next completion of this lane, and its result.  NULL: there is none. */
static struct file_slot *next_completed(struct file_lane *lane, int32_t *got)
{
	struct file_uring *uring = lane->uring;
	struct file_slot *slot = lane->completed;
	struct io_uring_cqe *cqe;

	if (slot) {
		lane->completed = slot->ring_next;
		uring->undelivered--;
		*got = slot->found;
		return slot;
	}
	while (io_uring_peek_cqe(&uring->ring, &cqe) == 0) {
		slot = io_uring_cqe_get_data(cqe);
		*got = cqe->res;
		io_uring_cqe_seen(&uring->ring, cqe);
		if (slot && slot->lane == lane)
			return slot;
		/* No slot: the completion of a cancel. */
		if (slot)
			keep_completed(slot, *got);
	}
	return NULL;
}

struct store_io *file_lane_reap(struct store_lane *generic)
{
	struct file_lane *lane = file_lane(generic);
	struct store_io *io = reap_synced(lane);
	struct file_slot *slot;
	int32_t got;

	if (io)
		return io;
	while ((slot = next_completed(lane, &got))) {
		if (slot_answered(lane, slot, got))
			return slot->io;
	}
	return copy_some(lane);
}

static bool take_out(struct file_slot **list, const struct file_slot *slot)
{
	while (*list && *list != slot)
		list = &(*list)->next;
	if (!*list)
		return false;
	*list = slot->next;
	return true;
}

/* A sync uses nothing of the client: who no longer waits for it ends at once.
 * The leader stays, and ends its sync only if that is for nobody else.  True:
 * there is nothing more to do. */
static bool cancel_sync(struct file_lane *lane, struct file_slot *slot)
{
	if (slot == lane->leader)
		return slot->next != NULL;
	if (!take_out(&lane->to_sync, slot) &&
	    !(lane->leader && take_out(&lane->leader->next, slot)))
		return false;
	slot->synced = -ECANCELED;
	slot->next = lane->synced;
	lane->synced = slot;
	return true;
}

void file_lane_cancel(struct store_lane *generic, struct store_io *io)
{
	struct file_lane *lane = file_lane(generic);
	struct file_slot *slot = io->slot;
	struct io_uring_sqe *sqe;

	if (slot->cancelled)
		return;
	slot->cancelled = true;
	if (is_sync(slot) && cancel_sync(lane, slot))
		return;
	/* If no entry is free, the transfer just ends by itself. */
	sqe = file_uring_entry(lane->uring);
	if (!sqe)
		return;
	io_uring_prep_cancel(sqe, slot, 0);
	io_uring_sqe_set_data(sqe, NULL);
}
