// SPDX-License-Identifier: MIT
/*
 * A device that walks a list of pages moves the bytes that were added, in their
 * order, and none beside them.  The device here knows its windows as a plain
 * list of pages; the pieces of a transfer are cut anywhere.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <precarium/pages.h>

#define PAGE	  PREC_DEVICE_PAGE
#define WINDOWS	  12u
#define PIECES	  16u
#define PIECE_MAX (40 * PAGE)
#define TRANSFERS 1000u /* of each size of block */
#define RUNS_MAX  4096u

/* Bytes that follow each other in this process. */
struct run {
	uint64_t at, size;
};

struct runs {
	uint32_t count;
	struct run run[RUNS_MAX];
};

static struct prec_space windows;
static uint64_t seed = 1;
static const char *subject = "edges";
static uint32_t turn;
static uint32_t direct, copied, refused, full; /* what has occurred */

static void fail(const char *what)
{
	printf("pages: %s %u: %s\n", subject, turn, what);
	exit(1);
}

static uint32_t below(uint32_t limit)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 32) % limit;
}

/* Windows of 1 to 300 pages; some touch in this process, some at the device. */
static void make_windows(void)
{
	uint64_t at = 0x7f0000000000;
	uint64_t device = 0x10000000;
	uint32_t i;

	memset(&windows, 0, sizeof(windows));
	for (i = 0; i < WINDOWS; i++) {
		uint64_t size = (1 + below(300)) * (uint64_t)PAGE;
		uint32_t rights = PREC_READ | PREC_WRITE;

		if (i % 4 == 3)
			rights = PREC_READ;
		if (prec_space_add(&windows, at, size, device, rights,
				   WINDOWS - i) != PREC_OK)
			fail("a window is refused");
		at += size + below(2) * PAGE;
		device += size + below(2) * PAGE;
	}
}

/* Where the device's address is in this process: page by page. */
static uint64_t process_address(const struct prec_pages *list, uint64_t device)
{
	uint32_t i, j;

	for (i = 0; i < windows.count; i++) {
		uint64_t size = windows.end[i] - windows.start[i];

		if (device < windows.host[i] ||
		    device - windows.host[i] >= size)
			continue;
		if ((windows.rights[i] & list->right) != list->right)
			fail("a device is told of memory without the right");
		for (j = 0; j < list->ranges; j++)
			if (list->range[j] == windows.slot[i])
				return windows.start[i] +
				       (device - windows.host[i]);
		fail("a range is not named");
	}
	fail("a device is told of what is no window's");
	return 0;
}

static void moved(struct runs *runs, uint64_t at, uint64_t size)
{
	struct run *last = &runs->run[runs->count - 1];

	if (runs->count > 0 && last->at + last->size == at) {
		last->size += size;
		return;
	}
	if (runs->count == RUNS_MAX)
		fail("too many runs");
	runs->run[runs->count++] = (struct run){ at, size };
}

/* NVMe base specification 2.0, 4.1.1. */
static void walk(const struct prec_pages *list, struct runs *runs)
{
	uint64_t left = list->bytes;
	uint32_t i;

	for (i = 0; i < list->count; i++) {
		uint64_t skip = list->entry[i] % PAGE;
		uint64_t size = PAGE - skip < left ? PAGE - skip : left;

		if (skip % 4 != 0 || (i > 0 && skip != 0))
			fail("an entry begins inside its page");
		if (size == 0)
			fail("an entry is not used");
		moved(runs, process_address(list, list->entry[i]), size);
		left -= size;
	}
	if (left != 0)
		fail("a device would read behind the list");
}

static void same(const struct runs *is, const struct runs *want)
{
	uint32_t i;

	if (is->count != want->count)
		fail("other bytes moved");
	for (i = 0; i < is->count; i++)
		if (is->run[i].at != want->run[i].at ||
		    is->run[i].size != want->run[i].size)
			fail("other bytes moved");
}

