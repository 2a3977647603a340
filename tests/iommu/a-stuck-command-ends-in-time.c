// SPDX-License-Identifier: MIT
/*
 * G9: a command that never completes ends in bounded time: by its queue, by the
 * device, by a reset, each after its patience; and if none of them can be had,
 * then at once, with what it was told of held for ever.
 */
#include "plain.h"

static struct sim_request requests[3];

/* One stuck command of client 1; its memory is taken back, or its end is
 * insisted on.  Another command, of client 2, waits in the other queue. */
static struct sim_manner stuck_until(enum iommu_level level)
{
	return (struct sim_manner){
		/* Nothing that was begun ends before a device is stopped. */
		.hangs = SIM_NEVER,
		.slow = 1,
		.no_disable = level > IOMMU_DEVICE,
		.no_reset = level > IOMMU_BUS,
	};
}

/* When the request ended, in ticks from now; its outcome. */
static uint32_t end_of(const void *own, struct iommu_outcome *outcome)
{
	for (uint32_t i = 1; i < 1000; i++) {
		plain_tick(1, true);
		while (iommu_ended(&plain, outcome)) {
			if (outcome->own == own)
				return i;
		}
	}
	return 1000;
}

/* Somebody closes a device that holds memory, and opens it anew. */
static void device_is_closed(uint32_t held)
{
	const struct sim_manner good = { .slow = 1 };
	struct iommu_outcome outcome;
	uint32_t slot, loan;

	iommu_bury(&plain);
	EXPECT(plain_lend(2, 0x300000, 1, &loan) == PREC_REFUSED);
	EXPECT(plain_hears(held, IOMMU_LEFT));
	sim_init(&plain_sim, &good, plain_sim.memory, NULL);
	plain_pinned = 0;
	plain_tick(1, false);
	EXPECT(plain.ledger.held[1] == 0 && !plain.shut);
	loan = plain_has(1, 0x100000, 4);
	MUST(plain_put(&requests[2], 0, 1, loan, &slot) == PREC_OK);
	plain_tick(5, true);
	EXPECT(iommu_ended(&plain, &outcome) && outcome.believed &&
	       outcome.completed && outcome.own == &requests[2]);
	/* Also one that works, with a command in flight, and memory on its
	 * way. */
	MUST(plain_put(&requests[2], 0, 1, loan, &slot) == PREC_OK);
	MUST(plain_lend(2, 0x300000, 1, &slot) == PREC_OK);
	iommu_bury(&plain);
	EXPECT(iommu_ended(&plain, &outcome) && !outcome.completed &&
	       !outcome.held && outcome.own == &requests[2]);
	EXPECT(plain_hears(loan, IOMMU_LEFT));
	plain_tick(1, false);
	EXPECT(plain.shut);
	EXPECT(plain_hears(slot, IOMMU_LEFT));
	plain_tick(1, false);
	EXPECT(!plain.shut && plain_iova.count == 0 &&
	       plain.windows.count == 0 && plain.ledger.held[1] == 0 &&
	       plain.ledger.held[2] == 0);
}

static void try_level(enum iommu_level level, bool insists)
{
	const struct sim_manner manner = stuck_until(level);
	/* A queue's patience, and a device's that refuses at once. */
	uint32_t latest = PLAIN_WAIT + 10 + (insists ? 0 : PLAIN_DRAIN);
	struct iommu_outcome outcome;
	uint32_t slot, first, second, when;

	plain_begin(&manner, false, 1 << 20);
	first = plain_has(1, 0x100000, 4);
	second = plain_has(2, 0x200000, 4);
	MUST(plain_put(&requests[0], 0, 1, first, &slot) == PREC_OK);
	plain_tick(4, true);
	EXPECT(plain.flight[slot].stage == IOMMU_IN_FLIGHT);
	if (insists)
		iommu_insist(&plain, slot, plain_now);
	else
		iommu_take_back(&plain, first, plain_now);
	when = end_of(&requests[0], &outcome);
	EXPECT(when <= latest && when >= PLAIN_WAIT);
	EXPECT(!outcome.completed && !outcome.believed);
	EXPECT(outcome.held == (level == IOMMU_LEVELS));
	EXPECT(plain.dead == outcome.held && plain.shut == outcome.held);
	if (insists && !outcome.held)
		iommu_take_back(&plain, first, plain_now);
	plain_tick(PLAIN_WAIT, true);
	if (outcome.held) {
		EXPECT(plain_hears(first, IOMMU_HELD));
		EXPECT(plain_lend(2, 0x300000, 1, &slot) == PREC_REFUSED);
		EXPECT(plain_put(&requests[1], 1, 2, second, &slot) ==
		       PREC_REFUSED);
		/* What no command was told of leaves all the same. */
		iommu_take_back(&plain, second, plain_now);
		plain_tick(4, true);
		EXPECT(plain_hears(second, IOMMU_LEFT));
		EXPECT(plain_pinned == 4 && plain.ledger.held[1] == 16384);
		device_is_closed(first);
		return;
	}
	EXPECT(plain.counts.quiesced[level] == 1);
	EXPECT(plain_hears(first, IOMMU_LEFT) && plain_pinned == 4);
	EXPECT(iommu_due(&plain) == UINT64_MAX);
	/* It works again. */
	EXPECT(plain_put(&requests[1], 1, 2, second, &slot) == PREC_OK);
}

