// SPDX-License-Identifier: MIT
#include "fault.h"
#include "lend.h"

#include <precarium/access.h>

/* ---- what was given ------------------------------------------------------ */

static bool overlap(uint64_t a, uint64_t a_count, uint64_t b, uint64_t b_count)
{
	return a < b + b_count && b < a + a_count;
}

static bool numbers_make_sense(const struct prec_keeper *keeper)
{
	if (keeper->pages == 0 || keeper->pages > PREC_KEEPER_PAGES ||
	    keeper->frame_count > PREC_KEEPER_FRAMES || keeper->depth == 0 ||
	    keeper->depth > 64)
		return false;
	return keeper->window != 0 && keeper->window % 4096 == 0 &&
	       keeper->window <=
		       PREC_ADDRESS_MAX - 4096 * (uint64_t)keeper->pages &&
	       keeper->scratch != 0 && keeper->scratch % 4096 == 0 &&
	       !overlap(keeper->window, 4096 * (uint64_t)keeper->pages,
			keeper->scratch, 4096);
}

static bool slots_are_apart(const struct prec_keeper *keeper)
{
	return !overlap(keeper->slots, keeper->pages, keeper->frames,
			keeper->frame_count) &&
	       !overlap(keeper->slots, keeper->pages, keeper->zero, 1) &&
	       !overlap(keeper->slots, keeper->pages, keeper->scratch_slot,
			1) &&
	       !overlap(keeper->frames, keeper->frame_count, keeper->zero, 1);
}

static bool frames_are_memory(const struct prec_keeper *keeper)
{
	for (uint32_t i = 0; i < keeper->frame_count; i++)
		if (!call_is_memory(keeper, keeper->frames + i))
			return false;
	return call_is_memory(keeper, keeper->zero);
}

/* Each page, with the frame of zeroes, which nobody reads there. */
static enum prec_status try_pages(const struct prec_keeper *keeper)
{
	for (uint32_t page = 0; page < keeper->pages; page++) {
		enum call_mapped mapped;

		if (!call_copy_zero(keeper, page))
			return PREC_BUSY;
		mapped = call_map(keeper, page, false);
		call_delete(keeper, page);
		if (mapped != CALL_MAPPED)
			return PREC_SYSTEM;
	}
	return PREC_OK;
}

static enum prec_status try_scratch(const struct prec_keeper *keeper)
{
	if (keeper->frame_count == 0)
		return PREC_OK;
	if (!call_scratch_open(keeper, 0))
		return PREC_SYSTEM;
	call_scratch_close(keeper);
	return PREC_OK;
}

/* The linker has dropped it. */
static bool table_is_empty(void)
{
	return (uintptr_t)__start_prec_fixup == (uintptr_t)__stop_prec_fixup;
}

enum prec_status prec_keeper_init(struct prec_keeper *keeper)
{
	enum prec_status status;

	if (!numbers_make_sense(keeper) || !slots_are_apart(keeper) ||
	    !frames_are_memory(keeper) || table_is_empty())
		return PREC_INVALID;
	status = try_pages(keeper);
	if (status == PREC_OK)
		status = try_scratch(keeper);
	if (status)
		return status;
	keeper->fixups = __start_prec_fixup;
	keeper->fixups_end = __stop_prec_fixup;
	return PREC_OK;
}

/* ---- a fault ------------------------------------------------------------- */

static uint64_t fixup_of(const struct prec_keeper *keeper, uint64_t ip)
{
	const struct prec_fixup *f;

	for (f = keeper->fixups; f < keeper->fixups_end; f++)
		if ((uint64_t)(uintptr_t)&f->at + (uint64_t)(int64_t)f->at ==
		    ip)
			return (uint64_t)(uintptr_t)&f->to +
			       (uint64_t)(int64_t)f->to;
	return 0;
}

/* The innermost open transaction of a thread, which is stopped, that names the
 * region. */
static struct prec_transaction *
transaction_on(const struct prec_keeper_thread *thread,
	       const struct prec_region *region)
{
	struct prec_transaction *t =
		__atomic_load_n(&thread->top, __ATOMIC_ACQUIRE);

	for (; t; t = t->outer)
		for (uint32_t i = 0; i < t->region_count; i++)
			if (t->regions[i] == region)
				return t;
	return NULL;
}

static enum prec_fault_actor in_transaction(const struct prec_transaction *t)
{
	if (transaction_is_scope(t))
		return PREC_ACTOR_STAYS;
	return t->policy == PREC_SUBSTITUTE ? PREC_ACTOR_SUBSTITUTE
					    : PREC_ACTOR_ABANDON;
}

static struct fault_actor actor_of(const struct prec_keeper *keeper,
				   const struct prec_keeper_fault *fault,
				   const struct fault_place *place,
				   struct prec_note *nobodys)
{
	struct fault_actor actor = { .is = PREC_ACTOR_NOBODY, .note = nobodys };
	struct prec_transaction *t;

	actor.go_on = fixup_of(keeper, fault->ip);
	if (actor.go_on) {
		actor.is = PREC_ACTOR_ACCESSOR;
		return actor;
	}
	t = transaction_on(&keeper->thread[fault->thread], place->region);
	if (t) {
		actor.is = in_transaction(t);
		actor.land = (uint64_t)(uintptr_t)prec_land;
		actor.sp = t->frame[FRAME_SP];
		actor.transaction = t;
		actor.note = &t->note;
	} else if (region_flags(place->region) & REGION_TOLERATES &&
		   !place->admitting) {
		actor.is = PREC_ACTOR_STAYS;
	}
	return actor;
}

/* False: in no region. */
static bool find_place(const struct prec_keeper *keeper,
		       const struct prec_keeper_fault *fault,
		       struct fault_place *place)
{
	struct prec_region *region = lend_at(keeper, fault->address);
	uint32_t flags;

	if (!region)
		return false;
	flags = region_flags(region);
	place->region = region;
	place->page = (uint32_t)((fault->address - keeper->window) / 4096);
	place->is = flags & REGION_WITHDRAWN ? PREC_PLACE_WITHDRAWN
					     : PREC_PLACE_REGION;
	place->client = own(region)->client;
	place->may_write = region->span.rights & PREC_WRITE;
	place->admitting = flags & REGION_ADMITTING;
	return true;
}

enum prec_keeper_answer prec_keeper_fault(struct prec_keeper *keeper,
					  const struct prec_keeper_fault *fault)
{
	enum prec_keeper_answer answer = PREC_KEEPER_PASS;
	struct prec_note nobodys = { .faults = 0 };
	struct fault_place place;

	if (!fault->other && fault->thread < PREC_KEEPER_THREADS &&
	    keeper->tcb[fault->thread] != 0 &&
	    find_place(keeper, fault, &place)) {
		struct fault_actor actor =
			actor_of(keeper, fault, &place, &nobodys);

		answer = fault_answer(keeper, fault, &place, &actor);
	}
	if (answer == PREC_KEEPER_PASS)
		mark_count(&keeper->counts.passed);
	return answer;
}
