// SPDX-License-Identifier: MIT
#include "lend.h"
#include "regions.h"

#include <precarium/access.h>

/* ---- mapping ------------------------------------------------------------- */

/* No other thread knows the region yet. */
static void enter(struct prec_keeper *keeper, struct prec_region *region,
		  uint32_t number, const struct prec_lending *lending)
{
	region->span = regions_span(keeper, number, lending);
	region->page_size = 4096;
	region->flags = REGION_ADMITTING;
	if (lending->options & PREC_TOLERATE)
		region->flags |= REGION_TOLERATES;
	region->epoch = 0;
	own(region)->refused = PREC_REFUSAL_NONE;
	keeper->region[number] = region;
}

enum prec_status lend_map(struct prec_keeper *keeper,
			  struct prec_region *region,
			  const struct prec_lending *lending,
			  enum prec_refusal *refusal)
{
	uint32_t number;
	enum prec_status status =
		regions_map(keeper, region, lending, &number, refusal);

	if (status == PREC_OK)
		enter(keeper, region, number, lending);
	return status;
}

/* ---- taking back --------------------------------------------------------- */

enum prec_status lend_revoke(struct prec_keeper *keeper,
			     struct prec_region *region)
{
	uint32_t number = regions_find(keeper, region);

	if (number == PREC_NONE)
		return PREC_INVALID;
	if (region_flags(region) & REGION_WITHDRAWN)
		return PREC_OK;
	region_mark(region, REGION_WITHDRAWN);
	region_move_epoch(region);
	regions_revoke(keeper, number);
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
	uint32_t number = regions_find(keeper, region);

	if (number == PREC_NONE)
		return PREC_INVALID;
	if (!shut(keeper, region))
		return PREC_BUSY;
	regions_unmap(keeper, number);
	region->span.size = 0;
	return PREC_OK;
}

/* ---- looking ------------------------------------------------------------- */

/* A region that has an empty page of ours is gone, whatever its slots hold. */
enum prec_status lend_check(struct prec_keeper *keeper,
			    struct prec_region *region, uint64_t offset,
			    uint64_t size)
{
	uint32_t over = REGION_WITHDRAWN | REGION_SUBSTITUTED;
	uint32_t number = regions_find(keeper, region);
	enum prec_status status;

	if (number == PREC_NONE)
		return PREC_INVALID;
	status = regions_check(keeper, number, offset, size);
	if (status == PREC_OK && region_flags(region) & over)
		return PREC_GONE;
	if (status == PREC_GONE)
		region_move_epoch(region);
	return status;
}

struct prec_region *lend_at(const struct prec_keeper *keeper, uint64_t host)
{
	uint32_t page = regions_page_at(keeper, host);

	if (page == PREC_NONE)
		return NULL;
	return keeper->region[keeper->window_book.owner[page] - 1];
}
