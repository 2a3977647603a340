// SPDX-License-Identifier: MIT
#include "store/file/lane.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <precarium/access.h>

#include "store/file/ways.h"
#include "store/file/window.h"

/*
 * One worker's lane to a file: slots, one for each transfer, and the worker's
 * engine (io_uring, or threads), which its lanes share.  The lane that finds a
 * completion of another lane keeps it for that one.  How many transfers there
 * are is for those who add them to limit; slots that were used are kept.
 *
 * A transfer is split into windows of at most SLOT_VECTORS pieces.  When the
 * kernel completes a window, the cursor of the transfer advances by the bytes
 * that moved, and the next window begins there.  So a short count and a
 * transfer of many pieces are the same case.  The transfer ends when all bytes
 * have moved, or with an error.
 *
 * Windows are set up in window.c, discards and zeroes in ways.c.
 *
 * Durable transfers are synced when all their bytes have moved, apart from the
 * write: of one that does both, an error would not say which part failed.  One
 * sync is for all that wait for one, and no two of a file overlap (sync.h).
 *
 * What a client asks for may be gigabytes, and the kernel copies what is in the
 * page cache before io_uring_enter returns.  So windows are small, and so much
 * is submitted in a turn; the windows of other transfers come before the next
 * of this one.
 *
 * If the file is memory, the worker copies the bytes itself: a thread of the
 * kernel would do the same, and would have to be woken first.  Windows are
 * small there, because all clients of the lane take turns.  Ranges are small
 * too: writers to the file wait while the kernel works on one.
 */
enum {
	/* Interrupted calls are made again, but not for ever. */
	RETRIES_MAX = 64,
	/* A lack of memory is waited for, longer each time, and for so long
	 * before the transfer fails. */
	DELAY_MIN_MS = 2,
	DELAY_MAX_MS = 16,
	PATIENCE_MS = 30000,
	/* Entries that are submitted together: the disk works on them while
	 * the next ones are prepared. */
	ENTRIES_AT_ONCE = 8,
	/* For a file in memory, in bytes. */
	COPY_WINDOW = 65536,
	COPIES_A_TURN = 256 << 10,
	COPY_LEAST = 4096, /* a shorter copy counts as this much */
	/* To the kernel, in bytes, before other lanes and the clients have
	 * their turn. */
	SENDS_A_TURN = 512 << 10,
};

static struct file_lane *file_lane(struct store_lane *lane)
{
	return (struct file_lane *)lane;
}

static bool add_slots(struct file_lane *lane)
{
	struct file_slots *more = calloc(1, sizeof(*more));

	if (!more)
		return false;
	more->next = lane->slots;
	lane->slots = more;
	for (uint32_t i = 0; i < SLOTS_AT_ONCE; i++) {
		more->slots[i].lane = lane;
		more->slots[i].next = lane->free;
		lane->free = &more->slots[i];
	}
	return true;
}

static void free_lane(struct file_lane *lane)
{
	struct file_slots *slots;

	while (lane && (slots = lane->slots)) {
		lane->slots = slots->next;
		free(slots);
	}
	free(lane);
}

struct store_lane *file_lane_open(const struct store *store,
				  struct store_error *error)
{
	struct file_lane *lane = calloc(1, sizeof(*lane));

	/* One that has some needs no more to go on. */
	if (!lane || !add_slots(lane)) {
		store_fail(error, "out of memory");
		free_lane(lane);
		return NULL;
	}
	lane->engine = file_engine_get(error);
	if (!lane->engine) {
		free_lane(lane);
		return NULL;
	}
	lane->lane.store = store;
	lane->lane.fd = file_engine_fd(lane->engine);
	file_line_init(&lane->line);
	TAILQ_INIT(&lane->under_way);
	TAILQ_INIT(&lane->waiting);
	/* One that was opened here, and is not constant. */
	lane->file = (struct file_store *)(uintptr_t)store;
	lane->copy_last = &lane->copy;
	lane->unsent_last = &lane->unsent;
	lane->sends = SENDS_A_TURN;
	return &lane->lane;
}

