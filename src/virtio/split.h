/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_VIRTIO_SPLIT_H
#define PRECARIUM_VIRTIO_SPLIT_H

#include <stdbool.h>
#include <stdint.h>

#include "virtio/chain.h"
#include "virtio/still.h"
#include "virtio/virtq.h"

/*
 * A split virtqueue (VIRTIO 1.2, 2.7).  The content of the rings is fetched
 * once, checked, and only then used.  Each resulting segment lies in one lent
 * region, with the right that its direction needs.  The work for a request is
 * bounded by the size of the queue.  A queue is used by one thread.
 */

/* Ghost: the first fetch of a descriptor of the current chain, and how many of
 * its elements are descriptors of the ring and not of the table. */
/*@ ghost
  int chain_first;
  int chain_direct;
*/
/* Ghost: by descriptor, which fetch was of it if its stamp is that of the
 * current chain. */
/*@ ghost int chain_fetch[32768]; */
/* clang-format off */
#define CHAIN_LOG \
	chain_first, chain_direct, chain_fetch[0 .. VIRTQ_SIZE_MAX - 1]
/* clang-format on */

/*@
  // Fetch m was of the avail entry for this index (2.7.6).  The size of the
  // ring divides 2^16, so slots and indices wrap together.
  predicate entry_fetched{L}(struct virtq q, integer m, integer index) =
    m < fetch_count && fetch_size[m] == 2 &&
    fetch_at[m] == q.avail.address + 4 + 2 * (index % q.size);

  // Fetch m was of the avail index (2.7.6).
  predicate index_fetched{L}(struct virtq q, integer m) =
    fetch_size[m] == 2 && fetch_at[m] == q.avail.address + VIRTQ_AVAIL_IDX;

  // How far one index is ahead of another, both of 16 bits.
  logic integer ahead(integer to, integer from) =
    to >= from ? to - from : to - from + 0x10000;

  // The entries that are available: those known before or, if none was, those
  // that the avail index shows (2.7.13.3).
  logic integer seen{L}(integer waiting, integer next_avail) =
    waiting == 0 ? ahead(fetch_value[0], next_avail) : waiting;

  // The first `count` stores of completing a request: its element, in the slot
  // of this index (2.7.8), and then the next index.
  predicate used_stored{L}(struct virtq q, integer index, integer id,
                           integer len, integer count) =
    (0 < count ==> store_is(0,
      q.used.address + 4 + 8 * (index % q.size), 4, id)) &&
    (1 < count ==> store_is(1,
      q.used.address + 4 + 8 * (index % q.size) + 4, 4, len)) &&
    (2 < count ==> store_is(2,
      q.used.address + 2, 2, (uint16_t)(index + 1)));

  // The last of these elements ends the chain.
  predicate chain_ended{L} = 0 < element_count &&
    (element_flags[element_count - 1] & VIRTQ_DESC_F_NEXT) == 0;

  // Fetch m was of the descriptor that its index says.
  predicate desc_fetched{L}(struct virtq q, integer m) =
    fetch_index[m] < q.size && fetch_size[m] == 16 &&
    fetch_at[m] == q.desc.address + 16 * fetch_index[m];

  // 2.7.5: it followed the descriptor that was fetched before.
  predicate desc_linked{L}(integer m) =
    fetch_index[m] == fetch_desc[m - 1].next &&
    has_next(fetch_desc[m - 1].flags) &&
    !is_indirect(fetch_desc[m - 1].flags);

  // Element k is the descriptor that fetch m brought, which names no table.
  predicate desc_taken{L}(integer k, integer m) =
    element_is(k, fetch_desc[m].addr, fetch_desc[m].len,
      fetch_desc[m].flags) && !is_indirect(element_flags[k]);

  // The fetches from chain_first to this one followed the descriptors of the
  // ring, and nothing was fetched twice.
  predicate ring_followed{L}(struct virtq q, integer last) =
    (\forall integer m; chain_first <= m < last ==> desc_fetched(q, m)) &&
    (\forall integer m; chain_first < m < last ==> desc_linked(m));

  // So far the chain was fetched as it should be, and nothing else but the
  // avail ring.
  predicate chain_fetched{L}(struct virtq q) =
    0 <= chain_first <= fetch_count && fetched_once && fetched_all &&
    (\forall integer m; 0 <= m < chain_first ==>
      inside_ring(q.avail, fetch_at[m], fetch_size[m])) &&
    (\forall integer m; chain_first <= m < fetch_count ==>
      q.stamp[fetch_index[m]] == q.serial) &&
    ring_followed(q, fetch_count);

  // What is stamped was fetched for this chain.
  predicate stamps_fetched{L}(struct virtq q) =
    \forall integer i; 0 <= i < q.size && q.stamp[i] == q.serial ==>
      chain_first <= chain_fetch[i] < fetch_count &&
      fetch_index[chain_fetch[i]] == i;

  // The last descriptor that was fetched is followed by this one.
  predicate desc_next{L}(integer index) =
    chain_first < fetch_count ==>
      index == fetch_desc[fetch_count - 1].next &&
      has_next(fetch_desc[fetch_count - 1].flags) &&
      !is_indirect(fetch_desc[fetch_count - 1].flags);

  // The direct elements are what these fetches brought.
  predicate ring_taken{L} =
    \forall integer m; chain_first <= m < chain_first + chain_direct ==>
      desc_taken(m - chain_first, m);

  // So far the chain was followed and taken, each descriptor an element, and
  // leads to descriptor `index`.
  predicate chain_walked{L}(struct prec_space s, struct virtq q,
                            struct virtq_request r, integer index) =
    chain_fetched(q) && fetched_rings(q) && stamps_fetched(q) &&
    desc_next(index) && fetch_count == chain_first + chain_direct &&
    element_count == chain_direct && elements_told(r) && ring_taken &&
    refusal_told(s, q, r) && r.table_size == 0;

  // Element k is in the fetched table.
  predicate entry_taken{L}(integer k, integer count) =
    element_index[k] < count &&
    element_is(k, fetch_table[element_index[k]].addr,
      fetch_table[element_index[k]].len, fetch_table[element_index[k]].flags) &&
    !is_indirect(element_flags[k]);

  // It follows the element before.
  predicate entry_linked{L}(integer k) =
    element_index[k] == fetch_table[element_index[k - 1]].next &&
    has_next(element_flags[k - 1]);

  // There is no such entry, or it is indirect (2.7.5.3.1).
  predicate entry_bad{L}(integer i, integer count) =
    i >= count || is_indirect(fetch_table[i].flags);

  // 2.7.5.3.2: the elements after the direct ones are those of the fetched
  // table, followed from its first one on.
  predicate table_taken{L}(integer last, integer count) =
    (chain_direct < last ==> element_index[chain_direct] == 0) &&
    (\forall integer k; chain_direct <= k < last ==> entry_taken(k, count)) &&
    (\forall integer k; chain_direct < k < last ==> entry_linked(k));

  // 2.7.5.3.1: the descriptor of fetch m names the request's table, which the
  // next fetch brought.
  predicate table_named{L}(integer table, integer table_size, integer m) =
    is_indirect(fetch_desc[m].flags) && !has_next(fetch_desc[m].flags) &&
    fetch_desc[m].addr == table && fetch_desc[m].len == table_size &&
    fetch_at[m + 1] == table && fetch_size[m + 1] == table_size;

  // The elements are the chain that begins with `head`, as the fetches from
  // chain_first on brought it: its descriptors, and the table that the last
  // one names if there is one, to the end.
  predicate chain_decoded{L}(struct virtq q, integer head, integer table,
                             integer table_size) =
    chain_ended && fetch_index[chain_first] == head && ring_taken &&
    (table_size == 0 ==>
      chain_direct == element_count &&
      fetch_count == chain_first + chain_direct &&
      ring_followed(q, fetch_count)) &&
    (table_size != 0 ==>
      table_size <= 16 * LENT_TABLE_MAX &&
      0 <= chain_direct < element_count &&
      fetch_count == chain_first + chain_direct + 2 &&
      ring_followed(q, fetch_count - 1) &&
      table_named(table, table_size, fetch_count - 2) &&
      table_taken(element_count, table_size / 16));

  // The fetch that brought the table of this size, if there is one.
  logic integer table_fetch{L}(integer table_size) =
    table_size != 0 ? fetch_count - 1 : -1;

  // Element k is what the still image (still.h) has at this address, and names
  // no table.
  predicate element_still{L}(integer table, integer k, integer at) =
    element_is(k, still64(0, table, at), still32(0, table, at + 8),
      still16(0, table, at + 12)) && !is_indirect(element_flags[k]);

  // 2.7.5: the direct elements are the descriptors of the ring from `head` on.
  predicate ring_still{L}(struct virtq q, integer table, integer head) =
    \forall integer k; 0 <= k < chain_direct ==>
      still_link(table, q.desc.address, head, k) < q.size &&
      element_still(table, k,
        still_place(table, q.desc.address, head, k));

  // 2.7.5.3.1: the descriptor after them names the table.
  predicate table_still_named{L}(struct virtq q, integer table, integer head,
                                 integer addr, integer size) =
    \let at = still_place(table, q.desc.address, head, chain_direct);
    still_link(table, q.desc.address, head, chain_direct) < q.size &&
    addr == still64(0, table, at) && size == still32(0, table, at + 8) &&
    is_indirect(still16(0, table, at + 12)) &&
    !has_next(still16(0, table, at + 12));

  // 2.7.5.3.2: element k is the entry of the table to which its first one
  // leads.
  predicate entry_still{L}(integer table, integer addr, integer size,
                           integer k) =
    still_link(table, addr, 0, k - chain_direct) < size / 16 &&
    element_still(table, k, still_place(table, addr, 0, k - chain_direct));

  // So are all that are not direct.
  predicate table_still{L}(integer table, integer addr, integer size) =
    \forall integer k; chain_direct <= k < element_count ==>
      entry_still(table, addr, size, k);

  // The snapshot theorem: the elements are the chain that begins with `head`,
  // decoded from the still image alone, to its end.
  predicate chain_still{L}(struct virtq q, integer head, integer addr,
                           integer size) =
    chain_ended &&
    (\forall integer k; 0 <= k < element_count - 1 ==>
      has_next(element_flags[k])) &&
    ring_still(q, table_fetch(size), head) &&
    (size == 0 ==> chain_direct == element_count) &&
    (size != 0 ==>
      chain_direct < element_count &&
      table_still_named(q, table_fetch(size), head, addr, size) &&
      table_still(table_fetch(size), addr, size));

  // 2.7.6: in that image the entry for this index is `head`, and is available
  // if nothing was known to be.
  predicate head_still{L}(struct virtq q, integer waiting, integer index,
                           integer head, integer size) =
    head == still16(0, table_fetch(size),
      q.avail.address + 4 + 2 * (index % q.size)) &&
    (waiting == 0 ==> 0 < ahead(still16(0, table_fetch(size),
      q.avail.address + VIRTQ_AVAIL_IDX), index));

  // Descriptor m, an element, is the last of the ring that can be followed: the
  // next one does not exist or was fetched before, or there are as many already
  // as the ring has.
  predicate desc_astray{L}(struct virtq q, integer m) =
    has_next(fetch_desc[m].flags) &&
    (fetch_desc[m].next >= q.size || chain_direct == q.size ||
      (chain_first <= chain_fetch[fetch_desc[m].next] <= m &&
        fetch_index[chain_fetch[fetch_desc[m].next]] == fetch_desc[m].next));

  // Descriptor m, which is not an element, is to name a table, and does not.
  predicate desc_tableless{L}(struct prec_space s, struct virtq q, integer m) =
    is_indirect(fetch_desc[m].flags) && (has_next(fetch_desc[m].flags) ||
      table_refused(s, q, fetch_desc[m].addr, fetch_desc[m].len));

  // The entry to which the table leads does not exist or is indirect, or there
  // are as many already as the table has.
  predicate table_astray{L}(integer count) =
    (chain_direct == element_count ==> entry_bad(0, count)) &&
    (chain_direct < element_count ==>
      has_next(element_flags[element_count - 1]) &&
      (element_count - chain_direct == count ||
        entry_bad(fetch_table[element_index[element_count - 1]].next,
          count)));

  // The chain that begins with `head` was followed, as the fetches brought it,
  // to where it leads astray.
  predicate chain_astray{L}(struct prec_space s, struct virtq q, integer head,
                            integer table, integer table_size) =
    fetch_index[chain_first] == head && ring_taken &&
    (table_size == 0 ==> ring_followed(q, fetch_count) &&
      chain_direct == element_count &&
      ((0 < chain_direct && fetch_count == chain_first + chain_direct &&
          desc_astray(q, fetch_count - 1)) ||
        (fetch_count == chain_first + chain_direct + 1 &&
          desc_tableless(s, q, fetch_count - 1)))) &&
    (table_size != 0 ==> ring_followed(q, fetch_count - 1) &&
      fetch_count == chain_first + chain_direct + 2 &&
      table_named(table, table_size, fetch_count - 2) &&
      table_taken(element_count, table_size / 16) &&
      table_astray(table_size / 16));

  // A chain is malformed if an element of it cannot be carried out, or if it
  // leads astray.
  predicate chain_malformed{L}(struct prec_space s, struct virtq q,
                               struct virtq_request r) =
    (r.refused && refusal_told(s, q, r) &&
      chain_decoded(q, r.head, r.table_address, r.table_size)) ||
    chain_astray(s, q, r.head, r.table_address, r.table_size);

  // 2.7.10: the index has passed the event since `before`.
  predicate event_passed(integer event, integer now, integer before) =
    (uint16_t)(now - event - 1) < (uint16_t)(now - before);
*/

