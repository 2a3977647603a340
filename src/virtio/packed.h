/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_VIRTIO_PACKED_H
#define PRECARIUM_VIRTIO_PACKED_H

#include <stdbool.h>
#include <stdint.h>

#include "virtio/chain.h"
#include "virtio/still.h"
#include "virtio/virtq.h"

/*
 * A packed virtqueue (VIRTIO 1.2, 2.8): one ring of descriptors, in which the
 * client makes requests available and the device overwrites them as used, and
 * two structures in which each side says when it wants to be notified.  These
 * three are `desc`, `avail` and `used` of struct virtq.  What split.h says of a
 * queue holds here too, with this difference:
 *
 * A request is identified by the buffer id that the client chose.  The id is in
 * the last descriptor of the list, so a list whose end is not found cannot be
 * completed, and breaks the queue.
 */

/* Ghost: how many descriptors of the list were fetched, whether the list is one
 * of the previous server and not of the ring, and, if it is malformed, for
 * which of its descriptors. */
/*@ ghost
  int list_count;
  int list_retaken;
  int list_fault;
*/
#define LIST_LOG list_count, list_retaken, list_fault

/*@
  // The slot `n` slots after this one, and its wrap counter (2.8.1).
  predicate slot_on(integer size, integer from, integer from_wrap,
                    integer to, integer to_wrap, integer n) =
    from + n < size ? to == from + n && (to_wrap != 0 <==> from_wrap != 0) :
      to == from + n - size && (to_wrap != 0 <==> from_wrap == 0);

  // The slot is one of the `n` slots that begin with `from`.
  predicate slot_among(integer size, integer from, integer n, integer slot) =
    0 <= slot < size && (from <= slot < from + n || slot < from + n - size);

  // Fetch m is of the flags of this slot.
  predicate flags_fetched{L}(struct virtq q, integer m, integer slot) =
    m < fetch_count && fetch_size[m] == 2 &&
    fetch_at[m] == q.desc.address + 16 * slot + PVIRTQ_DESC_FLAGS;

  predicate flags_avail(integer flags, integer wrap) =
    ((flags & PVIRTQ_DESC_F_AVAIL) != 0 <==> wrap != 0) &&
    ((flags & PVIRTQ_DESC_F_USED) != 0 <==> wrap == 0);

  // Fetches 2 * j and 2 * j + 1 were of descriptor j of the list that begins in
  // the slot `from`, which was available (2.8.1).
  predicate list_desc{L}(integer ring, integer size, integer from,
                         integer wrap, integer j) =
    fetch_size[2 * j] == 2 && fetch_size[2 * j + 1] == 14 &&
    fetch_at[2 * j] == fetch_at[2 * j + 1] + PVIRTQ_DESC_FLAGS &&
    (from + j < size ?
      fetch_at[2 * j + 1] == ring + 16 * (from + j) &&
        flags_avail(fetch_value[2 * j], wrap) :
      fetch_at[2 * j + 1] == ring + 16 * (from + j - size) &&
        flags_avail(fetch_value[2 * j], wrap == 0 ? 1 : 0));

  // It is not the last one.
  predicate list_more{L}(integer j) = has_next(fetch_value[2 * j]);

  // The first n descriptors of the list were fetched (2.8.4): only the last of
  // them may end it.
  predicate list_fetched{L}(struct prec_span ring, integer size, integer from,
                            integer wrap, integer n) =
    (\forall integer j; 0 <= j < n ==>
      list_desc(ring.address, size, from, wrap, j)) &&
    (\forall integer j; 0 <= j < n - 1 ==> list_more(j));

  // Element j is descriptor j of the list, which names no table.
  predicate list_element{L}(integer j) =
    element_is(j, fetch_packed[2 * j + 1].addr, fetch_packed[2 * j + 1].len,
      fetch_value[2 * j]) && !is_indirect(element_flags[j]);

  predicate list_taken{L}(integer n) =
    list_retaken == 0 ==> \forall integer j; 0 <= j < n ==> list_element(j);

  // Element k is entry k of the fetched table (2.8.7).
  predicate list_entry{L}(integer k) =
    element_is(k, fetch_packed_table[k].addr, fetch_packed_table[k].len,
      fetch_packed_table[k].flags);

  predicate list_table_taken{L}(integer n) =
    \forall integer k; 0 <= k < n ==> list_entry(k);

  // Fetches 0 to 2 were of a list of one descriptor, and of the table that it
  // names (2.8.7).
  predicate list_table_named{L}(integer table, integer table_size) =
    fetch_count == 3 && is_indirect(fetch_value[0]) &&
    fetch_packed[1].addr == table && fetch_packed[1].len == table_size &&
    fetch_at[2] == table && fetch_size[2] == table_size;

  // The elements are those of the list, or of the table that it names.
  predicate list_decoded{L}(integer table, integer table_size) =
    (table_size == 0 ==> element_count == list_count &&
      fetch_count == 2 * list_count && list_taken(list_count)) &&
    (table_size != 0 ==> list_count == 1 &&
      table_size <= 16 * LENT_TABLE_MAX &&
      list_table_named(table, table_size) &&
      16 * element_count == table_size && list_table_taken(element_count));

  // The address of the slot that is j slots after `from`.
  logic integer slot_place(integer ring, integer size, integer from,
                           integer j) =
    ring + 16 * (from + j < size ? from + j : from + j - size);

  // Element k is what the still image (still.h) has at this address.
  predicate packed_still{L}(integer table, integer k, integer at) =
    element_is(k, still64(1, table, at), still32(1, table, at + 8),
      still16(1, table, at + 14));

  // 2.8.1: there the descriptor at this address was available.
  predicate slot_still{L}(integer table, integer at, integer wrap) =
    flags_avail(still16(1, table, at + 14), wrap);

  // 2.8.4: the slots from `from` on are the descriptors of a list.
  predicate slots_still{L}(integer table, struct prec_span ring, integer size,
                           integer from, integer wrap) =
    \forall integer j; 0 <= j < list_count ==>
      slot_still(table, slot_place(ring.address, size, from, j),
        from + j < size ? wrap : wrap == 0 ? 1 : 0) &&
      (j < list_count - 1 <==> has_next(still16(1, table,
        slot_place(ring.address, size, from, j) + 14)));

  // The elements are those descriptors, and none of them names a table ...
  predicate list_slots_still{L}(struct prec_span ring, integer size,
                                integer from) =
    \forall integer j; 0 <= j < list_count ==> !is_indirect(element_flags[j]) &&
      packed_still(-1, j, slot_place(ring.address, size, from, j));

  // Element k is entry k of the table at this address (2.8.7).
  predicate list_entry_still{L}(integer table, integer addr, integer k) =
    packed_still(table, k, addr + 16 * k);

  // ... or all those of the table at this address.
  predicate list_table_still{L}(integer table, integer addr) =
    \forall integer k; 0 <= k < element_count ==>
      list_entry_still(table, addr, k);

  // The snapshot theorem: the elements and the id are those of the list that
  // begins in slot `from`, decoded from the still image alone.
  predicate list_still{L}(struct prec_span ring, integer size, integer from,
                          integer wrap, integer id, integer addr,
                          integer table_size) =
    \let table = table_size != 0 ? 2 : -1;
    \let at = slot_place(ring.address, size, from, 0);
    0 < list_count && slots_still(table, ring, size, from, wrap) &&
    id == still16(1, table,
      slot_place(ring.address, size, from, list_count - 1) + 12) &&
    (table_size == 0 ==> element_count == list_count &&
      list_slots_still(ring, size, from)) &&
    (table_size != 0 ==> list_count == 1 &&
      is_indirect(still16(1, table, at + 14)) &&
      addr == still64(1, table, at) &&
      table_size == still32(1, table, at + 8) &&
      16 * element_count == table_size && list_table_still(table, addr));

  // 2.8.5, 2.8.7, 2.8.19: an indirect descriptor that is not the only one of
  // its list, or that names no table.
  predicate indirect_refused(struct prec_space s, struct virtq q,
                             integer addr, integer len, integer flags,
                             integer j) =
    is_indirect(flags) &&
    (0 < j || has_next(flags) || table_refused(s, q, addr, len));

  // So is descriptor j of the list.
  predicate list_refused{L}(struct prec_space s, struct virtq q, integer j) =
    indirect_refused(s, q, fetch_packed[2 * j + 1].addr,
      fetch_packed[2 * j + 1].len, fetch_value[2 * j], j);

  // A list is malformed if an element of it cannot be carried out, or for a
  // descriptor that should name a table.
  predicate list_malformed{L}(struct prec_space s, struct virtq q,
                              struct virtq_request r) =
    (r.refused && refusal_told(s, q, r) &&
      list_decoded(r.table_address, r.table_size)) ||
    (0 <= list_fault < list_count && list_refused(s, q, list_fault));

  // Element j is descriptor j of the list that was given, which names no table.
  predicate given_element{L}(struct pvirtq_desc *list, integer j) =
    element_is(j, list[j].addr, list[j].len, list[j].flags) &&
    !is_indirect(element_flags[j]);

  predicate given_taken{L}(struct pvirtq_desc *list, integer n) =
    \forall integer j; 0 <= j < n ==> given_element(list, j);

  // The elements are those of the given list, or of the table that it names.
  predicate given_decoded{L}(struct pvirtq_desc *list, integer count,
                             integer table, integer table_size) =
    (table_size == 0 ==> element_count == count && fetch_count == 0 &&
      given_taken(list, count)) &&
    (table_size != 0 ==> count == 1 && is_indirect(list[0].flags) &&
      list[0].addr == table && list[0].len == table_size &&
      table_size <= 16 * LENT_TABLE_MAX &&
      fetch_count == 1 && fetch_at[0] == table &&
      fetch_size[0] == table_size &&
      16 * element_count == table_size && list_table_taken(element_count));

  predicate given_refused{L}(struct prec_space s, struct virtq q,
                             struct pvirtq_desc *list, integer j) =
    indirect_refused(s, q, list[j].addr, list[j].len, list[j].flags, j);

  // As list_malformed, of a list that was given.
  predicate given_malformed{L}(struct prec_space s, struct virtq q,
                               struct virtq_request r,
                               struct pvirtq_desc *list, integer count) =
    (r.refused && refusal_told(s, q, r) &&
      given_decoded(list, count, r.table_address, r.table_size)) ||
    (0 <= list_fault < count && given_refused(s, q, list, list_fault));

  // A list that breaks the queue: it does not end in the ring, or a later
  // descriptor of it is not available, or its id was out of range or in flight.
  predicate list_broken{L}(integer size, struct virtq before) =
    0 < list_count &&
    (list_more(list_count - 1) ?
      list_count == size || fetch_count == 2 * list_count + 1 :
      fetch_packed[2 * list_count - 1].id >= size ||
      before.held[fetch_packed[2 * list_count - 1].id] != 0);

  // These fetches were of the first n slots from where the queue stands.
  predicate slots_fetched{L}(struct virtq q, integer last, integer n) =
    \forall integer m; 0 <= m < last ==>
      slot_among(q.size, q.next_avail, n, fetch_index[m]) &&
      q.desc.address + 16 * fetch_index[m] <= fetch_at[m] &&
      fetch_at[m] + fetch_size[m] <=
        q.desc.address + 16 * fetch_index[m] + 16;

  // The first n descriptors of the list were fetched, and more is to come ...
  predicate list_walked{L}(struct virtq q, integer n) =
    list_count == n && fetch_count == 2 * n && fetched_once && fetched_all &&
    list_fetched(q.desc, q.size, q.next_avail, q.avail_wrap, n) &&
    (0 < n ==> list_more(n - 1) && flags_fetched(q, 0, q.next_avail)) &&
    slots_fetched(q, 2 * n, n);

  // ... and this is the answer for them.
  predicate list_so_far{L}(struct prec_space s, struct virtq q,
                           struct virtq_request r, integer answer,
                           integer n) =
    (answer == VIRTQ_TAKEN || answer == VIRTQ_MALFORMED) &&
    (answer == VIRTQ_TAKEN ==> elements_told(r) && element_count == n &&
      list_taken(n) && refusal_told(s, q, r)) &&
    (answer == VIRTQ_MALFORMED ==>
      0 <= list_fault < n && list_refused(s, q, list_fault));

  // 2.8.1, 2.8.3: the flags of a used descriptor.
  logic integer used_flags(integer wrap, integer len) =
    (wrap != 0 ? 0x8080 : 0) + (len > 0 ? 2 : 0);

  // The first `count` stores of completing a request: its length and its id,
  // in this slot, and then the flags that publish them.
  predicate packed_stored{L}(struct virtq q, integer slot, integer wrap,
                             integer id, integer len, integer count) =
    (0 < count ==> store_is(0, q.desc.address + 16 * slot + 8, 4, len)) &&
    (1 < count ==> store_is(1, q.desc.address + 16 * slot + 12, 2, id)) &&
    (2 < count ==> store_is(2, q.desc.address + 16 * slot + 14, 2,
      used_flags(wrap, len)));

  predicate base_is(struct virtq q, integer base) =
    base == q.next_avail + (q.avail_wrap != 0 ? 0x8000 : 0) +
      0x10000 * q.next_used + (q.used_wrap != 0 ? 0x80000000 : 0);

  // A place in two rounds of the ring: a slot together with its wrap counter.
  logic integer place(integer size, integer slot, integer wrap) =
    wrap != 0 ? slot : slot + size;

  // 2.8.10: the place of the event was used since the last check, at `before`,
  // or the event is no place.
  predicate place_passed(integer size, integer event, integer now,
                         integer before) =
    (event % 0x8000) < size ==>
    (before <= now ?
      before <= place(size, event % 0x8000, event / 0x8000) < now :
      !(now <= place(size, event % 0x8000, event / 0x8000) < before));
*/

