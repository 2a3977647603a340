// SPDX-License-Identifier: MIT
/*
 * The table of lent memory agrees with a plain one: ten thousand steps of
 * adding, removing and asking, compared with an array of owners.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <precarium/space.h>

#define CELLS 600u
#define CELL  0x1000ull

static struct prec_space space;
static uint32_t owner[CELLS]; /* 0, or the slot of who lends the cell */
static uint32_t rights_of[1 << 16];
static unsigned int seed = 1;

static uint32_t below(uint32_t limit)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 8) % limit;
}

static void fail(const char *what)
{
	printf("space: %s\n", what);
	exit(1);
}

static void add(uint32_t slot)
{
	uint32_t first = below(CELLS);
	uint32_t cells = below(4);
	enum prec_status want = PREC_OK;
	uint32_t i;

	if (first + cells > CELLS)
		return;
	if (cells == 0)
		want = PREC_INVALID;
	for (i = first; i < first + cells; i++)
		if (owner[i])
			want = PREC_OVERLAP;
	if (want == PREC_OK && space.count == PREC_SPACE_MAX)
		want = PREC_FULL;
	rights_of[slot] = below(4);
	if (prec_space_add(&space, first * CELL, cells * CELL,
			   0x7000000000ull + slot * 16 * CELL, rights_of[slot],
			   slot) != want)
		fail("add says otherwise");
	for (i = first; want == PREC_OK && i < first + cells; i++)
		owner[i] = slot;
}

static void withdraw(void)
{
	uint32_t index;
	uint32_t i;

	if (space.count == 0)
		return;
	index = below(space.count);
	for (i = 0; i < CELLS; i++)
		if (owner[i] == space.slot[index])
			owner[i] = 0;
	if (prec_space_remove(&space, index) != PREC_OK)
		fail("an entry was not removed");
}

static bool same_span(struct prec_span one, struct prec_span other)
{
	return one.host == other.host && one.size == other.size &&
	       one.address == other.address && one.index == other.index &&
	       one.rights == other.rights;
}

/* The same answer, whatever is looked at first. */
static void ask_near(uint64_t address, uint64_t size, uint32_t asked,
		     enum prec_status want, struct prec_span wanted)
{
	uint32_t nears[] = { 0,		  space.count / 2,
			     space.count, below(CELLS),
			     PREC_NONE,	  wanted.index };
	uint32_t i;

	for (i = 0; i < sizeof(nears) / sizeof(nears[0]); i++) {
		struct prec_span span = { 0 };
		uint32_t near = nears[i];

		if (prec_space_resolve_near(&space, &near, address, size, asked,
					    &span) != want)
			fail("near an entry the answer is another");
		if (!same_span(span, wanted))
			fail("near an entry the span is another");
		if (near != (want == PREC_OK ? wanted.index : nears[i]))
			fail("the next is looked for elsewhere");
	}
}

static void ask(void)
{
	struct prec_span span = { 0 };
	struct prec_span none = { 0 };
	uint64_t address = below(CELLS * (uint32_t)CELL);
	uint64_t size = below(3 * (uint32_t)CELL) + 1;
	uint32_t asked = below(4);
	uint32_t slot = owner[address / CELL];
	uint64_t last = (address + size - 1) / CELL;
	enum prec_status want = PREC_OK;
	enum prec_status is;

	if (slot == 0 || last >= CELLS || owner[last] != slot)
		want = PREC_RANGE;
	else if (asked & ~rights_of[slot])
		want = PREC_RIGHTS;
	is = prec_space_resolve(&space, address, size, asked, &span);
	if (is != want)
		fail("resolve says otherwise");
	if (is != PREC_OK && memcmp(&span, &none, sizeof(span)) != 0)
		fail("resolve failed and wrote");
	if (is == PREC_OK &&
	    (space.slot[span.index] != slot || span.address != address ||
	     span.size != size || span.host % CELL != address % CELL))
		fail("resolve gave another span");
	if (is == PREC_OK && prec_space_slot(&space, span.index) != slot)
		fail("a slot is another's");
	ask_near(address, size, asked, want, span);
	is = prec_space_piece(&space, address, size, 0, &span);
	if (is != (slot ? PREC_OK : PREC_RANGE))
		fail("piece says otherwise");
	if (slot &&
	    (span.size == 0 || span.size > size ||
	     (span.size < size && (span.address + span.size) % CELL != 0)))
		fail("piece is cut in the wrong place");
}

static void edges(void)
{
	struct prec_span span = { 0x1000, 16, 0x2000, 1, 3 };
	struct prec_span part = { 0 };
	uint64_t max = PREC_ADDRESS_MAX;

	if (prec_space_add(&space, max - 1, 2, 0, 0, 1) != PREC_INVALID ||
	    prec_space_add(&space, ~0ull, 2, 0, 0, 1) != PREC_INVALID ||
	    prec_space_add(&space, 0, ~0ull, 0, 0, 1) != PREC_INVALID ||
	    prec_space_add(&space, 0, 2, ~0ull, 0, 1) != PREC_INVALID)
		fail("a claim that wraps was taken");
	if (prec_space_remove(&space, 0) != PREC_RANGE || space.count != 0)
		fail("an entry was removed that was none");
	if (prec_space_find(&space, 0) != PREC_NONE ||
	    prec_space_slot(&space, 0) != PREC_NONE)
		fail("an empty table holds something");
	if (prec_span_part(span, 16, 1, &part) != PREC_RANGE ||
	    prec_span_part(span, 1, ~0ull, &part) != PREC_RANGE ||
	    part.host != 0)
		fail("a part outside was given");
	if (prec_span_part(span, 4, 12, &part) != PREC_OK ||
	    part.host != 0x1004 || part.address != 0x2004 || part.size != 12)
		fail("a part inside was not given");
}

static void full(void)
{
	struct prec_span span;
	uint32_t i;

	for (i = 0; i < PREC_SPACE_MAX; i++)
		if (prec_space_add(&space, 2 * i * CELL, CELL, i * CELL, 1,
				   i) != PREC_OK)
			fail("an entry was not taken");
	if (prec_space_add(&space, 2 * i * CELL, CELL, 0, 1, i) != PREC_FULL)
		fail("one entry too many was taken");
	if (prec_space_remove(&space, PREC_SPACE_MAX) != PREC_RANGE ||
	    prec_space_remove(&space, PREC_NONE) != PREC_RANGE ||
	    space.count != PREC_SPACE_MAX)
		fail("an entry past the last was removed");
	if (prec_space_resolve(&space, 4 * CELL, CELL + 1, 1, &span) !=
		    PREC_RANGE ||
	    prec_space_resolve(&space, 4 * CELL, ~0ull, 1, &span) != PREC_RANGE)
		fail("a byte too many was granted");
	if (prec_space_resolve(&space, 4 * CELL, CELL, 1, &span) != PREC_OK)
		fail("a whole entry was not granted");
	while (space.count > 0)
		prec_space_remove(&space, space.count / 2);
}

int main(void)
{
	uint32_t step;

	edges();
	full();
	for (step = 1; step < 30000; step++) {
		/* grow for a while, shrink for a while */
		if (below(8) < (step / 3000 % 2 ? 3u : 6u))
			add(step);
		else
			withdraw();
		ask();
		ask();
	}
	return 0;
}
