/* SPDX-License-Identifier: MIT */
#ifndef PREC_VIRTIO_CHAIN_H
#define PREC_VIRTIO_CHAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "virtio/split.h"

/*
 * From the descriptors of a request to its segments: what split and packed
 * rings have in common.  Descriptors come here after they were fetched.
 */

/* Ghost: what the descriptors of the request in hand said, in their order; and
 * which segments each became. */
/*@ ghost
  int element_count;
  int element_room; // the last with bytes for the driver to write; -1: none
  uint64_t element_addr[1280];
  uint32_t element_len[1280];
  int element_write[1280];
  uint32_t element_first[1280]; // of its segments
  uint32_t element_end[1280];   // one after its last
*/
#define ELEMENT_MAX 1280
/* Ranges of ACSL need their spaces. */
/* clang-format off */
#define ELEMENT_LOG \
	element_count, element_room, element_addr[0 .. ELEMENT_MAX - 1], \
	element_len[0 .. ELEMENT_MAX - 1], \
	element_write[0 .. ELEMENT_MAX - 1], \
	element_first[0 .. ELEMENT_MAX - 1], \
	element_end[0 .. ELEMENT_MAX - 1]
/* clang-format on */

/*@
  predicate has_bytes{L}(integer k) =
    element_write[k] != 0 && element_len[k] > 0;

  predicate elements_logged{L} =
    -1 <= element_room < element_count &&
    0 <= element_count <= ELEMENT_MAX &&
    (0 <= element_room ==> has_bytes(element_room)) &&
    (\forall integer k; element_room < k < element_count ==> !has_bytes(k));

  // The segments are the elements, each byte once and in order, what the
  // driver reads before what it writes.
  predicate elements_covered{L}(struct virtq_request r) =
    !r.refused ==>
    r.count == (element_count == 0 ? 0 : element_end[element_count - 1]) &&
    (0 < element_count ==> element_first[0] == 0) &&
    (\forall integer k; 0 < k < element_count ==>
      element_first[k] == element_end[k - 1]) &&
    (\forall integer k; 0 <= k < element_count ==>
      element_end[k] <= r.count &&
      covers(r, element_first[k], element_end[k], element_addr[k],
        element_len[k]) &&
      (has_bytes(k) ==> r.readable <= element_first[k]) &&
      (element_write[k] == 0 ==> element_end[k] <= r.readable));

  // The byte that is kept of a refused chain is the last of all of it that the
  // driver may write.
  predicate last_byte_kept{L}(struct virtq_request r) =
    r.refused && r.count == 1 ==> 0 <= element_room &&
      r.segment[0].address ==
      element_addr[element_room] + element_len[element_room] - 1;

  predicate element_is{L}(integer k, integer addr, integer len,
                          integer flags) =
    element_addr[k] == addr && element_len[k] == len &&
    (element_write[k] != 0 <==> (flags & VIRTQ_DESC_F_WRITE) != 0);

  predicate elements_told{L}(struct virtq_request r) =
    elements_logged && elements_covered(r) && last_byte_kept(r);
*/

/* Nothing taken yet, and nothing fetched. */
/*@
  requires request: \valid(r);
  terminates \true;
  exits \false;
  assigns r->head, r->readable, r->count, r->refused, r->table_address,
    r->table_size, fetch_count, element_count, element_room;
  ensures empty: r->head == 0 && r->readable == 0 && r->count == 0 &&
    !r->refused && r->table_address == 0 && r->table_size == 0;
  ensures log: fetch_count == 0;
  ensures elements: element_count == 0 && elements_told(*r);
*/
void chain_begin(struct virtq_request *r);

/*
 * One descriptor's data.  Where it cannot be had the chain is refused; it is
 * followed all the same, to the last byte that the driver may write: block
 * requests have their status there, and with it the client learns of its
 * mistake and the queue goes on.
 */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid_read(q) && virtq_ok(*space, *q) &&
    q->state == VIRTQ_READY;
  requires request: \valid(r) && \separated(r, q, space) &&
    chain_ok(*space, *q, *r);
  requires log: elements_told(*r) && element_count < ELEMENT_MAX;
  terminates \true;
  exits \false;
  assigns r->readable, r->count, r->refused,
    r->segment[0 .. VIRTQ_SEGMENTS_MAX - 1], element_count, element_room,
    element_addr[element_count], element_len[element_count],
    element_write[element_count], element_first[element_count],
    element_end[element_count];
  ensures log: elements_told(*r) &&
    element_count == \old(element_count) + 1;
  ensures this: element_addr[\old(element_count)] == addr &&
    element_len[\old(element_count)] == len &&
    (element_write[\old(element_count)] != 0 <==> write);
  ensures segments: chain_ok(*space, *q, *r);
  ensures refused: \old(r->refused) ==> r->refused;
  ensures kept: !r->refused ==>
    \forall integer i; 0 <= i < \old(r->count) ==>
    r->segment[i] == \old(*r).segment[i];
  ensures covers: !r->refused ==>
    covers(*r, \old(r->count), r->count, addr, len);