/* What is said of a piece, counted plainly. */
static enum prec_status answer(const struct prec_pages *list, uint64_t at,
			       uint64_t size)
{
	uint64_t end = list->offset + list->bytes;
	uint64_t first, last;
	uint32_t i, j;

	if (size == 0)
		return PREC_INVALID;
	for (i = 0; i < windows.count; i++)
		if (windows.start[i] <= at && at < windows.end[i])
			break;
	if (i == windows.count || size > windows.end[i] - at)
		return PREC_RANGE;
	if ((windows.rights[i] & list->right) != list->right)
		return PREC_RIGHTS;
	if (at % 4 != 0 || (list->count > 0 && (at % PAGE || end % PAGE)))
		return PREC_REFUSED;
	first = at / PAGE;
	last = (at + size - 1) / PAGE;
	if (list->count + (last - first + 1) > PREC_PAGES_MAX)
		return PREC_FULL;
	for (j = 0; j < list->ranges; j++)
		if (list->range[j] == windows.slot[i])
			return PREC_OK;
	return list->ranges == PREC_PAGES_RANGES ? PREC_FULL : PREC_OK;
}

static enum prec_status add(struct prec_pages *list, uint64_t at, uint64_t size)
{
	struct prec_pages before = *list;
	enum prec_status want = answer(list, at, size);
	enum prec_status is = prec_pages_add(list, &windows, at, size);

	if (is != want)
		fail("add says otherwise");
	if (is != PREC_OK && memcmp(list, &before, sizeof(before)) != 0)
		fail("a list was changed and refused");
	refused += is == PREC_REFUSED;
	full += is == PREC_FULL;
	return is;
}

/* Pieces that make whole blocks, cut at bytes, words, sectors, pages. */
static uint64_t cut_up(struct runs *pieces, uint64_t block)
{
	static const uint32_t units[] = { 1, 4, 512, PAGE };
	uint32_t unit = units[below(4)];
	uint32_t count = 1 + below(PIECES);
	uint64_t bytes = 0;
	uint32_t i;

	pieces->count = 0;
	for (i = 0; i < count; i++) {
		uint32_t w = below(windows.count);
		uint64_t room = windows.end[w] - windows.start[w];
		uint64_t at = below(4) ? below((uint32_t)(room / unit)) *
						 (uint64_t)unit
				       : 0;
		uint64_t size = 1 + below(below(3) ? 2 * PAGE : PIECE_MAX);

		size = (size + unit - 1) / unit * unit;
		if (size > room - at)
			size = room - at;
		if (i + 1 == count && (bytes + size) % block)
			size += block - (bytes + size) % block;
		if (size > room - at || windows.rights[w] == PREC_READ)
			continue;
		moved(pieces, windows.start[w] + at, size);
		bytes += size;
	}
	return bytes / block * block;
}

/* The part of the transfer at `from` that is in one piece, at most `size`. */
static struct run part_at(const struct runs *pieces, uint64_t from,
			  uint64_t size)
{
	uint32_t i;

	for (i = 0; from >= pieces->run[i].size; i++)
		from -= pieces->run[i].size;
	if (size > pieces->run[i].size - from)
		size = pieces->run[i].size - from;
	return (struct run){ pieces->run[i].at + from, size };
}

/* The longest command of whole blocks that begins at `from`; empty, if there is
 * none. */
static struct prec_pages command_at(const struct runs *pieces, uint64_t from,
				    uint64_t size, uint64_t block)
{
	struct prec_pages list, best;

	memset(&list, 0, sizeof(list));
	prec_pages_begin(&list, PREC_WRITE);
	best = list;
	while (list.bytes < size) {
		struct run part =
			part_at(pieces, from + list.bytes, size - list.bytes);

		if (below(3) || add(&list, part.at, part.size) != PREC_OK) {
			if (part.size > PAGE - part.at % PAGE)
				part.size = PAGE - part.at % PAGE;
			if (add(&list, part.at, part.size) != PREC_OK)
				break;
		}
		if (list.bytes % block == 0)
			best = list;
	}
	return best;
}

static void transfer(uint64_t block)
{
	static struct runs pieces, is, want;
	uint64_t size = cut_up(&pieces, block);
	uint64_t done = 0;
	uint64_t i;

	is.count = 0;
	want.count = 0;
	for (i = 0; i < size;) {
		struct run part = part_at(&pieces, i, size - i);

		moved(&want, part.at, part.size);
		i += part.size;
	}
	while (done < size) {
		struct prec_pages list =
			command_at(&pieces, done, size - done, block);

		if (list.count > 0)
			walk(&list, &is);
		direct += list.count > 0;
		copied += list.count == 0;
		/* what cannot be said is copied, a block at a time */
		for (i = 0; list.count == 0 && i < block;) {
			struct run part = part_at(&pieces, done + i, block - i);

			moved(&is, part.at, part.size);
			i += part.size;
		}
		done += list.count > 0 ? list.bytes : block;
	}
	same(&is, &want);
}

