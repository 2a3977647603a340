// SPDX-License-Identifier: MIT
/* A fault that is not ours stops its thread and is reported; everybody else
 * goes on. */
#include "scenario.h"
#include "examples/sel4/system.h"

static uint64_t want;
static uint32_t went_on; /* a thread that was to stop */

static bool is_seen(void)
{
	return foreign_seen() == want ||
	       __atomic_load_n(&went_on, __ATOMIC_ACQUIRE);
}

static void store_to(uint64_t address)
{
	*(volatile uint64_t *)(uintptr_t)address = 1;
}

static uint64_t own_page(const struct prec_region *region)
{
	return (region->span.host - keeper.window) / 4096;
}

/* It has entered, but nothing is open. */
static void load_plainly(uint64_t address)
{
	if (prec_keeper_enter(&keeper, SECOND_VICTIM,
			      driver_call[SECOND_VICTIM]))
		return;
	(void)*(volatile uint8_t *)(uintptr_t)address;
}

static void load_by_accessor(uint64_t argument)
{
	struct prec_region *region = (struct prec_region *)(uintptr_t)argument;
	uint64_t value;

	if (prec_load64(region->span, 7 * 4096, &value))
		__atomic_store_n(&went_on, 1, __ATOMIC_RELEASE);
}

/* The client has not taken the page: we have unmapped it. */
static void our_own_mistake(struct prec_region *region)
{
	uint64_t epoch = prec_region_epoch(region);

	system_unmap(keeper.slots + own_page(region) + 7);
	want = foreign_seen() + 1;
	start_driver(THIRD_VICTIM, load_by_accessor,
		     (uint64_t)(uintptr_t)region);
	wait_until(is_seen);
	EXPECT(!went_on);
	EXPECT_EQ(foreign_address(), region->span.host + 7 * 4096);
	EXPECT_EQ(prec_region_epoch(region), epoch);
}

void foreign_faults_stop_their_thread(void)
{
	struct prec_fault_counts before = counts_now();
	static struct prec_region region;

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
	our_own_mistake(&region);
	EXPECT_EQ(counts_now().passed, before.passed + 3);
	EXPECT_EQ(prec_copy_in(buffer, region.span, 0, 8192).status, PREC_OK);
	EXPECT_EQ(prec_region_unmap(&region), PREC_OK);
}
