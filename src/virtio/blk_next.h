/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_VIRTIO_BLK_NEXT_H
#define PRECARIUM_VIRTIO_BLK_NEXT_H

#include "virtio/blk.h"
#include "virtio/vring.h"

/*
 * From a ring to a decision: a chain is decoded as soon as it was taken, so
 * that what vblk_decode requires of it holds by proof.
 */

/* Ghost: the chain as it was taken, before it was decoded, and how. */
/*@ ghost
  struct virtq_request chain_taken;
  enum virtq_answer ring_said;
*/

/*@
  // One that is malformed may have a status byte, and is answered there.
  predicate to_decode(integer answer) =
    answer == VIRTQ_TAKEN || answer == VIRTQ_MALFORMED;
*/

/*
 * Take the next request of the ring and decide what it asks for.
 *
 * VIRTQ_TAKEN: `head` is in flight, and *r is the decision, which may be to
 * answer without I/O; also of a chain that cannot be carried out, if it has a
 * status byte.  VIRTQ_MALFORMED: in flight, but without one, so that the client
 * cannot be told.  Otherwise as vring_next.
 */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid(q) && virtq_ok(*space, *q);
  requires device: \valid_read(d) && d->capacity <= VBLK_CAPACITY_MAX;
  requires out: \valid(c) && \valid(r) && \valid(w) &&
    \separated(r, w, c, q, space, d);
  terminates \true;
  exits \false;
  assigns *r, *w, c->head, c->readable, c->count, c->elements, c->refused,
    c->table_address,
    c->table_size, c->segment[0 .. VIRTQ_SEGMENTS_MAX - 1],
    q->state, q->waiting, q->in_flight, q->next_avail, q->avail_wrap,
    q->serial, q->stamp[0 .. VIRTQ_SIZE_MAX - 1],
    q->held[0 .. VIRTQ_SIZE_MAX - 1],
    SPLIT_FETCHES(0), PACKED_FETCHES, BLK_FETCHES, ELEMENT_LOG, CHAIN_LOG,
    LIST_LOG, ranges_from, chain_taken, ring_said;
  ensures said: \result <= VIRTQ_STOPPED;
  ensures answered: to_decode(ring_said) ?
    \result == VIRTQ_TAKEN || \result == VIRTQ_MALFORMED :
    \result == ring_said;
  ensures status: to_decode(ring_said) ==> (\result == VIRTQ_TAKEN <==>
    chain_taken.readable < chain_taken.count);
  ensures told: answer_told(chain_taken, ring_said);
  ensures losses: \result == VIRTQ_EMPTY || \result == VIRTQ_LOST ||
    \result == VIRTQ_GONE ==> losses_told(\result);
  ensures last: \result == VIRTQ_TAKEN ==>
    r->status.address == last_byte(chain_taken);
  ensures table: \result == VIRTQ_TAKEN && !r->gone && !of_range_type(*r) &&
    laid_out(*q, chain_taken, VIRTIO_BLK_HEADER_SIZE) ==>
    by_table(*d, *r, bytes_in(chain_taken), bytes_out(chain_taken));
  ensures ranges: \result == VIRTQ_TAKEN && !r->gone && of_range_type(*r) &&
    laid_out(*q, chain_taken, VIRTIO_BLK_HEADER_SIZE) &&
    laid_out(*q, chain_taken,
      bytes_before(chain_taken, chain_taken.readable)) ==>
    by_range_table(*d, *r, *w, bytes_in(chain_taken), bytes_out(chain_taken),
      header_logged(chain_taken));
  ensures otherwise: \result == VIRTQ_TAKEN ==> failed(*r) ||
    (!of_range_type(*r) &&
      by_table(*d, *r, bytes_in(chain_taken), bytes_out(chain_taken))) ||
    (of_range_type(*r) && by_range_table(*d, *r, *w, bytes_in(chain_taken),
      bytes_out(chain_taken), header_logged(chain_taken)));
  ensures in: \result == VIRTQ_TAKEN && r->op == VBLK_WRITE ==>
    data_in(chain_taken, *c, *r);
  ensures out: \result == VIRTQ_TAKEN &&
    (r->op == VBLK_READ || r->op == VBLK_IDENTIFY) ==>
    data_out(chain_taken, *c, *r);
  ensures queue: virtq_ok(*space, *q);
  ensures chain: request_ok(*space, *q, *c);
  ensures decision: \result == VIRTQ_TAKEN ==>
    decision_ok(*d, *space, *c, *r, *w);
  ensures elements: \result == VIRTQ_TAKEN && !failed(*r) ==>
    elements_told(chain_taken) && !chain_taken.refused;
  ensures still: \result == VIRTQ_TAKEN && !failed(*r) ==>
    request_still(chain_taken, *r);
  ensures still_ranges: \result == VIRTQ_TAKEN && of_ranges(*r) ==>
    ranges_still(chain_taken, *w);
  ensures once: fetched_once;
  ensures held: in_hand(\result) ==> c->head < q->size &&
    \at(q->held[\at(c->head, Post)], Pre) == 0 &&
    1 <= q->held[c->head] <= q->size &&
    q->in_flight == \old(q->in_flight) + 1;
  ensures others: \forall integer i; 0 <= i < VIRTQ_SIZE_MAX &&
    i != c->head ==> q->held[i] == \old(*q).held[i];
  ensures none: \result == VIRTQ_EMPTY || \result == VIRTQ_GONE ==>
    q->next_avail == \old(q->next_avail) &&
    q->avail_wrap == \old(q->avail_wrap) &&
    q->in_flight == \old(q->in_flight);
  ensures stopped: \old(q->state) != VIRTQ_READY ==>
    \result == VIRTQ_STOPPED && fetch_count == 0;
  ensures state: \result == VIRTQ_STOPPED ? q->state != VIRTQ_READY :
    q->state == VIRTQ_READY;
*/
enum virtq_answer vblk_next(const struct vblk_device *d, struct virtq *q,
			    const struct prec_space *space,
			    struct virtq_request *c, struct vblk_request *r,
			    struct vblk_ranges *w);

#endif
