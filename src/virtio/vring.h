/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_VIRTIO_VRING_H
#define PRECARIUM_VIRTIO_VRING_H

#include "virtio/packed.h"
#include "virtio/split.h"

/*
 * Calls on a queue of either layout, passed on to the layout it was set up
 * with.  The contracts say what holds of both; split.h and packed.h say more.
 */

/*@
  // It is in flight, and must be completed.
  predicate in_hand(integer answer) = answer == VIRTQ_TAKEN ||
    answer == VIRTQ_MALFORMED || answer == VIRTQ_LOST;

  // The elements were decoded, to the end of the chain.
  predicate decoded(struct virtq_request r, integer answer) =
    answer == VIRTQ_TAKEN || (answer == VIRTQ_MALFORMED && r.count == 1);
*/

/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid(q) && \separated(q, space);
  terminates \true;
  exits \false;
  assigns *q;
  ensures said: \result == PREC_OK || \result == PREC_INVALID ||
    \result == PREC_RANGE || \result == PREC_RIGHTS ||
    \result == PREC_OVERLAP;
  ensures ready: \result == PREC_OK ==> q->state == VIRTQ_READY &&
    virtq_ok(*space, *q) && q->size == size && (q->packed <==> packed);
  ensures there: \result == PREC_OK ==> q->desc.address == desc &&
    q->avail.address == driver && q->used.address == device;
  ensures none_held: \result == PREC_OK ==> q->in_flight == 0 &&
    none_held(*q);
  ensures untouched: \result != PREC_OK ==> *q == \old(*q);
*/
static inline enum prec_status
vring_setup(struct virtq *q, const struct prec_space *space, bool packed,
	    uint32_t size, uint64_t desc, uint64_t driver, uint64_t device)
{
	if (packed)
		return packed_setup(q, space, size, desc, driver, device);
	return split_setup(q, space, size, desc, driver, device);
}

/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid(q) && virtq_ok(*space, *q);
  requires request: \valid(r) && \separated(r, q, space);
  terminates \true;
  exits \false;
  assigns r->head, r->readable, r->count, r->elements, r->refused,
    r->table_address,
    r->table_size, r->segment[0 .. VIRTQ_SEGMENTS_MAX - 1],
    q->state, q->waiting, q->in_flight, q->next_avail, q->avail_wrap,
    q->serial, q->stamp[0 .. VIRTQ_SIZE_MAX - 1],
    q->held[0 .. VIRTQ_SIZE_MAX - 1],
    SPLIT_FETCHES(0), PACKED_FETCHES, ELEMENT_LOG, CHAIN_LOG, LIST_LOG;
  ensures said: \result <= VIRTQ_STOPPED;
  ensures queue: virtq_ok(*space, *q);
  ensures segments: request_ok(*space, *q, *r);
  ensures told: answer_told(*r, \result);
  ensures once: fetched_once;
  ensures known: \result != VIRTQ_STOPPED ==> fetched_known(*q, *r);
  ensures bounded: fetch_count <= 2 * q->size + 3;
  ensures losses: \result != VIRTQ_STOPPED ==> losses_told(\result);
  ensures still: decoded(*r, \result) ==> (q->packed ?
    list_still(q->desc, q->size, \old(q->next_avail), \old(q->avail_wrap),
      r->head, r->table_address, r->table_size) :
    chain_still(*q, r->head, r->table_address, r->table_size) &&
      head_still(*q, \old(q->waiting), \old(q->next_avail), r->head,
        r->table_size));
  ensures stopped: \old(q->state) != VIRTQ_READY ==>
    \result == VIRTQ_STOPPED && fetch_count == 0;
  ensures state: \result == VIRTQ_STOPPED ? q->state != VIRTQ_READY :
    q->state == VIRTQ_READY;
  ensures only_breaks: q->state == \old(q->state) ||
    (\old(q->state) == VIRTQ_READY && q->state == VIRTQ_BROKEN);
  ensures held: in_hand(\result) ==> r->head < q->size &&
    \at(q->held[\at(r->head, Post)], Pre) == 0 &&
    1 <= q->held[r->head] <= q->size &&
    q->in_flight == \old(q->in_flight) + 1;
  ensures others: \forall integer i; 0 <= i < VIRTQ_SIZE_MAX &&
    i != r->head ==> q->held[i] == \old(*q).held[i];
  ensures none: \result == VIRTQ_EMPTY || \result == VIRTQ_GONE ==>
    q->next_avail == \old(q->next_avail) &&
    q->avail_wrap == \old(q->avail_wrap) &&
    q->in_flight == \old(q->in_flight);