/* Ghost: a chain that was decoded from its fetches is that of the still
 * image. */
/*@ ghost
  /@ requires queue: \valid_read(q) && q->size <= VIRTQ_SIZE_MAX;
     requires once: fetched_once;
     requires log: answer == VIRTQ_TAKEN ==> 0 <= chain_first &&
       0 <= chain_direct && element_count <= ELEMENT_MAX;
     requires entry: answer == VIRTQ_TAKEN ==> \forall integer m;
       0 <= m < chain_first ==> fetch_size[m] == 2;
     requires decoded: answer == VIRTQ_TAKEN ==>
       chain_decoded(*q, head, addr, size);
     terminates \true;
     exits \false;
     assigns \nothing;
     ensures still: answer == VIRTQ_TAKEN ==>
       chain_still(*q, head, addr, size);
     ensures entries: answer == VIRTQ_TAKEN ==> \forall integer m;
       0 <= m < chain_first ==>
       fetch_value[m] == still16(0, table_fetch(size), fetch_at[m]); @/
  void still_chain(const struct virtq *q, enum virtq_answer answer,
                   uint32_t head, uint64_t addr, uint64_t size);
*/

/*
 * Set up a queue of `size` entries at these client addresses (2.7).  Indices
 * start at 0.  Requests in flight are forgotten, so there must be none.  Leaves
 * any other state, including VIRTQ_BROKEN.
 *
 * PREC_INVALID: the size is not a power of 2 up to VIRTQ_SIZE_MAX, or an area
 * is not aligned.  PREC_RANGE, PREC_RIGHTS: an area does not lie wholly in one
 * lent region with the rights needed.  PREC_OVERLAP: the areas overlap.  On
 * each error the queue is unchanged.
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
  ensures lent: (size & (size - 1)) == 0 &&
    lends_queue(*space, 0, size, desc, avail, used) &&
    areas_apart(0, size, desc, avail, used) ==> \result == PREC_OK;
  ensures ready: \result == PREC_OK ==> q->state == VIRTQ_READY &&
    virtq_ok(*space, *q) && q->size == size && !q->packed;
  ensures power_of_2: \result == PREC_OK ==> (size & (size - 1)) == 0;
  ensures aligned: \result == PREC_OK ==> rings_aligned(*q);
  ensures there: \result == PREC_OK ==> q->desc.address == desc &&
    q->avail.address == avail && q->used.address == used;
  ensures start: \result == PREC_OK ==> q->next_avail == 0 &&
    q->next_used == 0;
  ensures fresh: \result == PREC_OK ==> q->waiting == 0 &&
    q->notified == 0 && !q->event_index;
  ensures none_held: \result == PREC_OK ==> q->in_flight == 0 &&
    none_held(*q);
  ensures untouched: \result != PREC_OK ==> *q == \old(*q);
*/
PREC_MUST_CHECK enum prec_status split_setup(struct virtq *q,
					     const struct prec_space *space,
					     uint32_t size, uint64_t desc,
					     uint64_t avail, uint64_t used);

