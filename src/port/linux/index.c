// SPDX-License-Identifier: MIT
#include "linux.h"

#include <string.h>

/*
 * Which region holds an address, asked by the fault handler: no lock, and an
 * answer in bounded time whatever other threads do.
 *
 * Two sorted copies ("left-right").  Readers count themselves in on the side
 * that is active; a writer changes the other side, makes it active, waits
 * until nobody reads the old one, and changes that too.  A handler that
 * interrupts the writer's own thread runs to its end before the writer goes
 * on, so the wait always ends.
 */
struct side {
	uint32_t count;
	uint64_t start[PREC_REGION_MAX];
	struct prec_region *region[PREC_REGION_MAX];
};

static struct side sides[2];
static uint32_t active;
static uint32_t readers[2];

/* How many entries start at or below `host`. */
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

static uint32_t begin_read(void)
{
	for (;;) {
		uint32_t side = __atomic_load_n(&active, __ATOMIC_SEQ_CST);

		__atomic_add_fetch(&readers[side], 1, __ATOMIC_SEQ_CST);
		if (__atomic_load_n(&active, __ATOMIC_SEQ_CST) == side)
			return side;
		__atomic_sub_fetch(&readers[side], 1, __ATOMIC_SEQ_CST);
	}
}

struct prec_region *prec_region_at(uint64_t host)
{
	struct prec_region *found = NULL;
	uint32_t active_side = begin_read();
	const struct side *side = &sides[active_side];
	uint32_t n = rank(side, host);

	if (n > 0) {
		struct prec_region *region = side->region[n - 1];

		if (host - region->span.host < region->span.size)
			found = region;
	}
	__atomic_sub_fetch(&readers[active_side], 1, __ATOMIC_SEQ_CST);
	return found;
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
	uint32_t old = active;

	edit(&sides[1 - old], region);
	__atomic_store_n(&active, 1 - old, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&readers[old], __ATOMIC_SEQ_CST) != 0)
		__builtin_ia32_pause();
	edit(&sides[old], region);
}

/* Both under the lock of region.c. */
void prec_index_insert(struct prec_region *region)
{
	change(insert, region);
}

void prec_index_remove(struct prec_region *region)
{
	change(take_out, region);
}

/* In a child after fork: readers of other threads exist no more. */
void prec_index_forked(void)
{
	readers[0] = 0;
	readers[1] = 0;
}
