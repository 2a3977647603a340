// SPDX-License-Identifier: MIT
#include "store/file/window.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <precarium/access.h>

#define ZEROES_SIZE 65536u
#define PAGE	    4096u
/* The worker copies so much at once. */
#define BUFFER_SIZE (128u << 10)

/* A window at most.  The kernel copies what is in the page cache while it takes
 * the entry, and looks up each page that a disk is to read or write. */
#define MOST_CACHED (256u << 10)
#define MOST_OTHERS (1u << 20)

/* Never written. */
static _Alignas(PAGE) uint8_t zeroes[ZEROES_SIZE];

static const struct store_range *range_of(const struct file_slot *slot)
{
	return &slot->io->ranges[slot->span];
}

static uint64_t cursor(const struct file_slot *slot)
{
	return slot->io->range_count ? range_of(slot)->offset + slot->span_done
				     : slot->io->offset + slot->done;
}

/* Bytes from the cursor on, as far as they are in one piece of the file. */
static uint64_t left(const struct file_slot *slot)
{
	return slot->io->range_count ? range_of(slot)->size - slot->span_done
				     : slot->io->size - slot->done;
}

static uint64_t piece_size(const struct store_io *io, uint32_t i)
{
	return io->range_count ? io->ranges[i].size : io->spans[i].size;
}

void window_advance(struct file_slot *slot, uint64_t moved)
{
	const struct store_io *io = slot->io;
	uint32_t count = io->range_count ? io->range_count : io->span_count;

	slot->done += moved;
	while (slot->span < count) {
		uint64_t rest = piece_size(io, slot->span) - slot->span_done;

		if (moved < rest) {
			slot->span_done += moved;
			return;
		}
		moved -= rest;
		slot->span++;
		slot->span_done = 0;
		slot->lacks = 0;
	}
}

/* The addresses come from checked spans, and only the kernel dereferences
 * them. */
uint32_t window_fill(struct file_slot *slot, uint64_t most)
{
	const struct store_io *io = slot->io;
	struct iovec *vectors = slot->window.vectors;
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
		vectors[count].iov_base = (void *)(uintptr_t)host;
		vectors[count].iov_len = size;
		count++;
	}
	return count;
}

/* Fill the vectors with at most `size` bytes of zeroes.  Returns their
 * number. */
static uint32_t fill_zeroes(struct file_slot *slot, uint64_t size)
{
	uint32_t count = 0;

	while (size > 0 && count < SLOT_VECTORS) {
		uint64_t piece = size < ZEROES_SIZE ? size : ZEROES_SIZE;

		slot->window.vectors[count].iov_base = zeroes;
		slot->window.vectors[count].iov_len = piece;
		size -= piece;
		count++;
	}
	return count;
}

static uint32_t fill_buffer(struct file_window *window)
{
	window->vectors[0].iov_base = window->buffer;
	window->vectors[0].iov_len = window->size;
	return 1;
}

/* Does O_DIRECT take these vectors at the cursor? */
static bool is_aligned(const struct file_store *file,
		       const struct file_slot *slot, uint32_t count)
{
	const struct iovec *vectors = slot->window.vectors;
	uint64_t bits = cursor(slot), places = 0;

	for (uint32_t i = 0; i < count; i++) {
		bits |= vectors[i].iov_len;
		places |= (uint64_t)(uintptr_t)vectors[i].iov_base;
	}
	return bits % file->align == 0 && places % file->memory_align == 0 &&
	       !slot->window.always;
}

static bool get_buffer(struct file_lane *lane, struct file_window *window)
{
	uint32_t align = lane->file->memory_align;

	if (!window->buffer && lane->buffer_count > 0)
		window->buffer = lane->buffers[--lane->buffer_count];
	if (!window->buffer)
		window->buffer =
			aligned_alloc(align > PAGE ? align : PAGE, BUFFER_SIZE);
	return window->buffer;
}

void window_release(struct file_lane *lane, struct file_slot *slot)
{
	uint8_t *buffer = slot->window.buffer;

	slot->window.buffer = NULL;
	if (buffer && lane->buffer_count < BUFFERS_KEPT)
		lane->buffers[lane->buffer_count++] = buffer;
	else
		free(buffer);
}

void window_close(struct file_lane *lane)
{
	while (lane->buffer_count > 0)
		free(lane->buffers[--lane->buffer_count]);
}

/* Copy `size` bytes between the buffer and the client's memory at the cursor,
 * or from zeroes.  Returns the bytes that were copied. */
static uint64_t copy(struct file_slot *slot, uint8_t *at, uint64_t size)
{
	const struct store_io *io = slot->io;
	uint64_t skip = slot->span_done, done = 0;

	if (io->range_count) {
		memset(at, 0, size);
		return size;
	}
	for (uint32_t i = slot->span; i < io->span_count && done < size; i++) {
		uint64_t most = io->spans[i].size - skip;
		struct prec_result one;

		most = most < size - done ? most : size - done;
		one = io->kind == STORE_READ
			      ? prec_copy_out(io->spans[i], skip, at + done,
					      most)
			      : prec_copy_in(at + done, io->spans[i], skip,
					     most);
		done += one.done;
		if (one.status != PREC_OK)
			break;
		skip = 0;
	}
	return done;
}