/* Ghost: a list that was decoded from its fetches is that of the still image,
 * and so is a table that a list names which was given. */
/*@ ghost
  /@ requires queue: \valid_read(q) && 1 <= q->size <= VIRTQ_SIZE_MAX;
     requires once: fetched_once && 0 < list_count;
     requires of_ring: list_retaken == 0;
     requires list: list_fetched(q->desc, q->size, from, wrap, list_count) &&
       !has_next(fetch_value[2 * list_count - 2]);
     requires id: id == fetch_packed[2 * list_count - 1].id;
     requires decoded: answer == VIRTQ_TAKEN ==> list_decoded(addr, size);
     terminates \true;
     exits \false;
     assigns \nothing;
     ensures still: answer == VIRTQ_TAKEN ==>
       list_still(q->desc, q->size, from, wrap, id, addr, size); @/
  void still_list(const struct virtq *q, enum virtq_answer answer,
                  uint32_t from, int wrap, uint32_t id, uint64_t addr,
                  uint64_t size);
*/
/*@ ghost
  /@ requires once: fetched_once;
     requires table: answer == VIRTQ_TAKEN && 0 <= table ==>
       table < fetch_count && fetch_at[table] == addr &&
       fetch_size[table] == 16 * element_count &&
       0 <= element_count <= LENT_TABLE_MAX &&
       list_table_taken(element_count);
     terminates \true;
     exits \false;
     assigns \nothing;
     ensures still: answer == VIRTQ_TAKEN && 0 <= table ==>
       list_table_still(table, addr); @/
  void still_table(enum virtq_answer answer, int table, uint64_t addr);
*/

