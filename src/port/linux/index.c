// SPDX-License-Identifier: MIT
#include "linux.h"
#include "sides.h"

#include <string.h>

/*
 * Finds the region that holds an address, for the fault handler: without a
 * lock, and in bounded time whatever other threads do.
 *
 * There are two sorted copies ("left-right").  Readers use the active one.  A
 * writer changes the other, makes it active, waits until no reader is left on
 * the old one, and changes that as well.
 */
struct side {
	uint32_t count;
	uint64_t start[PREC_REGION_MAX];
	struct prec_region *region[PREC_REGION_MAX];
};

static struct side copies[2];
static struct sides readers;

/* The number of entries that start at or below `host`. */
static uint32_t rank(const struct side *side, uint64_t host)
{
	uint32_t low = 0, high = side->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (side->start[middle] <= host)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct prec_region *prec_region_at(uint64_t host)
{
	struct prec_region *found = NULL;
	uint32_t active = sides_enter(&readers);
	const struct side *side = &copies[active];
	uint32_t n = rank(side, host);

	if (n > 0) {
		struct prec_region *region = side->region[n - 1];

		if (host - region->span.host < own(region)->mapped)
			found = region;
	}
	sides_leave(&readers, active);
	return found;
}

bool prec_index_visit(uint64_t host,
		      bool (*visit)(struct prec_region *region, void *argument),
		      void *argument)
{
	uint32_t active = sides_enter(&readers);
	const struct side *side = &copies[active];
	uint32_t n = rank(side, host);
	bool whole = true;

	if (n > 0)
		n--; /* it may hold the address */
	while (n < side->count && whole)
		whole = visit(side->region[n++], argument);
	sides_leave(&readers, active);
	return whole;
}

static void insert(struct side *side, struct prec_region *region)
{
	uint32_t n = rank(side, region->span.host);
	size_t above = side->count - n;

	memmove(&side->start[n + 1], &side->start[n],
		above * sizeof(side->start[0]));
	memmove(&side->region[n + 1], &side->region[n],
		above * sizeof(struct prec_region *));
	side->start[n] = region->span.host;
	side->region[n] = region;
	side->count++;
}

static void take_out(struct side *side, struct prec_region *region)
{
	uint32_t n = rank(side, region->span.host) - 1;
	size_t above = side->count - n - 1;

	memmove(&side->start[n], &side->start[n + 1],
		above * sizeof(side->start[0]));
	memmove(&side->region[n], &side->region[n + 1],
		above * sizeof(struct prec_region *));
	side->count--;
}

static void change(void (*edit)(struct side *, struct prec_region *),
		   struct prec_region *region)
{
	uint32_t old = readers.active;

	edit(&copies[1 - old], region);
	sides_change(&readers);
	edit(&copies[old], region);
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void prec_index_lock(void)
{
	pthread_mutex_lock(&lock);
}

void prec_index_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

bool prec_index_has(const struct prec_region *region)
{
	const struct side *side = &copies[readers.active];
	uint32_t n = rank(side, region->span.host);

	return n > 0 && side->region[n - 1] == region;
}

static bool overlaps(const struct side *side, const struct prec_region *region)
{
	uint64_t start = region->span.host;
	uint32_t n = rank(side, start);
	const struct prec_region *below = n > 0 ? side->region[n - 1] : NULL;

	if (below && start - below->span.host < own(below)->mapped)
		return true;
	return n < side->count && side->start[n] - start < own(region)->mapped;
}

enum prec_status prec_index_insert(struct prec_region *region)
{
	const struct side *side = &copies[readers.active];

	if (side->count == PREC_REGION_MAX)
		return PREC_FULL;
	if (overlaps(side, region))
		return PREC_OVERLAP;
	change(insert, region);
	return PREC_OK;
}

void prec_index_remove(struct prec_region *region)
{
	change(take_out, region);
}

uint32_t prec_generation;

static void leave_behind(struct side *side)
{
	uint32_t i, count = 0;

	for (i = 0; i < side->count; i++) {
		if (region_left(side->region[i]))
			continue;
		own(side->region[i])->covering = 0; /* those have no threads */
		side->start[count] = side->start[i];
		side->region[count++] = side->region[i];
	}
	side->count = count;
}

/* In a child after fork: the readers of other threads no longer exist, nor do
 * regions that were not kept, whose ranges may be mapped anew. */
void prec_index_forked(void)
{
	sides_forked(&readers);
	prec_generation++;
	leave_behind(&copies[0]);
	leave_behind(&copies[1]);
}
