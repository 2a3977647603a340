/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TESTS_SEL4_CONTRACTS_H
#define PRECARIUM_TESTS_SEL4_CONTRACTS_H

/*
 * The calls of calls.h, with their contracts evaluated over the state of the
 * model before and after each.  The port is compiled with this file first
 * (-include), so that its calls are those at the end of it.
 */
#define call_is_memory	   raw_is_memory
#define call_copy_lent	   raw_copy_lent
#define call_copy_zero	   raw_copy_zero
#define call_copy_frame	   raw_copy_frame
#define call_map	   raw_map
#define call_delete	   raw_delete
#define call_is_there	   raw_is_there
#define call_scratch_open  raw_scratch_open
#define call_scratch_clear raw_scratch_clear
#define call_scratch_close raw_scratch_close
#define call_go_on	   raw_go_on
#define call_land	   raw_land
#define call_io_copy	   raw_io_copy
#define call_io_map	   raw_io_map
#define call_io_delete	   raw_io_delete
#define call_io_try	   raw_io_try
#include "port/sel4/calls.h"
#undef call_is_memory
#undef call_copy_lent
#undef call_copy_zero
#undef call_copy_frame
#undef call_map
#undef call_delete
#undef call_is_there
#undef call_scratch_open
#undef call_scratch_clear
#undef call_scratch_close
#undef call_go_on
#undef call_land
#undef call_io_copy
#undef call_io_map
#undef call_io_delete
#undef call_io_try

/* Around each call: the slots before it, and after it; and those of a device.
 */
void contract_pre(const char *call);
void contract_pre_io(const char *call, const struct prec_io *io);
void contract_post(void);
/* A clause, by its name in calls.h.  Ends the process if it does not hold. */
void contract_clause(const char *name, bool holds);

/* The predicates of calls.h, from before to after, by their names. */
bool contract_left_alone(uint32_t page);
bool contract_others(uint32_t page);
bool contract_all_left_alone(void);
bool contract_made(uint32_t page, enum cap_kind kind);
bool contract_mapped(uint32_t page, bool write);

bool contract_io_left_alone(uint32_t page);
bool contract_io_others(uint32_t page);
bool contract_io_made(uint32_t page);
bool contract_io_mapped(uint32_t page, uint64_t at, bool write);
bool contract_io_empty(uint32_t page);

/* The ghosts: of a slot now and before, of frames, and of threads. */
enum cap_kind contract_was(uint32_t page);
enum cap_kind contract_is(uint32_t page);
uint64_t contract_at(uint32_t page);
uint32_t contract_of(uint32_t page);
int contract_frame_open(void);
bool contract_frame_clean(uint32_t frame);
void contract_show(uint64_t from);
bool contract_shown(uint64_t from);
bool contract_stopped(uint32_t thread);
bool contract_runs_at(uint32_t thread, uint64_t ip);
bool contract_landed(uint32_t thread, uint64_t sp, uint64_t argument);

static inline bool call_is_memory(const struct prec_keeper *keeper,
				  uint64_t from)
{
	bool result;

	contract_pre("call_is_memory");
	result = raw_is_memory(keeper, from);
	contract_post();
	contract_clause("ensures others", contract_all_left_alone());
	if (result)
		contract_show(from);
	return result;
}

static inline bool call_copy_lent(const struct prec_keeper *keeper,
				  uint32_t page, uint64_t from, bool write)
{
	bool result;

	contract_pre("call_copy_lent");
	contract_clause("requires shown", contract_shown(from));
	result = raw_copy_lent(keeper, page, from, write);
	contract_post();
	contract_clause("ensures others", contract_others(page));
	contract_clause("ensures made",
			!result || contract_made(page, CAP_CLIENT));
	contract_clause("ensures not", result || contract_left_alone(page));
	return result;
}

static inline bool call_copy_zero(const struct prec_keeper *keeper,
				  uint32_t page)
{
	bool result;

	contract_pre("call_copy_zero");
	result = raw_copy_zero(keeper, page);
	contract_post();
	contract_clause("ensures others", contract_others(page));
	contract_clause("ensures made",
			!result || contract_made(page, CAP_ZERO));
	contract_clause("ensures not", result || contract_left_alone(page));
	return result;
}

static inline bool call_copy_frame(const struct prec_keeper *keeper,
				   uint32_t page, uint32_t frame)
{
	bool result;

	contract_pre("call_copy_frame");
	contract_clause("requires frame", frame < keeper->frame_count);
	contract_clause("requires clean", contract_frame_clean(frame));
	result = raw_copy_frame(keeper, page, frame);
	contract_post();
	contract_clause("ensures others", contract_others(page));
	contract_clause("ensures made",
			!result || (contract_made(page, CAP_OURS) &&
				    contract_of(page) == frame));
	contract_clause("ensures not", result || contract_left_alone(page));
	return result;
}

static inline enum call_mapped call_map(const struct prec_keeper *keeper,
					uint32_t page, bool write)
{
	enum call_mapped result;

	contract_pre("call_map");
	contract_clause("requires keeper", page < keeper->pages);
	contract_clause("requires zero",
			contract_was(page) != CAP_ZERO || !write);
	result = raw_map(keeper, page, write);
	contract_post();
	contract_clause("ensures others", contract_others(page));
	contract_clause("ensures mapped",
			result != CALL_MAPPED || contract_mapped(page, write));
	contract_clause("ensures not",
			result == CALL_MAPPED || contract_left_alone(page));
	return result;
}

