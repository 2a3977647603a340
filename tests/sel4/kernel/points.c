// SPDX-License-Identifier: MIT
/* Points of the keeper's work, by stepping it: a thread of higher priority is
 * the keeper's fault handler. */
#include "points.h"

#include "examples/sel4/system.h"
#include "tests/sel4/scenario.h"

uint32_t system_derived(seL4_CPtr cnode, seL4_Word slot)
{
	(void)cnode;
	(void)slot;
	return 0;
}

#ifdef CONFIG_HARDWARE_DEBUG_API
void thread_step(seL4_CPtr tcb, seL4_Word instructions)
{
	if (seL4_TCB_ConfigureSingleStepping(tcb, 0, instructions).error)
		system_must(seL4_IllegalOperation, "a step");
}
#endif

/* On aarch64 the keeper counts by an exclusive load and store.  A step in
 * between has the store fail, and so for ever. */
#if defined(CONFIG_HARDWARE_DEBUG_API) && !defined(__aarch64__)
static seL4_CPtr endpoint;
static seL4_CPtr reply; /* with MCS */
static void (*at_point)(void);
static bool met;

static void watch(uint64_t argument)
{
	(void)argument;
	for (;;) {
		system_receive(endpoint, reply);
		met = true;
		at_point();
		thread_step(keeper_thread.tcb, 0);
		system_must(seL4_TCB_Resume(keeper_thread.tcb), "to go on");
	}
}

void points_set_up(void)
{
	static struct system_thread watcher;

	endpoint = system_object(seL4_EndpointObject, 0);
#ifdef CONFIG_KERNEL_MCS
	reply = system_object(seL4_ReplyObject, 0);
#endif
	keeper_faults = endpoint;
	system_thread(&watcher, ROOT, 0, seL4_CapInitThreadVSpace,
		      THREADS_AT + 0x800000, 0, 220);
	system_start(&watcher, watch, 0);
}

/* An operation has thousands of instructions: each so-manyth, from another one
 * on each time that the points begin again. */
#define STRIDE 31u

bool point_arm(uint32_t point, void (*act)(void))
{
	static uint32_t first;

	if (point == 1)
		first = first % STRIDE + 1;
	at_point = act;
	met = false;
	thread_step(keeper_thread.tcb, first + (uint64_t)(point - 1) * STRIDE);
	return true;
}

bool point_disarm(void)
{
	thread_step(keeper_thread.tcb, 0);
	return met;
}
#else
void points_set_up(void)
{
}

bool point_arm(uint32_t point, void (*act)(void))
{
	(void)point;
	(void)act;
	return false;
}

bool point_disarm(void)
{
	return false;
}
#endif
