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
  assigns CAPS, seen[place->page];
  ensures ok: window_ok(*keeper);
  ensures others: all_left_alone{Pre, Post};
  ensures two: \result == PREC_FAULT_GONE || \result == PREC_FAULT_OTHER;
  ensures foreign: fault->fetch || (!place->absent && !place->forbidden) ||
    (place->forbidden && (!place->wrote || !place->may_write)) ==>
    \result == PREC_FAULT_OTHER;
  // Called gone only when nothing of the client's is there any more, or when
  // the region is refused for it.
  ensures true_loss: \result == PREC_FAULT_GONE ==>
    cap_is[place->page] == CAP_NONE || is_ours(place->page) ||
    (place->admitting && place->forbidden);
*/
static enum prec_fault_kind kind_of(const struct prec_keeper *keeper,
				    const struct prec_keeper_fault *fault,
				    const struct fault_place *place)
{
	uint8_t state = keeper->window_book.state[place->page];

	if (fault->fetch)
		return PREC_FAULT_OTHER;
	if (place->forbidden) {
		if (!place->wrote || !place->may_write)
			return PREC_FAULT_OTHER;
		if (state == PAGE_ZERO || state == PAGE_OURS)
			return PREC_FAULT_GONE;
		return state == PAGE_LENT && place->admitting
			       ? PREC_FAULT_GONE
			       : PREC_FAULT_OTHER;
	}
	if (!place->absent)
		return PREC_FAULT_OTHER;
	if (state == PAGE_LENT && call_is_there(keeper, place->page))
		return PREC_FAULT_OTHER;
	return PREC_FAULT_GONE;
}

/* The accessor, or the copy, reports it. */
/*@
  requires valid: FAULT_VALID;
  requires apart: FAULT_APART;
  requires asked: is_asked(*keeper, *fault, *place);
  terminates \true;
  exits \false;
  assigns keeper->counts.fixed, place->region->flags, place->region->epoch,
    place->region->port[0 .. 31], marked, thread_stopped[fault->thread],
    thread_ip[fault->thread];
  ensures ok: window_ok(*keeper);
  ensures two: \result != PREC_KEEPER_REPLY &&
    is_answered(\result, fault->thread);
  ensures where: \result == PREC_KEEPER_RESUMED ==>
    thread_ip[fault->thread] == actor->go_on;
  ensures refused: place->admitting && place->forbidden ==>
    place->region->port[0] != 0;
  ensures epoch: marked == MARKED_LOST &&
    one_more(\old(place->region->epoch), place->region->epoch);
  ensures counted:
    one_more(\old(keeper->counts.fixed), keeper->counts.fixed);
*/
static enum prec_keeper_answer fix(struct prec_keeper *keeper,
				   const struct prec_keeper_fault *fault,
				   const struct fault_place *place,
				   const struct fault_actor *actor)
{
	if (place->admitting && place->forbidden)
		mark_refused(place->region);
	mark_lost(place->region, false);
	mark_count(&keeper->counts.fixed);
	return call_go_on(keeper, fault->thread, actor->go_on)
		       ? PREC_KEEPER_RESUMED
		       : PREC_KEEPER_PASS;
}

/* Tell the transaction of its fault. */
/*@
  requires valid: \valid_read(fault) && \valid_read(place) &&
    \valid_read(actor) && \valid(actor->note) &&
    \separated(fault, place, actor, actor->note);
  requires stopped: fault->thread < PREC_KEEPER_THREADS &&
    thread_stopped[fault->thread] == 1;
  terminates \true;
  exits \false;
  assigns actor->note->faults, actor->note->address, actor->note->write;
  ensures told: note_of(\old(*actor->note), *actor->note, *fault, *place);
  ensures counted: \old(actor->note->faults) < UINT64_MAX ==>
    actor->note->faults == \old(actor->note->faults) + 1;
*/
static void note_fault(const struct prec_keeper_fault *fault,
		       const struct fault_place *place,
		       const struct fault_actor *actor)
{
	prec_note_fault(actor->note, fault->address, place->wrote);
}