/* Continue at these indices: after SET_VRING_BASE, or for a queue taken over
 * from a previous server. */
/*@
  requires queue: \valid(q) && virtq_whole(*q) && !q->packed;
  terminates \true;
  exits \false;
  assigns q->next_avail, q->next_used, q->notified, q->waiting;
  ensures queue: virtq_whole(*q);
  ensures at: q->next_avail == avail && q->next_used == used;
  ensures fresh: q->notified == used && q->waiting == 0;
*/
void split_seek(struct virtq *q, uint16_t avail, uint16_t used);

/* Fetch the index of the used ring.  PREC_GONE also if the state is not
 * VIRTQ_READY. */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid_read(q) && virtq_ok(*space, *q) && !q->packed;
  requires out: \valid(index) && \separated(index, space, q);
  terminates \true;
  exits \false;
  assigns *index, FETCHES(0, 0), fetch_value[0];
  ensures said: \result == PREC_OK || \result == PREC_GONE;
  ensures stopped: q->state != VIRTQ_READY ==> \result == PREC_GONE;
  ensures once: \result == PREC_OK ==> fetch_count == 1 &&
    fetch_at[0] == q->used.address + VIRTQ_USED_IDX && fetch_size[0] == 2;
  ensures value: \result == PREC_OK ==> *index == fetch_value[0];
