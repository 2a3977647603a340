/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PORT_REGION_H
#define PRECARIUM_PORT_REGION_H

#include <stdbool.h>
#include <stdint.h>

#include "port/enter.h"

#include <precarium/note.h>
#include <precarium/region.h>
#include <precarium/transaction.h>

/*
 * What a region's flags and epoch mean, and how threads agree on them: the same
 * in each port.
 */

/* region->flags.  Set by atomic or, read by any thread.  The bits left out are
 * the port's own. */
enum {
	REGION_WITHDRAWN = 1u << 0,   /* revoked: no client memory is mapped */
	REGION_SUBSTITUTED = 1u << 1, /* it has empty pages of ours */
	REGION_CLOSING = 1u << 3,     /* unmap is looking for threads inside */
	REGION_TOLERATES = 1u << 5,   /* code outside transactions meets
					 losses */
	REGION_CLOSED = 1u << 8,      /* unmapped, or about to be */
};

/* How many regions the transactions of one thread may have open at a time. */
#define OPEN_MAX 32u

/* A scope has no place to return to. */
static inline bool transaction_is_scope(const struct prec_transaction *t)
{
	return t->frame[FRAME_SP] == 0;
}

static inline uint32_t region_flags(const struct prec_region *region)
{
	return __atomic_load_n(&region->flags, __ATOMIC_ACQUIRE);
}

static inline void region_mark(struct prec_region *region, uint32_t flags)
{
	__atomic_or_fetch(&region->flags, flags, __ATOMIC_ACQ_REL);
}

static inline void region_unmark(struct prec_region *region, uint32_t flags)
{
	__atomic_and_fetch(&region->flags, ~flags, __ATOMIC_ACQ_REL);
}

/*
 * Who opens a transaction while another thread wants to unmap the region comes
 * first: the flag is taken away, and unmap says PREC_BUSY.  False: too late, it
 * is closed or was withdrawn.
 */
static inline bool region_stay_open(struct prec_region *region)
{
	uint32_t over = REGION_CLOSED | REGION_WITHDRAWN;
	uint32_t flags = region_flags(region);

	while (!(flags & over) && flags & REGION_CLOSING)
		__atomic_compare_exchange_n(&region->flags, &flags,
					    flags & ~(uint32_t)REGION_CLOSING,
					    false, __ATOMIC_ACQ_REL,
					    __ATOMIC_ACQUIRE);
	return !(flags & over);
}

/* The other side of it.  False: somebody opens a transaction. */
static inline bool region_close(struct prec_region *region)
{
	uint32_t flags = region_flags(region);

	while (flags & REGION_CLOSING)
		if (__atomic_compare_exchange_n(
			    &region->flags, &flags,
			    (flags & ~(uint32_t)REGION_CLOSING) | REGION_CLOSED,
			    false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
			return true;
	return false;
}

/* The memory was found gone, or is being taken back: the results of operations
 * begun earlier are no longer valid. */
static inline void region_move_epoch(struct prec_region *region)
{
	uint64_t epoch = __atomic_load_n(&region->epoch, __ATOMIC_RELAXED);

	while (!__atomic_compare_exchange_n(&region->epoch, &epoch,
					    prec_epoch_next(epoch), true,
					    __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		continue;
}

static inline uint64_t region_epoch(const struct prec_region *region)
{
	return __atomic_load_n(&region->epoch, __ATOMIC_ACQUIRE);
}

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
static inline void standing_add(struct standing *all,
				const struct prec_region *region)
{
	all->epochs += region_epoch(region);
	all->flags |= region_flags(region);
}

static inline struct standing standing_of(struct prec_region *const *regions,
					  uint32_t count)
{
	struct standing all = { 0, 0 };
	uint32_t i;

	standing_add(&all, regions[0]);
	for (i = 1; RARELY(i < count); i++)
		standing_add(&all, regions[i]);
	return all;
}

#endif
