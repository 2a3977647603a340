// SPDX-License-Identifier: MIT
/*
 * Whether an eventfd is too slow to signal is told by its last 16 times, not by
 * one: an interrupt, or what a hypervisor takes away, may fall into any.  Only
 * a time that is very long, or several that are long, cannot be that.
 */
#include "device/notify.h"

#include "tests/expect.h"

#define QUICK 1000u
#define TIMES 16u

/* `quick` quick ones, then a slow one, again and again. */
static bool is_too_slow(uint32_t quick, uint64_t slow_ns)
{
	struct notify_cost cost = { 0 };

	for (uint32_t i = 0; i < 10 * TIMES; i++)
		notify_charge(&cost, (i + 1) % (quick + 1) ? QUICK : slow_ns);
	return cost.too_slow;
}

/* A number of slow ones in a row, between many that are quick. */
static bool are_too_many(uint32_t count, uint64_t slow_ns)
{
	struct notify_cost cost = { 0 };

	for (uint32_t i = 0; i < 2 * TIMES; i++)
		notify_charge(&cost, QUICK);
	for (uint32_t i = 0; i < count; i++)
		notify_charge(&cost, slow_ns);
	for (uint32_t i = 0; i < 2 * TIMES; i++)
		notify_charge(&cost, QUICK);
	return cost.too_slow;
}

int main(void)
{
	const uint64_t usual_ns = notify_usual_ns();
	const uint64_t long_ns = NOTIFY_LONG * usual_ns;
	const uint64_t most_ns = NOTIFY_MOST * usual_ns;

	EXPECT(!is_too_slow(0, usual_ns - 1));
	EXPECT(is_too_slow(0, usual_ns));
	EXPECT(!is_too_slow(1, long_ns - 1));
	EXPECT(!are_too_many(11, long_ns - 1));
	EXPECT(are_too_many(12, usual_ns));
	EXPECT(!are_too_many(2, most_ns - 1));
	EXPECT(are_too_many(3, long_ns));
	EXPECT(!is_too_slow(7, most_ns - 1));
	EXPECT(is_too_slow(6, long_ns));
	EXPECT(are_too_many(1, most_ns));
	return expect_end();
}
