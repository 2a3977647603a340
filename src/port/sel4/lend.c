// SPDX-License-Identifier: MIT
#include "lend.h"
#include "window.h"

#include <precarium/access.h>

static bool is_mapped(const struct prec_keeper *keeper,
		      const struct prec_region *region)
{
	for (uint32_t i = 0; i < PREC_KEEPER_REGIONS; i++)
		if (keeper->region[i] == region)
			return true;
	return false;
}

/* Are [first, first + count) slots that the keeper uses itself? */
static bool are_ours(const struct prec_keeper *keeper, uint64_t first,
		     uint64_t count)
{
	return first < keeper->slots + keeper->pages &&
	       keeper->slots < first + count;
}

static bool makes_sense(const struct prec_keeper *keeper,
			const struct prec_lending *lending)
{
	if (lending->size == 0 || lending->size % 4096 ||
	    lending->size > (uint64_t)PREC_KEEPER_PAGES * 4096 ||
	    lending->frames > UINT64_MAX - lending->size ||
	    lending->address > PREC_ADDRESS_MAX - lending->size)
		return false;
	if (!(lending->rights & PREC_READ) ||
	    lending->rights & ~(PREC_READ | PREC_WRITE) ||
	    lending->options & ~(uint32_t)PREC_TOLERATE || lending->reserved ||
	    lending->client >= PREC_KEEPER_CLIENTS)
		return false;
	return !are_ours(keeper, lending->frames, lending->size / 4096);
}

/* ---- mapping ------------------------------------------------------------- */

/* All its pages, or none. */
static enum window_lent lend_pages(struct prec_keeper *keeper, uint32_t first,
				   const struct prec_lending *lending)
{
	uint32_t pages = (uint32_t)(lending->size / 4096);
	enum window_lent lent = WINDOW_LENT;
	uint32_t i;

	for (i = 0; i < pages && lent == WINDOW_LENT; i++)
		lent = window_lend(keeper, first + i, lending->frames + i,
				   lending->rights & PREC_WRITE);
	if (lent == WINDOW_LENT)
		return lent;
	for (i--; i > 0; i--)
		window_clear(keeper, first + i - 1, PAGE_FREE);
	return lent;
}

static void enter(struct prec_keeper *keeper, struct prec_region *region,
		  uint32_t index, uint32_t first,
		  const struct prec_lending *lending)
{
	struct region_own *mine = own(region);
	uint32_t pages = (uint32_t)(lending->size / 4096);

	region->span.host = keeper->window + 4096 * (uint64_t)first;
	region->span.size = lending->size;
	region->span.address = lending->address;
	region->span.index = PREC_NONE;
	region->span.rights = lending->rights;
	region->page_size = 4096;
	region->flags = REGION_ADMITTING;
	if (lending->options & PREC_TOLERATE)
		region->flags |= REGION_TOLERATES;
	region->epoch = 0;
	mine->index = index;
	mine->first = first;
	mine->pages = pages;
	mine->client = lending->client;
	mine->refused = PREC_REFUSAL_NONE;
	for (uint32_t i = 0; i < pages; i++)
		keeper->window_book.owner[first + i] = (uint8_t)(index + 1);
	keeper->region[index] = region;
}

static enum prec_status refused(enum window_lent lent,
				enum prec_refusal *refusal)
{
	if (lent == WINDOW_IN_USE)
		return PREC_BUSY;
	*refusal = lent == WINDOW_NOT_SMALL ? PREC_REFUSAL_PAGE_SIZE
					    : PREC_REFUSAL_NOT_MEMORY;
	return PREC_REFUSED;
}

enum prec_status lend_map(struct prec_keeper *keeper,
			  struct prec_region *region,
			  const struct prec_lending *lending,
			  enum prec_refusal *refusal)
{
	enum window_lent lent;
	uint32_t index, first;

