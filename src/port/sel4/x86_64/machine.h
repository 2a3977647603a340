/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PORT_SEL4_X86_64_MACHINE_H
#define PRECARIUM_PORT_SEL4_X86_64_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include <sel4/sel4.h>

/*
 * What this port knows of a processor: names of calls and of registers, and
 * what the status word of a fault says.  Each processor's folder has this page.
 */

#define EFLAGS_USUAL 0x202 /* interrupts on; direction and alignment clear */

static inline seL4_Error machine_map(uint64_t frame, uint64_t vspace,
				     uint64_t at, seL4_CapRights_t rights)
{
	return seL4_X86_Page_Map(frame, vspace, at, rights,
				 seL4_X86_Default_VMAttributes);
}

/* For a device.  A kernel may have been configured without. */
static inline seL4_Error machine_map_io(uint64_t frame, uint64_t space,
					uint64_t at, seL4_CapRights_t rights)
{
#ifdef CONFIG_IOMMU
	return seL4_X86_Page_MapIO(frame, space, rights, at);
#else
	(void)frame;
	(void)space;
	(void)at;
	(void)rights;
	return seL4_IllegalOperation;
#endif
}

static inline bool machine_is_frame(uint64_t slot)
{
	return seL4_X86_Page_GetAddress(slot).error == seL4_NoError;
}

/* The error code of a page fault: bit 0 a page was there, 1 a store, 2 by user
 * code; those above are of protection keys and the like. */
static inline bool machine_absent(uint64_t status)
{
	return !(status & 1);
}

static inline bool machine_forbidden(uint64_t status)
{
	return (status & 1) && status <= 7;
}

static inline bool machine_wrote(uint64_t status)
{
	return status & 2;
}

/* The instruction pointer is the first register; the others are kept. */
static inline seL4_Error machine_go_on(uint64_t tcb, uint64_t ip)
{
	seL4_UserContext context = { .rip = ip };

	return seL4_TCB_WriteRegisters(tcb, true, 0, 1, &context);
}

/* The same with a stack pointer and a first argument.  The registers up to rdi,
 * the ninth, are written. */
static inline seL4_Error machine_land(uint64_t tcb, uint64_t ip, uint64_t sp,
				      uint64_t argument)
{
	seL4_UserContext context = {
		.rip = ip, .rsp = sp, .rflags = EFLAGS_USUAL, .rdi = argument
	};

	return seL4_TCB_WriteRegisters(tcb, true, 0, 9, &context);
}

#endif
