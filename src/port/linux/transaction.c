// SPDX-License-Identifier: MIT
#include "linux.h"
#include "machine.h"

#include <precarium/access.h>

/* Entering and leaving takes a hundred instructions, so each one counts.  The
 * common case is one region, in a thread that has run a transaction before;
 * code for other cases is moved out of its way. */
#define RARELY(condition) __builtin_expect((condition), false)

/*
 * If the program has AddressSanitizer, it must forget what it knows of the
 * stack that an abandoned function left behind.  The second call does that, but
 * the one of gcc 12 fails on that very knowledge, so the first comes before it.
 */
extern void __asan_unpoison_memory_region(const volatile void *at, size_t size)
	__attribute__((weak));
extern void __asan_handle_no_return(void) __attribute__((weak));

static void forget_stack(const struct prec_transaction *t)
{
	if (__asan_unpoison_memory_region)
		__asan_unpoison_memory_region(
			(const void *)(uintptr_t)t->frame[FRAME_LEFT_AT],
			t->frame[FRAME_SP] - t->frame[FRAME_LEFT_AT]);
	if (__asan_handle_no_return)
		__asan_handle_no_return();
}

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

enum prec_status prec_transaction_end(struct prec_transaction *t,
				      bool abandoned)
{
	struct prec_thread *self = &prec_self;
	struct standing now = standing_of(t->regions, t->region_count);

	__atomic_store_n(&self->top, t->outer, __ATOMIC_RELEASE);
	__atomic_store_n(&self->open_count, t->were_open, __ATOMIC_RELEASE);
	return prec_note_outcome(&t->note, abandoned,
				 now.flags & REGION_SUBSTITUTED, t->epochs,
				 now.epochs);
}

enum prec_status prec_transaction_left(struct prec_transaction *t)
{
	forget_stack(t);
	return prec_transaction_end(t, true);
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
