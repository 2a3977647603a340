/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PORT_SEL4_FAULT_H
#define PRECARIUM_PORT_SEL4_FAULT_H

#include "mark.h"
#include "window.h"

#include <precarium/claim.h>
#include <precarium/note.h>

/* What the thread was doing, as keeper.c finds out. */
struct fault_actor {
	enum prec_fault_actor is;
	uint64_t go_on;	   /* an accessor: where it continues */
	uint64_t land;	   /* a transaction that is left: where it continues, */
	uint64_t sp;	   /* with which stack pointer */
	uint64_t argument; /* and which first argument */
	struct prec_note *note; /* of the transaction, or of nobody */
};

/* Where it was, and what the status word of the fault says: keeper.c knows the
 * regions, and machine.h the processor. */
struct fault_place {
	uint32_t page;
	enum prec_fault_place is;
	uint32_t client;
	bool may_write; /* the region is lent for stores, too */
	bool admitting; /* it is still being looked at */
	bool absent;	/* no page was there */
	bool forbidden; /* one was, and does not grant this access */
	bool wrote;
	struct prec_region *region;
};

/* The parameters of the functions of this page, for their contracts. */
/* clang-format off */
#define FAULT_VALID \
	\valid(keeper) && \valid_read(fault) && \valid_read(place) && \
	\valid_read(actor) && \valid(actor->note) && \valid(place->region)
#define FAULT_APART \
	\separated(keeper, fault, place, actor, actor->note, place->region)
/* clang-format on */

/*@
  // A fault of a page of a region, whose thread is stopped.
  predicate is_asked{L}(struct prec_keeper k, struct prec_keeper_fault f,
      struct fault_place p) =
    window_ok(k) && frame_open == -1 &&
    p.page < k.pages && p.client < PREC_KEEPER_CLIENTS &&
    k.window_book.state[p.page] != PAGE_FREE &&
    f.thread < PREC_KEEPER_THREADS && answered == f.thread &&
    thread_stopped[f.thread] == 1;

  // Afterwards it runs, or is as it was.
  predicate is_answered{L}(enum prec_keeper_answer answer, uint32_t thread) =
    (answer == PREC_KEEPER_PASS || answer == PREC_KEEPER_RESUMED ||
     answer == PREC_KEEPER_REPLY) &&
    thread_stopped[thread] == (answer == PREC_KEEPER_RESUMED ? 0 : 1);

  // It runs, and where the transaction's record says.
  predicate has_landed{L}(struct fault_actor actor, uint32_t thread) =
    thread_ip[thread] == actor.land && thread_sp[thread] == actor.sp &&
    thread_argument[thread] == actor.argument;

  // The note has been told of the fault.
  predicate note_of(struct prec_note before, struct prec_note after,
      struct prec_keeper_fault fault, struct fault_place place) =
    note_kept(before, after) && after.faults > 0 &&
    (before.faults == 0 ==> after.address == fault.address &&
      (after.write <==> place.wrote));
*/

/*
 * What is done about a fault of a page of a region, whose thread is stopped.
 * Notes and counters are written, and the epoch has moved, before the thread
 * runs again.
 */
/*@
  requires valid: FAULT_VALID;
  requires apart: FAULT_APART;
  requires asked: is_asked(*keeper, *fault, *place);
  requires fresh: marked == 0;
  terminates \true;
  exits \false;
  assigns keeper->window_book, keeper->retry_at[fault->thread],
    keeper->retries[fault->thread], keeper->counts, *place->region,
    *actor->note, CAPS, seen[place->page], FRAMES_CLEAN, frame_open, marked,
    thread_stopped[fault->thread], thread_ip[fault->thread],
    thread_sp[fault->thread], thread_argument[fault->thread];
  ensures ok: window_ok(*keeper) && frame_open == -1;
  ensures others: others{Pre, Post}(place->page);
  // Each fault ends in one of three ways.
  ensures three: is_answered(\result, fault->thread);
  ensures nobody: actor->is == PREC_ACTOR_NOBODY ==>
    \result == PREC_KEEPER_PASS;
  // No fault but of a page that was lost, or a store to our zeroes, is claimed.
  ensures foreign: place->is == PREC_PLACE_FOREIGN ||
    (!place->absent && !place->forbidden) || fault->fetch ==>
    \result == PREC_KEEPER_PASS;
  ensures loss: \result != PREC_KEEPER_PASS ==>
    cap_is[place->page] == CAP_NONE || is_ours(place->page) ||
    place->admitting;
  // It goes on where the table, or the transaction's record, says.
  ensures fixed: \result == PREC_KEEPER_RESUMED &&
    actor->is == PREC_ACTOR_ACCESSOR ==>
    thread_ip[fault->thread] == actor->go_on;
  ensures landed: \result == PREC_KEEPER_RESUMED &&
    actor->is != PREC_ACTOR_ACCESSOR ==>
    has_landed(*actor, fault->thread) && actor->note->abandoned &&
    note_of(\old(*actor->note), *actor->note, *fault, *place);
  // Code that cannot be left is not left; what is to be told, or left, is not
  // given an empty page.
  ensures stays: actor->is == PREC_ACTOR_STAYS ||
    actor->is == PREC_ACTOR_ON_TOP ==> \result != PREC_KEEPER_RESUMED;
  ensures leaves: actor->is == PREC_ACTOR_ABANDON ||
    actor->is == PREC_ACTOR_ACCESSOR ==> \result != PREC_KEEPER_REPLY;
  // Tried again only where a frame of ours is; a store, one that no other page
  // has.
  ensures ours: \result == PREC_KEEPER_REPLY ==> is_ours(place->page);
  ensures alone: \result == PREC_KEEPER_REPLY && place->wrote ==>
    keeper->window_book.state[place->page] == PAGE_OURS;
  // It was told before the thread runs.
  ensures told: \result == PREC_KEEPER_REPLY ==>
    actor->note->substituted && marked == MARKED_REPLACED &&
    note_of(\old(*actor->note), *actor->note, *fault, *place);
  ensures epoch: \result == PREC_KEEPER_RESUMED ==> marked == MARKED_LOST;
  ensures counted: \result == PREC_KEEPER_RESUMED &&
    actor->is == PREC_ACTOR_ACCESSOR ==>
    one_more(\old(keeper->counts.fixed), keeper->counts.fixed);
  ensures abandons: \result == PREC_KEEPER_RESUMED &&
    actor->is != PREC_ACTOR_ACCESSOR ==>
    one_more(\old(keeper->counts.abandoned), keeper->counts.abandoned);
*/
enum prec_keeper_answer fault_answer(struct prec_keeper *keeper,
				     const struct prec_keeper_fault *fault,
				     const struct fault_place *place,
				     const struct fault_actor *actor);

#endif