static inline void call_delete(const struct prec_keeper *keeper, uint32_t page)
{
	contract_pre("call_delete");
	raw_delete(keeper, page);
	contract_post();
	contract_clause("ensures others", contract_others(page));
	contract_clause("ensures empty", contract_is(page) == CAP_NONE &&
						 contract_at(page) == 0);
}

static inline bool call_is_there(const struct prec_keeper *keeper,
				 uint32_t page)
{
	bool result;

	contract_pre("call_is_there");
	result = raw_is_there(keeper, page);
	contract_post();
	contract_clause("ensures others", contract_all_left_alone());
	contract_clause("ensures gone",
			result || contract_is(page) == CAP_NONE);
	contract_clause("ensures seen",
			!result || contract_was(page) != CAP_NONE);
	return result;
}

static inline bool call_scratch_open(const struct prec_keeper *keeper,
				     uint32_t frame)
{
	bool result;

	contract_pre("call_scratch_open");
	contract_clause("requires closed", contract_frame_open() == -1);
	result = raw_scratch_open(keeper, frame);
	contract_post();
	contract_clause("ensures others", contract_all_left_alone());
	contract_clause("ensures open",
			contract_frame_open() == (result ? (int)frame : -1));
	return result;
}

static inline void call_scratch_clear(const struct prec_keeper *keeper)
{
	int frame = contract_frame_open();

	contract_pre("call_scratch_clear");
	contract_clause("requires open", frame >= 0);
	raw_scratch_clear(keeper);
	contract_post();
	contract_clause("ensures clean", contract_frame_clean((uint32_t)frame));
}

static inline void call_scratch_close(const struct prec_keeper *keeper)
{
	contract_pre("call_scratch_close");
	raw_scratch_close(keeper);
	contract_post();
	contract_clause("ensures others", contract_all_left_alone());
	contract_clause("ensures closed", contract_frame_open() == -1);
}

static inline bool call_go_on(const struct prec_keeper *keeper, uint32_t thread,
			      uint64_t ip)
{
	bool result;

	contract_pre("call_go_on");
	contract_clause("requires stopped", contract_stopped(thread));
	result = raw_go_on(keeper, thread, ip);
	contract_post();
	contract_clause("ensures runs",
			!result || contract_runs_at(thread, ip));
	contract_clause("ensures not", result || contract_stopped(thread));
	return result;
}

static inline bool call_land(const struct prec_keeper *keeper, uint32_t thread,
			     uint64_t ip, uint64_t sp, uint64_t argument)
{
	bool result;

	contract_pre("call_land");
	contract_clause("requires stopped", contract_stopped(thread));
	result = raw_land(keeper, thread, ip, sp, argument);
	contract_post();
	contract_clause("ensures runs",
			!result || (contract_runs_at(thread, ip) &&
				    contract_landed(thread, sp, argument)));
	contract_clause("ensures not", result || contract_stopped(thread));
	return result;
}

/* ---- devices ------------------------------------------------------------- */

static inline bool call_io_copy(const struct prec_keeper *keeper,
				const struct prec_io *io, uint32_t page)
{
	bool result;

	contract_pre_io("call_io_copy", io);
	contract_clause("requires lent",
			contract_was(page) == CAP_CLIENT ||
				contract_was(page) == CAP_NONE);
	result = raw_io_copy(keeper, io, page);
	contract_post();
	contract_clause("ensures window", contract_all_left_alone());
	contract_clause("ensures others", contract_io_others(page));
	contract_clause("ensures made", !result || contract_io_made(page));
	contract_clause("ensures not", result || contract_io_left_alone(page));
	return result;
}

static inline bool call_io_map(const struct prec_keeper *keeper,
			       const struct prec_io *io, uint32_t page,
			       bool write)
{
	bool result;

	contract_pre_io("call_io_map", io);
	result = raw_io_map(keeper, io, page, write);
	contract_post();
	contract_clause("ensures window", contract_all_left_alone());
	contract_clause("ensures others", contract_io_others(page));
	contract_clause("ensures mapped",
			!result || contract_io_mapped(page,
						      io->at + 4096ull * page,
						      write));
	contract_clause("ensures not", result || contract_io_left_alone(page));
	return result;
}

static inline void call_io_delete(const struct prec_keeper *keeper,
				  const struct prec_io *io, uint32_t page)
{
	contract_pre_io("call_io_delete", io);
	raw_io_delete(keeper, io, page);
	contract_post();
	contract_clause("ensures window", contract_all_left_alone());
	contract_clause("ensures others", contract_io_others(page));
	contract_clause("ensures empty", contract_io_empty(page));
}

static inline enum prec_status call_io_try(const struct prec_keeper *keeper,
					   const struct prec_io *io,
					   uint32_t page)
{
	enum prec_status result;

	contract_pre_io("call_io_try", io);
	result = raw_io_try(keeper, io, page);
	contract_post();
	contract_clause("ensures window", contract_all_left_alone());
	contract_clause("ensures said", result == PREC_OK ||
						result == PREC_BUSY ||
						result == PREC_SYSTEM);
	contract_clause("ensures empty",
			result != PREC_OK || contract_io_empty(page));
	return result;
}

#endif
