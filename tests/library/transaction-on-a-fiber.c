// SPDX-License-Identifier: MIT
/*
 * Transactions on a stack that is not the thread's: a fiber of makecontext.
 * Abandoned at once while its stack use is small; a deep one, which cannot be
 * told from a handler on top, ends in empty pages and says so.
 */
#include <ucontext.h>

#include "lender.h"

static struct lender lender;
static ucontext_t home, fiber;
static enum prec_status status;
static struct prec_transaction t;
static size_t depth;

UNWATCHED
static void touch(struct prec_transaction *self, void *argument)
{
	volatile unsigned char *room = __builtin_alloca(depth + 16);

	(void)argument;
	room[0] = 1;
	self->cursor = 1;
	(void)*bytes_of(&lender.region);
	self->cursor = 1 + room[0];
}

static void on_fiber(void)
{
	status = run_on(&lender.region, PREC_ABANDON, touch, NULL, &t);
}

static void once(void)
{
	static unsigned char room[1 << 17];

	getcontext(&fiber);
	fiber.uc_stack.ss_sp = room;
	fiber.uc_stack.ss_size = sizeof(room);
	fiber.uc_link = &home;
	makecontext(&fiber, on_fiber, 0);
	swapcontext(&home, &fiber);
}

int main(void)
{
	int i;

	if (UNDER_SANITIZER)
		skip_all("sanitizers must be told of each fiber");
	for (i = 0; i < 1000; i++) {
		lend_pattern(&lender, PAGE);
		set_size(&lender, 0);
		depth = 64;
		once();
		EXPECT(status == PREC_GONE && t.cursor == 1);
		EXPECT(t.note.abandoned && t.note.faults == 1);
		depth = 60000;
		once();
		EXPECT(status == PREC_DISTURBED && t.cursor == 2);
		end_lending(&lender);
	}
	return expect_end();
}
