// SPDX-License-Identifier: MIT
#include "linux.h"
#include "machine.h"
#include "rules.h"
#include "unsafe_stack.h"

#include <precarium/access.h>

__attribute__((noinline)) static void do_more(struct prec_transaction *t)
{
	if (prec_thread_must_fence)
		prec_raw_fence(); /* gcc warns of C's fences under TSan */
	if (prec_unsafe_stack_there())
		t->frame[FRAME_UNSAFE_SP] = prec_unsafe_stack_pointer();
}

/*
 * Put each region on the thread's list and look at it afterwards: the store
 * comes before the loads of its flags (see thread.c).
 *
 * It is stored twice.  Before it is counted, so that nobody sees what an
 * earlier transaction left there.  And again afterwards: a signal handler may
 * have come before it was counted, and a transaction of its own has then used
 * the same place.
 */
static inline struct standing open_regions(struct prec_thread *self,
					   uint32_t at,
					   struct prec_region *const *regions,
					   uint32_t count)
{
	const struct prec_region **open = &self->open[at];
	struct standing now = { 0, 0 };
	uint32_t i;

	for (i = 0; i < count; i++) {
		const struct prec_region *region = regions[i];

		__atomic_store_n(&open[i], region, __ATOMIC_RELAXED);
		__atomic_store_n(&self->open_count, at + i + 1,
				 __ATOMIC_RELEASE);
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
		__atomic_store_n(&open[i], region, __ATOMIC_RELAXED);
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
		standing_add(&now, region);
	}
	return now;
}

/* A region is being unmapped, or is no longer there. */
__attribute__((noinline, cold)) static enum prec_status
run_again(struct prec_transaction *t, prec_transaction_fn *fn, void *argument)
{
	uint32_t i;

	__atomic_store_n(&prec_self.open_count, t->were_open, __ATOMIC_RELEASE);
	for (i = 0; i < t->region_count; i++)
		if (!region_stay_open(t->regions[i]))
			return PREC_REFUSED;
	return fn ? prec_transaction_run(t, fn, argument) : prec_scope_begin(t);
}

enum prec_status prec_thread_prepare(void)
{
	struct prec_thread *self = &prec_self;
	enum prec_status status;

	if (self->prepared)
		return PREC_OK;
	status = prec_fault_install();
	return status ? status : prec_thread_enter(self);
}

/* There is room on the list.  For one region, the common case, this is inlined
 * with a count that is known, and so is which of the two it is, and that a
 * thread has no more to do. */
__attribute__((always_inline)) static inline enum prec_status
enter(struct prec_thread *self, struct prec_transaction *t, uint32_t count,
      bool scope, bool more, prec_transaction_fn *fn, void *argument)
{
	uint32_t were_open = self->open_count;
	struct standing now;

	t->note = (struct prec_note){ .faults = 0 };
	t->outer = self->top;
	t->were_open = were_open;
	now = open_regions(self, were_open, t->regions, count);
	if (more && prec_thread_has_more) {
		do_more(t);
		now = standing_of(t->regions, count);
	}
	if (RARELY(now.flags &
		   (REGION_CLOSING | REGION_CLOSED | REGION_WITHDRAWN)))
		return run_again(t, fn, argument);
	t->epochs = now.epochs;
	if (scope)
		t->frame[FRAME_SP] = 0;
	__atomic_store_n(&self->top, t, __ATOMIC_RELEASE);
	if (scope)
		return PREC_OK;
	return prec_enter(t, fn, argument); /* calls _end, or lands in _left */
}

/* Several regions, more to do, the thread's first transaction, or a mistake.
 * Out of the way, but not cold: for that gcc would choose the smallest code,
 * which takes twice as long. */
__attribute__((noinline)) static enum prec_status
run_other(struct prec_transaction *t, prec_transaction_fn *fn, void *argument)
{
	struct prec_thread *self = &prec_self;
	enum prec_status status = PREC_OK;

	if (t->region_count == 0 || t->policy > PREC_SUBSTITUTE ||
	    t == self->top || (!fn && t->policy != PREC_SUBSTITUTE))
		return PREC_INVALID;
	if (!self->prepared)
		status = prec_thread_prepare();
	if (status)
		return status;
	if (t->region_count > OPEN_MAX - self->open_count)
		return PREC_FULL;
	return enter(self, t, t->region_count, !fn, true, fn, argument);
}

enum prec_status prec_transaction_run(struct prec_transaction *t,
				      prec_transaction_fn *fn, void *argument)
{
	struct prec_thread *self = &prec_self;

	RULES_OF_ENTRY(t, false);
	if (RARELY(t->region_count != 1 || t->policy > PREC_SUBSTITUTE ||
		   self->open_count >= OPEN_MAX || self->top == t ||
		   prec_thread_has_more))
		return run_other(t, fn, argument);
	return enter(self, t, 1, false, false, fn, argument);
}

enum prec_status prec_scope_begin(struct prec_transaction *scope)
{
	struct prec_thread *self = &prec_self;

	RULES_OF_ENTRY(scope, true);
	if (RARELY(scope->region_count != 1 ||
		   scope->policy != PREC_SUBSTITUTE ||
		   self->open_count >= OPEN_MAX || self->top == scope ||
		   prec_thread_has_more))
		return run_other(scope, NULL, NULL);
	return enter(self, scope, 1, true, false, NULL, NULL);
}

struct prec_transaction *prec_transaction_current(void)
{
	return prec_self.top;
}
