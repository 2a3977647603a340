// SPDX-License-Identifier: MIT
/*
 * Whether an eventfd is too slow to signal is told by its last 128 times, not
 * by a few: an interrupt, or what a hypervisor takes away, may fall into any,
 * and on a busy host into most.  Only what takes long nearly every time, or
 * very long again and again, cannot be that.
 */
#include "device/notify.h"

#include "tests/expect.h"

#define QUICK 1000u
#define TIMES NOTIFY_TIMES

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

/* At random, so many of ten are slow by what a host takes away. */
static bool is_taken_away(uint32_t of_ten)
{
	struct notify_cost cost = { 0 };
	uint32_t state = 1;

	for (uint32_t i = 0; i < 1000000; i++) {
		state = state * 1103515245u + 12345u;
		notify_charge(&cost,
			      (state >> 16) % 10 < of_ten
				      ? NOTIFY_LONG * notify_usual_ns() - 1
				      : QUICK);
	}
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
	EXPECT(!are_too_many(111, long_ns - 1));
	EXPECT(are_too_many(112, usual_ns));
	EXPECT(!are_too_many(15, most_ns - 1));
	EXPECT(are_too_many(16, long_ns));
	EXPECT(!is_too_slow(8, most_ns - 1));
	EXPECT(is_too_slow(7, long_ns));
	EXPECT(!are_too_many(3, 10 * most_ns));
	EXPECT(are_too_many(4, most_ns));
	EXPECT(!is_taken_away(6));
	EXPECT(is_taken_away(9));
	return expect_end();
}