/* As split_setup, for a packed ring: `driver` and `device` are the driver and
 * device event suppression structures.  The size need not be a power of 2
 * (2.8.10.1). */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid(q) && \separated(q, space);
  terminates \true;
  exits \false;
  assigns *q;
  ensures said: \result == PREC_OK || \result == PREC_INVALID ||
    \result == PREC_RANGE || \result == PREC_RIGHTS ||
    \result == PREC_OVERLAP;
  ensures lent: lends_queue(*space, 1, size, desc, driver, device) &&
    areas_apart(1, size, desc, driver, device) ==> \result == PREC_OK;
  ensures ready: \result == PREC_OK ==> q->state == VIRTQ_READY &&
    virtq_ok(*space, *q) && q->size == size && q->packed;
  ensures aligned: \result == PREC_OK ==> rings_aligned(*q);
  ensures there: \result == PREC_OK ==> q->desc.address == desc &&
    q->avail.address == driver && q->used.address == device;
  ensures start: \result == PREC_OK ==> q->next_avail == 0 &&
    q->next_used == 0 && q->avail_wrap && q->used_wrap;
  ensures fresh: \result == PREC_OK ==> q->waiting == 0 &&
    q->notified == 0 && !q->event_index;
  ensures none_held: \result == PREC_OK ==> q->in_flight == 0 &&
    none_held(*q);
  ensures untouched: \result != PREC_OK ==> *q == \old(*q);
