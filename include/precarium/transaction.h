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
 * A transaction runs a function of the driver that works on lent memory with
 * plain pointers, such as a codec.  When the memory goes, the policy decides:
 *
 * abandon     control returns to the caller of prec_transaction_run at once,
 *             with PREC_GONE.  Nothing of the function is unwound: no
 *             destructor, no unlock, no free.  So the function calls nothing
 *             that holds state (locks, malloc, stdio), and keeps what must
 *             survive in memory of the caller or in the cursor.
 * substitute  an empty page is put there and noted; the function finishes on
 *             zeroes, and the call then says PREC_DISTURBED.  What was written
 *             to such a page never reached the client.  When no page can be
 *             put there the transaction is abandoned after all.
 */
enum prec_policy { PREC_ABANDON = 0, PREC_SUBSTITUTE = 1 };

/* Plain pointers into lent memory carry this mark, so that clang (-Wnoderef
 * via `noderef`) or sparse warns where one is used outside. */
#if defined(__CHECKER__)
#define PREC_LENT __attribute__((noderef, address_space(9)))
#elif defined(__clang__) && !defined(__cplusplus) && defined(PREC_CHECK_LENT)
#define PREC_LENT __attribute__((noderef))
#else
#define PREC_LENT
#endif

/*
 * Placed by the caller; fill the first three, zero the rest.  A transaction is
 * open on the regions it names, and only a fault in one of these by the same
 * thread concerns it.
 */
struct prec_transaction {
	struct prec_region *const *regions;
	uint32_t region_count;
	enum prec_policy policy;
	struct prec_note note;    /* out */
	volatile uint64_t cursor; /* the function's own; survives an abandon */
	/* Private: the record of where to return to. */
	struct prec_transaction *outer;
	uint64_t frame[12];
	uint64_t epochs;    /* sum over the regions when it was entered */
	uint32_t were_open; /* regions in this thread, before it was */
};

typedef void prec_transaction_fn(struct prec_transaction *transaction,
				 void *argument);

/*
 * Run `fn` as a transaction.
 *
 * PREC_OK: it returned, and no region of it changed its epoch meanwhile.
 * PREC_GONE: abandoned, or it returned but a region was revoked meanwhile.
 * PREC_DISTURBED: it returned, with empty pages put in by this thread or
 * another.  PREC_INVALID: no region is named.  PREC_FULL: more
 * than 32 open in this thread.  PREC_GONE also at once, when a region is
 * revoked already.  Nothing ran then.
 *
 * May nest, with other regions or the same: a fault goes to the innermost
 * transaction that names its region, and leaving that one leaves those inside.
 * Any thread.  A signal handler of the host may run on top and may open its
 * own; if it touches a region of the interrupted transaction without one, the
 * page is substituted whatever the policy, because its frame must not be
 * jumped over, and the transaction says so at its end.
 * Not after vfork, nor in a clone that shares memory.
 */
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_transaction_run(struct prec_transaction *transaction,
		     prec_transaction_fn *fn, void *argument);

/* The innermost transaction that the calling thread has open, or NULL. */
PREC_EXPORT struct prec_transaction *prec_transaction_current(void);

/* The plain pointer to a region, for the length of a transaction on it. */
static inline void PREC_LENT *prec_lent(const struct prec_region *region)
{
	return (void PREC_LENT *)(uintptr_t)region->span.host;
}

/* Say, with no cast in the caller, that here a lent pointer is meant to be
 * used plainly. */
static inline void *prec_plain(const void PREC_LENT *lent)
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