void file_lane_close(struct store_lane *lane)
{
	window_close(file_lane(lane));
	file_sync_leave(&file_lane(lane)->file->syncs, &file_lane(lane)->place);
	file_engine_put(file_lane(lane)->engine, &file_lane(lane)->line);
	free_lane(file_lane(lane));
}

static void prep_fsync(struct io_uring_sqe *sqe, const struct file_store *file)
{
	io_uring_prep_fsync(sqe, file->fd, IORING_FSYNC_DATASYNC);
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

/* Nobody waits for the answer. */
static void read_ahead(struct file_lane *lane, const struct file_slot *slot)
{
	const struct store_io *io = slot->io;
	struct ahead_part part;
	struct io_uring_sqe *sqe;

	if (lane->file->manner != FILE_REFUSES || lane->file->direct_fd >= 0 ||
	    io->kind != STORE_READ)
		return;
	part = ahead_of(&lane->ahead, io->offset + slot->done,
			slot->window.bytes);
	if (!part.size)
		return;
	sqe = file_engine_entry(lane->engine, &lane->line);
	if (!sqe)
		return;
	io_uring_prep_fadvise(sqe, lane->file->fd, part.offset, part.size,
			      POSIX_FADV_WILLNEED);
	io_uring_sqe_set_data(sqe, NULL);
}

static void prep_slot(struct io_uring_sqe *sqe, struct file_lane *lane,
		      struct file_slot *slot)
{
	bool sync = is_sync(slot);
	uint64_t cost;

	slot->window.bytes = 0;
	if (sync)
		prep_fsync(sqe, lane->file);
	else if (slot->io->kind == STORE_REFRESH)
		io_uring_prep_fadvise(sqe, lane->file->fd, 0, 0,
				      POSIX_FADV_DONTNEED);
	else if (slot->io->range_count)
		way_prep(sqe, lane, slot);
	else
		window_prep(sqe, lane, slot);
	io_uring_sqe_set_data(sqe, slot);
	/* The kernel never syncs inline, so a sync needs no flag. */
	if (lane->file->manner == FILE_WAITS && !sync)
		io_uring_sqe_set_flags(sqe, IOSQE_ASYNC);
	cost = slot->window.bytes > COPY_LEAST ? slot->window.bytes
					       : COPY_LEAST;
	lane->sends -= cost < lane->sends ? (uint32_t)cost : lane->sends;
	read_ahead(lane, slot);
}

/* An entry for the next window, unless the turn is over or none is free. */
static struct io_uring_sqe *entry_for(struct file_lane *lane)
{
	return lane->sends > 0 ? file_engine_entry(lane->engine, &lane->line)
			       : NULL;
}

static void send_slot(struct file_lane *lane, struct file_slot *slot)
{
	struct io_uring_sqe *sqe = lane->unsent ? NULL : entry_for(lane);

	if (!sqe) {
		slot->ring_next = NULL;
		*lane->unsent_last = slot;
		lane->unsent_last = &slot->ring_next;
		return;
	}
	prep_slot(sqe, lane, slot);
	if (file_engine_filled(lane->engine) >= ENTRIES_AT_ONCE)
		file_engine_submit(lane->engine);
}

/* For its lane to find when that reaps. */
static void keep_completed(struct file_slot *slot, int32_t got)
{
	struct file_lane *lane = slot->lane;

	slot->found = got;
	slot->ring_next = lane->completed;
	lane->completed = slot;
	lane->engine->undelivered++;
}

static struct file_slot *take_unsent(struct file_lane *lane)
{
	struct file_slot *slot = lane->unsent;

	lane->unsent = slot->ring_next;
	if (!lane->unsent)
		lane->unsent_last = &lane->unsent;
	return slot;
}

/* False: the kernel takes no more just now. */
static bool send_all(struct file_lane *lane)
{
	while (lane->unsent) {
		struct io_uring_sqe *sqe;

		if (lane->unsent->cancelled) {
			keep_completed(take_unsent(lane), -ECANCELED);
			continue;
		}
		sqe = entry_for(lane);
		if (!sqe)
			break;
		prep_slot(sqe, lane, take_unsent(lane));
	}
	return file_engine_submit(lane->engine) &&
	       (!lane->unsent || lane->sends == 0);
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

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The kernel has no memory for it now. */
static void delay(struct file_lane *lane, struct file_slot *slot)
{
	slot->ring_next = lane->delayed;
	lane->delayed = slot;
}

/* Queue those again that have waited long enough.  One that is cancelled ends
 * instead. */
static void queue_delayed(struct file_lane *lane)
{
	struct file_slot *slot = lane->delayed;
	int64_t now = slot ? now_ms() : 0;

	lane->delayed = NULL;
	while (slot) {
		struct file_slot *next = slot->ring_next;

		if (slot->cancelled) {
			keep_completed(slot, -ECANCELED);
		} else if (now < slot->due_ms) {
			delay(lane, slot);
		} else {
			slot->due_ms = 0;
			lane_queue(lane, slot);
		}
		slot = next;
	}
}

bool file_lane_add(struct store_lane *generic, struct store_io *io)
{
	struct file_lane *lane = file_lane(generic);
	struct file_slot *slot;

	if (!lane->free && !add_slots(lane))
		return false;
	slot = lane->free;
	lane->free = slot->next;
	slot->io = io;
	slot->done = 0;
	slot->span = 0;
	slot->span_done = 0;
	slot->retries = 0;
	slot->lacking_ms = 0;
	slot->due_ms = 0;
	slot->delay_ms = 0;
	slot->lacks = 0;
	slot->syncing = false;
	slot->window.stage = WINDOW_PLAIN;
	slot->window.always = false;
	slot->cancelled = false;
	io->first_sync_failed = false;
	io->slot = slot;
	window_advance(slot, 0); /* skip empty pieces */
	if (window_enter(lane, slot))
		lane_queue(lane, slot);
	return true;
}

enum store_left file_lane_start(struct store_lane *generic)
{
	struct file_lane *lane = file_lane(generic);

	lane->copies = COPIES_A_TURN;
	lane->sends = SENDS_A_TURN;
	queue_delayed(lane);
	begin_sync(lane);
	/* Other lanes, with completions, may have had their turn before. */
	if (!send_all(lane) && !lane->copy && !lane->engine->undelivered)
		return STORE_NO_ROOM;
	if (lane->copy || lane->engine->undelivered || lane->unsent)
		return STORE_MORE;
	/* Another lane syncs, and does not tell when it has; nor does memory
	 * that becomes free. */
	if (lane->delayed || (lane->to_sync && !lane->leader))
		return STORE_NO_ROOM;
	return STORE_NOTHING;
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

	if (got > 0) {
		window_advance(slot, (uint64_t)got);
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

/* Handle the result of a range.  True: the transfer has ended. */
static bool range_ended(struct file_lane *lane, struct file_slot *slot,
			int32_t got)
{
	struct store_io *io = slot->io;

	if (way_detours(lane, slot, got))
		return false;
	if (got < 0)
		return slot_end(slot, got);
	if (slot->way != WAY_WRITE)
		window_advance(slot, way_piece(lane, slot));
	else if (got > 0)
		window_advance(slot, (uint64_t)got);
	else
		return slot_end(slot, -EIO);
	if (slot->cancelled && (io->durable || slot->done < io->size))
		return slot_end(slot, -ECANCELED);
	slot->syncing = io->durable && slot->done == io->size;
	if (slot->syncing || slot->done < io->size)
		return false;
	return slot_end(slot, 0);
}

/* The transfer lacks memory: wait for it?  False: it has waited too long. */
static bool has_patience(struct file_slot *slot)
{
	int64_t now = now_ms();

	if (!slot->lacking_ms)
		slot->lacking_ms = now;
	if (now - slot->lacking_ms >= PATIENCE_MS)
		return false;
	slot->delay_ms = slot->delay_ms ? 2 * slot->delay_ms : DELAY_MIN_MS;
	if (slot->delay_ms > DELAY_MAX_MS)
		slot->delay_ms = DELAY_MAX_MS;
	slot->due_ms = now + slot->delay_ms;
	return true;
}

/* Try again what failed for a moment?  At once, unless due_ms is set. */
static bool is_passing(struct file_slot *slot, int32_t got)
{
	if (slot->cancelled)
		return false;
	if (got == -EAGAIN || got == -ENOMEM)
		return has_patience(slot);
	if (got > 0) {
		slot->lacking_ms = 0;
		slot->delay_ms = 0;
	}
	return got == -EINTR && slot->retries++ < RETRIES_MAX;
}

static bool slot_ended(struct file_lane *lane, struct file_slot *slot,
		       int32_t got)
{
	bool ranges = slot->io->range_count;

	if (is_passing(slot, got))
		return false;
	if (slot->io->kind == STORE_REFRESH)
		return slot_end(slot, got);
	if ((!ranges || slot->way == WAY_WRITE) && !window_take(slot, &got)) {
		return slot->cancelled && slot_end(slot, -ECANCELED);
	}
	/* A window that could not be set up. */
	if (is_passing(slot, got))
		return false;
	return ranges ? range_ended(lane, slot, got) : window_ended(slot, got);
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
	const struct store_io *io = slot->io;
	const struct iovec *vectors = slot->window.vectors;
	off_t offset = (off_t)(io->offset + slot->done);
	int fd = lane->file->fd;
	ssize_t got;
	int count;

	if (is_sync(slot))
		return fdatasync(fd) < 0 ? -errno : 0;
	/* It is the cache. */
	if (io->kind == STORE_REFRESH)
		return 0;
	count = (int)window_fill(slot, COPY_WINDOW);
	if (io->kind == STORE_READ)
		got = preadv(fd, vectors, count, offset);
	else
		got = pwritev(fd, vectors, count, offset);
	return got < 0 ? -errno : (int32_t)got;
}

static void slot_free(struct file_lane *lane, struct file_slot *slot)
{
	struct file_slot *next;

	window_release(lane, slot);
	window_leave(lane, slot);
	slot->next = lane->free;
	lane->free = slot;
	while ((next = window_enter_next(lane)))
		lane_queue(lane, next);
}

/* Queue the slot again for its next window or way, or free it.  True: the
 * transfer has ended, and the slot is free. */
static bool slot_answered(struct file_lane *lane, struct file_slot *slot,
			  int32_t got)
{
	bool ended = is_sync(slot) ? sync_ended(lane, slot, got)
				   : slot_ended(lane, slot, got);

	if (!ended && slot->due_ms)
		delay(lane, slot);
	else if (!ended)
		lane_queue(lane, slot);
	if (!ended)
		return false;
	slot_free(lane, slot);
	return true;
}

/* Return one that shared a sync which has ended, or was cancelled before it
 * began; or NULL. */
static struct store_io *reap_synced(struct file_lane *lane)
{
	struct file_slot *slot = lane->synced;

	if (!slot)
		return NULL;
	lane->synced = slot->next;
	slot_end(slot, slot->synced);
	slot_free(lane, slot);
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
	struct file_engine *engine = lane->engine;
	struct file_slot *slot = lane->completed;
	void *data;

	if (slot) {
		lane->completed = slot->ring_next;
		engine->undelivered--;
		*got = slot->found;
		return slot;
	}
	while (file_engine_next(engine, &data, got)) {
		slot = data;
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

static void end_early(struct file_lane *lane, struct file_slot *slot)
{
	slot->synced = -ECANCELED;
	slot->next = lane->synced;
	lane->synced = slot;
}

static bool cancel_waiting(struct file_lane *lane, struct file_slot *slot)
{
	if (!slot->waits)
		return false;
	window_leave(lane, slot);
	end_early(lane, slot);
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
	end_early(lane, slot);
	return true;
}

void file_lane_cancel(struct store_lane *generic, struct store_io *io)
{
	struct file_lane *lane = file_lane(generic);
	struct file_slot *slot = io->slot;

	if (slot->cancelled)
		return;
	slot->cancelled = true;
	if (cancel_waiting(lane, slot) ||
	    (is_sync(slot) && cancel_sync(lane, slot)))
		return;
	file_engine_cancel(lane->engine, &lane->line, slot);
}
