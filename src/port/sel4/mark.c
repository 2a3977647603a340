// SPDX-License-Identifier: MIT
#include "mark.h"
#include "own.h"

void mark_lost(struct prec_region *region, bool replaced)
{
	if (replaced)
		region_mark(region, REGION_SUBSTITUTED);
	region_move_epoch(region);
}

void mark_count(uint64_t *counter)
{
	__atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
}

void mark_refused(struct prec_region *region)
{
	__atomic_store_n(&own(region)->refused, PREC_REFUSAL_RIGHTS,
			 __ATOMIC_RELAXED);
}

void prec_keeper_read_counts(const struct prec_keeper *keeper,
			     struct prec_fault_counts *out)
{
	const struct prec_fault_counts *counts = &keeper->counts;

	out->fixed = __atomic_load_n(&counts->fixed, __ATOMIC_RELAXED);
	out->abandoned = __atomic_load_n(&counts->abandoned, __ATOMIC_RELAXED);
	out->substituted =
		__atomic_load_n(&counts->substituted, __ATOMIC_RELAXED);
	out->passed = __atomic_load_n(&counts->passed, __ATOMIC_RELAXED);
	out->retried = __atomic_load_n(&counts->retried, __ATOMIC_RELAXED);
	out->provided = 0;
}
