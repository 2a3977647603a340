/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PORT_LINUX_LINUX_H
#define PRECARIUM_PORT_LINUX_LINUX_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>

#include <precarium/fault.h>
#include <precarium/region.h>
#include <precarium/transaction.h>

/* Within the library: so that no access goes by the table of symbols. */
#pragma GCC visibility push(hidden)

/*
 * What the files of this port share.
 *
 *   fault.c        the signal handler: facts, decision, and what follows
 *   pass.c         giving a foreign fault to whoever was there before
 *   on_top.c       is there a live signal frame that must not be jumped over?
 *   fixup.c        which instructions may fault, and where they go on
 *   index.c        which region holds an address
 *   substitute.c   empty pages in the place of lost ones
 *   region.c       map, revoke, unmap;   admit.c  what is accepted
 *   transaction.c  entering and leaving;  thread.c  what a thread has open
 *   health.c       what could keep a fault from us
 *   sides.h        readers that never wait, for fixup.c and index.c
 *   machine.h      what all this asks of a processor
 */

/* region->flags.  Written with atomic or, read by any thread. */
enum {
	REGION_WITHDRAWN = 1u << 0, /* revoked: nothing of the client's left */
	REGION_SUBSTITUTED = 1u << 1, /* empty pages were put in */
	REGION_UNCOVERABLE = 1u << 2, /* an empty page could not be put in */
	REGION_CLOSING = 1u << 3,     /* unmap is looking for who is inside */
	REGION_KEEPS_SIZE = 1u << 4,  /* sealed against shrinking */
	REGION_TAIL = 1u << 5,	      /* its last page may be filled in part */
};

/* Regions that the transactions of one thread may have open at a time. */
#define OPEN_MAX 32u

struct prec_thread {
	struct prec_transaction *top; /* innermost open transaction */
	const struct prec_region *open[OPEN_MAX];
	uint32_t open_count;
	bool prepared;
	uintptr_t stack_low, stack_high; /* the thread's own stack */
	uint64_t retry_at;    /* where the last fault was found dealt with */
	uint32_t retry_count; /* and how often in a row */
	struct prec_thread *next, **link; /* all prepared threads */
};

/* initial-exec: the dynamic models may allocate in the handler. */
extern __thread struct prec_thread prec_self
	__attribute__((tls_model("initial-exec"), visibility("hidden")));

void prec_thread_prepare(struct prec_thread *self);
/* Is the region open in any thread?  After its flag REGION_CLOSING is set. */
bool prec_thread_holds(const struct prec_region *region);
/* There is no membarrier: each thread fences for itself. */
extern bool prec_thread_must_fence;
void prec_thread_setup(void);

void prec_index_insert(struct prec_region *region);
void prec_index_remove(struct prec_region *region);
void prec_index_forked(void);

/* Around fork: nobody may be in the middle of a change, or the child would be
 * left with half of it and a lock that nobody holds. */
void prec_region_lock(void);
void prec_region_unlock(void);
void prec_fixup_lock(void);
void prec_fixup_unlock(void);

uintptr_t prec_fixup_find(uintptr_t instruction);
void prec_fixup_forked(void);

enum prec_refusal prec_admit(const struct prec_lending *lending,
			     uint32_t *page_size, bool *keeps_size);
enum prec_refusal prec_admit_again(const struct prec_lending *lending,
				   bool *keeps_size);

/* What came of an attempt to put an empty page under an address. */
enum prec_cover {
	COVER_DONE,    /* it is there */
	COVER_ALREADY, /* another thread has, or is at it: try the access again */
	COVER_FAILED, /* the system or the region's budget says no */
};
enum prec_cover prec_substitute(struct prec_region *region, uint64_t offset,
				enum prec_fault_kind kind,
				struct prec_note *note);

/* Does a live signal frame lie between a fault and the transaction's entry? */
bool prec_on_top(const ucontext_t *context, uint64_t entry_sp);
/* Mark our own signal frame as spent: it will be dead when next seen. */
void prec_on_top_mark(ucontext_t *context);

void prec_pass_on(int sig, siginfo_t *info, ucontext_t *context);
void prec_pass_remember(int sig, const struct sigaction *before);

void prec_fault_handler(int sig, siginfo_t *info, void *context);
extern bool prec_fault_is_hosted;
extern bool prec_fault_is_installed;

static inline uint32_t region_flags(const struct prec_region *region)
{
	return __atomic_load_n(&region->flags, __ATOMIC_ACQUIRE);
}

static inline void region_mark(struct prec_region *region, uint32_t flags)
{
	__atomic_or_fetch(&region->flags, flags, __ATOMIC_ACQ_REL);
}

/* The memory was found gone, or is being taken: results of older operations
 * are not to be believed. */
static inline void region_move_epoch(struct prec_region *region)
{
	uint64_t epoch = __atomic_load_n(&region->epoch, __ATOMIC_RELAXED);

	while (!__atomic_compare_exchange_n(
		&region->epoch, &epoch, prec_epoch_next(epoch), true,
		__ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		continue;
}

static inline uint64_t region_epoch(const struct prec_region *region)
{
	return __atomic_load_n(&region->epoch, __ATOMIC_ACQUIRE);
}

#pragma GCC visibility pop

#endif