/* One window of 300 pages, and 12 of one. */
static void edge_windows(void)
{
	uint32_t i;

	memset(&windows, 0, sizeof(windows));
	for (i = 0; i < 13; i++)
		if (prec_space_add(&windows, 0x10000000ull * (i + 1),
				   (i ? 1 : 300) * (uint64_t)PAGE,
				   0x4000000ull * (i + 1), PREC_READ,
				   i) != PREC_OK)
			fail("a window is refused");
}

static void expect(uint64_t at, uint64_t size, enum prec_status want,
		   uint32_t entries)
{
	static struct runs is;
	struct prec_pages list;

	turn++;
	is.count = 0;
	memset(&list, 0x5a, sizeof(list));
	prec_pages_begin(&list, PREC_READ);
	if (add(&list, at, size) != want)
		fail("not as expected");
	if (list.count != entries)
		fail("another number of entries");
	if (want != PREC_OK)
		return;
	walk(&list, &is);
	if (is.count != 1 || is.run[0].at != at || is.run[0].size != size)
		fail("other bytes moved");
}

static void edges(void)
{
	const uint64_t one = 0x10000000; /* the first window */
	const uint64_t max = PREC_PAGES_MAX * (uint64_t)PAGE;
	struct prec_pages list;
	uint32_t i;

	edge_windows();
	expect(one, 1, PREC_OK, 1);
	expect(one, PAGE, PREC_OK, 1);
	expect(one, PAGE + 1, PREC_OK, 2);
	expect(one, 2 * PAGE + 1, PREC_OK, 3);
	expect(one + 4, PAGE, PREC_OK, 2);
	expect(one + PAGE - 4, 4, PREC_OK, 1);
	expect(one + PAGE - 4, 5, PREC_OK, 2);
	expect(one + 2, 4, PREC_REFUSED, 0);
	expect(one, max, PREC_OK, PREC_PAGES_MAX);
	expect(one, max + 1, PREC_FULL, 0);
	expect(one + 512, max - 512, PREC_OK, PREC_PAGES_MAX);
	expect(one + 512, max - 511, PREC_FULL, 0);
	expect(one + 299 * PAGE, PAGE, PREC_OK, 1);
	expect(one + 299 * PAGE, PAGE + 1, PREC_RANGE, 0);
	expect(one - 4, 8, PREC_RANGE, 0);
	expect(one, 0, PREC_INVALID, 0);
	expect(one, ~0ull, PREC_RANGE, 0);
	expect(~0ull - 3, 4, PREC_RANGE, 0);
	prec_pages_begin(&list, PREC_WRITE);
	if (add(&list, one, PAGE) != PREC_RIGHTS)
		fail("read-only memory is to be written");
	prec_pages_begin(&list, PREC_READ);
	for (i = 0; i < PREC_PAGES_RANGES; i++)
		if (add(&list, one * (i + 2), PAGE) != PREC_OK)
			fail("eight ranges are too many");
	if (add(&list, one * (i + 2), PAGE) != PREC_FULL)
		fail("a ninth range is not too many");
	if (add(&list, one * 2, PAGE) != PREC_OK)
		fail("a range is named twice");
	if (list.ranges != PREC_PAGES_RANGES)
		fail("a range is entered twice");
}

int main(void)
{
	static const uint64_t blocks[] = { 512, 4096 };
	uint32_t i;

	edges();
	for (i = 0; i < 2; i++) {
		subject = i ? "blocks of 4096" : "blocks of 512";
		for (turn = 0; turn < TRANSFERS; turn++) {
			if (turn % 50 == 0)
				make_windows();
			transfer(blocks[i]);
		}
	}
	printf("%u commands, %u blocks copied, %u refused, %u full\n", direct,
	       copied, refused, full);
	if (direct == 0 || copied == 0 || refused == 0 || full == 0)
		fail("something has never occurred");
	return 0;
}