*/
void chain_take(struct virtq_request *r, const struct prec_space *space,
		const struct virtq *q, uint64_t addr, uint32_t len, bool write);

/* The table that an indirect descriptor names (2.7.5.3, 2.8.7), to be fetched
 * once and whole.  False: its length is none, or it is not in one region, or on
 * the rings, where it would be fetched a second time. */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid_read(q) && virtq_ok(*space, *q) &&
    q->state == VIRTQ_READY;
  requires request: \valid(r) && \separated(r, q, space) &&
    chain_ok(*space, *q, *r);
  requires out: \valid(span) && \separated(span, r, q, space);
  terminates \true;
  exits \false;
  assigns r->table_address, r->table_size, *span;
  ensures segments: chain_ok(*space, *q, *r);
  ensures there: \result ==> readable_span(*space, *span) &&
    span->address == addr && span->size == len;
  ensures whole: \result ==> len % VIRTQ_DESC_SIZE == 0 &&
    1 <= len / VIRTQ_DESC_SIZE <= CLIENT_TABLE_MAX;
  ensures off: \result ==> off_rings(*q, *span);
  ensures noted: \result ==>
    r->table_address == addr && r->table_size == len;
  ensures none: !\result ==> r->table_address == \old(r->table_address) &&
    r->table_size == \old(r->table_size);
*/
bool chain_table(struct virtq_request *r, const struct prec_space *space,
		 const struct virtq *q, uint64_t addr, uint32_t len,
		 struct prec_span *span);

/* A request is taken once: a client that offers it again while it is in flight
 * would have it completed twice. */
/*@
  requires queue: \valid(q) && q->size <= VIRTQ_SIZE_MAX && virtq_counted(*q);
  terminates \true;
  exits \false;
  assigns q->held[0 .. VIRTQ_SIZE_MAX - 1], q->in_flight;
  ensures took: \result ==> head < q->size &&
    \old(*q).held[head] == 0 && q->held[head] == 1 &&
    q->in_flight == \old(q->in_flight) + 1;
  ensures counted: virtq_counted(*q);
  ensures others: \forall integer i; 0 <= i < VIRTQ_SIZE_MAX && i != head ==>
    q->held[i] == \old(*q).held[i];
  ensures refused: !\result ==> q->in_flight == \old(q->in_flight) &&
    \forall integer i; 0 <= i < VIRTQ_SIZE_MAX ==>
      q->held[i] == \old(*q).held[i];
*/
bool chain_hold(struct virtq *q, uint32_t head);

/* It is no longer in flight. */
/*@
  requires queue: \valid(q) && virtq_counted(*q);
  requires held: head < VIRTQ_SIZE_MAX && q->held[head] != 0;
  terminates \true;
  exits \false;
  assigns q->held[head], q->in_flight;
  ensures free: q->held[head] == 0;
  ensures counted: virtq_counted(*q);
  ensures one_less: q->in_flight == \old(q->in_flight) - 1;
*/
void chain_release(struct virtq *q, uint32_t head);

/* What is kept of the chain when its end was not found is nothing: the byte
 * that was last so far need not be the last. */
/*@
  requires request: \valid(r);
  requires said: answer == VIRTQ_TAKEN || answer == VIRTQ_MALFORMED ||
    answer == VIRTQ_LOST;
  requires refused: r->refused ==> only_last(*r);
  terminates \true;
  exits \false;
  assigns r->readable, r->count;
  ensures taken: \result == VIRTQ_TAKEN <==>
    answer == VIRTQ_TAKEN && !r->refused;
  ensures malformed: \result == VIRTQ_MALFORMED <==>
    answer == VIRTQ_MALFORMED || (answer == VIRTQ_TAKEN && r->refused);
  ensures lost: \result == VIRTQ_LOST <==> answer == VIRTQ_LOST;
  ensures kept: answer == VIRTQ_TAKEN ==>
    r->readable == \old(r->readable) && r->count == \old(r->count);
  ensures nothing: answer != VIRTQ_TAKEN ==>
    r->readable == 0 && r->count == 0;
*/
enum virtq_answer chain_settle(struct virtq_request *r,
			       enum virtq_answer answer);

#endif
