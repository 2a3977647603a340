// SPDX-License-Identifier: MIT
/*
 * The client revokes before instruction 1, 2, 3, … of each operation on its
 * memory, on the model of seL4.  Each outcome must be one of those specified.
 *
 * The child is the whole system; its first thread is the driver, and is stepped
 * by the parent.  At a point the parent has another thread of the child revoke,
 * which runs while the driver is stopped.
 */
#include "examples/sel4/system.h"
#include "scenario.h"
#include "steps.h"

#include "tests/library/stepper.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* What parent and child both see. */
static struct shared {
	const struct step_operation *operation;
	struct step_run run;
	char wrong[96];
} * shared;

static int to_revoker[2], from_revoker[2];

/* ---- the child ----------------------------------------------------------- */

static void revoker(uint64_t argument)
{
	char byte = (char)argument;

	while (read(to_revoker[0], &byte, 1) == 1) {
		seL4_CNode_Revoke(client_cnode, CLIENT_FRAMES + STEP_LOST,
				  CLIENT_BITS);
		if (write(from_revoker[1], &byte, 1) != 1)
			break;
	}
}

static void prepare(void)
{
	static struct system_thread thread;

	model_start();
	scenario_set_up();
	scenario_become_driver();
	system_thread(&thread, ROOT, 0, seL4_CapInitThreadVSpace,
		      THREADS_AT + 0x800000, 0, 100);
	system_start(&thread, revoker, 0);
	client_ask(CLIENT_FILL, STEP_SEED, 0, 0);
}

static void run(void)
{
	const struct step_operation *op = shared->operation;
	struct stepper_state state = { .mxcsr = 0x1f80, .control = 0x37f };
	const char *lost;

	step_begin(op, &shared->run);
	stepper_window(step_operate, (void *)(uintptr_t)op, &state);
	lost = stepper_lost(&state);
	step_end(op, &shared->run);
	snprintf(shared->wrong, sizeof(shared->wrong), "%s",
		 lost		     ? lost
		 : shared->run.wrong ? shared->run.wrong
				     : "");
}

/* ---- the parent ---------------------------------------------------------- */

static struct stepper stepper;
static uint32_t points, gone, failed;

static bool take_back(void)
{
	char byte = 1;

	return write(to_revoker[1], &byte, 1) == 1 &&
	       read(from_revoker[0], &byte, 1) == 1;
}

static bool start(void)
{
	return stepper_start(&stepper, prepare, run);
}

/* One run, with the loss at a point, or none while the window is listed. */
static bool run_once(const struct step_operation *op, int64_t point)
{
	shared->operation = op;
	shared->wrong[0] = 0;
	if (!stepper_open(&stepper))
		return false;
	if (point < 0 && !stepper_walk(&stepper))
		return false;
	if (point >= 0 &&
	    (!stepper_go(&stepper, (uint32_t)point) || !take_back()))
		return false;
	return stepper_finish(&stepper);
}

static void try_point(const struct step_operation *op, int64_t point)
{
	const struct prec_result *got = &shared->run.got;
	const char *why = NULL;

	if (!run_once(op, point))
		why = stepper.why;
	else if (shared->wrong[0])
		why = shared->wrong;
	points++;
	gone += got->status != PREC_OK;
	if (!why)
		return;
	failed++;
	printf("UNSPECIFIED: %s, revoked at point %lld: %s (%s, %llu done)\n",
	       op->name, (long long)point, why, prec_status_name(got->status),
	       (unsigned long long)got->done);
}

static void try_all(const struct step_operation *op)
{
	uint32_t count, first = points, first_gone = gone;

	if (!run_once(op, -1)) {
		printf("not walked: %s: %s\n", op->name, stepper.why);
		failed++;
		return;
	}
	count = stepper.count;
	for (uint32_t i = 0; i + 1 < count && failed < 10; i += op->stride)
		try_point(op, i);
	printf("%-24s %5u points, lost in %5u\n", op->name, points - first,
	       gone - first_gone);
	/* Before the first instruction it must have been noticed, and after the
	 * last access not. */
	if (gone == first_gone) {
		printf("%s: no loss was noticed\n", op->name);
		failed++;
	}
}

int main(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || pipe(to_revoker) || pipe(from_revoker))
		return 2;
	if (!stepper_works())
		return 77;
	if (!start()) {
		printf("no driver: %s\n", stepper.why);
		return 2;
	}
	for (uint32_t i = 0; step_operations[i].name; i++)
		try_all(&step_operations[i]);
	stepper_end_child(&stepper);
	stepper_print_total(&stepper, points, failed);
	return failed != 0;
}
