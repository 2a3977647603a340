// SPDX-License-Identifier: MIT
/*
 * G11: however many messages clients send that make other threads stand, these
 * stand for an eighth of the time, all clients together, and what each has had
 * on credit; and a client that asks for little is not kept waiting by others
 * that ask for much.
 */
#include "device/gate.h"
#include "tests/expect.h"

#define MS	1000000ull
#define CLIENTS 5u

/* Each of them again and again, 2 ms at a time, for ten seconds. */
static void floods_are_slowed(void)
{
	struct gate_pace paces[CLIENTS] = { 0 };
	uint64_t stood = 0, now = 7 * MS;

	for (uint64_t end = now + 10000 * MS; now < end; now += MS / 10) {
		for (uint32_t i = 0; i < CLIENTS; i++) {
			if (!gate_allows(&paces[i], CLIENTS, now))
				continue;
			now += 2 * MS;
			stood += 2 * MS;
			gate_charge(&paces[i], CLIENTS, 2 * MS, now);
		}
	}
	EXPECT(stood <=
	       10000 * MS / GATE_PART + CLIENTS * (GATE_CREDIT_NS + 2 * MS));
	EXPECT(stood >= 10000 * MS / GATE_PART * 9 / 10);
}

/* 200 messages, as when a machine starts, of 40 us each. */
static void few_are_not(void)
{
	struct gate_pace pace = { 0 };
	uint64_t now = 3;

	for (uint32_t i = 0; i < 200; i++) {
		EXPECT(gate_allows(&pace, CLIENTS, now));
		now += 40000;
		gate_charge(&pace, CLIENTS, 40000, now);
	}
}

/* A debt is made good in bounded time. */
static void a_debt_ends(void)
{
	struct gate_pace pace = { 0 };
	uint64_t now = 1;

	gate_charge(&pace, 1, 3ull * GATE_CREDIT_NS, now);
	EXPECT(!gate_allows(&pace, 1, now + GATE_PART * GATE_CREDIT_NS));
	EXPECT(gate_allows(
		&pace, 1, now + 2ull * GATE_PART * GATE_CREDIT_NS + GATE_PART));
}

int main(void)
{
	floods_are_slowed();
	few_are_not();
	a_debt_ends();
	return expect_end();
}
