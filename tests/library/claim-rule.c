// SPDX-License-Identifier: MIT
/*
 * Whose fault is it: the decision against a table that was written from the
 * words of claim.h and the list of codes, not from the code.  All inputs, and
 * values that no enum names.
 */
#include <precarium/claim.h>

#include "tests/expect.h"

#define P PREC_VERDICT_PASS
#define F PREC_VERDICT_FIX
#define A PREC_VERDICT_ABANDON
#define S PREC_VERDICT_SUBSTITUTE
#define C PREC_VERDICT_COVER

/* [kind][place][actor]; kinds: other, gone, poisoned, unmapped; places:
 * foreign, region, withdrawn; actors: nobody, accessor, abandon, substitute,
 * on top, stays. */
static const enum prec_verdict table[4][3][6] = {
	{ { P, P, P, P, P, P }, { P, P, P, P, P, P }, { P, P, P, P, P, P } },
	{ { P, P, P, P, P, P }, { P, F, A, S, C, C }, { P, F, A, S, C, C } },
	{ { P, P, P, P, P, P }, { P, F, A, S, C, C }, { P, F, A, S, C, C } },
	{ { P, P, P, P, P, P }, { P, P, P, P, P, P }, { P, F, A, A, P, P } },
};

static enum prec_verdict expected(int kind, int place, int actor)
{
	if (kind < 0 || kind > 3 || place < 0 || place > 2 || actor < 0 ||
	    actor > 5)
		return P;
	return table[kind][place][actor];
}

int main(void)
{
	const int far[] = { -2147483647 - 1, -1000, 1000, 65536, 2147483647 };
	int kind, place, actor;
	size_t i;

	for (kind = -3; kind < 12; kind++)
		for (place = -3; place < 12; place++)
			for (actor = -3; actor < 12; actor++)
				EXPECT(prec_fault_decide(
					       (enum prec_fault_kind)kind,
					       (enum prec_fault_place)place,
					       (enum prec_fault_actor)actor) ==
				       expected(kind, place, actor));
	for (i = 0; i < sizeof(far) / sizeof(far[0]); i++) {
		enum prec_fault_kind k = (enum prec_fault_kind)far[i];
		enum prec_fault_place p = (enum prec_fault_place)far[i];
		enum prec_fault_actor a = (enum prec_fault_actor)far[i];

		EXPECT(prec_fault_decide(k, PREC_PLACE_REGION,
					 PREC_ACTOR_ABANDON) == P);
		EXPECT(prec_fault_decide(PREC_FAULT_GONE, PREC_PLACE_REGION,
					 a) == P);
		/* A place that no enum names is no region of ours. */
		EXPECT(prec_fault_decide(PREC_FAULT_GONE, p,
					 PREC_ACTOR_ABANDON) == P);
		EXPECT(prec_fault_decide(k, p, a) == P);
	}
	return expect_end();
}