*/
PREC_MUST_CHECK enum prec_status
split_used_index(const struct virtq *q, const struct prec_space *space,
		 uint16_t *index);

/*
 * Take the next request.  See enum virtq_answer: after VIRTQ_TAKEN,
 * VIRTQ_MALFORMED and VIRTQ_LOST, `head` is in flight and must be completed
 * once.
 */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid(q) && virtq_ok(*space, *q) && !q->packed;
  requires request: \valid(r) && \separated(r, q, space);
  terminates \true;
  exits \false;
  assigns r->head, r->readable, r->count, r->elements, r->refused,
    r->table_address,
    r->table_size, r->segment[0 .. VIRTQ_SEGMENTS_MAX - 1],
    q->state, q->waiting, q->in_flight, q->next_avail, q->serial,
    q->stamp[0 .. VIRTQ_SIZE_MAX - 1], q->held[0 .. VIRTQ_SIZE_MAX - 1],
    SPLIT_FETCHES(0), ELEMENT_LOG, CHAIN_LOG;
  ensures said: \result <= VIRTQ_STOPPED;
  ensures queue: virtq_ok(*space, *q);
  ensures segments: request_ok(*space, *q, *r);
  ensures told: answer_told(*r, \result);
  ensures ended: \result == VIRTQ_TAKEN ||
    (\result == VIRTQ_MALFORMED && r->count == 1) ==> chain_ended;
  ensures losses: losses_told(\result);
  ensures decoded: \result == VIRTQ_TAKEN ||
    (\result == VIRTQ_MALFORMED && r->count == 1) ==>
    chain_decoded(*q, r->head, r->table_address, r->table_size);
  ensures still: \result == VIRTQ_TAKEN ||
    (\result == VIRTQ_MALFORMED && r->count == 1) ==>
    chain_still(*q, r->head, r->table_address, r->table_size);
  ensures malformed: \result == VIRTQ_MALFORMED ==>
    chain_malformed(*space, *q, *r);
  ensures entry: \result == VIRTQ_TAKEN ||
    (\result == VIRTQ_MALFORMED && r->count == 1) ==>
    head_still(*q, \old(q->waiting), \old(q->next_avail), r->head,
      r->table_size);
  ensures first: \result == VIRTQ_TAKEN || \result == VIRTQ_MALFORMED ||
    \result == VIRTQ_LOST ==>
    chain_first == (\old(q->waiting) == 0 ? 2 : 1) &&
    r->head == fetch_value[chain_first - 1];
  ensures looked: \old(q->state) == VIRTQ_READY && \old(q->waiting) == 0 ==>
    0 < fetch_count && index_fetched(*q, 0);
  ensures waiting: \result == VIRTQ_TAKEN || \result == VIRTQ_MALFORMED ||
    \result == VIRTQ_LOST ==>
    q->waiting == seen(\old(q->waiting), \old(q->next_avail)) - 1;
  ensures empty: \result == VIRTQ_EMPTY ==>
    \old(q->waiting) == 0 && fetch_value[0] == \old(q->next_avail);
  ensures broken: \result == VIRTQ_STOPPED &&
    \old(q->state) == VIRTQ_READY ==>
    seen(\old(q->waiting), \old(q->next_avail)) > q->size ||
    (fetch_count == (\old(q->waiting) == 0 ? 2 : 1) &&
      entry_fetched(*q, fetch_count - 1, \old(q->next_avail)) &&
      (fetch_value[fetch_count - 1] >= q->size ||
        \old(*q).held[fetch_value[fetch_count - 1]] != 0));
  ensures once: fetched_once;
  ensures known: \result != VIRTQ_STOPPED ==> fetched_known(*q, *r);
  ensures bounded: fetch_count <= q->size + 3;
  ensures idle: \result == VIRTQ_EMPTY ==> fetch_count == 1;
  ensures stopped: \old(q->state) != VIRTQ_READY ==>
    \result == VIRTQ_STOPPED && fetch_count == 0;
  ensures state: \result == VIRTQ_STOPPED ? q->state != VIRTQ_READY :
    q->state == VIRTQ_READY;
  ensures only_breaks: q->state == \old(q->state) ||
    (\old(q->state) == VIRTQ_READY && q->state == VIRTQ_BROKEN);
  ensures held: \result == VIRTQ_TAKEN || \result == VIRTQ_MALFORMED ||
    \result == VIRTQ_LOST ==> r->head < q->size &&
    \at(q->held[\at(r->head, Post)], Pre) == 0 && q->held[r->head] == 1 &&
    q->in_flight == \old(q->in_flight) + 1 &&
    q->next_avail == (uint16_t)(\old(q->next_avail) + 1);
  ensures slot: \result == VIRTQ_TAKEN || \result == VIRTQ_MALFORMED ||
    \result == VIRTQ_LOST ==>
    entry_fetched(*q, \old(q->waiting) == 0 ? 1 : 0, \old(q->next_avail));
  ensures others: \forall integer i; 0 <= i < VIRTQ_SIZE_MAX &&
    i != r->head ==> q->held[i] == \old(*q).held[i];
  ensures none: \result == VIRTQ_EMPTY || \result == VIRTQ_GONE ==>
    q->next_avail == \old(q->next_avail) &&
    q->in_flight == \old(q->in_flight) &&
    \forall integer i; 0 <= i < VIRTQ_SIZE_MAX ==>
      q->held[i] == \old(*q).held[i];
