// SPDX-License-Identifier: MIT
#include "system.h"

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
	return system_objects(seL4_X86_4K, 0, FRAME_BITS, count, untyped);
}

seL4_CPtr system_large_frame(void)
{
	return system_object(seL4_X86_LargePageObject, 0);
}

seL4_CPtr system_device_frame(void)
{
	seL4_CPtr slot = system_slots(1);

	system_must(retype(seL4_X86_4K, 0, true, slot), "a device's frame");
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
	seL4_CPtr table = system_object(seL4_X86_PDPTObject, 0);

	if (seL4_X86_PDPT_Map(table, vspace, at,
			      seL4_X86_Default_VMAttributes) == seL4_NoError)
		return true;
	table = system_object(seL4_X86_PageDirectoryObject, 0);
	if (seL4_X86_PageDirectory_Map(table, vspace, at,
				       seL4_X86_Default_VMAttributes) ==
	    seL4_NoError)
		return true;
	table = system_object(seL4_X86_PageTableObject, 0);
	return seL4_X86_PageTable_Map(table, vspace, at,
				      seL4_X86_Default_VMAttributes) ==
	       seL4_NoError;
}

#define TABLE_SIZE (2ull << 20)

void system_tables(seL4_CPtr vspace, uint64_t at, uint64_t size)
{
	uint64_t end = at + size;

	for (at -= at % TABLE_SIZE; at < end; at += TABLE_SIZE)
		while (add_table(vspace, at))
			continue;
}

void system_map(seL4_CPtr vspace, seL4_CPtr frame, uint64_t at)
{
	seL4_Error error;

	for (;;) {
		error = seL4_X86_Page_Map(frame, vspace, at, seL4_ReadWrite,
					  seL4_X86_Default_VMAttributes);
		if (error != seL4_FailedLookup || !add_table(vspace, at))
			break;
	}
	system_must(error, "a page");
}

void system_unmap(seL4_CPtr frame)
{
	system_must(seL4_X86_Page_Unmap(frame), "an unmapping");
}

seL4_CPtr system_vspace(void)
{
	seL4_CPtr vspace = system_object(seL4_X64_PML4Object, 0);

	system_must(
		seL4_X86_ASIDPool_Assign(seL4_CapInitThreadASIDPool, vspace),
		"an address space");
	return vspace;
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
	seL4_UserContext context = { .rip = (uint64_t)(uintptr_t)entry,
				     .rsp = thread->stack - 16,
				     .rflags = 0x202,
				     .rdi = argument,
				     .rdx = thread->buffer };

	system_must(seL4_TCB_WriteRegisters(
			    thread->tcb, true, 0,
			    sizeof(context) / sizeof(seL4_Word) - 2, &context),
		    "the start of a thread");
}
