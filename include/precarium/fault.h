/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_FAULT_H
#define PRECARIUM_FAULT_H

#include <stdbool.h>
#include <stdint.h>

#include <precarium/claim.h>
#include <precarium/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Install the handler of SIGBUS and SIGSEGV.  Faults that are not ours go to
 * whoever was installed before, as the kernel would have delivered them; with
 * nobody there, the process ends as without us, with a true core file.
 * The first prec_region_map does it if you do not.  Never undone: somebody who
 * came later may hold our address.  Any thread; once is enough.
 * PREC_SYSTEM: errno tells.
 */
PREC_EXPORT PREC_MUST_CHECK enum prec_status prec_fault_install(void);

/*
 * For hosts that own the signals themselves (language run-times, crash
 * reporters): call this first in an SA_SIGINFO handler, with its arguments
 * (info is a siginfo_t *, context a ucontext_t *).  True: it was ours and is
 * dealt with; return from the handler at once.  False: it is not.
 * Async-signal-safe; errno is kept.
 */
PREC_EXPORT bool prec_fault_handle(int sig, void *info, void *context);

/* Tell the library that the host owns the signals and calls
 * prec_fault_handle: prec_fault_install and prec_region_map then install
 * nothing.  Before either. */
PREC_EXPORT void prec_fault_hosted(void);

/*
 * Open SIGBUS and SIGSEGV in the calling thread.  A fault whose signal is
 * blocked kills the process in spite of any handler, so a thread that uses the
 * accessors or copies and may have them blocked (servers that read signals from
 * a descriptor) calls this once.  The first transaction of a thread does it.
 */
PREC_EXPORT void prec_fault_unblock(void);

/* What happened in this process so far.  Counters only grow. */
struct prec_fault_counts {
	uint64_t fixed;       /* accessors and copies told that memory is gone */
	uint64_t abandoned;   /* transactions left */
	uint64_t substituted; /* faults answered with an empty page */
	uint64_t passed;      /* not ours: passed on */
	uint64_t retried;     /* another thread had dealt with it already */
};

PREC_EXPORT void prec_fault_read_counts(struct prec_fault_counts *counts);

/* What could keep a fault from reaching us, or'ed.  0 is good. */
enum {
	PREC_HEALTH_NOT_INSTALLED = 1u << 0, /* nobody installed the handler */
	PREC_HEALTH_BUS_REPLACED = 1u << 1,  /* another SIGBUS handler on top */
	PREC_HEALTH_SEGV_REPLACED = 1u << 2,
	PREC_HEALTH_BUS_BLOCKED = 1u << 3, /* in this thread: a fault kills */
	PREC_HEALTH_SEGV_BLOCKED = 1u << 4,
	PREC_HEALTH_STACK_SMALL = 1u << 5, /* this thread's alternate stack */
};

/* Ask, for the calling thread.  Some 600 ns: system calls. */
PREC_EXPORT unsigned int prec_fault_health(void);

/* One line on a single bit of the above.  Never NULL. */
PREC_EXPORT const char *prec_fault_health_text(unsigned int bit);

#ifdef __cplusplus
}
#endif
#endif