*/
PREC_MUST_CHECK enum prec_status packed_setup(struct virtq *q,
					      const struct prec_space *space,
					      uint32_t size, uint64_t desc,
					      uint64_t driver, uint64_t device);

/*
 * Continue at `base`, in the encoding of vhost-user: the low half is the next
 * available slot, the high half the next used one, each a slot in 15 bits with
 * its wrap counter in the top bit.  PREC_INVALID: there is no such slot, and
 * nothing has changed.
 */
/*@
  requires queue: \valid(q) && virtq_whole(*q) && q->packed;
  terminates \true;
  exits \false;
  assigns q->next_avail, q->avail_wrap, q->next_used, q->used_wrap,
    q->notified;
  ensures queue: virtq_whole(*q);
  ensures said: \result == PREC_OK || \result == PREC_INVALID;
  ensures at: \result == PREC_OK ==> base_is(*q, base);
  ensures notified: \result == PREC_OK ==>
    q->notified == place(q->size, q->next_used, q->used_wrap);
  ensures refused: \result == PREC_INVALID <==>
    base % 0x8000 >= q->size || base / 0x10000 % 0x8000 >= q->size;
  ensures untouched: \result != PREC_OK ==> *q == \old(*q);
*/
PREC_MUST_CHECK enum prec_status packed_seek(struct virtq *q, uint32_t base);

