// SPDX-License-Identifier: MIT
#include "linux.h"

#include <sys/auxv.h>

/* What our handler needs on an alternate stack, besides the kernel's frame. */
#define HANDLER_STACK 4096u

static bool ours(int sig)
{
	struct sigaction now;

	return sigaction(sig, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) &&
	       now.sa_sigaction == prec_fault_handler;
}

static bool alternate_stack_is_small(void)
{
	unsigned long least = getauxval(AT_MINSIGSTKSZ);
	stack_t stack;

	if (sigaltstack(NULL, &stack) != 0 || stack.ss_flags & SS_DISABLE)
		return false;
	if (least == 0)
		least = MINSIGSTKSZ;
	return stack.ss_size < least + HANDLER_STACK;
}

unsigned int prec_fault_health(void)
{
	unsigned int health = 0;
	sigset_t blocked;

	if (!prec_fault_is_hosted) {
		if (!prec_fault_is_installed)
			health |= PREC_HEALTH_NOT_INSTALLED;
		else if (!ours(SIGBUS))
			health |= PREC_HEALTH_BUS_REPLACED;
		if (prec_fault_is_installed && !ours(SIGSEGV))
			health |= PREC_HEALTH_SEGV_REPLACED;
	}
	if (pthread_sigmask(SIG_SETMASK, NULL, &blocked) == 0) {
		if (sigismember(&blocked, SIGBUS))
			health |= PREC_HEALTH_BUS_BLOCKED;
		if (sigismember(&blocked, SIGSEGV))
			health |= PREC_HEALTH_SEGV_BLOCKED;
	}
	if (prec_fixup_dropped())
		health |= PREC_HEALTH_TABLE_DROPPED;
	if (alternate_stack_is_small())
		health |= PREC_HEALTH_STACK_SMALL;
	if (prec_self.prepared && prec_self.stack_high == 0)
		health |= PREC_HEALTH_STACK_UNKNOWN;
	return health;
}

const char *prec_fault_health_text(unsigned int bit)
{
	switch (bit) {
	case 0:
		return "faults in lent memory reach the library";
	case PREC_HEALTH_NOT_INSTALLED:
		return "the fault handler is not installed: call "
		       "prec_fault_install";
	case PREC_HEALTH_BUS_REPLACED:
		return "another SIGBUS handler was installed later: call "
		       "prec_fault_reinstall, or let it call "
		       "prec_fault_handle first";
	case PREC_HEALTH_SEGV_REPLACED:
		return "another SIGSEGV handler was installed later: call "
		       "prec_fault_reinstall, or let it call "
		       "prec_fault_handle first";
	case PREC_HEALTH_BUS_BLOCKED:
		return "SIGBUS is blocked in this thread: a fault would kill "
		       "the process";
	case PREC_HEALTH_SEGV_BLOCKED:
		return "SIGSEGV is blocked in this thread: a fault would kill "
		       "the process";
	case PREC_HEALTH_STACK_SMALL:
		return "this thread's alternate signal stack is too small for "
		       "this processor's frames";
	case PREC_HEALTH_STACK_UNKNOWN:
		return "where this thread's stack is cannot be found out: "
		       "deep code goes on on empty pages instead of being "
		       "abandoned";
	case PREC_HEALTH_LOSS_KILLS:
		return "a loss ended the process that tried it: let the "
		       "handlers of SIGBUS and SIGSEGV call "
		       "prec_fault_handle first";
	case PREC_HEALTH_TABLE_DROPPED:
		return "a program or shared object was linked without its "
		       "section prec_fixup: let the linker keep it";
	}
	return "several or unknown";
}
