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
 *
 * When ours is put on top again, what came in between is a newcomer, and has
 * our handler as its own predecessor.  The newest has a fault first.  One that
 * wants no more of it gives it back: it calls us, or sets our handler and
 * raises the signal again.  Then the one before it is next, and after the
 * oldest the default action.  Whoever is at it is remembered, by thread.  A
 * handler that leaves by a jump leaves this behind; the next fault begins
 * anew.
 */
#define CHAIN_MAX 9u

struct link {
	struct sigaction action;
	uint32_t used_up; /* SA_RESETHAND has taken effect */
};

static struct chain {
	struct link links[CHAIN_MAX]; /* the oldest first */
	uint32_t count;
} chains[2];

static uint32_t index_of(int sig)
{
	return sig == SIGBUS ? 0 : 1;
}

static bool same(const struct sigaction *one, const struct sigaction *other)
{
	return (one->sa_flags & SA_SIGINFO) == (other->sa_flags & SA_SIGINFO) &&
	       one->sa_handler == other->sa_handler;
}

/* Where it is in the chain, or where it would be. */
static uint32_t place_of(const struct chain *chain,
			 const struct sigaction *action)
{
	uint32_t i;

	for (i = 0; i < chain->count; i++)
		if (same(&chain->links[i].action, action))
			break;
	return i;
}

bool prec_pass_has_room(int sig, const struct sigaction *before)
{
	return place_of(&chains[index_of(sig)], before) < CHAIN_MAX;
}

void prec_pass_remember(int sig, const struct sigaction *before)
{
	struct chain *chain = &chains[index_of(sig)];
	uint32_t at = place_of(chain, before);

	if (at < chain->count)
		return;
	chain->links[at].action = *before;
	__atomic_store_n(&chain->count, at + 1, __ATOMIC_RELEASE);
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

static void deliver(struct link *link, int sig, siginfo_t *info,
		    ucontext_t *context)
{
	const struct sigaction *action = &link->action;

	if (__atomic_load_n(&link->used_up, __ATOMIC_ACQUIRE)) {
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
		__atomic_store_n(&link->used_up, 1, __ATOMIC_RELEASE);
	take_mask(sig, action);
	if (action->sa_flags & SA_SIGINFO)
		action->sa_sigaction(sig, info, context);
	else
		action->sa_handler(sig);
}

static bool is_pending(int sig)
{
	sigset_t pending;

	return sigpending(&pending) == 0 && sigismember(&pending, sig) == 1;
}

/* Was it raised again by whoever has it? */
static bool raised(const siginfo_t *info)
{
	return info->si_code == SI_TKILL && info->si_pid == getpid();
}

void prec_pass_on(int sig, siginfo_t *info, ucontext_t *context, bool came_back)
{
	struct chain *chain = &chains[index_of(sig)];
	__typeof__(&prec_self.passing[0]) passing =
		&prec_self.passing[index_of(sig)];
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);
	uint32_t before = passing->at, next;

	/* Called from within is deeper on the stack.  Where a run-time calls
	 * our handler each time, nothing else tells that from a new fault in
	 * the place of one that was left by a jump. */
	came_back = came_back && passing->context == (void *)context &&
		    here < passing->stack;
	if (before && (came_back || raised(info))) {
		next = before - 1;
		info = &passing->info;
	} else {
		before = 0;
		next = __atomic_load_n(&chain->count, __ATOMIC_ACQUIRE);
		passing->context = context;
		passing->stack = here;
		passing->info = *info;
	}
	passing->at = next;
	if (next == 0)
		default_action(sig, info);
	else
		deliver(&chain->links[next - 1], sig, info, context);
	/* If it is raised again, it comes as soon as we return. */
	if (!is_pending(sig))
		passing->at = before;
}
