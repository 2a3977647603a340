// SPDX-License-Identifier: MIT
#include "examples/sel4/system.h"
#include "tests/sel4/model/model.h"
#include "tests/sel4/scenario.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* What the scenario needs of a system, on the model: its first thread, with
 * what the kernel gives it at the start. */

void say(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	fflush(stdout);
}

void system_end(int failed)
{
	_exit(failed);
}

/* The keeper goes on making calls after its answer, while others disarm. */
static pthread_mutex_t point_lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t to_point; /* calls of the keeper, or 0 */
static void (*at_point)(void);

static bool is_keeper(void)
{
	return model_self ==
	       model_slot(&model_root, keeper_thread.tcb)->object->tcb;
}

static void before_call(void)
{
	/* Nothing is left to count in the calls that at_point makes. */
	if (!is_keeper() || !__atomic_load_n(&to_point, __ATOMIC_RELAXED))
		return;
	pthread_mutex_lock(&point_lock);
	if (to_point && __atomic_sub_fetch(&to_point, 1, __ATOMIC_RELAXED) == 0)
		at_point();
	pthread_mutex_unlock(&point_lock);
}

bool point_arm(uint32_t point, void (*act)(void))
{
	at_point = act;
	__atomic_store_n(&to_point, point, __ATOMIC_RELEASE);
	__atomic_store_n(&model_before_call, before_call, __ATOMIC_RELEASE);
	return true;
}

/* What happens at the point has happened, or will not. */
bool point_disarm(void)
{
	bool reached;

	pthread_mutex_lock(&point_lock);
	reached = !to_point;
	__atomic_store_n(&to_point, 0, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&point_lock);
	__atomic_store_n(&model_before_call, NULL, __ATOMIC_RELEASE);
	return reached;
}

uint32_t system_derived(seL4_CPtr cnode, seL4_Word slot)
{
	uint32_t count = 0;
	struct cap *cap;

	pthread_mutex_lock(&model_lock);
	cap = model_slot(model_look(cnode, CNODE)->object, slot);
	if (cap->object)
		count = model_children(cap);
	pthread_mutex_unlock(&model_lock);
	return count;
}

/* All address spaces are one. */
void system_share_image(seL4_CPtr vspace)
{
	(void)vspace;
}

seL4_UserContext system_first_registers(const struct system_thread *thread,
					void (*entry)(uint64_t),
					uint64_t argument)
{
	return (seL4_UserContext){ .rip = (uint64_t)(uintptr_t)entry,
				   .rsp = thread->stack - 16,
				   .rflags = 0x202,
				   .rdi = argument };
}

static void give(uint64_t slot, struct object *object)
{
	struct cap *cap = &model_root.slot[slot];

	cap->object = object;
	cap->rights = seL4_AllRights;
	cap->original = true;
}

#define UNTYPED_SLOT seL4_NumInitialCaps

static const seL4_BootInfo *boot(void)
{
	static struct object vspace = { .type = VSPACE };
	static struct object pool = { .type = OTHER };
	static struct object io_space = { .type = IOSPACE };
	static struct object ram = { .type = UNTYPED, .size = 128 << 20 };
	static struct object device = { .type = UNTYPED,
					.device = true,
					.at = 128 << 20,
					.size = 1 << 20 };
	static struct object tcb = { .type = TCB };
	static seL4_BootInfo info;

	tcb.tcb = model_self;
	model_root.slot = calloc(1u << model_root.bits, sizeof(struct cap));
	give(seL4_CapInitThreadTCB, &tcb);
	give(seL4_CapInitThreadCNode, &model_root);
	give(seL4_CapInitThreadVSpace, &vspace);
	give(seL4_CapInitThreadASIDPool, &pool);
	give(seL4_CapIOSpace, &io_space);
	give(UNTYPED_SLOT, &ram);
	give(UNTYPED_SLOT + 1, &device);
	info.numIOPTLevels = 3;
	info.untyped = (seL4_SlotRegion){ UNTYPED_SLOT, UNTYPED_SLOT + 2 };
	info.untypedList[0].sizeBits = 27;
	info.untypedList[1].sizeBits = 20;
	info.untypedList[1].isDevice = 1;
	info.empty = (seL4_SlotRegion){ 32, 1u << model_root.bits };
	return &info;
}

void model_start(void)
{
	model_memory_start();
	model_threads_start();
	the_system.boot = boot();
	the_system.base = model_base;
	the_system.next = the_system.boot->empty.start;
}
