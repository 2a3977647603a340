// SPDX-License-Identifier: MIT
/*
 * G8: a device cannot reach what was given back.  A client takes its memory
 * back at every tick of a run, in each way, from every kind of bad device: its
 * frames have an owner as long as anything touches them; given back means that
 * the file is their only owner, and that nothing is written from then on;
 * success means that the bytes are in the client's pages; the neighbour and who
 * comes after are served; mappings and bytes are even at the end.
 */
#include "world.h"

/* Longer than what is put and taken back takes. */
#define MOMENTS 74u

static const uint32_t hangs[] = { 0, 90, SIM_NEVER };
static const uint32_t slows[] = { 1, 3, 7 };
static const uint32_t lags[] = { 0, 5, 2 };

static void try_moments(struct world_plan *plan, uint32_t step)
{
	for (plan->at = 1; plan->at <= MOMENTS; plan->at += step) {
		struct world_result result = world_run(plan);

		world_count(plan, &result);
	}
}

static void try_speeds(struct world_plan *plan, uint32_t step)
{
	for (uint32_t i = 0; i < 9; i++) {
		plan->manner.hangs = hangs[i / 3];
		plan->manner.slow = slows[i % 3];
		plan->manner.lag = lags[i % 3];
		plan->manner.aborts = i % 3 == 1;
		try_moments(plan, step);
	}
}

int main(int argc, char **argv)
{
	uint32_t step = world_step(argc, argv, 11);

	for (uint32_t i = 0; i < WORLD_KINDS * WORLD_ACTS * 2; i++) {
		struct world_plan plan = {
			.manner = world_manner(i % WORLD_KINDS),
			.act = i / WORLD_KINDS % WORLD_ACTS,
			.hold = i / WORLD_KINDS / WORLD_ACTS,
		};

		try_speeds(&plan, step);
	}
	return world_end(300000);
}
