// SPDX-License-Identifier: MIT
#include "linux.h"
#include "machine.h"
#include "rules.h"
#include "unsafe_stack.h"

#include <precarium/access.h>

/* The end of a transaction, which enter.S calls: a file of its own, because
 * transaction.c calls enter.S. */

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

enum prec_status prec_transaction_end(struct prec_transaction *t,
				      bool abandoned)
{
	struct prec_thread *self = &prec_self;
	struct standing now;

	/* What the function has read comes before the epochs. */
	prec_raw_load_fence();
	now = standing_of(t->regions, t->region_count);
	__atomic_store_n(&self->top, t->outer, __ATOMIC_RELEASE);
	__atomic_store_n(&self->open_count, t->were_open, __ATOMIC_RELEASE);
	return prec_note_outcome(&t->note, abandoned,
				 now.flags & REGION_SUBSTITUTED, t->epochs,
				 now.epochs);
}

enum prec_status prec_scope_end(struct prec_transaction *scope)
{
	RULE(prec_self.top == scope && transaction_is_scope(scope),
	     "what is begun last is ended first");
	if (prec_self.top != scope || !transaction_is_scope(scope))
		return PREC_INVALID;
	return prec_transaction_end(scope, false);
}

enum prec_status prec_transaction_left(struct prec_transaction *t)
{
	forget_stack(t);
	if (prec_unsafe_stack_there())
		prec_unsafe_stack_put_back(t->frame[FRAME_UNSAFE_SP]);
	return prec_transaction_end(t, true);
}

/*
 * The personality of prec_enter's frame: an exception, pthread_exit or a
 * cancellation of the thread comes past it.  The transaction ends, and the
 * unwinder goes on to the frames outside.  Inside it there are at most scopes
 * that nothing has ended, because other transactions have had their frames
 * unwound before.
 */
_Unwind_Reason_Code prec_unwind(int version, _Unwind_Action actions,
				uint64_t class,
				struct _Unwind_Exception *exception,
				struct _Unwind_Context *context)
{
	(void)version;
	(void)class;
	(void)exception;
	(void)context;
	if (!(actions & _UA_CLEANUP_PHASE))
		return _URC_CONTINUE_UNWIND;
	while (prec_self.top && transaction_is_scope(prec_self.top))
		prec_transaction_end(prec_self.top, false);
	if (prec_self.top)
		prec_transaction_end(prec_self.top, false);
	return _URC_CONTINUE_UNWIND;
}
