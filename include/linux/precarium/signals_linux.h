/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_SIGNALS_LINUX_H
#define PRECARIUM_SIGNALS_LINUX_H

#include <stdbool.h>
#include <stdint.h>

#include <precarium/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * How faults reach the library on Linux: by a handler of SIGBUS and SIGSEGV.
 *
 * Install it.  Faults that are not ours go to the handler that was installed
 * before, as the kernel would have delivered them.  Without one, the process
 * ends as it would without the library, with a true core file.  The first
 * prec_region_map does this if the program does not.  It is never undone,
 * because a handler installed later may hold our address.  Any thread; once is
 * enough.  PREC_SYSTEM: see errno; ENOEXEC says that the linker dropped the
 * section prec_fixup of the program or a shared object, so that its accessors
 * could not report a loss.  Nothing is installed then.
 */
PREC_EXPORT PREC_MUST_CHECK enum prec_status prec_fault_install(void);

/*
 * Put our handler on top again, where something has installed another since: a
 * toolkit at its first use, a crash reporter.  Faults that are not ours go to
 * that handler from then on.  If it gives such a fault back, by calling ours or
 * by raising the signal again, the fault goes to the one that was there before
 * it; so nothing goes round in a circle.  Installs ours if that was not done.
 *
 * PREC_FULL: this has happened eight times with different handlers.
 * PREC_INVALID: the program owns the signals (prec_fault_hosted).  PREC_SYSTEM:
 * as above.  Nothing has changed on error.  Any thread; not in a signal
 * handler.
 */
PREC_EXPORT PREC_MUST_CHECK enum prec_status prec_fault_reinstall(void);

/*
 * For programs that own the signals themselves (language run-times, crash
 * reporters): call this first in an SA_SIGINFO handler, with its arguments
 * (info is a siginfo_t *, context a ucontext_t *).  True: the fault was ours
 * and is resolved; return from the handler at once.  False: it is not ours.
 * Async-signal-safe; errno is preserved.
 */
PREC_EXPORT bool prec_fault_handle(int sig, void *info, void *context);

/* Declare that the program owns the signals and calls prec_fault_handle:
 * prec_fault_install and prec_region_map then install nothing.  PREC_BUSY: our
 * handler is installed already, and nothing has changed.  Any thread. */
PREC_EXPORT PREC_MUST_CHECK enum prec_status prec_fault_hosted(void);

/*
 * Unblock SIGBUS and SIGSEGV in the calling thread.  A fault whose signal is
 * blocked kills the process in spite of any handler.  So a thread that uses
 * accessors or copies and may have these signals blocked (as in servers that
 * read signals from a descriptor) calls this once.  prec_thread_prepare and the
 * first transaction of a thread do it as well.
 */
PREC_EXPORT void prec_fault_unblock(void);

/* What could keep a fault from reaching our handler, or'ed.  0 is good. */
enum {
	PREC_HEALTH_NOT_INSTALLED = 1u << 0, /* the handler is not installed */
	PREC_HEALTH_BUS_REPLACED = 1u << 1,  /* another was installed later */
	PREC_HEALTH_SEGV_REPLACED = 1u << 2,
	PREC_HEALTH_BUS_BLOCKED = 1u << 3, /* in this thread; a fault kills */
	PREC_HEALTH_SEGV_BLOCKED = 1u << 4,
	PREC_HEALTH_STACK_SMALL = 1u << 5, /* this thread's alternate stack */
	/* The linker dropped the table of a module's accessors, or of ours. */
	PREC_HEALTH_TABLE_DROPPED = 1u << 6,
	/* Where this thread's stack is cannot be found out: code that is more
	 * than 16 KiB deep is not abandoned, but goes on on empty pages. */
	PREC_HEALTH_STACK_UNKNOWN = 1u << 7,
	/* prec_fault_selftest only: a loss ended the process that tried it. */
	PREC_HEALTH_LOSS_KILLS = 1u << 8,
};

/* The state of the calling thread.  Takes some 600 ns of system calls. */
PREC_EXPORT unsigned int prec_fault_health(void);

/* One line of text about a single bit of the above: what is so, and what to do.
 * Never NULL. */
PREC_EXPORT const char *prec_fault_health_text(unsigned int bit);

/*
 * Do losses reach the library in this thread, as things are now?  Installs the
 * handler, unless the program owns the signals.  Then a child process loses a
 * page of its own to a load, a copy and transactions of both policies, with the
 * handlers and the signal mask of the caller.  So it is known what a handler
 * that was installed later, or the program's own, makes of a loss.
 *
 * PREC_OK: each was told as it should be.  PREC_SYSTEM: they were not, and
 * *health says why, with the bits above; 0 there: see errno, the child could
 * not be made.  *health is set in both cases: bits may be set for states that
 * do no harm, such as a handler installed later that calls ours.  Takes as long
 * as a fork, and the child has no effect on this process.  Any thread; not in a
 * signal handler; before the program filters its own system calls.
 */
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_fault_selftest(unsigned int *health);

#ifdef __cplusplus
}
#endif
#endif
