// SPDX-License-Identifier: MIT
/* Plain code on lent memory: left at the loss, or brought to its end on empty
 * pages, of which no client sees what another has stored. */
#include "scenario.h"

static volatile uint8_t *bytes_of(const struct prec_region *region)
{
	return prec_plain(prec_lent(region));
}

static void sum_words(struct prec_transaction *t, void *argument)
{
	const volatile uint32_t *at = prec_plain(prec_lent(t->regions[0]));
	uint64_t *sum = argument;

	for (t->cursor = 0; t->cursor < t->regions[0]->span.size / 4;
	     t->cursor++)
		*sum += at[t->cursor];
}

/* A load of zeroes first, then a store: a frame of ours. */
static void store_and_load(struct prec_transaction *t, void *argument)
{
	volatile uint8_t *at = bytes_of(t->regions[0]);
	uint8_t *out = argument;

	out[0] = at[5 * 4096 + 1];
	at[5 * 4096 + 1] = 0x77;
	out[1] = at[5 * 4096 + 1];
	at[6 * 4096 + 2] = 0x78;
	out[2] = at[6 * 4096 + 2];
	out[3] = at[6 * 4096 + 3];
}

static void store_everywhere(struct prec_transaction *t, void *argument)
{
	volatile uint8_t *at = bytes_of(t->regions[0]);

	(void)argument;
	for (t->cursor = 0; t->cursor < PAGES; t->cursor++)
		at[t->cursor * 4096] = 1;
}

static void abandoned(struct prec_region *region)
{
	struct prec_transaction t = { .regions = &region, .region_count = 1 };
	struct prec_fault_counts before;
	uint64_t sum = 0, gone = 0;

	client_ask(CLIENT_FILL, 3, 0, 0);
	lend_all(region);
	EXPECT_EQ(prec_transaction_run(&t, sum_words, &sum), PREC_OK);
	before = counts_now();
	client_ask(CLIENT_REVOKE, 2, 0, 0);
	EXPECT_EQ(prec_transaction_run(&t, sum_words, &sum), PREC_GONE);
	EXPECT_EQ(t.cursor, 2048);
	EXPECT_EQ(t.note.address, region->span.host + 2 * 4096);
	EXPECT_EQ(t.note.faults, 1);
	EXPECT(t.note.abandoned && !t.note.write && !t.note.substituted);
	EXPECT(!prec_transaction_current());
	for (int i = 0; i < 1000; i++)
		gone += prec_transaction_run(&t, sum_words, &sum) == PREC_GONE;
	EXPECT_EQ(gone, 1000);
	EXPECT_EQ(counts_now().abandoned, before.abandoned + 1001);
	EXPECT_EQ(prec_region_unmap(region), PREC_OK);
}

/* The sum of what is not lost: pages 2, 5 and 6 are. */
static uint64_t sum_of_the_rest(struct prec_region *region)
{
	uint64_t sum = 0;

	EXPECT_EQ(prec_copy_in(buffer, region->span, 0, 2 * 4096).done, 8192);
	EXPECT_EQ(prec_copy_in(buffer + 3 * 4096, region->span, 3 * 4096,
			       2 * 4096)
			  .done,
		  8192);
	EXPECT_EQ(prec_copy_in(buffer + 7 * 4096, region->span, 7 * 4096,
			       (PAGES - 7) * 4096)
			  .status,
		  PREC_OK);
	for (uint64_t i = 0; i < PAGES * 1024; i++)
		if (i / 1024 != 2 && i / 1024 != 5 && i / 1024 != 6)
			sum += *(uint32_t *)(void *)&buffer[4 * i];
	return sum;
}

static void revoke_three(void)
{
	client_ask(CLIENT_REVOKE, 2, 0, 0);
	client_ask(CLIENT_REVOKE, 5, 0, 0);
	client_ask(CLIENT_REVOKE, 6, 0, 0);
}

static void substituted(struct prec_region *region)
{
	struct prec_transaction t = { .regions = &region,
				      .region_count = 1,
				      .policy = PREC_SUBSTITUTE };
	uint8_t out[4] = { 9, 9, 9, 9 };
	uint64_t sum = 0, want;

	lend_all(region);
	revoke_three();
	want = sum_of_the_rest(region);
	EXPECT_EQ(prec_transaction_run(&t, sum_words, &sum), PREC_DISTURBED);
	EXPECT_EQ(sum, want);
	EXPECT_EQ(t.note.faults, 3);
	EXPECT_EQ(t.note.lost_host, region->span.host + 2 * 4096);
	EXPECT_EQ(t.note.lost_size, 4096);
	EXPECT_EQ(prec_transaction_run(&t, store_and_load, out),
		  PREC_DISTURBED);
	EXPECT_EQ(out[0], 0);
	EXPECT_EQ(out[1], 0x77);
	EXPECT_EQ(out[2], 0x78);
	EXPECT_EQ(out[3], 0);
	/* The client's own is as it was. */
	EXPECT_EQ(client_ask(CLIENT_COUNT_WRONG, 0, PAGES * 4096, 3), 0);
	EXPECT_EQ(prec_region_check(region), PREC_GONE);
	EXPECT_EQ(prec_region_unmap(region), PREC_OK);
}