*/
enum virtq_answer split_next(struct virtq *q, const struct prec_space *space,
			     struct virtq_request *r);

/*
 * Take the request at `head` without looking at the avail ring: one that the
 * previous server had in flight when it died.  VIRTQ_STOPPED also if the head
 * is out of range or already in flight; that does not break the queue.
 */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid(q) && virtq_ok(*space, *q) && !q->packed;
  requires request: \valid(r) && \separated(r, q, space);
  terminates \true;
  exits \false;
  assigns r->head, r->readable, r->count, r->elements, r->refused,
    r->table_address,
    r->table_size, r->segment[0 .. VIRTQ_SEGMENTS_MAX - 1],
    q->in_flight, q->serial,
    q->stamp[0 .. VIRTQ_SIZE_MAX - 1], q->held[0 .. VIRTQ_SIZE_MAX - 1],
    SPLIT_FETCHES(0), ELEMENT_LOG, CHAIN_LOG;
  ensures said: \result == VIRTQ_TAKEN || \result == VIRTQ_MALFORMED ||
    \result == VIRTQ_LOST || \result == VIRTQ_STOPPED;
  ensures queue: virtq_ok(*space, *q);
  ensures segments: request_ok(*space, *q, *r);
  ensures told: answer_told(*r, \result);
  ensures ended: \result == VIRTQ_TAKEN ||
    (\result == VIRTQ_MALFORMED && r->count == 1) ==> chain_ended;
  ensures losses: losses_told(\result);
  ensures decoded: \result == VIRTQ_TAKEN ||
    (\result == VIRTQ_MALFORMED && r->count == 1) ==>
    chain_decoded(*q, r->head, r->table_address, r->table_size);
  ensures still: \result == VIRTQ_TAKEN ||
    (\result == VIRTQ_MALFORMED && r->count == 1) ==>
    chain_still(*q, r->head, r->table_address, r->table_size);
  ensures malformed: \result == VIRTQ_MALFORMED ==>
    chain_malformed(*space, *q, *r);
  ensures first: \result != VIRTQ_STOPPED ==> chain_first == 0;
  ensures broken: \result == VIRTQ_STOPPED ==> q->state != VIRTQ_READY ||
    head >= q->size || \old(*q).held[head] != 0;
  ensures once: fetched_once;
  ensures known: \result != VIRTQ_STOPPED ==> fetched_known(*q, *r);
  ensures held: \result != VIRTQ_STOPPED ==> r->head == head &&
    head < q->size && \old(*q).held[head] == 0 && q->held[head] == 1 &&
    q->in_flight == \old(q->in_flight) + 1;
  ensures others: \forall integer i; 0 <= i < VIRTQ_SIZE_MAX &&
    (i != head || \result == VIRTQ_STOPPED) ==>
    q->held[i] == \old(*q).held[i];
  ensures refused: \result == VIRTQ_STOPPED ==>
    q->in_flight == \old(q->in_flight) && fetch_count == 0;
  ensures stopped: q->state != VIRTQ_READY ==> \result == VIRTQ_STOPPED;
  ensures bounded: fetch_count <= q->size + 1;
