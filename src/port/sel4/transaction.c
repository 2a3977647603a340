// SPDX-License-Identifier: MIT
#include "own.h"

#include <precarium/access.h>

_Static_assert(offsetof(struct prec_transaction, frame) == 72,
	       "FRAME of enter.S");

/* Put the regions on the thread's list, before their flags are read: see shut()
 * in lend.c, which does it the other way round. */
static void open_regions(struct prec_keeper_thread *thread,
			 const struct prec_transaction *t)
{
	uint32_t at = thread->open_count, i;

	for (i = 0; i < t->region_count; i++)
		__atomic_store_n(&thread->open[at + i], t->regions[i],
				 __ATOMIC_RELAXED);
	__atomic_store_n(&thread->open_count, at + t->region_count,
			 __ATOMIC_RELEASE);
	prec_raw_fence();
}

/* A region is being unmapped, or is no longer there.  True: try again. */
static bool may_open(struct prec_keeper_thread *thread,
		     const struct prec_transaction *t)
{
	__atomic_store_n(&thread->open_count, t->were_open, __ATOMIC_RELEASE);
	for (uint32_t i = 0; i < t->region_count; i++)
		if (!region_stay_open(t->regions[i]))
			return false;
	return true;
}

static enum prec_status begin(struct prec_transaction *t)
{
	uint32_t shut = REGION_CLOSING | REGION_CLOSED | REGION_WITHDRAWN;
	struct prec_keeper_thread *thread = driver_self.thread;
	struct standing now;

	if (!thread || t->region_count == 0 || t->policy > PREC_SUBSTITUTE ||
	    t == thread->top)
		return PREC_INVALID;
	if (t->region_count > OPEN_MAX - thread->open_count)
		return PREC_FULL;
	t->note = (struct prec_note){ .faults = 0 };
	t->outer = thread->top;
	t->were_open = thread->open_count;
	for (;;) {
		open_regions(thread, t);
		now = standing_of(t->regions, t->region_count);
		if (!(now.flags & shut))
			break;
		if (!may_open(thread, t))
			return PREC_REFUSED;
	}
	t->epochs = now.epochs;
	return PREC_OK;
}

static void publish(struct prec_transaction *t)
{
	__atomic_store_n(&driver_self.thread->top, t, __ATOMIC_RELEASE);
}

enum prec_status prec_transaction_run(struct prec_transaction *t,
				      prec_transaction_fn *fn, void *argument)
{
	enum prec_status status = begin(t);

	if (status)
		return status;
	publish(t);
	return prec_enter(t, fn, argument);
}

enum prec_status prec_scope_begin(struct prec_transaction *scope)
{
	enum prec_status status;

	if (scope->policy != PREC_SUBSTITUTE)
		return PREC_INVALID;
	status = begin(scope);
	if (status)
		return status;
	scope->frame[FRAME_SP] = 0;
	publish(scope);
	return PREC_OK;
}

/* A thread has nothing to prepare once it has entered. */
enum prec_status prec_thread_prepare(void)
{
	return driver_self.thread ? PREC_OK : PREC_INVALID;
}

struct prec_transaction *prec_transaction_current(void)
{
	return driver_self.thread ? driver_self.thread->top : NULL;
}