/* The current position, in the same encoding. */
/*@
  requires queue: \valid_read(q) && q->packed && slots_ok(*q) &&
    q->size <= VIRTQ_SIZE_MAX;
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures at: base_is(*q, \result);
*/
uint32_t packed_base(const struct virtq *q);

/*
 * Take the next request, as split_next does; `head` is its buffer id.  The
 * flags of a descriptor are loaded first, and the other fields only if the
 * flags say that it is available.  VIRTQ_GONE: the ring is gone; nothing was
 * taken.
 */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid(q) && virtq_ok(*space, *q) && q->packed;
  requires request: \valid(r) && \separated(r, q, space);
  terminates \true;
  exits \false;
  assigns r->head, r->readable, r->count, r->elements, r->refused,
    r->table_address,
    r->table_size, r->segment[0 .. VIRTQ_SEGMENTS_MAX - 1],
    q->state, q->in_flight, q->next_avail, q->avail_wrap,
    q->held[0 .. VIRTQ_SIZE_MAX - 1],
    PACKED_FETCHES, ELEMENT_LOG, LIST_LOG;
  ensures said: \result <= VIRTQ_STOPPED;
  ensures queue: virtq_ok(*space, *q);
  ensures segments: request_ok(*space, *q, *r);
  ensures told: answer_told(*r, \result);
  ensures losses: \result != VIRTQ_STOPPED ==> losses_told(\result);
  ensures list: \result == VIRTQ_TAKEN || \result == VIRTQ_MALFORMED ||
    \result == VIRTQ_LOST ==>
    list_fetched(q->desc, q->size, \old(q->next_avail),
      \old(q->avail_wrap), list_count);
  ensures count: \result == VIRTQ_TAKEN || \result == VIRTQ_MALFORMED ||
    \result == VIRTQ_LOST ==> list_count == q->held[r->head];
  ensures id: \result == VIRTQ_TAKEN || \result == VIRTQ_MALFORMED ||
    \result == VIRTQ_LOST ==>
    r->head == fetch_packed[2 * list_count - 1].id &&
    !has_next(fetch_value[2 * list_count - 2]);
  ensures decoded: \result == VIRTQ_TAKEN ||
    (\result == VIRTQ_MALFORMED && r->count == 1) ==>
    list_decoded(r->table_address, r->table_size);
  ensures still: \result == VIRTQ_TAKEN ||
    (\result == VIRTQ_MALFORMED && r->count == 1) ==>
    list_still(q->desc, q->size, \old(q->next_avail), \old(q->avail_wrap),
      r->head, r->table_address, r->table_size);
  ensures malformed: \result == VIRTQ_MALFORMED ==>
    list_malformed(*space, *q, *r);
  ensures empty: \result == VIRTQ_EMPTY ==>
    !flags_avail(fetch_value[0], q->avail_wrap);
  ensures broken: \result == VIRTQ_STOPPED &&
    \old(q->state) == VIRTQ_READY ==> list_broken(q->size, \old(*q));
  ensures once: fetched_once;
  ensures known: \result != VIRTQ_STOPPED ==> fetched_known(*q, *r);
  ensures bounded: fetch_count <= 2 * q->size + 1;
  ensures stopped: \old(q->state) != VIRTQ_READY ==>
    \result == VIRTQ_STOPPED && fetch_count == 0;
  ensures first: \old(q->state) == VIRTQ_READY ==>
    flags_fetched(*q, 0, \old(q->next_avail));
  ensures idle: \result == VIRTQ_EMPTY ==> fetch_count == 1;
  ensures state: \result == VIRTQ_STOPPED ? q->state != VIRTQ_READY :
    q->state == VIRTQ_READY;
  ensures only_breaks: q->state == \old(q->state) ||
    (\old(q->state) == VIRTQ_READY && q->state == VIRTQ_BROKEN);
  ensures held: \result == VIRTQ_TAKEN || \result == VIRTQ_MALFORMED ||
    \result == VIRTQ_LOST ==> r->head < q->size &&
    \at(q->held[\at(r->head, Post)], Pre) == 0 &&
    q->in_flight == \old(q->in_flight) + 1 &&
    1 <= q->held[r->head] <= q->size &&
    slot_on(q->size, \old(q->next_avail), \old(q->avail_wrap),
      q->next_avail, q->avail_wrap, q->held[r->head]);
  ensures others: \forall integer i; 0 <= i < VIRTQ_SIZE_MAX &&
    i != r->head ==> q->held[i] == \old(*q).held[i];
  ensures none: \result == VIRTQ_EMPTY || \result == VIRTQ_GONE ||
    \result == VIRTQ_STOPPED ==>
    q->next_avail == \old(q->next_avail) &&
    q->avail_wrap == \old(q->avail_wrap) &&
    q->in_flight == \old(q->in_flight) &&
    \forall integer i; 0 <= i < VIRTQ_SIZE_MAX ==>
      q->held[i] == \old(*q).held[i];
