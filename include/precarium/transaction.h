/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TRANSACTION_H
#define PRECARIUM_TRANSACTION_H

#include <stdbool.h>
#include <stdint.h>

#include <precarium/note.h>
#include <precarium/region.h>
#include <precarium/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A transaction runs a function of the program that works on lent memory with
 * plain pointers, such as a codec.  If the memory is lost, the policy decides:
 *
 * abandon     Control returns to the caller of prec_transaction_run at once,
 *             with PREC_GONE.  Nothing of the function is unwound: no
 *             destructor, no unlock, no free.  So the function must not call
 *             anything that holds state (locks, malloc, stdio), and must keep
 *             what is to survive in memory of the caller or in the cursor.
 * substitute  An empty page is mapped there and noted.  The function finishes
 *             on zeroes, and the call then returns PREC_DISTURBED.  What was
 *             written to such a page never reached the client.  If no page can
 *             be mapped there, the transaction is abandoned after all.
 *
 * A scope is a transaction with substitution that is begun and ended by calls,
 * where a callback is in the way.
 */
enum prec_policy { PREC_ABANDON = 0, PREC_SUBSTITUTE = 1 };

/* Marks plain pointers into lent memory, so that clang (attribute `noderef`) or
 * sparse warns where one is used outside a transaction. */
#if defined(__CHECKER__)
#define PREC_LENT __attribute__((noderef, address_space(9)))
#elif defined(__clang__) && !defined(__cplusplus) && defined(PREC_CHECK_LENT)
#define PREC_LENT __attribute__((noderef))
#else
#define PREC_LENT
#endif

/*
 * The caller provides the structure, sets the first three fields, and zeroes
 * the rest.  A transaction is open on the regions that it names.  It handles
 * only faults of its own thread in these regions.
 */
#define PREC_FRAME_WORDS 32
struct prec_transaction {
	struct prec_region *const *regions;
	uint32_t region_count;
	enum prec_policy policy;
	struct prec_note note;    /* out */
	volatile uint64_t cursor; /* the function's own; survives an abandon */
	/* Private: where to return to. */
	struct prec_transaction *outer;
	uint64_t frame[PREC_FRAME_WORDS];
	uint64_t epochs;    /* sum over the regions at entry */
	uint32_t were_open; /* regions open in this thread before */
	uint32_t reserved[5];
};

typedef void prec_transaction_fn(struct prec_transaction *transaction,
				 void *argument);

/*
 * Run `fn` as a transaction.
 *
 * PREC_OK: it returned, and the epoch of none of its regions has changed.
 * PREC_GONE: it was abandoned; or it returned, but memory was lost or revoked
 * meanwhile.  PREC_DISTURBED: it returned, and this thread or another has
 * substituted pages.
 *
 * In these cases `fn` was not called.  PREC_REFUSED: a region had been revoked
 * or unmapped before.  PREC_INVALID: no region is named, the policy is unknown,
 * or this very transaction is the innermost open one, as after a longjmp out of
 * it.  PREC_FULL: more than 32 regions would be open in this thread.
 * PREC_SYSTEM: the thread's first transaction found no memory (see errno).
 *
 * Transactions nest, on other regions or the same.  A fault goes to the
 * innermost transaction that names its region; abandoning that one abandons
 * those inside it.  Any thread.
 *
 * A handler of the program may interrupt a transaction, and may run its own.
 * If it touches a region of the interrupted transaction outside its own, the
 * page is substituted whatever the policy, because the handler's frame must not
 * be jumped over, and the interrupted transaction returns PREC_DISTURBED.
 *
 * An exception may leave `fn`, as may the end of its thread: the transaction
 * ends, and what it noted so far is in the note.  longjmp must not leave `fn`:
 * the transaction would stay open.
 */
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_transaction_run(struct prec_transaction *transaction,
		     prec_transaction_fn *fn, void *argument);

/*
 * Begin a scope: until prec_scope_end, this thread works on the regions with
 * plain pointers, and lost pages are replaced by empty ones.  `policy` is
 * PREC_SUBSTITUTE; the other fields are set as for prec_transaction_run, and so
 * are the errors, after which no scope is open.  The structure must stay where
 * it is until the end.  If no page can be mapped in the place of a lost one,
 * the fault is passed on, which mostly ends the process: a scope cannot be
 * left.
 *
 * Scopes and transactions nest; what is begun last is ended first.  A scope
 * that is open when a transaction around it ends, by a return, an exception or
 * an abandon, has ended with it.
 */
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_scope_begin(struct prec_transaction *scope);

/* End it.  PREC_OK, PREC_GONE and PREC_DISTURBED are as for
 * prec_transaction_run.  PREC_INVALID: it is not what this thread has begun
 * last; nothing has changed. */
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_scope_end(struct prec_transaction *scope);

/*
 * What the first transaction of a thread does otherwise, so that none later
 * allocates, locks or calls the system.  To be called by each thread, outside
 * handlers; again is no error.  PREC_SYSTEM: see errno.
 */
PREC_EXPORT PREC_MUST_CHECK enum prec_status prec_thread_prepare(void);

/* The innermost transaction that the calling thread has open, or NULL. */
PREC_EXPORT struct prec_transaction *prec_transaction_current(void);

/* The plain pointer to a region, or to part of one, for use during a
 * transaction on it, or at any time if it tolerates losses. */
PREC_INLINE void PREC_LENT *prec_lent(const struct prec_region *region)
{
	return (void PREC_LENT *)(uintptr_t)region->span.host;
}

PREC_INLINE void PREC_LENT *prec_span_lent(struct prec_span span)
{
	return (void PREC_LENT *)(uintptr_t)span.host;
}

/* Removes the mark: states, without a cast in the caller, that a lent pointer
 * is used as a plain one here. */
PREC_INLINE void *prec_plain(const void PREC_LENT *lent)
{
#if defined(__CHECKER__)
	return (__attribute__((force)) void *)lent;
#else
	return (void *)(uintptr_t)lent;
#endif
}

#ifdef __cplusplus
}
#endif
#endif
