// SPDX-License-Identifier: MIT
#include "fault.h"

/* How often in a row a thread may be told to try again, where an empty page is
 * there already: once for what it saw before that came. */
#define RETRY_MAX 4u

/*
 * What the kernel reports, and what the slot says.  A page that is absent is
 * gone only if its slot is empty too, or has a frame of ours: one that our own
 * mistake has unmapped is a foreign fault.
 *
 * A store that is forbidden was to our frame of zeroes, or to a page that had
 * it when the thread faulted.  Or the region is being looked at, and was lent
 * for more than its capability grants.
 */
/*@
  requires keeper: \valid_read(keeper) && window_ok(*keeper);
  requires fault: \valid_read(fault) && \valid_read(place);
  requires page: place->page < keeper->pages &&
    keeper->window_book.state[place->page] != PAGE_FREE;
  terminates \true;
  exits \false;
  assigns CAPS;
  ensures ok: window_ok(*keeper);
  ensures two: \result == PREC_FAULT_GONE || \result == PREC_FAULT_OTHER;
  // Called gone only when nothing of the client's is there any more, or when
  // the region is refused for it.
  ensures true_loss: \result == PREC_FAULT_GONE ==>
    cap_is[place->page] == CAP_NONE || is_ours(place->page) ||
    place->admitting;
*/
static enum prec_fault_kind kind_of(const struct prec_keeper *keeper,
				    const struct prec_keeper_fault *fault,
				    const struct fault_place *place)
{
	uint8_t state = keeper->window_book.state[place->page];

	if (fault->fetch)
		return PREC_FAULT_OTHER;
	if (call_forbidden(fault->status)) {
		if (!call_wrote(fault->status) || !place->may_write)
			return PREC_FAULT_OTHER;
		if (state == PAGE_ZERO || state == PAGE_OURS)
			return PREC_FAULT_GONE;
		return state == PAGE_LENT && place->admitting
			       ? PREC_FAULT_GONE
			       : PREC_FAULT_OTHER;
	}
	if (!call_absent(fault->status))
		return PREC_FAULT_OTHER;
	if (state == PAGE_LENT && call_is_there(keeper, place->page))
		return PREC_FAULT_OTHER;
	return PREC_FAULT_GONE;
}

/* The accessor, or the copy, reports it. */
/*@
  requires keeper: \valid(keeper) && window_ok(*keeper);
  requires apart: \separated(keeper, fault, place, actor, actor->note,
    place->region);
  requires valid: \valid_read(fault) && \valid_read(place) &&
    \valid_read(actor) && \valid(actor->note) && \valid(place->region);
  requires stopped: fault->thread < PREC_KEEPER_THREADS &&
    thread_stopped[fault->thread] == 1;
  terminates \true;
  exits \false;
  assigns keeper->counts.fixed, place->region->flags, place->region->epoch,
    place->region->port[0 .. 31], thread_stopped[fault->thread],
    thread_ip[fault->thread];
  ensures ok: window_ok(*keeper);
  ensures two: \result == PREC_KEEPER_PASS ||
    \result == PREC_KEEPER_RESUMED;
  ensures runs: \result == PREC_KEEPER_RESUMED <==>
    thread_stopped[fault->thread] == 0;
  ensures where: \result == PREC_KEEPER_RESUMED ==>
    thread_ip[fault->thread] == actor->go_on;
*/
static enum prec_keeper_answer fix(struct prec_keeper *keeper,
				   const struct prec_keeper_fault *fault,
				   const struct fault_place *place,
				   const struct fault_actor *actor)
{
	if (place->admitting && call_forbidden(fault->status))
		mark_refused(place->region);
	mark_lost(place->region, false);
	mark_count(&keeper->counts.fixed);
	return call_go_on(keeper, fault->thread, actor->go_on)
		       ? PREC_KEEPER_RESUMED
		       : PREC_KEEPER_PASS;
}

/*@
  requires keeper: \valid(keeper) && window_ok(*keeper);
  requires apart: \separated(keeper, fault, place, actor, actor->note,
    place->region);
  requires valid: \valid_read(fault) && \valid_read(place) &&
    \valid_read(actor) && \valid(actor->note) && \valid(place->region);
  requires stopped: fault->thread < PREC_KEEPER_THREADS &&
    thread_stopped[fault->thread] == 1;
  terminates \true;
  exits \false;
  assigns keeper->counts.abandoned, place->region->flags,
    place->region->epoch, *actor->note, thread_stopped[fault->thread],
    thread_ip[fault->thread], thread_sp[fault->thread];
  ensures ok: window_ok(*keeper);
  ensures two: \result == PREC_KEEPER_PASS ||
    \result == PREC_KEEPER_RESUMED;
  ensures told: actor->note->abandoned && actor->note->faults > 0;
  ensures runs: \result == PREC_KEEPER_RESUMED <==>
    thread_stopped[fault->thread] == 0;
  ensures where: \result == PREC_KEEPER_RESUMED ==>
    thread_ip[fault->thread] == actor->land;
*/
static enum prec_keeper_answer abandon(struct prec_keeper *keeper,
				       const struct prec_keeper_fault *fault,
				       const struct fault_place *place,
				       const struct fault_actor *actor)
{
	prec_note_fault(actor->note, fault->address, call_wrote(fault->status));
	prec_note_abandoned(actor->note);
	mark_lost(place->region, false);
	mark_count(&keeper->counts.abandoned);
	return call_land(keeper, fault->thread, actor->land, actor->sp,
			 (uint64_t)(uintptr_t)actor->transaction)
		       ? PREC_KEEPER_RESUMED
		       : PREC_KEEPER_PASS;
}

