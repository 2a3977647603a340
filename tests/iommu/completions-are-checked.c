// SPDX-License-Identifier: MIT
/*
 * G5, G8: a completion is of the command that has its slot now: those that a
 * quiesce left unread are read before slots are used again; and a device that
 * reports what it was not asked is reset, without harm to anybody.
 */
#include "plain.h"

static const struct sim_manner good = { .slow = 1 };
static struct sim_request requests[SIM_DEPTH];

/* The device works on inside an operation, as it does in truth. */
static void work(void *world, uint32_t moment)
{
	(void)world;
	(void)moment;
	for (uint32_t i = 0; i < 20; i++)
		sim_step(&plain_sim, i);
}

/* It completes a command between the last look at completions and the end of
 * the quiesce. */
static void unread_when_quiesced(void)
{
	struct iommu_outcome outcome;
	uint32_t loan, slot, other;

	plain_begin(&good, false, 1 << 20);
	loan = plain_has(1, 0x100000, 4);
	MUST(plain_put(&requests[0], 0, 1, loan, &slot) == PREC_OK);
	MUST(plain_put(&requests[1], 0, 1, loan, &other) == PREC_OK);
	/* Begun, so the deletion of the queue waits for them. */
	sim_step(&plain_sim, 0);
	sim_step(&plain_sim, 1);
	iommu_insist(&plain, other, plain_now);
	plain_sim.at_moment = work;
	plain_tick(1, false);
	plain_sim.at_moment = NULL;
	EXPECT(plain.counts.quiesced[IOMMU_QUEUE] == 1);
	plain_tick(5, true);
	for (uint32_t i = 0; i < 2; i++) {
		EXPECT(iommu_ended(&plain, &outcome) && outcome.completed &&
		       outcome.believed && outcome.status == 0);
	}
	EXPECT(!iommu_ended(&plain, &outcome));
	EXPECT(plain.counts.again == 0 && plain.counts.untrue == 0);
	EXPECT(plain.ledger.pins[loan] == 0);
}

/* A command waits while the device says something that is not so. */
static void lies(uint32_t queue, uint32_t slot, uint32_t times)
{
	struct iommu_outcome outcome;
	uint32_t loan, at;

	plain_begin(&good, false, 1 << 20);
	loan = plain_has(1, 0x100000, 4);
	MUST(plain_put(&requests[0], 0, 1, loan, &at) == PREC_OK);
	for (uint32_t i = 0; i < times; i++)
		sim_report(&plain_sim, queue, slot, 0);
	plain_tick(1, false);
	EXPECT(plain.counts.untrue == times);
	EXPECT(!iommu_ended(&plain, &outcome));
	EXPECT(plain_put(&requests[1], 1, 1, loan, &at) == PREC_BUSY);
	/* It has done nothing else, and is reset before it can. */
	plain_sim.queue[0].command[0].there = false;
	plain_tick(20, true);
	EXPECT(plain.counts.quiesced[IOMMU_DEVICE] == 1);
	EXPECT(plain.counts.again == 1);
	EXPECT(iommu_ended(&plain, &outcome) && outcome.completed &&
	       outcome.own == &requests[0]);
	EXPECT(!iommu_ended(&plain, &outcome));
}

/* Twice, and the second time the slot may be another's, but not here. */
static void says_it_twice(void)
{
	struct iommu_outcome outcome;
	uint32_t loan, slot;

	plain_begin(&good, false, 1 << 20);
	loan = plain_has(1, 0x100000, 4);
	MUST(plain_put(&requests[0], 0, 1, loan, &slot) == PREC_OK);
	plain_tick(4, true);
	EXPECT(iommu_ended(&plain, &outcome) && outcome.completed);
	sim_report(&plain_sim, 0, slot, 0);
	plain_tick(1, false);
	EXPECT(plain.counts.untrue == 1 && !iommu_ended(&plain, &outcome));
	/* The next command has another slot, while there are some. */
	plain_tick(5, true);
	MUST(plain_put(&requests[0], 0, 1, loan, &loan) == PREC_OK);
	EXPECT(loan != slot);
}

static uint32_t endless_calls;

static bool endless(void *device, uint32_t queue, uint32_t *slot,
		    uint32_t *status)
{
	(void)device;
	(void)queue;
	endless_calls++;
	*slot = 5;
	*status = 0;
	return true;
}

/* A look ends, whatever the device says. */
static void goes_on_for_ever(void)
{
	struct iommu_ops ops = sim_ops;

	plain_begin(&good, false, 1 << 20);
	ops.reap = endless;
	plain.ops = &ops;
	iommu_look(&plain, 1);
	EXPECT(endless_calls <= 3 * SIM_QUEUES * IOMMU_SLOTS);
	EXPECT(plain.counts.untrue == endless_calls);
}

/* An error is the command's, and nobody else's. */
static void errors_are_told(void)
{
	struct iommu_outcome outcome;
	uint32_t loan, slot;

	plain_begin(&good, false, 1 << 20);
	loan = plain_has(1, 0x100000, 4);
	MUST(plain_put(&requests[0], 0, 1, loan, &slot) == PREC_OK);
	plain_sim.queue[0].command[0].there = false;
	sim_report(&plain_sim, 0, slot, 0x2002);
	plain_tick(1, false);
	EXPECT(iommu_ended(&plain, &outcome) && outcome.completed &&
	       outcome.believed && outcome.status == 0x2002);
	EXPECT(plain.counts.untrue == 0);
}

int main(void)
{
	unread_when_quiesced();
	lies(0, 1, 1);
	lies(1, 0, 1);
	lies(0, SIM_DEPTH, 1);
	lies(1, UINT32_MAX, 20);
	says_it_twice();
	goes_on_for_ever();
	errors_are_told();
	return expect_end();
}