*/
enum virtq_answer split_retake(struct virtq *q, const struct prec_space *space,
			       uint32_t head, struct virtq_request *r);

/*
 * Complete the request (2.7.8.2): `len` bytes were written into its writable
 * segments.  It is no longer in flight, whatever this returns.
 *
 * Stores the element, then the index that publishes it, and nothing else.
 * PREC_GONE: the used ring is gone, or the state is not VIRTQ_READY.  The
 * client does not learn of the completion, and any number of these stores, from
 * the first on, may have been made.  PREC_INVALID: `head` was not in flight;
 * nothing happened.
 */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid(q) && \separated(q, space) &&
    virtq_ok(*space, *q) && !q->packed;
  terminates \true;
  exits \false;
  assigns q->held[0 .. VIRTQ_SIZE_MAX - 1], q->in_flight, q->next_used,
    STORES(0, 2);
  ensures queue: virtq_ok(*space, *q);
  behavior held:
    assumes held: head < q->size && q->held[head] != 0;
    assigns q->held[head], q->in_flight, q->next_used,
      STORES(0, 2);
    ensures said: \result == PREC_OK || \result == PREC_GONE;
    ensures free: q->held[head] == 0 &&
      q->in_flight == \old(q->in_flight) - 1;
    ensures all: \result == PREC_OK ? store_count == 3 :
      0 <= store_count <= 2;
    ensures stopped: q->state != VIRTQ_READY ==> store_count == 0;
    ensures stored: used_stored(*q, \old(q->next_used), head, len,
      store_count);
    ensures nowhere_else: stored_used(*q);
    ensures told: \result == PREC_OK ==>
      q->next_used == (uint16_t)(\old(q->next_used) + 1);
    ensures untold: \result == PREC_GONE ==>
      q->next_used == \old(q->next_used);
  behavior unheld:
    assumes unheld: !(head < q->size && q->held[head] != 0);
    assigns \nothing;
    ensures said: \result == PREC_INVALID;
  complete behaviors;
  disjoint behaviors;
