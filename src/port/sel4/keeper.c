// SPDX-License-Identifier: MIT
#include "device.h"
#include "fault.h"
#include "lend.h"
#include "machine.h"
#include "setup.h"

#include <precarium/access.h>

/* The linker has dropped it. */
static bool table_is_empty(void)
{
	return (uintptr_t)__start_prec_fixup == (uintptr_t)__stop_prec_fixup;
}

enum prec_status prec_keeper_init(struct prec_keeper *keeper)
{
	enum prec_status status;

	if (table_is_empty())
		return PREC_INVALID;
	status = setup_keeper(keeper);
	if (status)
		return status;
	keeper->fixups = __start_prec_fixup;
	keeper->fixups_end = __stop_prec_fixup;
	return PREC_OK;
}

enum prec_status prec_keeper_add_device(struct prec_keeper *keeper,
					struct prec_io *io)
{
	const struct prec_io *other = keeper->devices;
	enum prec_status status;

	for (; other; other = other->next)
		if (do_ranges_meet(other->slots, keeper->pages, io->slots,
				   keeper->pages))
			return PREC_INVALID;
	status = device_set_up(keeper, io);
	if (status)
		return status;
	io->window = keeper->window;
	io->next = keeper->devices;
	keeper->devices = io;
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
		actor.argument = (uint64_t)(uintptr_t)t;
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
	uint32_t flags, number;

	place->page = regions_page_at(keeper, fault->address);
	if (place->page == PREC_NONE)
		return false;
	number = keeper->window_book.owner[place->page] - 1u;
	place->region = keeper->region[number];
	flags = region_flags(place->region);
	place->is = flags & REGION_WITHDRAWN ? PREC_PLACE_WITHDRAWN
					     : PREC_PLACE_REGION;
	place->client = keeper->region_book.client[number];
	place->may_write = place->region->span.rights & PREC_WRITE;
	place->admitting = flags & REGION_ADMITTING;
	place->absent = machine_absent(fault->status);
	place->forbidden = machine_forbidden(fault->status);
	place->wrote = machine_wrote(fault->status);
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
