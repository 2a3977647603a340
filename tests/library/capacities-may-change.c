// SPDX-License-Identifier: MIT
/*
 * A program that was compiled before the library it runs with: it asks how many
 * bytes a space and a ledger have, uses the calls only, and gets on with any
 * capacity.
 * Usage: capacities-may-change CAPACITY, that of the library.
 */
#include <precarium/pin.h>
#include <precarium/space.h>

#include "tests/expect.h"

#define CELL 0x1000ull

static void fill_ledger(uint32_t capacity)
{
	struct prec_ledger *ledger = malloc(prec_ledger_size());
	uint32_t range, i;

	MUST(ledger);
	prec_ledger_init(ledger);
	MUST(prec_ledger_quota(ledger, 3, 1 << 20) == PREC_OK);
	for (i = 0; i < capacity; i++)
		EXPECT(prec_ledger_grant(ledger, 3, 1, 1, &range) == PREC_OK);
	EXPECT(prec_ledger_grant(ledger, 3, 1, 1, &range) == PREC_FULL);
	EXPECT(prec_ledger_account(ledger, 3).bytes[PREC_PIN_LIVE] == capacity);
	free(ledger);
}

static void fill_space(uint32_t capacity)
{
	struct prec_space *space = calloc(1, prec_space_size());
	struct prec_span span;
	uint32_t i, near = 0;

	MUST(space);
	EXPECT(prec_space_capacity() == capacity);
	for (i = 0; i < capacity; i++)
		EXPECT(prec_space_add(space, i * CELL, CELL, CELL + i * CELL,
				      PREC_READ, 7 + i) == PREC_OK);
	EXPECT(prec_space_add(space, i * CELL, CELL, CELL, PREC_READ, 1) ==
	       PREC_FULL);
	for (i = 0; i < capacity; i++) {
		EXPECT(prec_space_resolve_near(space, &near, i * CELL, CELL,
					       PREC_READ, &span) == PREC_OK);
		EXPECT(prec_space_slot(space, span.index) == 7 + i);
		EXPECT(span.host == CELL + i * CELL);
	}
	for (i = capacity; i > 0; i--)
		prec_space_remove(space,
				  prec_space_find(space, (i - 1) * CELL));
	EXPECT(prec_space_find(space, 0) == PREC_NONE);
	free(space);
}

int main(int argc, char **argv)
{
	uint32_t capacity = argc > 1 ? (uint32_t)atoi(argv[1]) : 0;

	MUST(capacity > 0);
	fill_space(capacity);
	fill_ledger(capacity);
	return expect_end();
}