*/
PREC_MUST_CHECK enum prec_status split_complete(struct virtq *q,
						const struct prec_space *space,
						uint32_t head, uint32_t len);

/*
 * Does the client want to be notified of the requests completed since the last
 * call (2.7.7, 2.7.10)?  PREC_GONE: the avail ring is gone, or the state is not
 * VIRTQ_READY.
 */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid(q) && virtq_ok(*space, *q) && !q->packed;
  requires out: \valid(yes) && \separated(yes, space, q);
  terminates \true;
  exits \false;
  assigns *yes, q->notified, fenced, FETCHES(0, 0), fetch_value[0];
  ensures said: \result == PREC_OK || \result == PREC_GONE;
  ensures queue: virtq_ok(*space, *q);
  ensures untouched: \result != PREC_OK ==> *yes == \old(*yes) &&
    q->notified == \old(q->notified);
  ensures stopped: q->state != VIRTQ_READY ==> \result == PREC_GONE;
  ensures weighed: \result == PREC_OK ==> q->notified == q->next_used;
  ensures once: \result == PREC_OK ==> fetch_count == 1 &&
    fetch_at[0] == q->avail.address +
      (q->event_index ? 4 + 2 * q->size : VIRTQ_AVAIL_FLAGS) &&
    fetch_size[0] == 2;
  ensures fenced: \result == PREC_OK ==> fetch_fenced[0] != 0;
  ensures wanted: \result == PREC_OK ==> (*yes <==>
    (q->event_index ?
      event_passed(fetch_value[0], q->next_used, \old(q->notified)) :
      (fetch_value[0] & VIRTQ_AVAIL_F_NO_INTERRUPT) == 0));
