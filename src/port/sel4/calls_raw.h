/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PORT_SEL4_CALLS_RAW_H
#define PRECARIUM_PORT_SEL4_CALLS_RAW_H

#include <sel4/sel4.h>

#include "machine.h"

/*
 * The implementation of the calls of calls.h.  The prover does not read this
 * file; review and tests check that it meets the contracts.
 */

static inline uint64_t raw_slot(const struct prec_keeper *keeper, uint32_t page)
{
	return keeper->slots + page;
}

static inline uint64_t raw_address(const struct prec_keeper *keeper,
				   uint32_t page)
{
	return keeper->window + ((uint64_t)page << 12);
}

static inline seL4_CapRights_t raw_rights(bool write)
{
	return write ? seL4_ReadWrite : seL4_CanRead;
}

static inline bool raw_copy(const struct prec_keeper *keeper, uint64_t to,
			    uint64_t from, bool write)
{
	return seL4_CNode_Copy(keeper->cspace, to, (uint8_t)keeper->depth,
			       keeper->cspace, from, (uint8_t)keeper->depth,
			       raw_rights(write)) == seL4_NoError;
}

/* The TCB keeps a copy, until it is given no frame in its place. */
static inline bool call_is_memory(const struct prec_keeper *keeper,
				  uint64_t from)
{
	bool yes = seL4_TCB_SetIPCBuffer(keeper->probe, keeper->scratch,
					 from) == seL4_NoError;

	seL4_TCB_SetIPCBuffer(keeper->probe, 0, 0);
	return yes;
}

static inline bool call_copy_lent(const struct prec_keeper *keeper,
				  uint32_t page, uint64_t from, bool write)
{
	return raw_copy(keeper, raw_slot(keeper, page), from, write);
}

static inline bool call_copy_zero(const struct prec_keeper *keeper,
				  uint32_t page)
{
	return raw_copy(keeper, raw_slot(keeper, page), keeper->zero, false);
}

static inline bool call_copy_frame(const struct prec_keeper *keeper,
				   uint32_t page, uint32_t frame)
{
	return raw_copy(keeper, raw_slot(keeper, page), keeper->frames + frame,
			true);
}

/* A large frame meets the page table of small ones, or is not aligned. */
static inline enum call_mapped call_map(const struct prec_keeper *keeper,
					uint32_t page, bool write)
{
	seL4_Error error =
		machine_map(raw_slot(keeper, page), keeper->vspace,
			    raw_address(keeper, page), raw_rights(write));

	if (error == seL4_NoError)
		return CALL_MAPPED;
	return error == seL4_DeleteFirst || error == seL4_AlignmentError ||
			       error == seL4_FailedLookup
		       ? CALL_LARGE
		       : CALL_FAILED;
}

static inline void call_delete(const struct prec_keeper *keeper, uint32_t page)
{
	seL4_CNode_Delete(keeper->cspace, raw_slot(keeper, page),
			  (uint8_t)keeper->depth);
}

static inline bool call_is_there(const struct prec_keeper *keeper,
				 uint32_t page)
{
	return machine_is_frame(raw_slot(keeper, page));
}

static inline void call_scratch_close(const struct prec_keeper *keeper)
{
	seL4_CNode_Delete(keeper->cspace, keeper->scratch_slot,
			  (uint8_t)keeper->depth);
}

static inline bool call_scratch_open(const struct prec_keeper *keeper,
				     uint32_t frame)
{
	if (!raw_copy(keeper, keeper->scratch_slot, keeper->frames + frame,
		      true))
		return false;
	if (machine_map(keeper->scratch_slot, keeper->vspace, keeper->scratch,
			raw_rights(true)) == seL4_NoError)
		return true;
	call_scratch_close(keeper);
	return false;
}

static inline void call_scratch_clear(const struct prec_keeper *keeper)
{
	volatile uint64_t *word =
		(volatile uint64_t *)(uintptr_t)keeper->scratch;

	for (uint32_t i = 0; i < 4096 / sizeof(*word); i++)
		word[i] = 0;
}

static inline bool call_go_on(const struct prec_keeper *keeper, uint32_t thread,
			      uint64_t ip)
{
	return machine_go_on(keeper->tcb[thread], ip) == seL4_NoError;
}

static inline bool call_land(const struct prec_keeper *keeper, uint32_t thread,
			     uint64_t ip, uint64_t sp, uint64_t argument)
{
	return machine_land(keeper->tcb[thread], ip, sp, argument) ==
	       seL4_NoError;
}

/* ---- devices ------------------------------------------------------------- */

static inline bool call_io_copy(const struct prec_keeper *keeper,
				const struct prec_io *io, uint32_t page)
{
	return raw_copy(keeper, io->slots + page, raw_slot(keeper, page), true);
}

static inline bool raw_reach(const struct prec_io *io, uint32_t page,
			     bool write)
{
	return machine_map_io(io->slots + page, io->space,
			      io->at + ((uint64_t)page << 12),
			      raw_rights(write)) == seL4_NoError;
}

static inline bool call_io_map(const struct prec_keeper *keeper,
			       const struct prec_io *io, uint32_t page,
			       bool write)
{
	(void)keeper;
	return raw_reach(io, page, write);
}

static inline void call_io_delete(const struct prec_keeper *keeper,
				  const struct prec_io *io, uint32_t page)
{
	seL4_CNode_Delete(keeper->cspace, io->slots + page,
			  (uint8_t)keeper->depth);
}

static inline enum prec_status call_io_try(const struct prec_keeper *keeper,
					   const struct prec_io *io,
					   uint32_t page)
{
	bool mapped;

	if (!raw_copy(keeper, io->slots + page, keeper->zero, false))
		return PREC_BUSY;
	mapped = raw_reach(io, page, false);
	seL4_CNode_Delete(keeper->cspace, io->slots + page,
			  (uint8_t)keeper->depth);
	return mapped ? PREC_OK : PREC_SYSTEM;
}

#endif
