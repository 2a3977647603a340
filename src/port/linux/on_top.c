// SPDX-License-Identifier: MIT
#include "linux.h"

/*
 * A signal handler of the host may run on top of an open transaction.  If it
 * faults on the transaction's region, abandoning would jump over its live
 * signal frame: the mask would stay as it is, and the handler half done.
 *
 * How to see it: the kernel put a frame on the stack, whose first word is the
 * address of the C library's return trampoline; our own frame, in which we are
 * now, shows which address that is.  Such a word between the fault and the
 * transaction's entry is a frame, live or left over from before.  It is live
 * only if some signal is blocked now and was not when it came: the one it
 * serves.  (Which one that is stands in its siginfo, but the kernel fills that
 * only for handlers installed with SA_SIGINFO.)  Our own frames, which are dead
 * as soon as we return, carry a mark.  A frame left over from before the thread
 * blocked another signal passes for live, which costs an abandon: a page is
 * put there instead.
 *
 * A handler on an alternate stack is seen by the stack pointer alone.  What is
 * not seen: a handler that was installed with SA_NODEFER, or by another
 * run-time with a trampoline of its own.
 */

/* As the kernel lays it out on x86-64. */
struct kernel_context {
	uint64_t flags, link;
	uint64_t stack[3];
	uint64_t machine[32];
	uint64_t mask;
};

struct kernel_frame {
	uint64_t trampoline;
	struct kernel_context context;
};

#define SPENT 0x507265636172696dull /* in `link`, which the kernel ignores */

/* Unknown stacks (fibers) are read no further than this. */
#define BLIND_MAX 16384u

void prec_on_top_mark(ucontext_t *context)
{
	((struct kernel_context *)context)->link = SPENT;
}

static const struct kernel_frame *frame_of(const ucontext_t *context)
{
	return (const void *)((const char *)context -
			      offsetof(struct kernel_frame, context));
}

static bool within(uint64_t address, uint64_t low, uint64_t high)
{
	return low <= address && address < high;
}

/* These two read the thread's own live stack, which the sanitizers guard word
 * by word. */
#define READS_THE_STACK __attribute__((no_sanitize("address", "thread")))

READS_THE_STACK
static bool live(const struct kernel_frame *frame, uint64_t mask_now)
{
	return frame->context.link != SPENT &&
	       (mask_now & ~frame->context.mask) != 0;
}

READS_THE_STACK
static bool frame_between(uint64_t from, uint64_t to,
			  const struct kernel_frame *ours)
{
	uint64_t at;

	for (at = (from + 7) & ~7ull; at + sizeof(struct kernel_frame) <= to;
	     at += 8)
		if (*(const volatile uint64_t *)at == ours->trampoline &&
		    live((const struct kernel_frame *)at, ours->context.mask))
			return true;
	return false;
}

bool prec_on_top(const ucontext_t *context, uint64_t entry_sp)
{
	const struct prec_thread *self = &prec_self;
	uint64_t sp = (uint64_t)context->uc_mcontext.gregs[REG_RSP];
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
	return frame_between(sp, entry_sp, frame_of(context));
}
