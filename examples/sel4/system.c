// SPDX-License-Identifier: MIT
#include "system.h"

#include "processor.h"

#include <stddef.h>

struct system the_system;

void system_must(seL4_Error error, const char *what)
{
	if (!error)
		return;
	say("set-up: %s: seL4_Error %d\n", what, (int)error);
	system_end(1);
}

/* ---- slots and objects --------------------------------------------------- */

seL4_CPtr system_slots(uint32_t count)
{
	seL4_CPtr first = the_system.next;

	the_system.next += count;
	if (the_system.next > the_system.boot->empty.end)
		system_must(seL4_NotEnoughMemory, "slots");
	return first;
}

/* From the first Untyped that has room. */
static seL4_Error retype(seL4_Word type, seL4_Word bits, bool device,
			 seL4_CPtr slot)
{
	const seL4_BootInfo *boot = the_system.boot;
	seL4_Error error = seL4_NotEnoughMemory;
	seL4_CPtr from = boot->untyped.start;

	for (; from < boot->untyped.end && error; from++)
		if (boot->untypedList[from - boot->untyped.start].isDevice ==
		    device)
			error = seL4_Untyped_Retype(from, type, bits, ROOT, 0,
						    0, slot, 1);
	return error;
}

seL4_CPtr system_object(seL4_Word type, seL4_Word bits)
{
	seL4_CPtr slot = system_slots(1);

	system_must(retype(type, bits, false, slot), "an object");
	return slot;
}

seL4_CPtr system_objects(seL4_Word type, seL4_Word bits, seL4_Word each,
			 uint32_t count, seL4_CPtr *untyped)
{
	seL4_CPtr slot = system_slots(count);
	seL4_Word total = each;

	while ((1ull << total) < ((uint64_t)count << each))
		total++;
	*untyped = system_object(seL4_UntypedObject, total);
	for (uint32_t i = 0; i < count; i += 128)
		system_must(seL4_Untyped_Retype(
				    *untyped, type, bits, ROOT, 0, 0, slot + i,
				    count - i < 128 ? count - i : 128),
			    "objects");
	return slot;
}

#define FRAME_BITS 12

seL4_CPtr system_frames(uint32_t count, seL4_CPtr *untyped)
{
	return system_objects(FRAME_OBJECT, 0, FRAME_BITS, count, untyped);
}

seL4_CPtr system_large_frame(void)
{
	return system_object(LARGE_OBJECT, 0);
}

seL4_CPtr system_device_frame(void)
{
	seL4_CPtr slot = system_slots(1);

	system_must(retype(FRAME_OBJECT, 0, true, slot), "a device's frame");
	return slot;
}

seL4_CPtr system_badged(seL4_CPtr endpoint, seL4_Word badge)
{
	seL4_CPtr slot = system_slots(1);

	system_must(seL4_CNode_Mint(ROOT, slot, DEPTH, ROOT, endpoint, DEPTH,
				    seL4_AllRights, badge),
		    "a badge");
	return slot;
}

/* ---- memory -------------------------------------------------------------- */

/* The level that is missing, from the top; false if none is. */
static bool add_table(seL4_CPtr vspace, uint64_t at)
{
	for (uint32_t level = 0; level < TABLE_LEVELS; level++) {
		seL4_CPtr table = system_object(processor_table(level), 0);

		if (processor_map_table(level, table, vspace, at) ==
		    seL4_NoError)
			return true;
	}
	return false;
}

#define TABLE_SIZE (2ull << 20)

void system_tables(seL4_CPtr vspace, uint64_t at, uint64_t size)
{
	uint64_t end = at + size;

	for (at -= at % TABLE_SIZE; at < end; at += TABLE_SIZE)
		while (add_table(vspace, at))
			continue;
}

static void map(seL4_CPtr vspace, seL4_CPtr frame, uint64_t at,
		seL4_CapRights_t rights)
{
	seL4_Error error;

	for (;;) {
		error = processor_map(frame, vspace, at, rights);
		if (error != seL4_FailedLookup || !add_table(vspace, at))
			break;
	}
	system_must(error, "a page");
}

void system_map(seL4_CPtr vspace, seL4_CPtr frame, uint64_t at)
{
	map(vspace, frame, at, seL4_ReadWrite);
}

void system_map_copy(seL4_CPtr vspace, seL4_CPtr frame, uint64_t at)
{
	seL4_CPtr copy = system_slots(1);

	system_must(seL4_CNode_Copy(ROOT, copy, DEPTH, ROOT, frame, DEPTH,
				    seL4_CanRead),
		    "a copy");
	map(vspace, copy, at, seL4_CanRead);
}

void system_unmap(seL4_CPtr frame)
{
	system_must(processor_unmap(frame), "an unmapping");
}

#ifdef CONFIG_IOMMU
seL4_Error system_map_io(seL4_CPtr space, seL4_CPtr frame, uint64_t at)
{
	return seL4_X86_Page_MapIO(frame, space, seL4_ReadWrite, at);
}

static seL4_Error add_io_table(seL4_CPtr space, uint64_t at)
{
	return seL4_X86_IOPageTable_Map(
		system_object(seL4_X86_IOPageTableObject, 0), space, at);
}
#else
seL4_Error system_map_io(seL4_CPtr space, seL4_CPtr frame, uint64_t at)
{
	(void)space;
	(void)frame;
	(void)at;
	return seL4_IllegalOperation;
}

