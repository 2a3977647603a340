// SPDX-License-Identifier: MIT
/*
 * The client revokes at point 1, 2, 3, … of what the keeper does for one
 * request or fault: whatever the keeper has found out so far may be wrong by
 * then.  Each outcome is one of those specified, and nothing is left.  A point
 * is a call of the kernel on the model, an instruction on a kernel that steps.
 */
#include "scenario.h"
#include "examples/sel4/system.h"

#define PAGE_LOST  1u /* before the operation, for those that need a fault */
#define POINTS_MAX 20000u /* for each page */

static uint32_t page; /* to revoke */

static void revoke(void)
{
	seL4_CNode_Revoke(client_cnode, CLIENT_FRAMES + page, CLIENT_BITS);
}

/* ---- operations on a region of four pages ------------------------------- */

static struct prec_region region;
static struct prec_region *regions[] = { &region };

static void load_lost(struct prec_transaction *t, void *argument)
{
	volatile uint8_t *bytes = prec_plain(prec_lent(&region));

	(void)argument;
	t->cursor = bytes[PAGE_LOST * 4096 + 5];
}

static void store_lost(struct prec_transaction *t, void *argument)
{
	volatile uint8_t *bytes = prec_plain(prec_lent(&region));

	(void)argument;
	bytes[PAGE_LOST * 4096 + 5] = 9;
	t->cursor = bytes[PAGE_LOST * 4096 + 5];
}

static enum prec_status run(enum prec_policy policy, prec_transaction_fn *fn,
			    uint64_t want)
{
	struct prec_transaction t = { .regions = regions,
				      .region_count = 1,
				      .policy = policy };
	enum prec_status status = prec_transaction_run(&t, fn, NULL);

	if (status == PREC_DISTURBED)
		EXPECT_EQ(t.cursor, want);
	return status;
}

static enum prec_status by_accessor(void)
{
	uint32_t value;

	return prec_load32(region.span, PAGE_LOST * 4096, &value);
}

static enum prec_status abandoned(void)
{
	return run(PREC_ABANDON, load_lost, 0);
}

static enum prec_status loaded(void)
{
	return run(PREC_SUBSTITUTE, load_lost, 0);
}

static enum prec_status stored(void)
{
	return run(PREC_SUBSTITUTE, store_lost, 9);
}

static enum prec_status checked(void)
{
	return prec_region_check(&region);
}

static enum prec_status revoked(void)
{
	return prec_region_revoke(&region);
}

/* What may come of it beside PREC_GONE. */
static const struct operation {
	enum prec_status (*run)(void);
	enum prec_status also;
	bool lost; /* a page, before it */
} operations[] = {
	{ by_accessor, PREC_GONE, true }, { abandoned, PREC_GONE, true },
	{ loaded, PREC_DISTURBED, true }, { stored, PREC_DISTURBED, true },
	{ checked, PREC_OK, false },	  { revoked, PREC_OK, false },
};
#define OPERATIONS (sizeof(operations) / sizeof(operations[0]))

/* ---- one point after the other ------------------------------------------- */

/* Was it revoked? */
static bool disarm(void)
{
	bool met = point_disarm();

	/* The client's revocation has come to its end. */
	client_ask(CLIENT_PEEK, 0, 0, 0);
	return met;
}

static bool try_operation(const struct operation *op, uint32_t point)
{
	enum prec_refusal why;
	enum prec_status status;
	bool met;

	receive_frames(0, 4, true);
	EXPECT_EQ(lend(&region, 0, 4, PREC_READ | PREC_WRITE, &why), PREC_OK);
	if (op->lost)
		client_ask(CLIENT_REVOKE, PAGE_LOST, 0, 0);
	point_arm(point, revoke);
	status = op->run();
	met = disarm();
	EXPECT(status == PREC_GONE || status == op->also);
	EXPECT_EQ(prec_region_unmap(&region), PREC_OK);
	return met;
}

/* Lending: all of it is mapped, or nothing; and a page that went meanwhile is
 * found gone, at the latest by the next look. */
static bool try_lending(uint32_t point)
{
	enum prec_refusal why;
	enum prec_status status;
	bool met;

	receive_frames(0, 4, true);
	point_arm(point, revoke);
	status = lend(&region, 0, 4, PREC_READ | PREC_WRITE, &why);
	met = disarm();
	EXPECT(status == PREC_OK ||
	       (status == PREC_REFUSED && why == PREC_REFUSAL_NOT_MEMORY));
	if (status != PREC_OK)
		return met;
	EXPECT_EQ(prec_region_check(&region), met ? PREC_GONE : PREC_OK);
	EXPECT_EQ(prec_region_unmap(&region), PREC_OK);
	return met;
}

static bool try_unmap(uint32_t point)
{
	enum prec_refusal why;

	receive_frames(0, 4, true);
	EXPECT_EQ(lend(&region, 0, 4, PREC_READ, &why), PREC_OK);
	point_arm(point, revoke);
	EXPECT_EQ(prec_region_unmap(&region), PREC_OK);
	return disarm();
}

void revoked_between_calls(void)
{
	struct prec_fault_counts before = counts_now();
	uint32_t points = 0, at, i;

	if (!point_arm(UINT32_MAX, revoke)) {
		say("skipped: the keeper cannot be stopped here\n");
		return;
	}
	point_disarm();
	for (page = 0; page < 4; page++) {
		for (at = 1; try_lending(at); at++)
			points++;
		for (at = 1; try_unmap(at); at++)
			points++;
		for (i = 0; i < OPERATIONS; i++)
			for (at = 1; try_operation(&operations[i], at); at++)
				points++;
		EXPECT(points < (page + 1) * POINTS_MAX);
	}
	page = 0;
	say("%u points\n", points);
	EXPECT_EQ(counts_now().passed, before.passed);
	EXPECT(points > 100);
	check_nothing_left();
}
