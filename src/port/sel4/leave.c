// SPDX-License-Identifier: MIT
#include "own.h"

#include <precarium/access.h>

/* The end of a transaction, which enter.S calls: a file of its own, because
 * transaction.c calls enter.S. */

enum prec_status prec_transaction_end(struct prec_transaction *t,
				      bool abandoned)
{
	struct prec_keeper_thread *thread = driver_self.thread;
	struct standing now;

	/* What the function has read comes before the epochs. */
	prec_raw_load_fence();
	now = standing_of(t->regions, t->region_count);
	__atomic_store_n(&thread->top, t->outer, __ATOMIC_RELEASE);
	__atomic_store_n(&thread->open_count, t->were_open, __ATOMIC_RELEASE);
	return prec_note_outcome(&t->note, abandoned,
				 now.flags & REGION_SUBSTITUTED, t->epochs,
				 now.epochs);
}

enum prec_status prec_scope_end(struct prec_transaction *scope)
{
	if (!driver_self.thread || driver_self.thread->top != scope ||
	    !transaction_is_scope(scope))
		return PREC_INVALID;
	return prec_transaction_end(scope, false);
}

enum prec_status prec_transaction_left(struct prec_transaction *t)
{
	return prec_transaction_end(t, true);
}

/* The personality of prec_enter's frame, where the program has an unwinder: an
 * exception comes past it, and the transaction ends with the scopes in it. */
_Unwind_Reason_Code prec_unwind(int version, _Unwind_Action actions,
				uint64_t class,
				struct _Unwind_Exception *exception,
				struct _Unwind_Context *context)
{
	struct prec_keeper_thread *thread = driver_self.thread;
	bool scope = true;

	(void)version;
	(void)class;
	(void)exception;
	(void)context;
	if (!(actions & _UA_CLEANUP_PHASE))
		return _URC_CONTINUE_UNWIND;
	while (scope && thread->top) {
		scope = transaction_is_scope(thread->top);
		prec_transaction_end(thread->top, false);
	}
	return _URC_CONTINUE_UNWIND;
}
