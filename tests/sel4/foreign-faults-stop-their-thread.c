// SPDX-License-Identifier: MIT
/* A fault that is not ours stops its thread and is reported; everybody else
 * goes on. */
#include "scenario.h"

static uint64_t want;

static bool is_seen(void)
{
	return foreign_seen() == want;
}

static void store_to(uint64_t address)
{
	*(volatile uint64_t *)(uintptr_t)address = 1;
}

/* It has entered, but nothing is open. */
static void load_plainly(uint64_t address)
{
	if (prec_keeper_enter(&keeper, SECOND_VICTIM,
			      driver_call[SECOND_VICTIM]))
		return;
	(void)*(volatile uint8_t *)(uintptr_t)address;
}

void foreign_faults_stop_their_thread(void)
{
	struct prec_fault_counts before = counts_now();
	struct prec_region region;

	want = foreign_seen() + 1;
	start_driver(FIRST_VICTIM, store_to, 0xdead000);
	wait_until(is_seen);
	EXPECT_EQ(foreign_address(), 0xdead000);
	/* Lent memory that is gone, but the code has asked for nothing. */
	lend_all(&region);
	client_ask(CLIENT_REVOKE, 2, 0, 0);
	want = foreign_seen() + 1;
	start_driver(SECOND_VICTIM, load_plainly, region.span.host + 2 * 4096);
	wait_until(is_seen);
	EXPECT_EQ(foreign_address(), region.span.host + 2 * 4096);
	EXPECT_EQ(counts_now().passed, before.passed + 2);
	EXPECT_EQ(prec_copy_in(buffer, region.span, 0, 8192).status, PREC_OK);
	EXPECT_EQ(prec_region_unmap(&region), PREC_OK);
}
