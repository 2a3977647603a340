/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PORT_ENTER_H
#define PRECARIUM_PORT_ENTER_H

#include <unwind.h>

#include <precarium/transaction.h>

/*
 * How a transaction is entered and left: what a port calls, and enter.S of the
 * processor's folder answers; and what enter.S calls of the port.
 */
#pragma GCC visibility push(hidden)

/*
 * The words of prec_transaction.frame that are the same on each processor: the
 * stack pointer that prec_land starts on, which is that of prec_enter's caller
 * or a little below; the stack pointer of the code that was abandoned; and,
 * where the program has a second stack, the pointer to that at entry.
 * Those in between are private to enter.S.  A processor with more registers to
 * keep than fit there stores them on the stack, above FRAME_SP.
 */
enum {
	FRAME_SP = 0,
	FRAME_UNSAFE_SP = PREC_FRAME_WORDS - 2,
	FRAME_LEFT_AT = PREC_FRAME_WORDS - 1,
};

/*
 * Record in transaction->frame what the calling convention says a function must
 * preserve, including the floating-point control words, the shadow stack
 * pointer and, where the port has found some, the rights of protection keys;
 * call fn(transaction, argument); then return what
 * prec_transaction_end(transaction, false) returns.  Its unwind information
 * describes the frame at that call, and names prec_unwind as its personality.
 */
enum prec_status prec_enter(struct prec_transaction *transaction,
			    prec_transaction_fn *fn, void *argument);

/*
 * Where abandoned code lands, with the transaction as first argument and its
 * frame[FRAME_SP] as stack pointer.  Restore what prec_enter recorded, take the
 * abandoned calls off the shadow stack, and return to prec_enter's caller what
 * prec_transaction_left(transaction) returns.
 */
extern const char prec_land[];

/* Of the port, for enter.S to call. */
enum prec_status prec_transaction_end(struct prec_transaction *transaction,
				      bool abandoned);
enum prec_status prec_transaction_left(struct prec_transaction *transaction);
_Unwind_Reason_Code prec_unwind(int version, _Unwind_Action actions,
				uint64_t class,
				struct _Unwind_Exception *exception,
				struct _Unwind_Context *context);

#pragma GCC visibility pop

#endif