static uint8_t *at_cursor(const struct file_window *window)
{
	return window->buffer + window->skip;
}

/* Which blocks are next, and how much of them. */
static void place_buffer(const struct file_store *file, struct file_slot *slot)
{
	struct file_window *window = &slot->window;
	uint64_t offset = cursor(slot), rest = left(slot);
	uint32_t align = file->align;

	window->skip = (uint32_t)(offset % align);
	window->offset = offset - window->skip;
	if (window->skip == 0 && rest >= align) {
		rest = rest < BUFFER_SIZE ? rest : BUFFER_SIZE;
		window->part = (uint32_t)(rest - rest % align);
		window->size = window->part;
		return;
	}
	window->size = align;
	window->part = align - window->skip;
	if (rest < window->part)
		window->part = (uint32_t)rest;
}

/* The buffer was placed.  Returns 0, or the errno, negative. */
static int32_t begin_bounce(struct file_lane *lane, struct file_slot *slot)
{
	struct file_window *window = &slot->window;
	bool whole = window->part == window->size;

	if (!get_buffer(lane, window))
		return -ENOMEM;
	window->stage = WINDOW_BOUNCED;
	if (slot->io->kind == STORE_READ)
		return 0;
	if (!whole)
		window->stage = WINDOW_FILL;
	else if (copy(slot, at_cursor(window), window->part) < window->part)
		return -EFAULT; /* lost, as the kernel would say */
	return 0;
}

static void prep(struct io_uring_sqe *sqe, const struct file_lane *lane,
		 struct file_slot *slot, uint32_t count, uint64_t offset)
{
	struct file_window *window = &slot->window;
	int fd = window->direct ? lane->file->direct_fd : lane->file->fd;

	window->bytes = 0;
	for (uint32_t i = 0; i < count; i++)
		window->bytes += window->vectors[i].iov_len;

	if (slot->io->kind == STORE_READ || window->stage == WINDOW_FILL)
		io_uring_prep_readv(sqe, fd, window->vectors, count, offset);
	else
		io_uring_prep_writev(sqe, fd, window->vectors, count, offset);
}

static void prep_buffer(struct io_uring_sqe *sqe, const struct file_lane *lane,
			struct file_slot *slot)
{
	slot->window.direct = true;
	prep(sqe, lane, slot, fill_buffer(&slot->window), slot->window.offset);
}

static uint32_t fill_plain(const struct file_store *file,
			   struct file_slot *slot)
{
	bool cached = file->direct_fd < 0 && file->manner == FILE_REFUSES;
	uint64_t rest = cached ? MOST_CACHED : MOST_OTHERS;

	if (!slot->io->range_count)
		return window_fill(slot, rest);
	rest = rest < left(slot) ? rest : left(slot);
	if (file->direct_fd >= 0 && rest > file->align)
		rest -= rest % file->align;
	return fill_zeroes(slot, rest);
}

static void prep_plain(struct io_uring_sqe *sqe, const struct file_lane *lane,
		       struct file_slot *slot, uint64_t most)
{
	uint32_t count = slot->io->range_count ? fill_zeroes(slot, most)
					       : window_fill(slot, most);

	slot->window.direct = false;
	prep(sqe, lane, slot, count, cursor(slot));
}

/* What O_DIRECT does not take as it is. */
static void prep_bounced(struct io_uring_sqe *sqe, struct file_lane *lane,
			 struct file_slot *slot)
{
	struct file_window *window = &slot->window;

	place_buffer(lane->file, slot);
	if (window->offset + window->size > file_size(lane->file)) {
		prep_plain(sqe, lane, slot, window->part);
		return;
	}
	window->failed = begin_bounce(lane, slot);
	if (!window->failed) {
		prep_buffer(sqe, lane, slot);
		return;
	}
	window->stage = WINDOW_FAILED;
	io_uring_prep_nop(sqe);
}

void window_prep(struct io_uring_sqe *sqe, struct file_lane *lane,
		 struct file_slot *slot)
{
	struct file_window *window = &slot->window;
	uint32_t count;

	if (window->stage == WINDOW_MERGED) {
		prep_buffer(sqe, lane, slot);
		return;
	}
	window->stage = WINDOW_PLAIN;
	count = fill_plain(lane->file, slot);
	window->direct = lane->file->direct_fd >= 0;
	if (window->direct && !is_aligned(lane->file, slot, count))
		prep_bounced(sqe, lane, slot);
	else
		prep(sqe, lane, slot, count, cursor(slot));
}