*/
enum virtq_answer packed_next(struct virtq *q, const struct prec_space *space,
			      struct virtq_request *r);

/*
 * Take the request that these descriptors describe, without looking at the
 * ring: one that the previous server had in flight when it died.  The caller
 * claims that they form a list; they are checked like those of the ring.  The
 * position in the ring does not change.
 */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid(q) && virtq_ok(*space, *q) && q->packed;
  requires request: \valid(r) && \separated(r, q, space);
  requires list: \valid_read(list + (0 .. count - 1)) &&
    \separated(list + (0 .. count - 1), r, q, space);
  terminates \true;
  exits \false;
  assigns r->head, r->readable, r->count, r->elements, r->refused,
    r->table_address,
    r->table_size,
    r->segment[0 .. VIRTQ_SEGMENTS_MAX - 1],
    q->state, q->in_flight,
    q->held[0 .. VIRTQ_SIZE_MAX - 1],
    PACKED_FETCHES, ELEMENT_LOG, LIST_LOG;
  ensures said: \result == VIRTQ_TAKEN || \result == VIRTQ_MALFORMED ||
    \result == VIRTQ_LOST || \result == VIRTQ_STOPPED;
  ensures queue: virtq_ok(*space, *q);
  ensures segments: request_ok(*space, *q, *r);
  ensures told: answer_told(*r, \result);
  ensures losses: \result != VIRTQ_STOPPED ==> losses_told(\result);
  ensures decoded: \result == VIRTQ_TAKEN ||
    (\result == VIRTQ_MALFORMED && r->count == 1) ==>
    given_decoded(list, count, r->table_address, r->table_size);
  ensures still: r->table_size != 0 && (\result == VIRTQ_TAKEN ||
    (\result == VIRTQ_MALFORMED && r->count == 1)) ==>
    list_table_still(0, r->table_address);
  ensures malformed: \result == VIRTQ_MALFORMED ==>
    given_malformed(*space, *q, *r, list, count);
  ensures once: fetched_once && fetch_count <= 1;
  ensures stopped: \old(q->state) != VIRTQ_READY ==>
    \result == VIRTQ_STOPPED && fetch_count == 0;
  ensures known: fetched_known(*q, *r);
  ensures state: \result == VIRTQ_STOPPED ? q->state != VIRTQ_READY :
    q->state == VIRTQ_READY;
  ensures only_breaks: q->state == \old(q->state) ||
    (\old(q->state) == VIRTQ_READY && q->state == VIRTQ_BROKEN);
  ensures a_list: \result != VIRTQ_STOPPED ==> 1 <= count <= q->size &&
    (list[count - 1].flags & VIRTQ_DESC_F_NEXT) == 0 &&
    \forall integer k; 0 <= k < count - 1 ==>
      (list[k].flags & VIRTQ_DESC_F_NEXT) != 0;
  ensures held: \result != VIRTQ_STOPPED ==>
    r->head == list[count - 1].id && r->head < q->size &&
    \at(q->held[\at(r->head, Post)], Pre) == 0 &&
    q->in_flight == \old(q->in_flight) + 1 && q->held[r->head] == count;
  ensures others: \forall integer i; 0 <= i < VIRTQ_SIZE_MAX &&
    (i != r->head || \result == VIRTQ_STOPPED) ==>
    q->held[i] == \old(*q).held[i];
  ensures none: \result == VIRTQ_STOPPED ==>
    q->in_flight == \old(q->in_flight);
