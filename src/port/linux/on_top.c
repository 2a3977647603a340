// SPDX-License-Identifier: MIT
#include "linux.h"
#include "machine.h"

/*
 * A signal handler of the program may interrupt an open transaction.  If it
 * faults on a region of that transaction, abandoning would jump over its live
 * signal frame: the signal mask would stay changed, and the handler half done.
 *
 * Such a handler is recognised by the signal frame that the kernel put on the
 * stack, between the fault and the transaction's entry.  A frame found there is
 * live, or left over from an earlier signal.  It is live only if some signal is
 * blocked now that was not blocked when it came: the one that it serves.  (Its
 * siginfo would say which one, but the kernel fills that only for handlers
 * installed with SA_SIGINFO.)  The frames of our own handler carry a mark,
 * because they are dead as soon as it returns.
 *
 * A frame left over from before the thread blocked another signal passes for
 * live.  Then a page is substituted where the transaction could have been
 * abandoned.
 *
 * A handler on an alternate stack is recognised by the stack pointer alone.  A
 * handler that was installed with SA_NODEFER, or by another run-time whose
 * frames look different from ours, is not recognised.
 */

/* In `uc_link`, which the kernel sets to zero and never reads. */
#define SPENT 0x507265636172696dull

/* On an unknown stack (a fiber's) no more than this is read. */
#define BLIND_MAX 16384u

void prec_on_top_mark(ucontext_t *context)
{
	context->uc_link = (ucontext_t *)SPENT;
}

static bool within(uint64_t address, uint64_t low, uint64_t high)
{
	return low <= address && address < high;
}

/* Reads the thread's own live stack, which the sanitizers guard word by word.
 * The kernel's signal masks have 64 bits, those of the C library more. */
__attribute__((no_sanitize("address", "thread"))) static bool
live(const ucontext_t *frame, const ucontext_t *ours)
{
	uint64_t mask_then = *(const uint64_t *)&frame->uc_sigmask;
	uint64_t mask_now = *(const uint64_t *)&ours->uc_sigmask;

	return (uint64_t)frame->uc_link != SPENT &&
	       (mask_now & ~mask_then) != 0;
}

static bool frame_between(uint64_t from, uint64_t to, const ucontext_t *ours)
{
	const ucontext_t *frame = prec_machine_find_frame(from, to, ours);

	while (frame && !live(frame, ours))
		frame = prec_machine_find_frame((uint64_t)frame, to, ours);
	return frame;
}

bool prec_on_top(const ucontext_t *context, uint64_t entry_sp)
{
	const struct prec_thread *self = &prec_self;
	uint64_t sp = prec_machine_sp(context);
	uint64_t low = (uint64_t)context->uc_stack.ss_sp;
	uint64_t high = low + context->uc_stack.ss_size;
	bool own;

	if (within(sp, low, high) != within(entry_sp, low, high))
		return true;
	if (sp > entry_sp)
		return true;
	own = within(sp, self->stack_low, self->stack_high) &&
	      within(entry_sp, self->stack_low, self->stack_high);
	if (!own && entry_sp - sp > BLIND_MAX)
		return true;
	return frame_between(sp, entry_sp, context);
}