/* A buffer was read or written.  Returns the bytes of the transfer in it. */
static int32_t take_buffer(struct file_slot *slot, int32_t got)
{
	struct file_window *window = &slot->window;
	uint64_t most, done;

	if (got <= 0)
		return got;
	most = (uint32_t)got > window->skip ? (uint32_t)got - window->skip : 0;
	most = most < window->part ? most : window->part;
	if (slot->io->kind != STORE_READ)
		return (int32_t)most;
	done = copy(slot, at_cursor(window), most);
	if (done == most)
		return (int32_t)most;
	window_advance(slot, done);
	return -EFAULT;
}

/* Blocks move as a whole, or not at all. */
static int32_t take_block(const struct file_window *window, int32_t got)
{
	if (got > 0 && (uint32_t)got < window->size)
		return -EIO;
	return got > 0 ? (int32_t)window->part : got;
}

bool window_take(struct file_slot *slot, int32_t *got)
{
	struct file_window *window = &slot->window;

	switch (window->stage) {
	case WINDOW_PLAIN:
		/* Nothing told what it takes, and it takes less than that. */
		if (*got != -EINVAL || !window->direct || window->always)
			return true;
		window->always = true;
		return false;
	case WINDOW_BOUNCED:
		*got = take_buffer(slot, *got);
		return true;
	case WINDOW_FILL:
		*got = take_block(window, *got);
		if (*got <= 0)
			return true;
		if (copy(slot, at_cursor(window), window->part) <
		    window->part) {
			*got = -EFAULT;
			return true;
		}
		window->stage = WINDOW_MERGED;
		return false;
	case WINDOW_MERGED:
		*got = take_block(window, *got);
		window->stage = WINDOW_PLAIN;
		return true;
	case WINDOW_FAILED:
		*got = window->failed;
		return true;
	}
	return true;
}

/* Whole blocks, from the first to the last that the transfer may change. */
static void note_blocks(const struct file_store *file, struct file_slot *slot)
{
	const struct store_io *io = slot->io;
	uint64_t start = io->offset, end = io->offset + io->size;
	uint64_t bits = start | end;

	if (io->range_count) {
		start = UINT64_MAX;
		end = 0;
		bits = 0;
	}
	for (uint32_t i = 0; i < io->range_count; i++) {
		const struct store_range *range = &io->ranges[i];
		uint64_t stop = range->offset + range->size;

		start = range->offset < start ? range->offset : start;
		end = stop > end ? stop : end;
		bits |= range->offset | stop;
	}
	slot->start = start - start % file->align;
	slot->end = end + (file->align - 1);
	slot->end -= slot->end % file->align;
	slot->merges = bits % file->align != 0;
}

static bool overlap(const struct file_slot *a, const struct file_slot *b)
{
	return (a->merges || b->merges) && a->start < b->end &&
	       b->start < a->end;
}

/* Must it wait for one that is under way, or that waits before it?  Where there
 * are COMPARED_MAX of either it waits without being compared. */
static bool collides(const struct file_lane *lane, const struct file_slot *slot)
{
	const struct file_slot *other;
	uint32_t before = 0;

	if (lane->merging == 0)
		return false;
	if (lane->under_way_count >= COMPARED_MAX)
		return true;
	TAILQ_FOREACH(other, &lane->waiting, noted)
	{
		if (other == slot)
			break;
		if (++before == COMPARED_MAX || overlap(slot, other))
			return true;
	}
	TAILQ_FOREACH(other, &lane->under_way, noted)
	{
		if (overlap(slot, other))
			return true;
	}
	return false;
}

static void join(struct file_lane *lane, struct file_slot *slot)
{
	slot->waits = false;
	TAILQ_INSERT_TAIL(&lane->under_way, slot, noted);
	lane->under_way_count++;
}

bool window_enter(struct file_lane *lane, struct file_slot *slot)
{
	const struct file_store *file = lane->file;

	if (file->direct_fd < 0 || file->align == STORE_SECTOR ||
	    slot->io->size == 0 || slot->io->kind == STORE_READ)
		return true;
	note_blocks(file, slot);
	lane->merging += slot->merges;
	slot->waits = collides(lane, slot);
	if (slot->waits)
		TAILQ_INSERT_TAIL(&lane->waiting, slot, noted);
	else
		join(lane, slot);
	return !slot->waits;
}

struct file_slot *window_enter_next(struct file_lane *lane)
{
	struct file_slot *slot;
	uint32_t before = 0;

	TAILQ_FOREACH(slot, &lane->waiting, noted)
	{
		if (!collides(lane, slot))
			break;
		if (++before == COMPARED_MAX)
			return NULL;
	}
	if (!slot)
		return NULL;
	TAILQ_REMOVE(&lane->waiting, slot, noted);
	join(lane, slot);
	return slot;
}

void window_leave(struct file_lane *lane, struct file_slot *slot)
{
	if (slot->end == 0)
		return;
	if (slot->waits) {
		TAILQ_REMOVE(&lane->waiting, slot, noted);
	} else {
		TAILQ_REMOVE(&lane->under_way, slot, noted);
		lane->under_way_count--;
	}
	lane->merging -= slot->merges;
	slot->end = 0;
	slot->merges = false;
	slot->waits = false;
}
