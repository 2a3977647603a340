// SPDX-License-Identifier: MIT
/* Two driver threads work on one region while the client takes pages of it:
 * what the one has resolved is no foreign fault for the other, and both hear of
 * it. */
#include "scenario.h"

#define ROUNDS 40u

static struct prec_region region;
static uint32_t begun, done; /* rounds: by the first and the second thread */
static enum prec_status second_status;

/* Mappings change under it, as they are to: no race that is to be found. */
__attribute__((no_sanitize("thread"))) static void
touch(struct prec_transaction *t, void *argument)
{
	volatile uint8_t *at = prec_plain(prec_lent(&region));
	uint64_t *zeroes = argument;

	for (t->cursor = 0; t->cursor < PAGES; t->cursor++) {
		uint8_t value = at[t->cursor * 4096];

		*zeroes += value == 0;
		if (t->cursor % 2)
			at[t->cursor * 4096] = value;
	}
}

static enum prec_status run(void)
{
	struct prec_region *regions[] = { &region };
	struct prec_transaction t = { .regions = regions,
				      .region_count = 1,
				      .policy = PREC_SUBSTITUTE };
	uint64_t zeroes = 0;

	return prec_transaction_run(&t, touch, &zeroes);
}

static void second(uint64_t argument)
{
	(void)argument;
	if (prec_keeper_enter(&keeper, SECOND_DRIVER,
			      driver_call[SECOND_DRIVER]))
		return;
	for (uint32_t round = 1;; round++) {
		while (__atomic_load_n(&begun, __ATOMIC_ACQUIRE) < round)
			seL4_Yield();
		second_status = run();
		__atomic_store_n(&done, round, __ATOMIC_RELEASE);
	}
}

static bool second_is_done(void)
{
	return __atomic_load_n(&done, __ATOMIC_ACQUIRE) ==
	       __atomic_load_n(&begun, __ATOMIC_RELAXED);
}

static bool as_specified(enum prec_status status)
{
	return status == PREC_DISTURBED;
}

void two_threads_meet_one_loss(void)
{
	struct prec_fault_counts before = counts_now();

	client_ask(CLIENT_FILL, 1, 0, 0);
	start_driver(SECOND_DRIVER, second, 0);
	for (uint32_t round = 1; round <= ROUNDS; round++) {
		enum prec_status first;

		lend_all(&region);
		/* Even ones for loads, odd ones for stores too: 16 frames. */
		for (uint32_t page = 0; page < PAGES / 2; page++)
			client_ask(CLIENT_REVOKE, page, 0, 0);
		__atomic_store_n(&begun, round, __ATOMIC_RELEASE);
		first = run();
		wait_until(second_is_done);
		EXPECT(as_specified(first));
		EXPECT(as_specified(second_status));
		EXPECT_EQ(prec_region_unmap(&region), PREC_OK);
	}
	EXPECT_EQ(counts_now().passed, before.passed);
	EXPECT_EQ(counts_now().abandoned, before.abandoned);
}
