// SPDX-License-Identifier: MIT
/*
 * A signal handler runs a transaction of its own after each instruction by
 * which another transaction is entered, in turn.  Whatever it interrupts, the
 * regions of the interrupted transaction are open afterwards: none of them is
 * unmapped.
 */
#include <signal.h>

#include "lender.h"

#define REGIONS 3u

static struct lender lenders[REGIONS], other;
static uint32_t step, stop_at;
static bool was_inside;

UNWATCHED
static void look(struct prec_transaction *t, void *argument)
{
	(void)argument;
	t->cursor = bytes_of(&other.region)[0];
}

static void flag_trace(bool on)
{
	uint64_t flags = __builtin_ia32_readeflags_u64() & ~0x100ull;

	__builtin_ia32_writeeflags_u64(flags | (on ? 0x100 : 0));
}

static void at_step(int sig, siginfo_t *info, void *argument)
{
	ucontext_t *context = argument;
	struct prec_transaction t;

	(void)sig;
	(void)info;
	if (step++ != stop_at)
		return;
	context->uc_mcontext.gregs[REG_EFL] &= ~0x100ll;
	EXPECT(run_on(&other.region, PREC_ABANDON, look, NULL, &t) == PREC_OK);
	EXPECT(t.cursor == pattern(0));
}

UNWATCHED
static void inside(struct prec_transaction *t, void *argument)
{
	uint32_t i;

	(void)argument;
	flag_trace(false);
	was_inside = step <= stop_at;
	for (i = 0; i < t->region_count; i++)
		if (!EXPECT(prec_region_unmap(t->regions[i]) == PREC_BUSY))
			exit(expect_end());
	t->cursor = 1;
}

static uint32_t each_step(uint32_t count)
{
	struct prec_region *const regions[] = { &lenders[0].region,
						&lenders[1].region,
						&lenders[2].region };
	enum prec_status status;

	was_inside = false;
	for (stop_at = 0; !was_inside; stop_at++) {
		struct prec_transaction t = { .regions = regions,
					      .region_count = count };

		step = 0;
		flag_trace(true);
		status = prec_transaction_run(&t, inside, NULL);
		EXPECT(status == PREC_OK && t.cursor == 1);
	}
	return stop_at;
}

int main(void)
{
	struct sigaction action = { .sa_sigaction = at_step,
				    .sa_flags = SA_SIGINFO };
	struct prec_transaction t;
	uint32_t i;

	if (UNDER_SANITIZER)
		skip_all("sanitizers call more than is stepped here");
	sigaction(SIGTRAP, &action, NULL);
	for (i = 0; i < REGIONS; i++)
		lend_pattern(&lenders[i], PAGE);
	lend_pattern(&other, PAGE);
	/* The thread's first transaction is another matter. */
	MUST(run_on(&other.region, PREC_ABANDON, look, NULL, &t) == PREC_OK);
	EXPECT(each_step(1) > 50);
	EXPECT(each_step(2) > 50);
	EXPECT(each_step(REGIONS) > 50);
	for (i = 0; i < REGIONS; i++)
		end_lending(&lenders[i]);
	end_lending(&other);
	return expect_end();
}