*/
PREC_MUST_CHECK enum prec_status
split_should_notify(struct virtq *q, const struct prec_space *space, bool *yes);

/*
 * Ask the client to kick when it makes the next request available (2.7.10).
 * Only with VIRTIO_F_EVENT_IDX: without it the client kicks each time, as it is
 * never asked not to.  Look at the ring once more before sleeping: a request
 * that was made available before the client saw this comes without a kick.
 *
 * PREC_GONE: the used ring is gone, or the state is not VIRTQ_READY; nothing
 * was stored.
 */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid_read(q) && virtq_ok(*space, *q) && !q->packed;
  requires event_index: q->event_index;
  terminates \true;
  exits \false;
  assigns STORES(0, 0);
  ensures said: \result == PREC_OK || \result == PREC_GONE;
  ensures ready: \result == PREC_OK ==> q->state == VIRTQ_READY;
  ensures all: store_count == (\result == PREC_OK ? 1 : 0);
  ensures avail_event: \result == PREC_OK ==>
    store_is(0, q->used.address + 4 + 8 * q->size, 2, q->next_avail);
  ensures nowhere_else: stored_used(*q);
  ensures fenced: \result == PREC_OK ==> fenced != 0;
*/
PREC_MUST_CHECK enum prec_status
split_ask_for_kick(const struct virtq *q, const struct prec_space *space);

#endif