/*@
  requires valid: FAULT_VALID;
  requires apart: FAULT_APART;
  requires asked: is_asked(*keeper, *fault, *place);
  terminates \true;
  exits \false;
  assigns keeper->counts.abandoned, place->region->flags,
    place->region->epoch, marked, *actor->note,
    thread_stopped[fault->thread], thread_ip[fault->thread],
    thread_sp[fault->thread], thread_argument[fault->thread];
  ensures ok: window_ok(*keeper);
  ensures two: \result != PREC_KEEPER_REPLY &&
    is_answered(\result, fault->thread);
  ensures told: actor->note->abandoned &&
    note_of(\old(*actor->note), *actor->note, *fault, *place);
  ensures where: \result == PREC_KEEPER_RESUMED ==>
    has_landed(*actor, fault->thread);
  ensures epoch: marked == MARKED_LOST &&
    one_more(\old(place->region->epoch), place->region->epoch);
  ensures counted:
    one_more(\old(keeper->counts.abandoned), keeper->counts.abandoned);
*/
static enum prec_keeper_answer abandon(struct prec_keeper *keeper,
				       const struct prec_keeper_fault *fault,
				       const struct fault_place *place,
				       const struct fault_actor *actor)
{
	note_fault(fault, place, actor);
	prec_note_abandoned(actor->note);
	mark_lost(place->region, false);
	mark_count(&keeper->counts.abandoned);
	return call_land(keeper, fault->thread, actor->land, actor->sp,
			 actor->argument)
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
  ensures bounded: \result ==>
    0 < keeper->retries[fault->thread] <= RETRY_MAX;
  ensures again: \result && \old(keeper->retry_at[fault->thread]) ==
    fault->address ==> keeper->retries[fault->thread] ==
    \old(keeper->retries[fault->thread]) + 1;
  ensures where: keeper->retry_at[fault->thread] == fault->address;
  ensures fresh: \old(keeper->retry_at[fault->thread]) != fault->address ==>
    \result && keeper->retries[fault->thread] == 1;
  ensures enough: !\result ==>
    \old(keeper->retries[fault->thread]) >= RETRY_MAX;
*/
static bool may_retry(struct prec_keeper *keeper,
		      const struct prec_keeper_fault *fault)
{
	uint32_t thread = fault->thread;

	if (keeper->retry_at[thread] != fault->address) {
		keeper->retry_at[thread] = fault->address;
		keeper->retries[thread] = 0;
	}
	if (keeper->retries[thread] >= RETRY_MAX)
		return false;
	keeper->retries[thread]++;
	return true;
}

/* Tell the transaction, and whoever asks for the region's epoch, of the empty
 * page. */
/*@
  requires valid: FAULT_VALID;
  requires apart: FAULT_APART;
  requires asked: is_asked(*keeper, *fault, *place);
  terminates \true;
  exits \false;
  assigns place->region->flags, place->region->epoch, marked, *actor->note;
  ensures told: actor->note->substituted &&
    note_of(\old(*actor->note), *actor->note, *fault, *place);
  ensures range: !\old(actor->note->substituted) ==>
    actor->note->lost_host == keeper->window + 4096 * place->page &&
    actor->note->lost_size == 4096;
  ensures epoch: marked == MARKED_REPLACED &&
    one_more(\old(place->region->epoch), place->region->epoch);
*/
static void note_empty(const struct prec_keeper *keeper,
		       const struct prec_keeper_fault *fault,
		       const struct fault_place *place,
		       const struct fault_actor *actor)
{
	note_fault(fault, place, actor);
	prec_note_replaced(actor->note,
			   keeper->window + 4096 * (uint64_t)place->page, 4096);
	mark_lost(place->region, true);
}

/* An empty page takes the place of the lost one.  False: there is none. */
/*@
  requires valid: FAULT_VALID;
  requires apart: FAULT_APART;
  requires asked: is_asked(*keeper, *fault, *place);
  terminates \true;
  exits \false;
  assigns keeper->window_book.state[place->page],
    keeper->window_book.frame_of[place->page],
    keeper->window_book.used_by[0 .. PREC_KEEPER_FRAMES - 1],
    keeper->window_book.used_for[0 .. PREC_KEEPER_FRAMES - 1],
    keeper->retry_at[fault->thread], keeper->retries[fault->thread],
    keeper->counts.substituted, keeper->counts.retried,
    place->region->flags, place->region->epoch, marked, *actor->note,
    CAPS, FRAMES_CLEAN, frame_open;
  ensures ok: window_ok(*keeper) && frame_open == -1;
  ensures others: others{Pre, Post}(place->page);
  ensures taken: keeper->window_book.state[place->page] != PAGE_FREE;
  ensures ours: \result ==> is_ours(place->page);
  ensures alone: \result && place->wrote ==>
    keeper->window_book.state[place->page] == PAGE_OURS;
  ensures told: \result ==> actor->note->substituted &&
    marked == MARKED_REPLACED &&
    note_of(\old(*actor->note), *actor->note, *fault, *place);
  ensures not: !\result ==> *actor->note == \old(*actor->note) &&
    marked == \old(marked);
  ensures counted: \result ==>
    (\old(covered(*keeper, place->page, place->wrote)) ?
      one_more(\old(keeper->counts.retried), keeper->counts.retried) :
      one_more(\old(keeper->counts.substituted), keeper->counts.substituted));
  ensures lost: !\result ==> cap_is[place->page] == CAP_NONE ||
    is_ours(place->page) || left_alone{Pre, Post}(place->page);
*/
static bool cover(struct prec_keeper *keeper,
		  const struct prec_keeper_fault *fault,
		  const struct fault_place *place,
		  const struct fault_actor *actor)
{
	switch (window_substitute(keeper, place->page, place->client,
				  place->wrote)) {
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
	note_empty(keeper, fault, place, actor);
	/*@ assert kept: window_ok(*keeper); */
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
