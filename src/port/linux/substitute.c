// SPDX-License-Identifier: MIT
#include "linux.h"

#include <sys/mman.h>
#include <sys/stat.h>

/*
 * Puts empty pages in the place of lost ones, from inside the fault handler.
 *
 * A truncated file loses its tail, and the tail is replaced by one mapping.  A
 * page at a time would cost one fault each, and would let the client choose
 * when the process runs out of mappings.  The replaced tail starts at
 * region_own.lost.  A thread claims a longer tail with one compare-and-swap and
 * maps only the part that is new.  A thread that finds its page already claimed
 * retries its access.  So a second replacement never wipes what a thread has
 * stored in a replaced page.
 *
 * A single page can be lost as well (no huge page left, failed memory, a disk
 * error).  Eight of these are replaced; with more, transactions are abandoned.
 * If a tail that holds such pages is lost later, their replacements stay as
 * they are, because they may hold stores.  A thread that claims a single page
 * looks at region_own.lost afterwards, and a thread that moves region_own.lost
 * looks at the claimed single pages afterwards.  So at least one of them sees
 * the other, and one compare-and-swap decides which of them maps the page.
 */
#define SINGLE_MAX                                                             \
	(sizeof(((struct region_own *)0)->singles) / sizeof(uint64_t))

/* An anonymous mapping that is no larger than this is made in its place. */
#define IN_PLACE_MAX (1u << 20)

#define EMPTY (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)

/*
 * Under mlockall(MCL_FUTURE) the kernel makes all pages of a new mapping at
 * once, some 0.5 ms a MiB; here it would do so in the fault handler.  It makes
 * none where no access is allowed.  So the mapping is made elsewhere without
 * rights, is unlocked, gets its rights, and is moved into place in one step.
 */
static bool move_in(void *at, uint64_t size, int prot)
{
	void *aside = mmap(NULL, size, PROT_NONE, EMPTY, -1, 0);

	if (aside == MAP_FAILED)
		return false;
	if (munlock(aside, size) == 0 && mprotect(aside, size, prot) == 0 &&
	    mremap(aside, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, at) !=
		    MAP_FAILED)
		return true;
	munmap(aside, size);
	return false;
}

/* Where addresses are short or a filter refuses the other way, all at once is
 * better than nothing. */
static bool map_empty(void *at, uint64_t size, int prot)
{
	if (size > IN_PLACE_MAX && move_in(at, size, prot))
		return true;
	return mmap(at, size, prot, EMPTY | MAP_FIXED, -1, 0) != MAP_FAILED;
}

static enum prec_cover cover(struct prec_region *region, uint64_t from,
			     uint64_t to, struct prec_note *note)
{
	void *at = (void *)(uintptr_t)(region->span.host + from);

	region_mark(region, REGION_SUBSTITUTED);
	region_move_epoch(region);
	if (!map_empty(at, to - from, (int)own(region)->prot)) {
		region_mark(region, REGION_UNCOVERABLE);
		return COVER_FAILED;
	}
	prec_note_replaced(note, region->span.host + from, to - from);
	return COVER_DONE;
}

/* Each of region_own.singles is 0, or the offset of a page and its state. */
#define CLAIMED	 1u /* the thread that claimed it maps it */
#define GIVEN_UP 2u /* the tail reached it first and maps it */
#define LEFT_OUT 3u /* the thread that claimed it maps it, not the tail */
#define FATE	 3ull

