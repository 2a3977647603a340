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
	uint64_t go_on; /* an accessor: where it continues */
	uint64_t sp;	/* a transaction that abandons, or substitutes: */
	uint64_t land;	/* what it goes on with, and where */
	struct prec_transaction *transaction; /* or NULL */
	struct prec_note *note; /* of that transaction, or of nobody */
};

/* Where it was: keeper.c finds the page. */
struct fault_place {
	uint32_t page;
	enum prec_fault_place is;
	uint32_t client;
	bool may_write; /* the region is lent for stores, too */
	bool admitting; /* it is still being looked at */
	struct prec_region *region;
};

/*
 * What is done about a fault of a page of a region, whose thread is stopped.
 * Notes and counters are written, and the epoch has moved, before the thread
 * runs again.
 */
/*@
  requires keeper: \valid(keeper) && window_ok(*keeper);
  requires apart: \separated(keeper, fault, place, actor, actor->note,
    place->region);
  requires valid: \valid_read(fault) && \valid_read(place) &&
    \valid_read(actor) && \valid(actor->note) && \valid(place->region);
  requires page: place->page < keeper->pages &&
    keeper->window_book.state[place->page] != PAGE_FREE;
  requires closed: frame_open == -1;
  requires stopped: fault->thread < PREC_KEEPER_THREADS &&
    thread_stopped[fault->thread] == 1;
  terminates \true;
  exits \false;
  ensures ok: window_ok(*keeper) && frame_open == -1;
  // Each fault ends in one of three ways.
  ensures three: \result == PREC_KEEPER_PASS ||
    \result == PREC_KEEPER_RESUMED || \result == PREC_KEEPER_REPLY;
  ensures runs: \result == PREC_KEEPER_RESUMED <==>
    thread_stopped[fault->thread] == 0;
  // It goes on where the table, or the transaction's record, says.
  ensures where: \result == PREC_KEEPER_RESUMED ==>
    thread_ip[fault->thread] == actor->go_on ||
    thread_ip[fault->thread] == actor->land;
  ensures nobody: actor->is == PREC_ACTOR_NOBODY ==>
    \result == PREC_KEEPER_PASS;
  // Tried again only where a frame of ours is.
  ensures ours: \result == PREC_KEEPER_REPLY ==> is_ours(place->page);
  // It was told before the thread runs.
  ensures told: \result == PREC_KEEPER_REPLY ==> actor->note->substituted &&
    actor->note->faults > 0;
*/
enum prec_keeper_answer fault_answer(struct prec_keeper *keeper,
				     const struct prec_keeper_fault *fault,
				     const struct fault_place *place,
				     const struct fault_actor *actor);

#endif
