// SPDX-License-Identifier: MIT
#include "linux.h"

#include <sys/syscall.h>
#include <unistd.h>

/*
 * A fault that is not ours goes to the action that was installed before ours,
 * as the kernel would have delivered it.
 *
 * The default action must end the process, with the true registers and siginfo
 * in the core file.  So the default is restored, and the signal is queued to
 * this thread again with its siginfo.  It stays blocked until the handler
 * returns, and comes before the next instruction of the code that faulted; with
 * raise() the core file would show our own frame.  To let the instruction fault
 * again is not enough: the memory may be there by then, and the process would
 * live on without a handler.  That is left to a system that refuses to queue.
 *
 * One difference remains: a handler that was installed without SA_ONSTACK runs
 * on the alternate stack if the thread has one.
 */
static struct sigaction before_bus, before_segv;
static uint32_t used_up_bus, used_up_segv; /* SA_RESETHAND has taken effect */

void prec_pass_remember(int sig, const struct sigaction *before)
{
	*(sig == SIGBUS ? &before_bus : &before_segv) = *before;
}

static bool recurs(int sig, const siginfo_t *info)
{
	if (info->si_code <= 0)
		return false;
	return !(sig == SIGBUS && info->si_code == BUS_MCEERR_AO);
}

static void default_action(int sig, siginfo_t *info)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t this;

	sigemptyset(&this);
	sigaddset(&this, sig);
	pthread_sigmask(SIG_BLOCK, &this, NULL);
	sigaction(sig, &action, NULL);
	syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), sig, info);
}

/* Set the mask under which the kernel would have run the action's handler. */
static void take_mask(int sig, const struct sigaction *action)
{
	sigset_t self;

	pthread_sigmask(SIG_BLOCK, &action->sa_mask, NULL);
	if (action->sa_flags & SA_NODEFER &&
	    sigismember(&action->sa_mask, sig) != 1) {
		sigemptyset(&self);
		sigaddset(&self, sig);
		pthread_sigmask(SIG_UNBLOCK, &self, NULL);
	}
}

void prec_pass_on(int sig, siginfo_t *info, ucontext_t *context)
{
	const struct sigaction *action =
		sig == SIGBUS ? &before_bus : &before_segv;
	uint32_t *used_up = sig == SIGBUS ? &used_up_bus : &used_up_segv;

	if (__atomic_load_n(used_up, __ATOMIC_ACQUIRE)) {
		default_action(sig, info);
		return;
	}
	if (!(action->sa_flags & SA_SIGINFO)) {
		if (action->sa_handler == SIG_IGN && !recurs(sig, info))
			return;
		/* The kernel does not let a fault be ignored. */
		if (action->sa_handler == SIG_IGN ||
		    action->sa_handler == SIG_DFL) {
			default_action(sig, info);
			return;
		}
	}
	if (action->sa_flags & SA_RESETHAND)
		__atomic_store_n(used_up, 1, __ATOMIC_RELEASE);
	take_mask(sig, action);
	if (action->sa_flags & SA_SIGINFO)
		action->sa_sigaction(sig, info, context);
	else
		action->sa_handler(sig);
}