static seL4_Error add_io_table(seL4_CPtr space, uint64_t at)
{
	(void)space;
	(void)at;
	return seL4_IllegalOperation;
}
#endif

/* A frame is tried: where no table is missing, one more would be mapped as the
 * device's memory. */
void system_io_tables(seL4_CPtr space, uint64_t at, uint64_t size)
{
	uint64_t end = at + size;
	seL4_CPtr untyped, frame = system_frames(1, &untyped);
	seL4_Error error;

	for (at -= at % TABLE_SIZE; at < end; at += TABLE_SIZE) {
		while ((error = system_map_io(space, frame, at)) ==
		       seL4_FailedLookup)
			system_must(add_io_table(space, at),
				    "a device's page table");
		system_must(error, "a device's page");
		system_unmap(frame);
	}
}

seL4_CPtr system_vspace(void)
{
	seL4_CPtr vspace = system_object(VSPACE_OBJECT, 0);

	system_must(processor_assign(vspace), "an address space");
	system_share_image(vspace);
	return vspace;
}

/* ---- devices ------------------------------------------------------------- */

/* Of the Untyped memory that has it, halved until a page is left; 0: none has.
 */
static seL4_CPtr frame_at(uint64_t physical)
{
	const seL4_BootInfo *boot = the_system.boot;
	const seL4_UntypedDesc *memory = boot->untypedList;
	seL4_CPtr from = boot->untyped.start, frame;
	seL4_Word bits;
	uint64_t base;

	while (!memory->isDevice || physical < memory->paddr ||
	       (physical - memory->paddr) >> memory->sizeBits) {
		if (++from == boot->untyped.end)
			return 0;
		memory++;
	}
	base = memory->paddr;
	for (bits = memory->sizeBits; bits > FRAME_BITS; bits--) {
		seL4_CPtr halves = system_slots(2);

		system_must(seL4_Untyped_Retype(from, seL4_UntypedObject,
						bits - 1, ROOT, 0, 0, halves,
						2),
			    "half of a device's memory");
		from = halves;
		if (physical - base < 1ull << (bits - 1))
			continue;
		from++;
		base += 1ull << (bits - 1);
	}
	frame = system_slots(1);
	system_must(seL4_Untyped_Retype(from, FRAME_OBJECT, 0, ROOT, 0, 0,
					frame, 1),
		    "a device's registers");
	return frame;
}

volatile void *system_registers(uint64_t physical)
{
	static uint64_t next;
	seL4_CPtr frame = frame_at(physical);
	uint64_t at = DEVICES_AT + next;

	if (!frame)
		return NULL;
	system_map(seL4_CapInitThreadVSpace, frame, at);
	next += 1ull << FRAME_BITS;
	return (volatile void *)(uintptr_t)at;
}

/* ---- threads ------------------------------------------------------------- */

#define STACK_PAGES 8u

#ifdef CONFIG_KERNEL_MCS
static void configure(struct system_thread *thread, seL4_CPtr cspace,
		      seL4_Word guard, seL4_CPtr vspace, seL4_CPtr frame,
		      seL4_CPtr fault_endpoint, uint32_t priority)
{
	seL4_CPtr sc = system_object(seL4_SchedContextObject,
				     seL4_MinSchedContextBits);

	system_must(seL4_TCB_Configure(thread->tcb, cspace, guard, vspace, 0,
				       thread->buffer, frame),
		    "a thread");
	system_must(seL4_SchedControl_ConfigureFlags(
			    the_system.boot->schedcontrol.start, sc, 10000,
			    10000, 0, 0, 0),
		    "a scheduling context");
	system_must(seL4_TCB_SetSchedParams(thread->tcb, seL4_CapInitThreadTCB,
					    priority, priority, sc,
					    fault_endpoint),
		    "a priority");
}
#else
static void configure(struct system_thread *thread, seL4_CPtr cspace,
		      seL4_Word guard, seL4_CPtr vspace, seL4_CPtr frame,
		      seL4_CPtr fault_endpoint, uint32_t priority)
{
	system_must(seL4_TCB_Configure(thread->tcb, fault_endpoint, cspace,
				       guard, vspace, 0, thread->buffer, frame),
		    "a thread");
	system_must(seL4_TCB_SetSchedParams(thread->tcb, seL4_CapInitThreadTCB,
					    priority, priority),
		    "a priority");
}
#endif

void system_thread(struct system_thread *thread, seL4_CPtr cspace,
		   seL4_Word guard, seL4_CPtr vspace, uint64_t at,
		   seL4_CPtr fault_endpoint, uint32_t priority)
{
	seL4_CPtr untyped, frames = system_frames(STACK_PAGES + 1, &untyped);

	for (uint32_t i = 0; i <= STACK_PAGES; i++)
		system_map(vspace, frames + i, at + i * 4096ull);
	thread->stack = at + STACK_PAGES * 4096;
	thread->buffer = thread->stack;
	thread->tcb = system_object(seL4_TCBObject, 0);
	configure(thread, cspace, guard, vspace, frames + STACK_PAGES,
		  fault_endpoint, priority);
}

void system_start(struct system_thread *thread, void (*entry)(uint64_t),
		  uint64_t argument)
{
	seL4_UserContext context =
		system_first_registers(thread, entry, argument);

	system_must(seL4_TCB_WriteRegisters(
			    thread->tcb, true, 0,
			    sizeof(context) / sizeof(seL4_Word) - 2, &context),
		    "the start of a thread");
}
