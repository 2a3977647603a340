/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PORT_SEL4_AARCH64_MACHINE_H
#define PRECARIUM_PORT_SEL4_AARCH64_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include <sel4/sel4.h>

/* As the page of x86_64. */

/* Lent pages are not executable here. */
#define LENT_ATTRIBUTES                                                        \
	(seL4_ARM_VMAttributes)(seL4_ARM_Default_VMAttributes |                \
				seL4_ARM_ExecuteNever)

static inline seL4_Error machine_map(uint64_t frame, uint64_t vspace,
				     uint64_t at, seL4_CapRights_t rights)
{
	return seL4_ARM_Page_Map(frame, vspace, at, rights, LENT_ATTRIBUTES);
}

/* The kernel has no IO spaces here that are filled frame by frame. */
static inline seL4_Error machine_map_io(uint64_t frame, uint64_t space,
					uint64_t at, seL4_CapRights_t rights)
{
	(void)frame;
	(void)space;
	(void)at;
	(void)rights;
	return seL4_IllegalOperation;
}

static inline bool machine_is_frame(uint64_t slot)
{
	return seL4_ARM_Page_GetAddress(slot).error == seL4_NoError;
}

/* ESR_EL1: bits 5 to 0 are the fault status, of which the last two are the
 * level; bit 6 a store. */
static inline bool machine_absent(uint64_t status)
{
	return (status & 0x3c) == 0x04; /* translation */
}

static inline bool machine_forbidden(uint64_t status)
{
	return (status & 0x3c) == 0x0c; /* permission */
}

static inline bool machine_wrote(uint64_t status)
{
	return status & 0x40;
}

/* The program counter is the first register; the others are kept. */
static inline seL4_Error machine_go_on(uint64_t tcb, uint64_t ip)
{
	seL4_UserContext context = { .pc = ip };

	return seL4_TCB_WriteRegisters(tcb, true, 0, 1, &context);
}

/* The same with a stack pointer and a first argument: x0 is the fourth. */
static inline seL4_Error machine_land(uint64_t tcb, uint64_t ip, uint64_t sp,
				      uint64_t argument)
{
	seL4_UserContext context = { .pc = ip, .sp = sp, .x0 = argument };

	return seL4_TCB_WriteRegisters(tcb, true, 0, 4, &context);
}

#endif
