// SPDX-License-Identifier: MIT
#include "lend.h"
#include "device.h"

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

/* ---- devices ------------------------------------------------------------- */

static bool knows(const struct prec_keeper *keeper, const struct prec_io *io)
{
	const struct prec_io *known = keeper->devices;

	while (known && known != io)
		known = known->next;
	return known;
}

enum prec_status lend_to_device(struct prec_keeper *keeper,
				struct prec_region *region, struct prec_io *io,
				uint64_t rights)
{
	uint32_t number = regions_find(keeper, region);
	enum prec_status status;

	if (number == PREC_NONE || !knows(keeper, io) ||
	    (rights != PREC_READ && rights != (PREC_READ | PREC_WRITE)))
		return PREC_INVALID;
	if (rights & ~region->span.rights)
		return PREC_RIGHTS;
	status = device_lend(keeper, io, number, rights & PREC_WRITE);
	/* The kernel refuses what has gone meanwhile. */
	if (status == PREC_SYSTEM &&
	    lend_check(keeper, region, 0, region->span.size) == PREC_GONE)
		return PREC_GONE;
	return status;
}

enum prec_status lend_take_from_device(struct prec_keeper *keeper,
				       struct prec_region *region,
				       struct prec_io *io, bool end)
{
	uint32_t number = regions_find(keeper, region);

	if (number == PREC_NONE || !knows(keeper, io) || !io->lent[number])
		return PREC_INVALID;
	device_cut_off(keeper, io, number);
	if (end)
		io->lent[number] = 0;
	return PREC_OK;
}

static void cut_off_devices(struct prec_keeper *keeper, uint32_t number)
{
	for (const struct prec_io *io = keeper->devices; io; io = io->next)
		if (io->lent[number])
			device_cut_off(keeper, io, number);
}

static bool a_device_has(const struct prec_keeper *keeper, uint32_t number)
{
	for (const struct prec_io *io = keeper->devices; io; io = io->next)
		if (io->lent[number])
			return true;
	return false;
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
	cut_off_devices(keeper, number);
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
	if (a_device_has(keeper, number) || !shut(keeper, region))
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
