// SPDX-License-Identifier: MIT
/*
 * Code that has alignment checks on may be the first to lose memory.  The
 * handler starts with these checks on, and the dynamic linker, when it binds
 * what the handler calls first, makes accesses that they forbid.
 */
#include "lender.h"

UNWATCHED
static void body(struct prec_transaction *t, void *lost)
{
	t->cursor = 7;
	__asm__ volatile("pushfq\n\torq $0x40000, (%%rsp)\n\tpopfq\n\t"
			 "movb (%0), %%al\n\t"
			 "ud2"
			 :
			 : "r"(lost)
			 : "rax", "memory", "cc");
}

int main(void)
{
	struct prec_transaction t;
	struct lender lender;

	/* Its handler runs before ours, with the checks still on. */
	if (UNDER_TSAN)
		skip_all("TSan's own handler makes a misaligned store");
	lend(&lender, PAGE, PREC_READ);
	set_size(&lender, 0);
	EXPECT(run_on(&lender.region, PREC_ABANDON, body,
		      (void *)(uintptr_t)lender.region.span.host,
		      &t) == PREC_GONE);
	EXPECT(t.cursor == 7 && t.note.abandoned);
	end_lending(&lender);
	return expect_end();
}
