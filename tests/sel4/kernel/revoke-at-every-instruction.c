// SPDX-License-Identifier: MIT
/*
 * The client's pages are revoked before instruction 1, 2, 3, … of each
 * operation on them, on a kernel that steps threads (its hardware debug API).
 * After n instructions the driver stops with a debug exception, which goes to
 * its fault handler, the keeper; that reports it, and then it is revoked.
 */
#include "points.h"

#include "examples/sel4/root.h"
#include "examples/sel4/system.h"
#include "tests/sel4/scenario.h"
#include "tests/sel4/steps.h"

#include <stddef.h>

#ifdef CONFIG_HARDWARE_DEBUG_API
#define POINTS_WANTED 100000u
#define VARIANTS_MAX  500u

static uint32_t stops; /* by the keeper */

static bool revoke_here(const struct prec_keeper_fault *fault)
{
	if (!fault->other || fault->thread != FIRST_DRIVER)
		return false;
	stops++;
	seL4_CNode_Revoke(client_cnode, CLIENT_FRAMES + STEP_LOST, CLIENT_BITS);
	thread_step(keeper.tcb[FIRST_DRIVER], 0);
	system_must(seL4_TCB_Resume(keeper.tcb[FIRST_DRIVER]), "to go on");
	return true;
}

static uint32_t points, unspecified;

/* False: the operation was over before. */
static bool try_point(const struct step_operation *op, uint32_t instructions,
		      uint32_t *lost)
{
	uint32_t before = stops;
	struct step_run run;

	step_begin(op, &run);
	thread_step(keeper.tcb[FIRST_DRIVER], instructions);
	step_operate((void *)(uintptr_t)op);
	thread_step(keeper.tcb[FIRST_DRIVER], 0);
	step_end(op, &run);
	*lost += run.got.status != PREC_OK;
	if (run.wrong) {
		unspecified++;
		say("UNSPECIFIED: %s, %u of %u, revoked at point %u: %s (%s, "
		    "%lu done)\n",
		    op->name, op->before, op->size, instructions, run.wrong,
		    prec_status_name(run.got.status),
		    (unsigned long)run.got.done);
	}
	return stops != before;
}

static void try_all(const struct step_operation *base, uint32_t variant)
{
	struct step_operation op = step_variant(base, variant);
	uint32_t tried = 0, lost = 0;

	for (uint32_t at = 1; unspecified < 10 && try_point(&op, at, &lost);
	     at += op.stride)
		tried++;
	points += tried;
	if (variant == 0)
		say("%-24s %5u points, lost in %5u\n", op.name, tried, lost);
	if (!lost) {
		unspecified++;
		say("%s: no loss was noticed\n", op.name);
	}
}

/* Not again what does not vary; seldom what takes most steps for a point. */
static bool is_due(const struct step_operation *op, uint32_t variant)
{
	if (variant == 0)
		return true;
	if (op->stride > 1 || op->kind == STEP_LOAD || op->kind == STEP_STORE)
		return false;
	return op->kind < STEP_ABANDON || variant % 4 == 0;
}

static void driver_main(uint64_t argument)
{
	uint32_t variant;

	(void)argument;
	if (prec_keeper_enter(&keeper, FIRST_DRIVER, driver_call[FIRST_DRIVER]))
		system_end(1);
	client_ask(CLIENT_FILL, STEP_SEED, 0, 0);
	for (variant = 0; variant < VARIANTS_MAX && points < POINTS_WANTED &&
			  unspecified < 10;
	     variant++)
		for (uint32_t i = 0; step_operations[i].name; i++)
			if (is_due(&step_operations[i], variant))
				try_all(&step_operations[i], variant);
	say("%u points in all, of %u variants, %u unspecified\n", points,
	    variant, unspecified);
	system_end(unspecified != 0 || points < POINTS_WANTED);
}

void root_task(void)
{
	scenario_set_up();
	foreign_is_meant = revoke_here;
	start_driver(FIRST_DRIVER, driver_main, 0);
}
#else
void root_task(void)
{
	say("skipped: this kernel has no hardware debug API\n");
	system_end(0);
}
#endif
