/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PORT_LINUX_STANDING_H
#define PRECARIUM_PORT_LINUX_STANDING_H

#include "linux.h"

/* Entering and leaving takes a hundred instructions, so each one counts.  The
 * common case is one region, in a thread that has run a transaction before;
 * code for other cases is moved out of its way. */
#define RARELY(condition) __builtin_expect((condition), false)

/* The state of a transaction's regions: the sum of their epochs, and the union
 * of their flags. */
struct standing {
	uint64_t epochs;
	uint32_t flags;
};

/* The epoch is read first.  Revocation sets the region's flag and then moves
 * its epoch, so if the flag is not seen at entry, the epoch differs at the end.
 */
static inline void look(struct standing *all, const struct prec_region *region)
{
	all->epochs += region_epoch(region);
	all->flags |= region_flags(region);
}

static inline struct standing standing_of(struct prec_region *const *regions,
					  uint32_t count)
{
	struct standing all = { 0, 0 };
	uint32_t i;

	look(&all, regions[0]);
	for (i = 1; RARELY(i < count); i++)
		look(&all, regions[i]);
	return all;
}

#endif
