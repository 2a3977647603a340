/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_VIRTIO_CHAIN_H
#define PRECARIUM_VIRTIO_CHAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "virtio/virtq.h"

/*
 * From the descriptors of a request to its segments: the code that split and
 * packed rings share.  It works on descriptors that were already fetched.
 */

/* Ghost: the elements of the current request (2.7.4.2, 2.8.17): the content of
 * each descriptor, in order, and where its segments end. */
/*@ ghost
  int element_count;
  int element_room; // the last with bytes for the device to write; -1: none
  uint64_t element_addr[33792];
  uint32_t element_len[33792];
  uint16_t element_flags[33792];
  uint32_t element_end[33792]; // one after its last segment
  uint32_t element_index[33792]; // where in the table; set by the caller
*/
/* Ghost: why the request is refused: the element, its byte from which on
 * nothing could be appended, the size of the segment that was found there, how
 * many there were before, and the last element until then with bytes to
 * write. */
/*@ ghost
  int refusal_element;
  uint64_t refusal_at;
  uint64_t refusal_size;
  uint32_t refusal_count;
  int refusal_room;
*/
#define ELEMENT_MAX 33792
/* Ranges of ACSL need their spaces. */
/* clang-format off */
#define ELEMENT_LOG \
	element_count, element_room, element_addr[0 .. ELEMENT_MAX - 1], \
	element_len[0 .. ELEMENT_MAX - 1], \
	element_flags[0 .. ELEMENT_MAX - 1], \
	element_end[0 .. ELEMENT_MAX - 1], \
	element_index[0 .. ELEMENT_MAX - 1], REFUSAL
#define REFUSAL_BYTE refusal_at, refusal_size, refusal_count
#define REFUSAL	     REFUSAL_BYTE, refusal_element, refusal_room
/* clang-format on */

/*@
  predicate element_is{L}(integer k, integer addr, integer len,
                          integer flags) =
    element_addr[k] == addr && element_len[k] == len &&
    element_flags[k] == flags;

  predicate element_written{L}(integer k) =
    (element_flags[k] & VIRTQ_DESC_F_WRITE) != 0;

  logic integer element_right{L}(integer k) =
    (element_flags[k] & VIRTQ_DESC_F_WRITE) != 0 ? PREC_WRITE : PREC_READ;

  predicate has_room{L}(integer k) =
    element_written(k) && element_len[k] > 0;

  predicate has_next(integer flags) = (flags & VIRTQ_DESC_F_NEXT) != 0;

  predicate is_indirect(integer flags) = (flags & VIRTQ_DESC_F_INDIRECT) != 0;

  predicate elements_logged{L} =
    -1 <= element_room < element_count &&
    0 <= element_count <= ELEMENT_MAX &&
    (0 <= element_room ==> has_room(element_room)) &&
    (\forall integer k; element_room < k < element_count ==> !has_room(k));

  // Segments first .. last - 1 cover [address, address + size), in order, each
  // byte once.
  predicate covers(struct virtq_request r, integer first, integer last,
                   integer address, integer size) =
    first <= last &&
    (size == 0 ==> first == last) &&
    (size > 0 ==> first < last && r.segment[first].address == address &&
      r.segment[last - 1].address + r.segment[last - 1].size ==
      address + size) &&
    (\forall integer i; first <= i < last - 1 ==>
      r.segment[i].address + r.segment[i].size ==
      r.segment[i + 1].address);

  // The first segment of element k, which is one after the last segment of the
  // element before it.
  logic integer element_first{L}(integer k) =
    k <= 0 ? 0 : element_end[k - 1];

  // The segments are the elements, each byte once and in order, those that the
  // device reads before those that it writes.
  predicate elements_covered{L}(struct virtq_request r) =
    !r.refused ==>
    r.count == element_first(element_count) &&
    (r.readable < r.count ==> 0 <= element_room) &&
    (\forall integer k; 0 <= k < element_count ==>
      element_end[k] <= r.count &&
      covers(r, element_first(k), element_end[k], element_addr[k],
        element_len[k]) &&
      (has_room(k) ==> r.readable <= element_first(k)) &&
      (!element_written(k) ==> element_end[k] <= r.readable));

  // The byte kept of a refused chain is the last one of the whole chain that
  // the device may write.
  predicate last_kept{L}(struct virtq_request r) =
    r.refused && r.count == 1 ==> 0 <= element_room &&
      r.segment[0].address ==
      element_addr[element_room] + element_len[element_room] - 1;

  predicate elements_told{L}(struct virtq_request r) =
    elements_logged && r.elements == element_count && elements_covered(r) &&
    last_kept(r);

  // No region that holds this byte grants the right.
  predicate unlent(struct prec_space s, integer address, integer right) =
    \forall integer i; 0 <= i < s.count && space_has(s, i, address) ==>
      !rights_grant(s.rights[i], right);

  // A byte of these at which the request ends: it has no room for another
  // segment, the byte is not lent for this, or the device would write on the
  // rings.
  predicate append_refused{L}(struct prec_space s, struct virtq q,
                              integer address, integer size,
                              integer right) =
    address <= refusal_at < address + size &&
    (refusal_count == VIRTQ_SEGMENTS_MAX || unlent(s, refusal_at, right) ||
      (right == PREC_WRITE && 0 < refusal_size &&
        refusal_at + refusal_size <= address + size &&
        on_rings(q, refusal_at, refusal_size)));

  // 2.7.4.2, 2.8.17: it is to be read, after one that is to be written.
  predicate order_refused{L}(integer k) =
    !element_written(k) && 0 <= refusal_room < k && has_room(refusal_room);

  // A request is refused for an element that it has.
  predicate refusal_told{L}(struct prec_space s, struct virtq q,
                            struct virtq_request r) =
    r.refused ==> 0 <= refusal_element < element_count &&
      (order_refused(refusal_element) ||
        append_refused(s, q, element_addr[refusal_element],
          element_len[refusal_element],
          element_right(refusal_element)));

  // Entry i holds the first byte of the table, and the last of as many entries
  // as a table may lie in ends before the table does.
  predicate table_scattered(struct prec_space s, integer i, integer addr,
                            integer len) =
    0 <= i && i + LENT_PIECES_MAX <= s.count && space_has(s, i, addr) &&
    s.end[i + LENT_PIECES_MAX - 1] < addr + len;

  // A byte of the table is not lent to be read, or too many regions hold it.
  predicate table_unlent(struct prec_space s, integer addr, integer len) =
    (\exists integer at; addr <= at < addr + len &&
      unlent(s, at, PREC_READ)) ||
    (\exists integer i; table_scattered(s, i, addr, len));

  // 2.7.5.3, 2.8.7: there is no such table.
  predicate table_refused(struct prec_space s, struct virtq q, integer addr,
                          integer len) =
    len % VIRTQ_DESC_SIZE != 0 || len / VIRTQ_DESC_SIZE == 0 ||
    len / VIRTQ_DESC_SIZE > LENT_TABLE_MAX || table_unlent(s, addr, len) ||
    on_rings(q, addr, len);

  // What an answer says about its request.
  predicate answer_told{L}(struct virtq_request r, integer answer) =
    (answer == VIRTQ_TAKEN ==> !r.refused && elements_told(r)) &&
    (answer == VIRTQ_MALFORMED ==> only_last(r) &&
      (r.count == 1 ==> r.refused && elements_logged && last_kept(r))) &&
    (answer == VIRTQ_LOST ==> r.count == 0);

  // A lost request has lost its last fetch, any other none.
  predicate losses_told{L}(integer answer) =
    answer == VIRTQ_LOST || answer == VIRTQ_GONE ?
      0 < fetch_count && fetch_ok[fetch_count - 1] == 0 : fetched_all;
*/