static bool swap(uint64_t *at, uint64_t from, uint64_t to)
{
	return __atomic_compare_exchange_n(at, &from, to, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static enum prec_cover cover_claimed(struct prec_region *region, uint64_t *slot,
				     uint64_t page, struct prec_note *note)
{
	if (__atomic_load_n(&own(region)->lost, __ATOMIC_SEQ_CST) <= page &&
	    swap(slot, page | CLAIMED, page | GIVEN_UP))
		return COVER_ALREADY;
	return cover(region, page, page + region->page_size, note);
}

static enum prec_cover cover_single(struct prec_region *region, uint64_t page,
				    struct prec_note *note)
{
	uint32_t i;

	for (i = 0; i < SINGLE_MAX; i++) {
		uint64_t *slot = &own(region)->singles[i];

		if (swap(slot, 0, page | CLAIMED))
			return cover_claimed(region, slot, page, note);
		if ((__atomic_load_n(slot, __ATOMIC_ACQUIRE) & ~FATE) == page)
			return COVER_ALREADY;
	}
	return COVER_FAILED;
}

/* Does a tail that covers this page leave it out? */
static bool left_out(uint64_t *slot)
{
	uint64_t value = __atomic_load_n(slot, __ATOMIC_SEQ_CST);

	if ((value & FATE) == CLAIMED && swap(slot, value, value | LEFT_OUT))
		return true;
	return (__atomic_load_n(slot, __ATOMIC_SEQ_CST) & FATE) == LEFT_OUT;
}

/* The first page at or after `from` that is left out, or `to`. */
static uint64_t next_left_out(struct prec_region *region, uint64_t from,
			      uint64_t to)
{
	uint32_t i;

	for (i = 0; i < SINGLE_MAX; i++) {
		uint64_t value = __atomic_load_n(&own(region)->singles[i],
						 __ATOMIC_SEQ_CST);
		uint64_t page = value & ~FATE;

		if (value && from <= page && page < to &&
		    left_out(&own(region)->singles[i]))
			to = page;
	}
	return to;
}

static enum prec_cover cover_tail(struct prec_region *region, uint64_t from,
				  uint64_t to, struct prec_note *note)
{
	enum prec_cover result = COVER_DONE;

	while (from < to && result == COVER_DONE) {
		uint64_t next = next_left_out(region, from, to);

		if (from < next)
			result = cover(region, from, next, note);
		from = next + region->page_size;
	}
	return result;
}

/* The end of the pages that the file has now, as an offset in the region.  A
 * withdrawn region has none.  If the file is not known, it ends where a page is
 * lost. */
static uint64_t kept(const struct prec_region *region, uint64_t lost)
{
	uint64_t page = region->page_size;
	struct stat file;
	uint64_t size;

	if (region_flags(region) & REGION_WITHDRAWN)
		return 0;
	if (own(region)->file == PREC_NONE)
		return lost;
	if (!prec_file_is_there(own(region)->file, &file) ||
	    (uint64_t)file.st_size <= own(region)->file_offset)
		return 0;
	size = (uint64_t)file.st_size - own(region)->file_offset;
	if (size >= own(region)->mapped)
		return own(region)->mapped;
	return (size + page - 1) / page * page;
}

static enum prec_cover substitute(struct prec_region *region, uint64_t offset,
				  enum prec_fault_kind kind,
				  struct prec_note *note)
{
	bool gives_up = !(region_flags(region) & REGION_TOLERATES);
	uint64_t page = offset - offset % region->page_size;
	uint64_t end = __atomic_load_n(&own(region)->lost, __ATOMIC_ACQUIRE);
	uint64_t from;

	if (region_flags(region) & REGION_UNCOVERABLE)
		return COVER_FAILED;
	/* In a tail that is already replaced, the memory that failed is our
	 * own, and what was stored in it is lost. */
	if (kind == PREC_FAULT_POISONED && page >= end)
		return COVER_FAILED;
	from = kind == PREC_FAULT_POISONED ? end : kept(region, page);
	do {
		if (page >= end)
			return COVER_ALREADY;
		if (page < from) {
			enum prec_cover single =
				cover_single(region, page, note);

			if (gives_up || single != COVER_FAILED)
				return single;
			from = page; /* no more single pages: all from here */
		}
	} while (!__atomic_compare_exchange_n(&own(region)->lost, &end, from,
					      false, __ATOMIC_SEQ_CST,
					      __ATOMIC_ACQUIRE));
	return cover_tail(region, from, end, note);
}

enum prec_cover prec_substitute(struct prec_region *region, uint64_t offset,
				enum prec_fault_kind kind,
				struct prec_note *note)
{
	uint32_t *covering = &own(region)->covering;
	enum prec_cover result = COVER_HEALING;

	__atomic_add_fetch(covering, 1, __ATOMIC_SEQ_CST);
	if (!(__atomic_load_n(&region->flags, __ATOMIC_SEQ_CST) &
	      REGION_HEALING))
		result = substitute(region, offset, kind, note);
	__atomic_sub_fetch(covering, 1, __ATOMIC_SEQ_CST);
	return result;
}
