/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_EXAMPLES_SEL4_PROCESSOR_H
#define PRECARIUM_EXAMPLES_SEL4_PROCESSOR_H

#include <stdint.h>

#include <sel4/sel4.h>

/* What seL4 names by the processor: objects, mappings, registers. */

#ifdef __aarch64__
#define FRAME_OBJECT  seL4_ARM_SmallPageObject
#define LARGE_OBJECT  seL4_ARM_LargePageObject
#define VSPACE_OBJECT seL4_ARM_VSpaceObject

static inline seL4_Error processor_map(seL4_CPtr frame, seL4_CPtr vspace,
				       uint64_t at, seL4_CapRights_t rights)
{
	return seL4_ARM_Page_Map(frame, vspace, at, rights,
				 seL4_ARM_Default_VMAttributes);
}

static inline seL4_Error processor_unmap(seL4_CPtr frame)
{
	return seL4_ARM_Page_Unmap(frame);
}

static inline seL4_Error processor_assign(seL4_CPtr vspace)
{
	return seL4_ARM_ASIDPool_Assign(seL4_CapInitThreadASIDPool, vspace);
}

/* Levels of page tables, from the top; they are all alike here. */
#define TABLE_LEVELS 1u

static inline seL4_Word processor_table(uint32_t level)
{
	(void)level;
	return seL4_ARM_PageTableObject;
}

static inline seL4_Error processor_map_table(uint32_t level, seL4_CPtr table,
					     seL4_CPtr vspace, uint64_t at)
{
	(void)level;
	return seL4_ARM_PageTable_Map(table, vspace, at,
				      seL4_ARM_Default_VMAttributes);
}

/* A function of up to three arguments begins on an empty stack. */
static inline seL4_UserContext processor_begin(uint64_t function,
					       uint64_t stack, uint64_t first,
					       uint64_t second, uint64_t third)
{
	return (seL4_UserContext){ .pc = function,
				   .sp = stack,
				   .x0 = first,
				   .x1 = second,
				   .x2 = third };
}
#else
#define FRAME_OBJECT  seL4_X86_4K
#define LARGE_OBJECT  seL4_X86_LargePageObject
#define VSPACE_OBJECT seL4_X64_PML4Object

static inline seL4_Error processor_map(seL4_CPtr frame, seL4_CPtr vspace,
				       uint64_t at, seL4_CapRights_t rights)
{
	return seL4_X86_Page_Map(frame, vspace, at, rights,
				 seL4_X86_Default_VMAttributes);
}

static inline seL4_Error processor_unmap(seL4_CPtr frame)
{
	return seL4_X86_Page_Unmap(frame);
}

static inline seL4_Error processor_assign(seL4_CPtr vspace)
{
	return seL4_X86_ASIDPool_Assign(seL4_CapInitThreadASIDPool, vspace);
}

#define TABLE_LEVELS 3u

static inline seL4_Word processor_table(uint32_t level)
{
	return level == 0   ? seL4_X86_PDPTObject
	       : level == 1 ? seL4_X86_PageDirectoryObject
			    : seL4_X86_PageTableObject;
}

static inline seL4_Error processor_map_table(uint32_t level, seL4_CPtr table,
					     seL4_CPtr vspace, uint64_t at)
{
	if (level == 0)
		return seL4_X86_PDPT_Map(table, vspace, at,
					 seL4_X86_Default_VMAttributes);
	if (level == 1)
		return seL4_X86_PageDirectory_Map(
			table, vspace, at, seL4_X86_Default_VMAttributes);
	return seL4_X86_PageTable_Map(table, vspace, at,
				      seL4_X86_Default_VMAttributes);
}

/* As after a call: a word lies above the stack's alignment. */
static inline seL4_UserContext processor_begin(uint64_t function,
					       uint64_t stack, uint64_t first,
					       uint64_t second, uint64_t third)
{
	return (seL4_UserContext){ .rip = function,
				   .rsp = stack - 8,
				   .rflags = 0x202,
				   .rdi = first,
				   .rsi = second,
				   .rdx = third };
}
#endif

#endif