*/
enum virtq_answer packed_retake(struct virtq *q, const struct prec_space *space,
				const struct pvirtq_desc *list, uint32_t count,
				struct virtq_request *r);

/*
 * Complete the request, as split_complete does (2.8.2, 2.8.6): stores its used
 * descriptor, then the flags that publish it, and nothing else.
 */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid(q) && \separated(q, space) &&
    virtq_ok(*space, *q) && q->packed;
  terminates \true;
  exits \false;
  assigns q->held[0 .. VIRTQ_SIZE_MAX - 1], q->in_flight, q->next_used,
    q->used_wrap, STORES(0, 2);
  ensures queue: virtq_ok(*space, *q);
  behavior held:
    assumes held: id < q->size && q->held[id] != 0;
    assigns q->held[id], q->in_flight, q->next_used, q->used_wrap,
      STORES(0, 2);
    ensures said: \result == PREC_OK || \result == PREC_GONE;
    ensures free: q->held[id] == 0 &&
      q->in_flight == \old(q->in_flight) - 1;
    ensures all: \result == PREC_OK ? store_count == 3 :
      0 <= store_count <= 2;
    ensures stopped: q->state != VIRTQ_READY ==> store_count == 0;
    ensures stored: packed_stored(*q, \old(q->next_used),
      \old(q->used_wrap), id, len, store_count);
    ensures told: \result == PREC_OK ==>
      slot_on(q->size, \old(q->next_used), \old(q->used_wrap),
        q->next_used, q->used_wrap, \old(q->held[id]));
    ensures untold: \result == PREC_GONE ==>
      q->next_used == \old(q->next_used) &&
      q->used_wrap == \old(q->used_wrap);
  behavior unheld:
    assumes unheld: !(id < q->size && q->held[id] != 0);
    assigns \nothing;
    ensures said: \result == PREC_INVALID;
  complete behaviors;
  disjoint behaviors;
