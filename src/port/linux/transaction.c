// SPDX-License-Identifier: MIT
#include "linux.h"
#include "machine.h"
#include "standing.h"

#include <precarium/access.h>

/* Put the regions on the thread's list, before their flags are read. */
static inline void open_regions(struct prec_thread *self, uint32_t at,
				struct prec_region *const *regions,
				uint32_t count)
{
	const struct prec_region **open = &self->open[at];
	uint32_t i;

	__atomic_store_n(&open[0], regions[0], __ATOMIC_RELAXED);
	for (i = 1; RARELY(i < count); i++)
		__atomic_store_n(&open[i], regions[i], __ATOMIC_RELAXED);
	__atomic_store_n(&self->open_count, at + count, __ATOMIC_RELEASE);
	/* Stores to the list come before loads of the flags: see thread.c. */
	if (RARELY(prec_thread_must_fence))
		prec_raw_fence(); /* gcc warns of C's fences under TSan */
	else
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* The thread's first transaction, or one that names no region. */
__attribute__((noinline, cold)) static enum prec_status
run_first(struct prec_transaction *t, prec_transaction_fn *fn, void *argument)
{
	if (t->region_count == 0)
		return PREC_INVALID;
	prec_thread_prepare(&prec_self);
	return prec_transaction_run(t, fn, argument);
}

enum prec_status prec_transaction_run(struct prec_transaction *t,
				      prec_transaction_fn *fn, void *argument)
{
	struct prec_thread *self = &prec_self;
	struct prec_region *const *regions = t->regions;
	uint32_t count = t->region_count, were_open = self->open_count;
	struct standing now;

	if (RARELY(!self->prepared || count == 0))
		return run_first(t, fn, argument);
	if (RARELY(count > OPEN_MAX - were_open))
		return PREC_FULL;
	t->note = (struct prec_note){ .faults = 0 };
	t->outer = self->top;
	t->were_open = were_open;
	open_regions(self, were_open, regions, count);
	now = standing_of(regions, count);
	if (RARELY(now.flags & (REGION_CLOSING | REGION_WITHDRAWN))) {
		__atomic_store_n(&self->open_count, were_open,
				 __ATOMIC_RELEASE);
		return PREC_GONE;
	}
	t->epochs = now.epochs;
	__atomic_store_n(&self->top, t, __ATOMIC_RELEASE);
	return prec_enter(t, fn, argument); /* calls _end, or lands in _left */
}

struct prec_transaction *prec_transaction_current(void)
{
	return prec_self.top;
}