/* Begin a request: nothing is taken and nothing is fetched yet. */
/*@
  requires request: \valid(r);
  terminates \true;
  exits \false;
  assigns r->head, r->readable, r->count, r->elements, r->refused,
    r->table_address,
    r->table_size, fetch_count, element_count, element_room;
  ensures empty: r->head == 0 && r->readable == 0 && r->count == 0 &&
    !r->refused && r->table_address == 0 && r->table_size == 0;
  ensures log: fetch_count == 0;
  ensures elements: element_count == 0 && elements_told(*r);
*/
void chain_begin(struct virtq_request *r);

/* Ghost: enter the content of the next element into the log.  The layouts do
 * so, because they know where it was fetched; chain_take counts it. */
/*@ ghost
  /@ requires request: \valid_read(r) && elements_told(*r) &&
       element_count < ELEMENT_MAX;
     terminates \true;
     exits \false;
     assigns element_addr[element_count], element_len[element_count],
       element_flags[element_count];
     ensures log: elements_told(*r);
     ensures this: element_is(element_count, addr, len, flags); @/
  static void element_enter(const struct virtq_request *r, uint64_t addr,
                            uint32_t len, uint16_t flags)
  {
    element_addr[element_count] = addr;
    element_len[element_count] = len;
    element_flags[element_count] = flags;
  }
*/

/*
 * Append the data of one descriptor.  If it is not lent as needed, the chain is
 * refused, but the caller follows it to its end to find the last byte that the
 * device may write.  A block request has its status there: it tells the client
 * of its mistake, and the queue continues.
 */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid_read(q) && virtq_ok(*space, *q) &&
    q->state == VIRTQ_READY;
  requires request: \valid(r) && \separated(r, q, space) &&
    chain_ok(*space, *q, *r);
  requires log: elements_told(*r) && element_count < ELEMENT_MAX;
  requires this: element_is(element_count, addr, len, flags);
  requires refusal: refusal_told(*space, *q, *r);
  terminates \true;
  exits \false;
  assigns r->readable, r->count, r->elements, r->refused,
    r->segment[0 .. VIRTQ_SEGMENTS_MAX - 1], element_count, element_room,
    element_end[element_count], REFUSAL;
  ensures log: elements_told(*r) &&
    element_count == \old(element_count) + 1;
  ensures segments: chain_ok(*space, *q, *r);
  ensures refused: \old(r->refused) ==> r->refused;
  ensures refusal: refusal_told(*space, *q, *r);
