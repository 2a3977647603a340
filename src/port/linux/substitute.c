// SPDX-License-Identifier: MIT
#include "linux.h"

#include <sys/mman.h>
#include <sys/stat.h>

/*
 * Empty pages in the place of lost ones, from inside the fault handler.
 *
 * What a file loses by truncation is its tail, and the tail is replaced by one
 * mapping: a page at a time would cost a fault each and let the client choose
 * when the process runs out of mappings.  region->lost is where the replaced
 * tail starts.  A thread claims a longer tail with one compare-and-swap and
 * maps only the part that is new; a thread that finds its page claimed already
 * tries its access again.  So nobody's stores into a replaced page are wiped by
 * a second replacement.
 *
 * A page can also go alone (no huge page left, failed memory, a disk error);
 * these are counted, and beyond eight the region is abandoned.
 */
#define SINGLE_MAX                                                             \
	(sizeof(((struct prec_region *)0)->singles) / sizeof(uint64_t))

static enum prec_cover cover(struct prec_region *region, uint64_t from,
			     uint64_t to, struct prec_note *note)
{
	void *at = (void *)(uintptr_t)(region->span.host + from);

	region_mark(region, REGION_SUBSTITUTED);
	region_move_epoch(region);
	if (mmap(at, to - from, (int)region->prot,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1,
		 0) == MAP_FAILED) {
		region_mark(region, REGION_UNCOVERABLE);
		return COVER_FAILED;
	}
	if (note && !note->substituted) {
		note->substituted = true;
		note->lost_host = region->span.host + from;
		note->lost_size = to - from;
	}
	return COVER_DONE;
}

static enum prec_cover cover_single(struct prec_region *region, uint64_t page,
				    struct prec_note *note)
{
	uint32_t i;

	for (i = 0; i < SINGLE_MAX; i++) {
		uint64_t empty = 0;

		if (__atomic_compare_exchange_n(
			&region->singles[i], &empty, page + 1, false,
			__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
			return cover(region, page, page + region->page_size,
				     note);
		if (empty == page + 1)
			return COVER_ALREADY;
	}
	return COVER_FAILED;
}

/* Where the file's pages end now, as an offset in the region. */
static uint64_t kept(const struct prec_region *region)
{
	uint64_t page = region->page_size;
	struct stat file;
	uint64_t size;

	if (fstat(region->file, &file) != 0 ||
	    (uint64_t)file.st_size <= region->file_offset)
		return 0;
	size = (uint64_t)file.st_size - region->file_offset;
	if (size >= region->span.size)
		return region->span.size;
	return (size + page - 1) / page * page;
}

enum prec_cover prec_substitute(struct prec_region *region, uint64_t offset,
				enum prec_fault_kind kind,
				struct prec_note *note)
{
	uint64_t page = offset - offset % region->page_size;
	uint64_t end = __atomic_load_n(&region->lost, __ATOMIC_ACQUIRE);
	uint64_t from;

	if (region_flags(region) & (REGION_UNCOVERABLE | REGION_WITHDRAWN))
		return COVER_FAILED;
	if (kind == PREC_FAULT_POISONED)
		return cover_single(region, page, note);
	from = kept(region);
	do {
		if (page >= end)
			return COVER_ALREADY;
		if (page < from)
			return cover_single(region, page, note);
	} while (!__atomic_compare_exchange_n(&region->lost, &end, from, false,
					      __ATOMIC_ACQ_REL,
					      __ATOMIC_ACQUIRE));
	return cover(region, from, end, note);
}
