// SPDX-License-Identifier: MIT
#include "linux.h"

#include <string.h>

#include <precarium/access.h>

/*
 * With AddressSanitizer in the program: what it knows of the stack that an
 * abandoned function left behind is to be forgotten.  The second call does so,
 * but gcc 12's trips over that very knowledge, so the first goes before it.
 */
extern void __asan_unpoison_memory_region(const volatile void *at, size_t size)
	__attribute__((weak));
extern void __asan_handle_no_return(void) __attribute__((weak));

static void forget_stack(const struct prec_transaction *t)
{
	if (__asan_unpoison_memory_region)
		__asan_unpoison_memory_region(
			(const void *)(uintptr_t)t->frame[FRAME_LEFT_AT],
			t->frame[0] - t->frame[FRAME_LEFT_AT]);
	if (__asan_handle_no_return)
		__asan_handle_no_return();
}

static uint64_t epochs_of(const struct prec_transaction *t)
{
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < t->region_count; i++)
		sum += region_epoch(t->regions[i]);
	return sum;
}

static uint32_t flags_of(const struct prec_transaction *t)
{
	uint32_t flags = 0, i;

	for (i = 0; i < t->region_count; i++)
		flags |= region_flags(t->regions[i]);
	return flags;
}

/* Put the regions on the thread's list, before anybody asks their flags. */
static void open_regions(struct prec_thread *self,
			 const struct prec_transaction *t)
{
	uint32_t i, n = self->open_count;

	for (i = 0; i < t->region_count; i++)
		__atomic_store_n(&self->open[n + i], t->regions[i],
				 __ATOMIC_RELAXED);
	__atomic_store_n(&self->open_count, n + t->region_count,
			 __ATOMIC_RELEASE);
	/* Before the flags are read: see thread.c. */
	if (prec_thread_must_fence)
		prec_raw_fence(); /* TSan knows no fences, gcc says */
	else
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static enum prec_status outcome(struct prec_transaction *t, bool abandoned)
{
	if (abandoned)
		forget_stack(t);
	return prec_note_outcome(&t->note, abandoned,
				 flags_of(t) & REGION_SUBSTITUTED, t->epochs,
				 epochs_of(t));
}

enum prec_status prec_transaction_run(struct prec_transaction *t,
				      prec_transaction_fn *fn, void *argument)
{
	struct prec_thread *self = &prec_self;
	enum prec_status status;
	uint32_t were_open = self->open_count;

	if (t->region_count == 0)
		return PREC_INVALID;
	if (t->region_count > OPEN_MAX - were_open)
		return PREC_FULL;
	if (!self->prepared)
		prec_thread_prepare(self);
	memset(&t->note, 0, sizeof(t->note));
	t->outer = self->top;
	open_regions(self, t);
	if (flags_of(t) & (REGION_CLOSING | REGION_WITHDRAWN)) {
		status = PREC_GONE;
	} else {
		t->epochs = epochs_of(t);
		__atomic_store_n(&self->top, t, __ATOMIC_RELEASE);
		status = outcome(t, prec_enter(t->frame, fn, t, argument));
	}
	__atomic_store_n(&self->top, t->outer, __ATOMIC_RELEASE);
	__atomic_store_n(&self->open_count, were_open, __ATOMIC_RELEASE);
	return status;
}

struct prec_transaction *prec_transaction_current(void)
{
	return prec_self.top;
}