*/
void chain_take(struct virtq_request *r, const struct prec_space *space,
		const struct virtq *q, uint64_t addr, uint32_t len,
		uint16_t flags);

/* Find the table that an indirect descriptor names (2.7.5.3, 2.8.7), to be
 * fetched once and whole.  False: its length is invalid, or it is not lent, or
 * in too many regions, or it overlaps the rings, where it would be fetched
 * twice. */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid_read(q) && virtq_ok(*space, *q) &&
    q->state == VIRTQ_READY;
  requires request: \valid(r) && \separated(r, q, space) &&
    chain_ok(*space, *q, *r);
  requires out: \valid(pieces) && \separated(pieces, r, q, space);
  terminates \true;
  exits \false;
  assigns r->table_address, r->table_size, *pieces;
  ensures segments: chain_ok(*space, *q, *r);
  ensures there: \result ==> pieces_read(*space, *pieces, addr, len);
  ensures whole: \result ==> len % VIRTQ_DESC_SIZE == 0 &&
    1 <= len / VIRTQ_DESC_SIZE <= LENT_TABLE_MAX;
  ensures off: \result ==> !on_rings(*q, addr, len);
  ensures noted: \result ==>
    r->table_address == addr && r->table_size == len;
  ensures none: !\result ==> r->table_address == \old(r->table_address) &&
    r->table_size == \old(r->table_size);
  ensures refused: !\result ==> table_refused(*space, *q, addr, len);
*/
bool chain_table(struct virtq_request *r, const struct prec_space *space,
		 const struct virtq *q, uint64_t addr, uint32_t len,
		 struct lent_pieces *pieces);

/* Mark `head` as in flight, with so many slots of the ring.  False: there is no
 * such head, or it is already in flight; taken again, it would be completed
 * twice. */
/*@
  requires queue: \valid(q) && q->size <= VIRTQ_SIZE_MAX && virtq_counted(*q);
  requires slots: 1 <= slots <= VIRTQ_SIZE_MAX;
  terminates \true;
  exits \false;
  assigns q->held[0 .. VIRTQ_SIZE_MAX - 1], q->in_flight;
  ensures took: \result ==> head < q->size &&
    \old(*q).held[head] == 0 && q->held[head] == slots &&
    q->in_flight == \old(q->in_flight) + 1;
  ensures bounded: \result ==> q->in_flight <= VIRTQ_SIZE_MAX;
  ensures counted: virtq_counted(*q);
  ensures others: \forall integer i; 0 <= i < VIRTQ_SIZE_MAX && i != head ==>
    q->held[i] == \old(*q).held[i];
  ensures refused: !\result ==> q->in_flight == \old(q->in_flight) &&
    \forall integer i; 0 <= i < VIRTQ_SIZE_MAX ==>
      q->held[i] == \old(*q).held[i];
  ensures why: !\result ==> head >= q->size || \old(*q).held[head] != 0;
*/
bool chain_hold(struct virtq *q, uint32_t head, uint32_t slots);

/* Mark `head` as no longer in flight. */
/*@
  requires queue: \valid(q) && q->size <= VIRTQ_SIZE_MAX && virtq_counted(*q);
  requires held: head < q->size && q->held[head] != 0;
  terminates \true;
  exits \false;
  assigns q->held[head], q->in_flight;
  ensures free: q->held[head] == 0;
  ensures counted: virtq_counted(*q);
  ensures one_less: q->in_flight == \old(q->in_flight) - 1;
*/
void chain_release(struct virtq *q, uint32_t head);

/* Settle the answer for the chain.  If its end was not found, no segment is
 * kept: the last byte found so far need not be the last of the chain. */
/*@
  requires request: \valid(r);
  requires said: answer == VIRTQ_TAKEN || answer == VIRTQ_MALFORMED ||
    answer == VIRTQ_LOST;
  requires refused: r->refused ==> only_last(*r);
  requires log: answer == VIRTQ_TAKEN ==> elements_told(*r);
  terminates \true;
  exits \false;
  assigns r->readable, r->count;
  ensures told: answer_told(*r, \result);
  ensures taken: \result == VIRTQ_TAKEN <==>
    answer == VIRTQ_TAKEN && !r->refused;
  ensures malformed: \result == VIRTQ_MALFORMED <==>
    answer == VIRTQ_MALFORMED || (answer == VIRTQ_TAKEN && r->refused);
  ensures lost: \result == VIRTQ_LOST <==> answer == VIRTQ_LOST;
  ensures kept: answer == VIRTQ_TAKEN ==> *r == \old(*r);
  ensures nothing: answer != VIRTQ_TAKEN ==>
    r->readable == 0 && r->count == 0;
*/
enum virtq_answer chain_settle(struct virtq_request *r,
			       enum virtq_answer answer);

#endif