	if (!makes_sense(keeper, lending) || is_mapped(keeper, region))
		return PREC_INVALID;
	for (index = 0; index < PREC_KEEPER_REGIONS; index++)
		if (!keeper->region[index])
			break;
	first = window_find_room(keeper, (uint32_t)(lending->size / 4096));
	if (index == PREC_KEEPER_REGIONS || first == PREC_NONE)
		return PREC_FULL;
	lent = lend_pages(keeper, first, lending);
	if (lent != WINDOW_LENT)
		return refused(lent, refusal);
	enter(keeper, region, index, first, lending);
	return PREC_OK;
}

/* ---- taking back --------------------------------------------------------- */

static void clear_all(struct prec_keeper *keeper,
		      const struct prec_region *region, uint8_t state)
{
	const struct region_own *mine = own(region);

	for (uint32_t i = 0; i < mine->pages; i++)
		window_clear(keeper, mine->first + i, state);
}

enum prec_status lend_revoke(struct prec_keeper *keeper,
			     struct prec_region *region)
{
	if (!is_mapped(keeper, region))
		return PREC_INVALID;
	if (region_flags(region) & REGION_WITHDRAWN)
		return PREC_OK;
	region_mark(region, REGION_WITHDRAWN);
	region_move_epoch(region);
	clear_all(keeper, region, PAGE_VOID);
	return PREC_OK;
}

static bool has_open(const struct prec_keeper_thread *thread,
		     const struct prec_region *region)
{
	uint32_t count = __atomic_load_n(&thread->open_count, __ATOMIC_ACQUIRE);

	for (uint32_t i = 0; i < count; i++)
		if (__atomic_load_n(&thread->open[i], __ATOMIC_RELAXED) ==
		    region)
			return true;
	return false;
}

static bool is_open(const struct prec_keeper *keeper,
		    const struct prec_region *region)
{
	for (uint32_t i = 0; i < PREC_KEEPER_THREADS; i++)
		if (has_open(&keeper->thread[i], region))
			return true;
	return false;
}

/* A thread that opens a transaction stores to its list and then reads the flag;
 * here it is the other way round, so one of the two sees the other. */
static bool shut(const struct prec_keeper *keeper, struct prec_region *region)
{
	region_mark(region, REGION_CLOSING);
	prec_raw_fence();
	if (!is_open(keeper, region) && region_close(region))
		return true;
	region_unmark(region, REGION_CLOSING);
	return false;
}

enum prec_status lend_unmap(struct prec_keeper *keeper,
			    struct prec_region *region)
{
	const struct region_own *mine = own(region);

	if (!is_mapped(keeper, region))
		return PREC_INVALID;
	if (!shut(keeper, region))
		return PREC_BUSY;
	clear_all(keeper, region, PAGE_FREE);
	for (uint32_t i = 0; i < mine->pages; i++)
		keeper->window_book.owner[mine->first + i] = 0;
	keeper->region[mine->index] = NULL;
	region->span.size = 0;
	return PREC_OK;
}

/* ---- looking ------------------------------------------------------------- */

enum prec_status lend_check(struct prec_keeper *keeper,
			    struct prec_region *region, uint64_t offset,
			    uint64_t size)
{
	uint64_t page, last;

	if (!is_mapped(keeper, region))
		return PREC_INVALID;
	if (size == 0 || offset >= region->span.size ||
	    size > region->span.size - offset)
		return PREC_RANGE;
	if (region_flags(region) & (REGION_WITHDRAWN | REGION_SUBSTITUTED))
		return PREC_GONE;
	last = (offset + size - 1) / 4096;
	for (page = offset / 4096; page <= last; page++)
		if (!call_is_there(keeper,
				   own(region)->first + (uint32_t)page)) {
			region_move_epoch(region);
			return PREC_GONE;
		}
	return PREC_OK;
}

struct prec_region *lend_at(const struct prec_keeper *keeper, uint64_t host)
{
	uint64_t page = (host - keeper->window) / 4096;

	if (host < keeper->window || page >= keeper->pages ||
	    keeper->window_book.owner[page] == 0)
		return NULL;
	return keeper->region[keeper->window_book.owner[page] - 1];
}