/* A page full of what another client must not see. */
static void store_secret(struct prec_transaction *t, void *argument)
{
	volatile uint8_t *at = bytes_of(t->regions[0]) + 5 * 4096;

	(void)argument;
	for (t->cursor = 0; t->cursor < 4096; t->cursor++)
		at[t->cursor] = 0x5a;
}

/* A store first, so that the page is a frame of ours at once. */
static void look_for_secret(struct prec_transaction *t, void *argument)
{
	volatile uint8_t *at = bytes_of(t->regions[0]) + 5 * 4096;
	uint64_t *found = argument;

	at[0] = 1;
	for (t->cursor = 1; t->cursor < 4096; t->cursor++)
		*found += at[t->cursor] != 0;
}

/* Our frames are used again, and come without what was stored. */
static void nothing_is_passed_on(struct prec_region *region)
{
	struct prec_transaction t = { .regions = &region,
				      .region_count = 1,
				      .policy = PREC_SUBSTITUTE };
	uint64_t found = 0;

	lend_all(region);
	client_ask(CLIENT_REVOKE, 5, 0, 0);
	EXPECT_EQ(prec_transaction_run(&t, store_secret, NULL), PREC_DISTURBED);
	EXPECT_EQ(prec_region_unmap(region), PREC_OK);
	lend_all(region);
	client_ask(CLIENT_REVOKE, 5, 0, 0);
	EXPECT_EQ(prec_transaction_run(&t, look_for_secret, &found),
		  PREC_DISTURBED);
	EXPECT_EQ(t.cursor, 4096);
	EXPECT_EQ(found, 0);
	EXPECT_EQ(prec_region_unmap(region), PREC_OK);
}

/* With no frame left for this client the transaction is left after all. */
static void a_client_has_its_share(struct prec_region *region)
{
	struct prec_transaction t = { .regions = &region,
				      .region_count = 1,
				      .policy = PREC_SUBSTITUTE };

	lend_all(region);
	for (uint32_t i = 0; i < PAGES; i++)
		client_ask(CLIENT_REVOKE, i, 0, 0);
	EXPECT_EQ(prec_transaction_run(&t, store_everywhere, NULL), PREC_GONE);
	EXPECT_EQ(t.cursor, keeper.client_frames);
	EXPECT(t.note.substituted && t.note.abandoned && t.note.write);
	EXPECT_EQ(prec_region_unmap(region), PREC_OK);
}

static void scope_ends(struct prec_region *region)
{
	struct prec_transaction scope = { .regions = &region,
					  .region_count = 1,
					  .policy = PREC_SUBSTITUTE };

	lend_all(region);
	client_ask(CLIENT_REVOKE, 5, 0, 0);
	EXPECT_EQ(prec_scope_begin(&scope), PREC_OK);
	EXPECT(prec_transaction_current() == &scope);
	EXPECT_EQ(bytes_of(region)[5 * 4096], 0);
	EXPECT_EQ(prec_region_unmap(region), PREC_BUSY);
	EXPECT_EQ(prec_scope_end(&scope), PREC_DISTURBED);
	EXPECT_EQ(prec_scope_end(&scope), PREC_INVALID);
	EXPECT_EQ(prec_region_unmap(region), PREC_OK);
}

/* Any code, with nothing open. */
static void losses_are_tolerated(struct prec_region *region)
{
	struct prec_lending lending = { .frames = received,
					.rights = PREC_READ | PREC_WRITE,
					.size = PAGES * 4096,
					.options = PREC_TOLERATE };
	uint64_t epoch;

	receive_frames(0, PAGES, true);
	EXPECT_EQ(prec_region_map(region, &lending, NULL), PREC_OK);
	epoch = prec_region_epoch(region);
	client_ask(CLIENT_REVOKE, 5, 0, 0);
	EXPECT_EQ(bytes_of(region)[5 * 4096], 0);
	bytes_of(region)[5 * 4096] = 3;
	EXPECT_EQ(bytes_of(region)[5 * 4096], 3);
	EXPECT(prec_region_epoch(region) > epoch);
	EXPECT_EQ(prec_region_unmap(region), PREC_OK);
}

void transactions_end(void)
{
	struct prec_region region;

	abandoned(&region);
	substituted(&region);
	nothing_is_passed_on(&region);
	a_client_has_its_share(&region);
	scope_ends(&region);
	losses_are_tolerated(&region);
}