*/
PREC_MUST_CHECK enum prec_status packed_complete(struct virtq *q,
						 const struct prec_space *space,
						 uint32_t id, uint32_t len);

/* As split_should_notify, by the driver event suppression structure
 * (2.8.10). */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid(q) && virtq_ok(*space, *q) && q->packed;
  requires out: \valid(yes) && \separated(yes, space, q);
  terminates \true;
  exits \false;
  assigns *yes, q->notified, fenced, FETCHES(0, 1), fetch_value[0 .. 1];
  ensures said: \result == PREC_OK || \result == PREC_GONE;
  ensures queue: virtq_ok(*space, *q);
  ensures untouched: \result != PREC_OK ==> *yes == \old(*yes) &&
    q->notified == \old(q->notified);
  ensures stopped: q->state != VIRTQ_READY ==> \result == PREC_GONE;
  ensures weighed: \result == PREC_OK ==>
    q->notified == place(q->size, q->next_used, q->used_wrap);
  ensures once: \result == PREC_OK ==> fetched_once && fetch_count <= 2 &&
    fetch_at[0] == q->avail.address + PVIRTQ_EVENT_FLAGS &&
    (fetch_count == 2 ==>
      q->event_index && fetch_at[1] == q->avail.address);
  ensures fenced: \result == PREC_OK ==> fetch_fenced[0] != 0;
  ensures asked: \result == PREC_OK ==> (fetch_count == 2 <==>
    q->event_index &&
    (fetch_value[0] & PVIRTQ_EVENT_F_MASK) == PVIRTQ_EVENT_F_DESC);
  ensures wanted: \result == PREC_OK && fetch_count == 1 ==>
    (*yes <==> (fetch_value[0] & PVIRTQ_EVENT_F_MASK) !=
      PVIRTQ_EVENT_F_DISABLE);
  ensures passed: \result == PREC_OK && fetch_count == 2 ==>
    (*yes <==> place_passed(q->size, fetch_value[1], q->notified,
      \old(q->notified)));
*/
PREC_MUST_CHECK enum prec_status
packed_should_notify(struct virtq *q, const struct prec_space *space,
		     bool *yes);

/* As split_ask_for_kick, by the device event suppression structure (2.8.10):
 * the slot at which to kick is stored before the flags that make it valid.
 * PREC_GONE: at most the slot was stored. */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid_read(q) && virtq_ok(*space, *q) && q->packed;
  requires event_index: q->event_index;
  terminates \true;
  exits \false;
  assigns STORES(0, 1);
  ensures said: \result == PREC_OK || \result == PREC_GONE;
  ensures ready: \result == PREC_OK ==> q->state == VIRTQ_READY;
  ensures all: \result == PREC_OK ? store_count == 2 :
    0 <= store_count <= 1;
  ensures event: 0 < store_count ==> store_is(0, q->used.address, 2,
    q->next_avail + (q->avail_wrap ? 0x8000 : 0));
  ensures flags: \result == PREC_OK ==> store_is(1,
    q->used.address + PVIRTQ_EVENT_FLAGS, 2, PVIRTQ_EVENT_F_DESC);
  ensures nowhere_else: stored_used(*q);
  ensures fenced: \result == PREC_OK ==> fenced != 0;
*/
PREC_MUST_CHECK enum prec_status
packed_ask_for_kick(const struct virtq *q, const struct prec_space *space);

#endif
