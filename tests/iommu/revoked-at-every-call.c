// SPDX-License-Identifier: MIT
/*
 * G8: memory may be taken away before and after every call of the operations of
 * a device, in each way, and any of those calls may fail: the device cannot
 * reach what was given back, and every request ends.
 */
#include "world.h"

/* Act at every moment that there is, until the run is over before it comes. */
static void act_at_moments(struct world_plan *plan, uint32_t step)
{
	for (plan->moment = 1;; plan->moment += step) {
		struct world_result result = world_run(plan);

		if (!result.taken)
			break;
		world_count(plan, &result);
	}
	plan->moment = 0;
}

/* Each call fails once, with the act before it or after it. */
static void fail_calls(struct world_plan *plan, uint32_t step)
{
	uint32_t calls;

	for (plan->at = 5; plan->at < 60; plan->at += 18) {
		calls = 1;
		for (plan->failing = 1; plan->failing <= calls;
		     plan->failing += step) {
			struct world_result result = world_run(plan);

			calls = result.calls;
			world_count(plan, &result);
		}
	}
	plan->at = 0;
	plan->failing = 0;
}

static void try_all(struct world_plan *plan, uint32_t step)
{
	static const enum world_act acts[] = { WORLD_CUT, WORLD_CUT_IN_PART,
					       WORLD_POLITE, WORLD_CUT_POLITE,
					       WORLD_POLITE_CUT };

	for (uint32_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		plan->act = acts[i];
		act_at_moments(plan, step);
		if (plan->act == WORLD_CUT || plan->act == WORLD_POLITE)
			fail_calls(plan, step);
	}
}

int main(int argc, char **argv)
{
	uint32_t step = world_step(argc, argv, 11);

	for (uint32_t i = 0; i < WORLD_KINDS * 4; i++) {
		struct world_plan plan = {
			.manner = world_manner(i % WORLD_KINDS),
			.hold = i / WORLD_KINDS % 2,
		};

		/* Commands that hang are quiesced: more calls. */
		if (i / WORLD_KINDS / 2)
			plan.manner.hangs = i % 2 ? SIM_NEVER : 385;
		plan.manner.lag = i % 3;
		plan.manner.aborts = i % 5 == 0;
		try_all(&plan, step);
	}
	return world_end(100000);
}
