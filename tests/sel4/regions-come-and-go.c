// SPDX-License-Identifier: MIT
/* Taken back politely, unmapped, and the same slots and pages used again. */
#include "scenario.h"

static struct prec_region region, again;

static void unmap_inside(struct prec_transaction *t, void *argument)
{
	enum prec_status *status = argument;

	(void)t;
	*status = prec_region_unmap(&region);
}

static void revoke_inside(struct prec_transaction *t, void *argument)
{
	const volatile uint8_t *at = prec_plain(prec_lent(&region));
	enum prec_status *status = argument;

	t->cursor = at[0];
	*status = prec_region_revoke(&region);
	t->cursor = 1 + at[4096];
}

static void taken_back(void)
{
	struct prec_region *regions[] = { &region };
	struct prec_transaction t = { .regions = regions, .region_count = 1 };
	enum prec_status inside = PREC_SYSTEM;
	struct prec_result got;
	uint64_t epoch;

	client_ask(CLIENT_FILL, 4, 0, 0);
	lend_all(&region);
	epoch = prec_region_epoch(&region);
	EXPECT(!prec_region_revoked(&region));
	EXPECT_EQ(prec_transaction_run(&t, revoke_inside, &inside), PREC_GONE);
	EXPECT_EQ(inside, PREC_OK);
	EXPECT_EQ(t.cursor, client_pattern(0, 4));
	EXPECT(prec_region_revoked(&region));
	EXPECT(prec_region_epoch(&region) > epoch);
	EXPECT_EQ(prec_region_revoke(&region), PREC_OK);
	EXPECT_EQ(prec_transaction_run(&t, revoke_inside, &inside),
		  PREC_REFUSED);
	got = prec_copy_out(region.span, 0, buffer, 100);
	EXPECT_EQ(got.status, PREC_GONE);
	EXPECT_EQ(got.done, 0);
	EXPECT_EQ(prec_region_check(&region), PREC_GONE);
	EXPECT_EQ(client_ask(CLIENT_COUNT_WRONG, 0, PAGES * 4096, 4), 0);
	EXPECT_EQ(prec_region_unmap(&region), PREC_OK);
	EXPECT_EQ(prec_region_unmap(&region), PREC_INVALID);
	EXPECT_EQ(prec_region_revoke(&region), PREC_INVALID);
	EXPECT_EQ(prec_region_check(&region), PREC_INVALID);
}

static void not_while_open(void)
{
	struct prec_region *regions[] = { &region };
	struct prec_transaction t = { .regions = regions, .region_count = 1 };
	enum prec_status inside = PREC_SYSTEM;
	enum prec_refusal why;

	lend_all(&region);
	EXPECT_EQ(prec_transaction_run(&t, unmap_inside, &inside), PREC_OK);
	EXPECT_EQ(inside, PREC_BUSY);
	EXPECT(prec_region_at(region.span.host) == &region);
	EXPECT(prec_region_at(region.span.host + region.span.size - 1) ==
	       &region);
	EXPECT(!prec_region_at(region.span.host + region.span.size));
	EXPECT(!prec_region_at(region.span.host - 1));
	/* It is in the table already. */
	EXPECT_EQ(lend(&region, 0, 4, PREC_READ, &why), PREC_INVALID);
	EXPECT_EQ(prec_region_unmap(&region), PREC_OK);
	EXPECT(!prec_region_at(keeper.window));
	EXPECT_EQ(prec_transaction_run(&t, unmap_inside, &inside),
		  PREC_REFUSED);
}

static void used_again(void)
{
	uint64_t count = 0;

	for (uint64_t i = 0; i < 50; i++) {
		struct prec_result got;

		lend_all(&region);
		got = prec_copy_in(buffer, region.span, 0, region.span.size);
		count += got.done;
		client_ask(CLIENT_REVOKE, i, 0, 0);
		got = prec_copy_in(buffer, region.span, 0, region.span.size);
		EXPECT_EQ(got.done, i * 4096);
		EXPECT_EQ(prec_region_unmap(&region), PREC_OK);
	}
	EXPECT_EQ(count, 50ull * PAGES * 4096);
}

/* One is taken; those beside it stay, and its place is used again. */
static void beside_each_other(void)
{
	static struct prec_region some[PREC_KEEPER_REGIONS];
	enum prec_refusal why;
	uint32_t i;

	receive_frames(0, PAGES, true);
	for (i = 0; i < PREC_KEEPER_REGIONS; i++)
		EXPECT_EQ(lend(&some[i], i % PAGES, 1, PREC_READ, &why),
			  PREC_OK);
	EXPECT_EQ(lend(&again, 0, 1, PREC_READ, &why), PREC_FULL);
	EXPECT_EQ(prec_region_unmap(&some[7]), PREC_OK);
	EXPECT_EQ(lend(&again, 7, 1, PREC_READ, &why), PREC_OK);
	EXPECT_EQ(again.span.host, some[7].span.host);
	EXPECT_EQ(prec_region_check(&some[6]), PREC_OK);
	EXPECT_EQ(prec_region_check(&some[8]), PREC_OK);
	EXPECT_EQ(prec_region_unmap(&again), PREC_OK);
	for (i = 0; i < PREC_KEEPER_REGIONS; i++)
		if (i != 7)
			EXPECT_EQ(prec_region_unmap(&some[i]), PREC_OK);
}

void regions_come_and_go(void)
{
	taken_back();
	not_while_open();
	used_again();
	beside_each_other();
}