/* A command that has not begun is ended by its queue alone, and one of another
 * client in the same queue is put again. */
static void try_queue(void)
{
	const struct sim_manner manner = { .slow = 1 };
	struct iommu_outcome outcome;
	uint32_t slot, first, second;

	plain_begin(&manner, false, 1 << 20);
	first = plain_has(1, 0x100000, 4);
	second = plain_has(2, 0x200000, 4);
	MUST(plain_put(&requests[0], 0, 1, first, &slot) == PREC_OK);
	MUST(plain_put(&requests[1], 0, 2, second, &slot) == PREC_OK);
	iommu_take_back(&plain, first, plain_now);
	/* The device sleeps, until the queue is to be deleted. */
	plain_tick(PLAIN_DRAIN + 1, false);
	plain_sim.queue[0].command[0].there = false;
	plain_sim.queue[0].command[1].there = false;
	EXPECT(end_of(&requests[0], &outcome) <= 4);
	EXPECT(!outcome.completed && !outcome.held);
	EXPECT(end_of(&requests[1], &outcome) <= 20);
	EXPECT(outcome.completed && outcome.believed && outcome.status == 0);
	EXPECT(plain.counts.again == 1);
	EXPECT(plain.counts.quiesced[IOMMU_QUEUE] == 1);
	EXPECT(plain.counts.quiesced[IOMMU_DEVICE] == 0);
}

/* One that the device can abort disturbs nobody; one that it cannot is ended by
 * its queue, or whatever that takes. */
static void try_abort(bool stuck)
{
	struct sim_manner manner = { .slow = 1, .aborts = true };
	struct iommu_outcome outcome;
	uint32_t slot, other, first, second;

	manner.hangs = stuck ? SIM_NEVER : 0;
	plain_begin(&manner, false, 1 << 20);
	first = plain_has(1, 0x100000, 4);
	second = plain_has(2, 0x200000, 4);
	MUST(plain_put(&requests[0], 0, 1, first, &slot) == PREC_OK);
	MUST(plain_put(&requests[1], 0, 2, second, &other) == PREC_OK);
	/* Two steps of the first, the second has not begun. */
	sim_step(&plain_sim, 0);
	sim_step(&plain_sim, 0);
	iommu_take_back(&plain, first, plain_now);
	plain_tick(PLAIN_DRAIN, false);
	EXPECT(plain.counts.aborted == 1);
	EXPECT(!stuck || iommu_due(&plain) == plain_now + PLAIN_ABORT);
	if (stuck) {
		EXPECT(end_of(&requests[0], &outcome) <=
		       PLAIN_ABORT + PLAIN_WAIT + 10);
		EXPECT(!outcome.completed);
		EXPECT(plain.counts.quiesced[IOMMU_DEVICE] == 1);
	} else {
		EXPECT(end_of(&requests[0], &outcome) == 1);
		EXPECT(outcome.completed && outcome.status == SIM_ABORTED &&
		       !outcome.believed);
		EXPECT(plain.counts.quiesced[IOMMU_QUEUE] == 0);
		EXPECT(plain.counts.quiesced[IOMMU_DEVICE] == 0);
	}
	plain_tick(PLAIN_WAIT, true);
	EXPECT(plain_hears(first, IOMMU_LEFT));
	EXPECT(iommu_due(&plain) == UINT64_MAX);
}

/* Memory is taken back while its queue is restarted: its command is in no
 * device, and is not given to it again. */
static void taken_back_meanwhile(void)
{
	const struct sim_manner manner = { .slow = 1, .lag = 5 };
	struct iommu_outcome outcome;
	uint32_t slot, other, first, second;

	plain_begin(&manner, false, 1 << 20);
	MUST(plain_lend(1, 0x100000, 4, &first) == PREC_OK);
	MUST(plain_lend(2, 0x200000, 4, &second) == PREC_OK);
	plain_tick(7, false);
	MUST(plain_hears(first, IOMMU_LIVE) && plain_hears(second, IOMMU_LIVE));
	MUST(plain_put(&requests[0], 0, 1, first, &slot) == PREC_OK);
	MUST(plain_put(&requests[1], 0, 2, second, &other) == PREC_OK);
	iommu_insist(&plain, slot, plain_now);
	plain_tick(2, true);
	MUST(plain.quiesce[0].stage == IOMMU_RESTARTING);
	EXPECT(iommu_ended(&plain, &outcome) && outcome.own == &requests[0]);
	EXPECT(plain.flight[other].stage == IOMMU_AGAIN);
	iommu_take_back(&plain, second, plain_now);
	EXPECT(iommu_ended(&plain, &outcome) && outcome.own == &requests[1] &&
	       !outcome.completed && !outcome.believed);
	plain_tick(20, true);
	EXPECT(plain_hears(second, IOMMU_LEFT) && plain.counts.again == 0);
}

int main(void)
{
	for (uint32_t i = IOMMU_DEVICE; i <= IOMMU_LEVELS; i++) {
		try_level(i, false);
		try_level(i, true);
	}
	try_queue();
	try_abort(false);
	try_abort(true);
	taken_back_meanwhile();
	return expect_end();
}