*/
static inline enum virtq_answer vring_next(struct virtq *q,
					   const struct prec_space *space,
					   struct virtq_request *r)
{
	return q->packed ? packed_next(q, space, r) : split_next(q, space, r);
}

/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid(q) && \separated(q, space) && virtq_ok(*space, *q);
  terminates \true;
  exits \false;
  assigns q->held[0 .. VIRTQ_SIZE_MAX - 1], q->in_flight, q->next_used,
    q->used_wrap, STORES(0, 2);
  ensures queue: virtq_ok(*space, *q);
  behavior held:
    assumes held: head < q->size && q->held[head] != 0;
    ensures said: \result == PREC_OK || \result == PREC_GONE;
    ensures free: q->held[head] == 0 &&
      q->in_flight == \old(q->in_flight) - 1;
    ensures all: \result == PREC_OK ? store_count == 3 :
      0 <= store_count <= 2;
    ensures stopped: q->state != VIRTQ_READY ==> store_count == 0;
    ensures stored: q->packed ?
      packed_stored(*q, \old(q->next_used), \old(q->used_wrap), head, len,
        store_count) :
      used_stored(*q, \old(q->next_used), head, len, store_count);
    ensures untold: \result == PREC_GONE ==>
      q->next_used == \old(q->next_used) &&
      q->used_wrap == \old(q->used_wrap);
  behavior unheld:
    assumes unheld: !(head < q->size && q->held[head] != 0);
    ensures said: \result == PREC_INVALID;
  complete behaviors;
  disjoint behaviors;
*/
static inline enum prec_status vring_complete(struct virtq *q,
					      const struct prec_space *space,
					      uint32_t head, uint32_t len)
{
	return q->packed ? packed_complete(q, space, head, len)
			 : split_complete(q, space, head, len);
}

/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid(q) && virtq_ok(*space, *q);
  requires out: \valid(yes) && \separated(yes, space, q);
  terminates \true;
  exits \false;
  assigns *yes, q->notified, fenced, FETCHES(0, 1), fetch_value[0 .. 1];
  ensures said: \result == PREC_OK || \result == PREC_GONE;
  ensures queue: virtq_ok(*space, *q);
  ensures untouched: \result != PREC_OK ==> *yes == \old(*yes) &&
    q->notified == \old(q->notified);
  ensures stopped: q->state != VIRTQ_READY ==> \result == PREC_GONE;
  ensures fenced: \result == PREC_OK ==> fetch_fenced[0] != 0;
*/
static inline enum prec_status
vring_should_notify(struct virtq *q, const struct prec_space *space, bool *yes)
{
	return q->packed ? packed_should_notify(q, space, yes)
			 : split_should_notify(q, space, yes);
}

/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid_read(q) && virtq_ok(*space, *q);
  requires event_index: q->event_index;
  terminates \true;
  exits \false;
  assigns STORES(0, 1);
  ensures said: \result == PREC_OK || \result == PREC_GONE;
  ensures ready: \result == PREC_OK ==> q->state == VIRTQ_READY;
  ensures nowhere_else: stored_used(*q);
  ensures fenced: \result == PREC_OK ==> fenced != 0;
*/
static inline enum prec_status
vring_ask_for_kick(const struct virtq *q, const struct prec_space *space)
{
	return q->packed ? packed_ask_for_kick(q, space)
			 : split_ask_for_kick(q, space);
}

/* The answer to GET_VRING_BASE. */
/*@
  requires queue: \valid_read(q) && q->size <= VIRTQ_SIZE_MAX &&
    (q->packed ==> slots_ok(*q));
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures at: q->packed ? base_is(*q, \result) : \result == q->next_avail;
*/
static inline uint32_t vring_base(const struct virtq *q)
{
	return q->packed ? packed_base(q) : q->next_avail;
}

#endif