/* May this thread be told to try again?  Bounds the number in a row. */
/*@
  requires keeper: \valid(keeper) && window_ok(*keeper);
  requires fault: \valid_read(fault) && \separated(keeper, fault) &&
    fault->thread < PREC_KEEPER_THREADS;
  terminates \true;
  exits \false;
  assigns keeper->retry_at[fault->thread], keeper->retries[fault->thread];
  ensures ok: window_ok(*keeper);
*/
static bool may_retry(struct prec_keeper *keeper,
		      const struct prec_keeper_fault *fault)
{
	uint32_t thread = fault->thread;

	if (keeper->retry_at[thread] != fault->address) {
		keeper->retry_at[thread] = fault->address;
		keeper->retries[thread] = 0;
	}
	if (keeper->retries[thread] == RETRY_MAX)
		return false;
	keeper->retries[thread]++;
	return true;
}

/* An empty page takes the place of the lost one.  False: there is none. */
/*@
  requires keeper: \valid(keeper) && window_ok(*keeper);
  requires apart: \separated(keeper, fault, place, actor, actor->note,
    place->region);
  requires valid: \valid_read(fault) && \valid_read(place) &&
    \valid_read(actor) && \valid(actor->note) && \valid(place->region);
  requires stopped: fault->thread < PREC_KEEPER_THREADS &&
    thread_stopped[fault->thread] == 1;
  requires page: place->page < keeper->pages &&
    keeper->window_book.state[place->page] != PAGE_FREE;
  requires closed: frame_open == -1;
  terminates \true;
  exits \false;
  assigns keeper->window_book.state[place->page],
    keeper->window_book.frame_of[place->page],
    keeper->window_book.used_by[0 .. PREC_KEEPER_FRAMES - 1],
    keeper->window_book.used_for[0 .. PREC_KEEPER_FRAMES - 1],
    keeper->retry_at[fault->thread], keeper->retries[fault->thread],
    keeper->counts.substituted, keeper->counts.retried,
    place->region->flags, place->region->epoch, *actor->note,
    CAPS, FRAMES_CLEAN, frame_open;
  ensures ok: window_ok(*keeper) && frame_open == -1;
  ensures ours: \result ==> is_ours(place->page);
  ensures told: \result ==> actor->note->substituted &&
    actor->note->faults > 0;
*/
static bool cover(struct prec_keeper *keeper,
		  const struct prec_keeper_fault *fault,
		  const struct fault_place *place,
		  const struct fault_actor *actor)
{
	bool wrote = call_wrote(fault->status);

	switch (window_substitute(keeper, place->page, place->client, wrote)) {
	case COVER_DONE:
		keeper->retries[fault->thread] = 0;
		mark_count(&keeper->counts.substituted);
		break;
	case COVER_ALREADY:
		if (!may_retry(keeper, fault))
			return false;
		mark_count(&keeper->counts.retried);
		break;
	default:
		return false;
	}
	/*@ assert ok: window_ok(*keeper) && is_ours(place->page); */
	prec_note_fault(actor->note, fault->address, wrote);
	prec_note_replaced(actor->note,
			   keeper->window + 4096 * (uint64_t)place->page, 4096);
	/*@ assert told: actor->note->substituted && actor->note->faults > 0; */
	/*@ assert kept: window_ok(*keeper); */
	mark_lost(place->region, true);
	return true;
}

enum prec_keeper_answer fault_answer(struct prec_keeper *keeper,
				     const struct prec_keeper_fault *fault,
				     const struct fault_place *place,
				     const struct fault_actor *actor)
{
	enum prec_fault_kind kind = kind_of(keeper, fault, place);

	switch (prec_fault_decide(kind, place->is, actor->is)) {
	case PREC_VERDICT_FIX:
		return fix(keeper, fault, place, actor);
	case PREC_VERDICT_SUBSTITUTE:
		if (cover(keeper, fault, place, actor))
			return PREC_KEEPER_REPLY;
		return abandon(keeper, fault, place, actor);
	case PREC_VERDICT_ABANDON:
		return abandon(keeper, fault, place, actor);
	case PREC_VERDICT_COVER:
		if (cover(keeper, fault, place, actor))
			return PREC_KEEPER_REPLY;
		return PREC_KEEPER_PASS;
	default:
		return PREC_KEEPER_PASS;
	}
}
