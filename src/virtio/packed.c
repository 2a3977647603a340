// SPDX-License-Identifier: MIT
#include "virtio/packed.h"

/*
 * How a request is taken.  The flags of a descriptor publish it, so they are
 * fetched first and alone; if it is available, one more fetch brings the other
 * fields.  The next descriptor of a list is in the next slot of the ring.
 * Nothing is fetched twice.
 *
 * By 2.8.6 the flags of all descriptors of a list are valid before the first
 * one makes the list available.  If a later one is not available, the list is
 * longer than the ring, or its id is out of range or in flight, there is
 * nothing to complete, so the queue is broken.  An error in what a list
 * describes concerns its request only.
 */

/* 2.8.1 */
/*@
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures there: \result <==> flags_avail(flags, wrap);
*/
static bool available(uint16_t flags, bool wrap)
{
	if (wrap)
		return (flags & PVIRTQ_DESC_F_AVAIL) &&
		       !(flags & PVIRTQ_DESC_F_USED);
	return !(flags & PVIRTQ_DESC_F_AVAIL) && (flags & PVIRTQ_DESC_F_USED);
}

/* Load a descriptor.  VIRTQ_EMPTY: its flags say that it is not available. */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid_read(q) && virtq_ok(*space, *q) &&
    q->state == VIRTQ_READY && q->packed;
  requires slot: slot < q->size;
  requires out: \valid(d) && \separated(d, q, space);
  requires once: fetched_once && fetch_count + 2 <= FETCH_MAX;
  requires all: fetched_all;
  requires list: 0 <= list_count && fetch_count == 2 * list_count &&
    list_fetched(q->desc, q->size, q->next_avail, q->avail_wrap, list_count);
  requires more: 0 < list_count ==> list_more(list_count - 1);
  requires place: slot_on(q->size, q->next_avail, q->avail_wrap, slot, wrap,
    list_count);
  requires new: \forall integer m; 0 <= m < fetch_count ==>
    apart(fetch_at[m], fetch_size[m], q->desc.address + 16 * slot, 16);
  terminates \true;
  exits \false;
  assigns *d, FETCHES(fetch_count, fetch_count + 1),
    fetch_value[fetch_count], fetch_packed[fetch_count + 1],
    fetch_index[fetch_count .. fetch_count + 1], list_count;
  ensures count: list_count ==
    \old(list_count) + (\result == VIRTQ_TAKEN ? 1 : 0);
  ensures list: \result == VIRTQ_TAKEN ==> list_fetched(q->desc, q->size,
    q->next_avail, q->avail_wrap, list_count);
  ensures value: \result == VIRTQ_TAKEN ==>
    fetch_packed[fetch_count - 1].addr == d->addr &&
    fetch_packed[fetch_count - 1].len == d->len &&
    fetch_packed[fetch_count - 1].id == d->id &&
    fetch_value[fetch_count - 2] == d->flags;
  ensures empty: \result == VIRTQ_EMPTY ==>
    !flags_avail(fetch_value[fetch_count - 1], wrap);
  ensures losses: losses_told(\result);
  ensures said: \result == VIRTQ_TAKEN || \result == VIRTQ_EMPTY ||
    \result == VIRTQ_GONE;
  ensures there: \result == VIRTQ_TAKEN ==> flags_avail(d->flags, wrap);
  ensures work: \old(fetch_count) + (\result == VIRTQ_TAKEN ? 2 : 1) <=
    fetch_count <= \old(fetch_count) + (\result == VIRTQ_EMPTY ? 1 : 2);
  ensures first: flags_fetched(*q, \old(fetch_count), slot);
  ensures rest: fetch_count == \old(fetch_count) + 2 ==>
    fetch_at[fetch_count - 1] == q->desc.address + 16 * slot &&
    fetch_size[fetch_count - 1] == 14;
  ensures index: \forall integer m; \old(fetch_count) <= m < fetch_count ==>
    fetch_index[m] == slot;
  ensures once: fetched_once;
*/
static enum virtq_answer load(const struct virtq *q,
			      const struct prec_space *space, uint32_t slot,
			      bool wrap, struct pvirtq_desc *d)
{
	uint16_t flags;

	/*@ ghost int n = list_count; */
	/*@ ghost fetch_index[fetch_count] = slot; */
	/* Acquires: the other fields are those that the client stored before
	 * the flags (2.8.21.1). */
	if (lent_load16(space, q->desc,
			VIRTQ_DESC_SIZE * (uint64_t)slot + PVIRTQ_DESC_FLAGS,
			&flags))
		return VIRTQ_GONE;
	if (!available(flags, wrap))
		return VIRTQ_EMPTY;
	/*@ ghost fetch_index[fetch_count] = slot; */
	if (lent_load_packed(space, q->desc, slot, d))
		return VIRTQ_GONE;
	d->flags = flags;
	/*@ ghost list_count++; */
	/*@ assert this: list_desc(q->desc.address, q->size, q->next_avail,
	      q->avail_wrap, n); */
	/*@ assert earlier: \forall integer j; 0 <= j < n ==>
	      list_desc(q->desc.address, q->size, q->next_avail,
	        q->avail_wrap, j); */
	/*@ assert more: \forall integer j; 0 <= j < n ==> list_more(j); */
	return VIRTQ_TAKEN;
}

/* Ghost: enter a descriptor that is to be taken. */
/*@ ghost
  /@ requires request: \valid_read(r);
     requires log: answer == VIRTQ_TAKEN ==> elements_told(*r) &&
       0 <= element_count < ELEMENT_MAX;
     terminates \true;
     exits \false;
     assigns element_addr[element_count], element_len[element_count],
       element_flags[element_count];
     ensures log: answer == VIRTQ_TAKEN ==> elements_told(*r);
     ensures this: answer == VIRTQ_TAKEN && !is_indirect(flags) ==>
       element_is(element_count, addr, len, flags);
     ensures taken: answer == VIRTQ_TAKEN && !is_indirect(flags) &&
       \old(list_taken(element_count)) && (list_retaken == 0 ==>
         addr == fetch_packed[2 * element_count + 1].addr &&
         len == fetch_packed[2 * element_count + 1].len &&
         flags == fetch_value[2 * element_count]) ==>
       list_taken(element_count + 1); @/
  static void enter_desc(const struct virtq_request *r,
                         enum virtq_answer answer, uint64_t addr,
                         uint32_t len, uint16_t flags)
  {
    if (answer == VIRTQ_TAKEN && !(flags & VIRTQ_DESC_F_INDIRECT))
      element_enter(r, addr, len, flags);
  }
*/

/* Ghost: enter the next entry of the fetched table. */
/*@ ghost
  /@ requires request: \valid_read(r) && elements_told(*r) &&
       element_count < LENT_TABLE_MAX;
     requires so_far: list_table_taken(element_count);
     terminates \true;
     exits \false;
     assigns element_addr[element_count], element_len[element_count],
       element_flags[element_count];
     ensures log: elements_told(*r);
     ensures taken: list_table_taken(element_count + 1);
     ensures this: list_entry(element_count); @/
  static void enter_entry(const struct virtq_request *r)
  {
    element_enter(r, fetch_packed_table[element_count].addr,
                  fetch_packed_table[element_count].len,
                  fetch_packed_table[element_count].flags);
  }
*/

/* Take the descriptors of a fetched table (2.8.7): all of them, in order.  Of
 * their flags only WRITE has a meaning. */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid_read(q) && virtq_ok(*space, *q) &&
    q->state == VIRTQ_READY;
  requires request: \valid(r) && \separated(r, q, space) &&
    chain_ok(*space, *q, *r);
  requires entries: \valid_read(table + (0 .. LENT_TABLE_MAX - 1)) &&
    \separated(table + (0 .. LENT_TABLE_MAX - 1), r);
  requires bounded: count <= LENT_TABLE_MAX;
  requires fetched: \forall integer j; 0 <= j < count ==>
    fetch_packed_table[j] == table[j];
  requires log: elements_told(*r) && element_count == 0;
  requires refusal: refusal_told(*space, *q, *r);
  terminates \true;
  exits \false;
  assigns r->readable, r->count, r->elements, r->refused,
    r->segment[0 .. VIRTQ_SEGMENTS_MAX - 1], ELEMENT_LOG;
  ensures log: elements_told(*r) && element_count == count;
  ensures refusal: refusal_told(*space, *q, *r);
  ensures taken: list_table_taken(count);
  ensures segments: chain_ok(*space, *q, *r);
*/
static void walk_table(struct virtq_request *r, const struct prec_space *space,
		       const struct virtq *q, const struct pvirtq_desc *table,
		       uint32_t count)
{
	uint32_t i;

	/*@
	  loop invariant entry: 0 <= i <= count;
	  loop invariant segments: chain_ok(*space, *q, *r);
	  loop invariant log: elements_told(*r) && element_count == i;
	  loop invariant taken: list_table_taken(i);
	  loop invariant refusal: refusal_told(*space, *q, *r);
	  loop assigns i, r->readable, r->count, r->elements, r->refused,
	    r->segment[0 .. VIRTQ_SEGMENTS_MAX - 1], ELEMENT_LOG;
	  loop variant count - i;
	*/
	for (i = 0; i < count; i++) {
		/*@ assert entry: fetch_packed_table[i] == table[i]; */
		/*@ ghost enter_entry(r); */
		chain_take(r, space, q, table[i].addr, table[i].len,
			   table[i].flags);
	}
}

/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid_read(q) && virtq_ok(*space, *q) &&
    q->state == VIRTQ_READY;
  requires request: \valid(r) && \separated(r, q, space) &&
    chain_ok(*space, *q, *r);
  requires first_table: r->table_size == 0;
  requires log: elements_told(*r) && element_count == 0;
  requires once: fetched_once && fetch_count < FETCH_MAX;
  requires all: fetched_all;
  requires rings: fetched_rings(*q);
  requires refusal: refusal_told(*space, *q, *r);
  terminates \true;
  exits \false;
  assigns r->table_address, r->table_size, r->readable, r->count,
    r->elements, r->refused, r->segment[0 .. VIRTQ_SEGMENTS_MAX - 1],
    FETCH_NEXT, fetch_packed_table[0 .. LENT_TABLE_MAX - 1],
    ELEMENT_LOG;
  ensures log: \result == VIRTQ_TAKEN ==> elements_told(*r) &&
    16 * element_count == d.len;
  ensures refusal: refusal_told(*space, *q, *r);
  ensures refused: \result == VIRTQ_MALFORMED ==>
    table_refused(*space, *q, d.addr, d.len);
  ensures losses: losses_told(\result);
  ensures taken: \result == VIRTQ_TAKEN ==> list_table_taken(element_count);
  ensures named: \result == VIRTQ_TAKEN ==>
    0 < d.len <= 16 * LENT_TABLE_MAX &&
    r->table_address == d.addr && r->table_size == d.len &&
    fetch_count == \old(fetch_count) + 1 &&
    fetch_at[fetch_count - 1] == d.addr &&
    fetch_size[fetch_count - 1] == d.len;
  ensures said: \result == VIRTQ_TAKEN || \result == VIRTQ_MALFORMED ||
    \result == VIRTQ_LOST;
  ensures segments: chain_ok(*space, *q, *r);
  ensures work: fetch_count == \old(fetch_count) ||
    fetch_count == \old(fetch_count) + 1;
  ensures once: fetched_once;
  ensures known: fetched_known(*q, *r);
*/
static enum virtq_answer take_table(struct virtq_request *r,
				    const struct prec_space *space,
				    const struct virtq *q, struct pvirtq_desc d)
{
	struct pvirtq_desc table[LENT_TABLE_MAX];
	struct lent_pieces pieces;
	uint32_t count = d.len / VIRTQ_DESC_SIZE;

	if (!chain_table(r, space, q, d.addr, d.len, &pieces))
		return VIRTQ_MALFORMED;
	/*@ assert new: \forall integer i; 0 <= i < fetch_count ==>
	      apart(fetch_at[i], fetch_size[i], d.addr, d.len); */
	if (lent_load_packed_table(space, &pieces, count, table))
		return VIRTQ_LOST;
	/*@ assert once: fetched_once; */
	/*@ assert known: fetched_known(*q, *r); */
	walk_table(r, space, q, table, count);
	return VIRTQ_TAKEN;
}

/* Take one descriptor of the ring; `so_far` is the answer for its list up to
 * here.  An indirect descriptor must be the only one of its list (2.8.5,
 * 2.8.19).  A malformed list is still followed to its end, where the id is. */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid_read(q) && virtq_ok(*space, *q) &&
    q->state == VIRTQ_READY;
  requires request: \valid(r) && \separated(r, q, space) &&
    chain_ok(*space, *q, *r);
  requires said: so_far == VIRTQ_TAKEN || so_far == VIRTQ_MALFORMED;
  requires no_table: r->table_size == 0;
  requires log: so_far == VIRTQ_TAKEN ==> elements_told(*r) &&
    0 <= element_count < VIRTQ_SIZE_MAX && (first ==> element_count == 0);
  requires this: so_far == VIRTQ_TAKEN && !is_indirect(d.flags) ==>
    element_is(element_count, d.addr, d.len, d.flags) &&
    list_taken(element_count + 1);
  requires once: fetched_once && fetch_count < FETCH_MAX;
  requires all: fetched_all;
  requires rings: fetched_rings(*q);
  requires refusal: so_far == VIRTQ_TAKEN ==> refusal_told(*space, *q, *r);
  terminates \true;
  exits \false;
  assigns r->table_address, r->table_size, r->readable, r->count,
    r->elements, r->refused, r->segment[0 .. VIRTQ_SEGMENTS_MAX - 1],
    FETCH_NEXT, fetch_packed_table[0 .. LENT_TABLE_MAX - 1],
    ELEMENT_LOG;
  ensures log: \result == VIRTQ_TAKEN ==> elements_told(*r);
  ensures refusal: \result == VIRTQ_TAKEN ==> refusal_told(*space, *q, *r);
  ensures refused: so_far == VIRTQ_TAKEN && \result == VIRTQ_MALFORMED ==>
    indirect_refused(*space, *q, d.addr, d.len, d.flags, first ? 0 : 1);
  ensures kept: \result == VIRTQ_TAKEN && !is_indirect(d.flags) ==>
    \forall integer j; 0 <= j <= \old(element_count) ==>
      element_addr[j] == \old(element_addr[j]) &&
      element_len[j] == \old(element_len[j]) &&
      element_flags[j] == \old(element_flags[j]);
  ensures this: \result == VIRTQ_TAKEN &&
    (d.flags & VIRTQ_DESC_F_INDIRECT) == 0 ==>
    element_count == \old(element_count) + 1 &&
    list_taken(element_count) && r->table_size == 0 &&
    fetch_count == \old(fetch_count);
  ensures table: \result == VIRTQ_TAKEN &&
    (d.flags & VIRTQ_DESC_F_INDIRECT) != 0 ==> first &&
    16 * element_count == d.len && list_table_taken(element_count) &&
    0 < d.len <= 16 * LENT_TABLE_MAX &&
    r->table_address == d.addr && r->table_size == d.len &&
    fetch_count == \old(fetch_count) + 1 &&
    fetch_at[fetch_count - 1] == d.addr &&
    fetch_size[fetch_count - 1] == d.len;
  ensures losses: losses_told(\result);
  ensures said: \result == VIRTQ_TAKEN || \result == VIRTQ_MALFORMED ||
    \result == VIRTQ_LOST;
  ensures stays: so_far == VIRTQ_MALFORMED ==> \result == VIRTQ_MALFORMED;
  ensures segments: chain_ok(*space, *q, *r);
  ensures more: (d.flags & VIRTQ_DESC_F_NEXT) != 0 ==>
    r->table_size == 0 && fetch_count == \old(fetch_count) &&
    \result != VIRTQ_LOST;
  ensures alone: (d.flags & VIRTQ_DESC_F_INDIRECT) != 0 &&
    (!first || (d.flags & VIRTQ_DESC_F_NEXT) != 0) ==>
    \result == VIRTQ_MALFORMED;
  ensures work: fetch_count == \old(fetch_count) ||
    fetch_count == \old(fetch_count) + 1;
  ensures once: fetched_once;
  ensures known: fetched_known(*q, *r);
*/
static enum virtq_answer take_desc(struct virtq_request *r,
				   const struct prec_space *space,
				   const struct virtq *q, struct pvirtq_desc d,
				   bool first, enum virtq_answer so_far)
{
	if (so_far != VIRTQ_TAKEN)
		return so_far;
	if (d.flags & VIRTQ_DESC_F_INDIRECT) {
		if (!first || (d.flags & VIRTQ_DESC_F_NEXT))
			return VIRTQ_MALFORMED;
		return take_table(r, space, q, d);
	}
	chain_take(r, space, q, d.addr, d.len, d.flags);
	return VIRTQ_TAKEN;
}

/* Mark the id of the list's last descriptor as in flight.  False: the id is out
 * of range or already in flight. */
/*@
  requires queue: \valid(q) && \valid(r) && \separated(r, q) &&
    virtq_whole(*q) && q->state == VIRTQ_READY && q->packed;
  requires length: 1 <= length <= q->size;
  terminates \true;
  exits \false;
  assigns r->head, q->in_flight,
    q->held[0 .. VIRTQ_SIZE_MAX - 1];
  ensures queue: virtq_whole(*q);
  ensures took: \result ==> r->head == id && id < q->size &&
    \old(*q).held[id] == 0 && q->held[id] == length &&
    q->in_flight == \old(q->in_flight) + 1;
  ensures others: \forall integer i; 0 <= i < VIRTQ_SIZE_MAX && i != id ==>
    q->held[i] == \old(*q).held[i];
  ensures refused: !\result ==> r->head == \old(r->head) &&
    q->in_flight == \old(q->in_flight) &&
    \forall integer i; 0 <= i < VIRTQ_SIZE_MAX ==>
      q->held[i] == \old(*q).held[i];
  ensures why: !\result ==> id >= q->size || \old(*q).held[id] != 0;
*/
static bool hold_id(struct virtq *q, struct virtq_request *r, uint16_t id,
		    uint32_t length)
{
	if (!chain_hold(q, id, length))
		return false;
	r->head = id;
	return true;
}

/* The list ended: take it; the next one begins at this slot. */
/*@
  requires queue: \valid(q) && \valid(r) && \separated(r, q) &&
    virtq_whole(*q) && q->state == VIRTQ_READY && q->packed;
  requires length: 1 <= length <= q->size;
  requires end: slot < q->size && slot_on(q->size, q->next_avail,
    q->avail_wrap, slot, wrap, length);
  terminates \true;
  exits \false;
  assigns r->head, q->in_flight, q->next_avail, q->avail_wrap,
    q->held[0 .. VIRTQ_SIZE_MAX - 1];
  ensures queue: virtq_whole(*q);
  ensures took: \result ==> r->head == id && id < q->size &&
    \old(*q).held[id] == 0 && q->held[id] == length &&
    q->in_flight == \old(q->in_flight) + 1 && q->next_avail == slot &&
    q->avail_wrap == wrap;
  ensures others: \forall integer i; 0 <= i < VIRTQ_SIZE_MAX && i != id ==>
    q->held[i] == \old(*q).held[i];
  ensures refused: !\result ==> r->head == \old(r->head) &&
    q->in_flight == \old(q->in_flight) &&
    q->next_avail == \old(q->next_avail) &&
    q->avail_wrap == \old(q->avail_wrap) &&
    \forall integer i; 0 <= i < VIRTQ_SIZE_MAX ==>
      q->held[i] == \old(*q).held[i];
  ensures why: !\result ==> id >= q->size || \old(*q).held[id] != 0;
*/
static bool hold_list(struct virtq *q, struct virtq_request *r, uint16_t id,
		      uint32_t length, uint32_t slot, bool wrap)
{
	if (!hold_id(q, r, id, length))
		return false;
	q->next_avail = (uint16_t)slot;
	q->avail_wrap = wrap;
	return true;
}

/* Take descriptor `list_count` of the list, which is in this slot; `so_far` is
 * the answer for those before it.  VIRTQ_EMPTY: it is not available. */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid_read(q) && virtq_ok(*space, *q) &&
    q->state == VIRTQ_READY && q->packed;
  requires request: \valid(r) && \separated(r, q, space) &&
    chain_ok(*space, *q, *r) && r->table_size == 0;
  requires out: \valid(d) && \separated(d, r, q, space);
  requires slot: slot < q->size && slot_on(q->size, q->next_avail,
    q->avail_wrap, slot, wrap, list_count);
  requires ring: list_retaken == 0 && 0 <= list_count < q->size;
  requires first: first <==> list_count == 0;
  requires walked: list_walked(*q, list_count);
  requires so_far: list_so_far(*space, *q, *r, so_far, list_count);
  terminates \true;
  exits \false;
  assigns r->table_address, r->table_size, r->readable, r->count,
    r->elements, r->refused, r->segment[0 .. VIRTQ_SEGMENTS_MAX - 1], *d,
    PACKED_FETCHES, ELEMENT_LOG, list_count, list_fault;
  ensures said: \result == VIRTQ_TAKEN || \result == VIRTQ_MALFORMED ||
    \result == VIRTQ_LOST || \result == VIRTQ_EMPTY || \result == VIRTQ_GONE;
  ensures segments: chain_ok(*space, *q, *r);
  ensures known: fetched_known(*q, *r);
  ensures once: fetched_once;
  ensures losses: losses_told(\result);
  ensures first: flags_fetched(*q, 0, q->next_avail);
  ensures bounded: fetch_count <= 2 * \old(list_count) + 3;
  ensures empty: \result == VIRTQ_EMPTY ==>
    fetch_count == 2 * \old(list_count) + 1 &&
    !flags_avail(fetch_value[fetch_count - 1], wrap);
  ensures broken: \result == VIRTQ_EMPTY && !first ==>
    list_broken(q->size, *q);
  ensures count: \result != VIRTQ_EMPTY && \result != VIRTQ_GONE ==>
    list_count == \old(list_count) + 1 &&
    list_fetched(q->desc, q->size, q->next_avail, q->avail_wrap, list_count);
  ensures value: \result != VIRTQ_EMPTY && \result != VIRTQ_GONE ==>
    fetch_packed[2 * list_count - 1].id == d->id &&
    fetch_value[2 * list_count - 2] == d->flags;
  ensures walked: has_next(d->flags) && (\result == VIRTQ_TAKEN ||
    \result == VIRTQ_MALFORMED) ==> list_walked(*q, list_count) &&
    r->table_size == 0;
  ensures so_far: has_next(d->flags) && (\result == VIRTQ_TAKEN ||
    \result == VIRTQ_MALFORMED) ==>
    list_so_far(*space, *q, *r, \result, list_count);
  ensures ends: \result == VIRTQ_LOST ==> !has_next(d->flags);
  ensures log: \result == VIRTQ_TAKEN ==> elements_told(*r) &&
    refusal_told(*space, *q, *r);
  ensures refused: \result == VIRTQ_MALFORMED ==>
    0 <= list_fault < list_count && list_refused(*space, *q, list_fault);
  ensures decoded: \result == VIRTQ_TAKEN && !has_next(d->flags) ==>
    list_decoded(r->table_address, r->table_size);
*/
static enum virtq_answer
take_slot(struct virtq_request *r, const struct prec_space *space,
	  const struct virtq *q, uint32_t slot, bool wrap, bool first,
	  enum virtq_answer so_far, struct pvirtq_desc *d)
{
	enum virtq_answer answer;

	/*@ assert inside: \forall integer m; 0 <= m < fetch_count ==>
	      inside_ring(q->desc, fetch_at[m], fetch_size[m]); */
	answer = load(q, space, slot, wrap, d);
	/*@ assert first: flags_fetched(*q, 0, q->next_avail); */
	/*@ assert earlier: \forall integer m;
	      0 <= m < \at(fetch_count, Pre) ==>
	      inside_ring(q->desc, fetch_at[m], fetch_size[m]); */
	/*@ assert rings: fetched_rings(*q); */
	/*@ assert no_other: fetched_known(*q, *r); */
	if (answer != VIRTQ_TAKEN)
		return answer;
	/*@ ghost int k = list_count - 1; */
	/*@ assert here: slot_among(q->size, q->next_avail, k + 1, slot); */
	/*@ assert before: slots_fetched(*q, 2 * k, k + 1); */
	/*@ assert slots: slots_fetched(*q, 2 * k + 2, k + 1); */
	/*@ ghost enter_desc(r, so_far, d->addr, d->len, d->flags); */
	/*@ ghost
	  if (so_far == VIRTQ_TAKEN)
	    list_fault = k;
	*/
	/*@ assert refused: so_far == VIRTQ_MALFORMED ==>
	      list_refused(*space, *q, list_fault); */
	answer = take_desc(r, space, q, *d, first, so_far);
	/*@ assert desc: fetch_packed[2 * k + 1].addr == d->addr &&
	      fetch_packed[2 * k + 1].len == d->len &&
	      fetch_value[2 * k] == d->flags; */
	/*@ assert kept: so_far == VIRTQ_MALFORMED ==>
	      list_refused(*space, *q, list_fault); */
	/*@ assert here: so_far == VIRTQ_TAKEN &&
	      answer == VIRTQ_MALFORMED ==> list_fault == k &&
	      indirect_refused(*space, *q, d->addr, d->len, d->flags, k); */
	/*@ assert this: so_far == VIRTQ_TAKEN &&
	      answer == VIRTQ_MALFORMED ==> list_refused(*space, *q, k); */
	/*@ assert list: list_fetched(q->desc, q->size, q->next_avail,
	      q->avail_wrap, list_count); */
	/*@ assert begun: flags_fetched(*q, 0, q->next_avail); */
	/*@ assert more: has_next(d->flags) ==>
	      list_more(list_count - 1) && fetched_all; */
	/*@ assert on: has_next(d->flags) ==>
	      fetch_count == 2 * list_count &&
	      slots_fetched(*q, 2 * list_count, list_count); */
	/*@ assert walked: has_next(d->flags) ==>
	      list_walked(*q, list_count); */
	return answer;
}

/* Where a list ends: the id, the number of its slots, and the slot behind
 * them. */
struct list_end {
	uint16_t id;
	uint32_t length;
	uint32_t slot;
	bool wrap;
};

/* Take the list that begins where the queue stands, to its end.  VIRTQ_STOPPED:
 * it has none. */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid_read(q) && virtq_ok(*space, *q) &&
    q->state == VIRTQ_READY && q->packed;
  requires request: \valid(r) && \separated(r, q, space) &&
    chain_ok(*space, *q, *r) && r->table_size == 0 && !r->refused;
  requires out: \valid(end) && \separated(end, r, q, space);
  requires log: fetch_count == 0 && element_count == 0 && elements_told(*r);
  requires list: list_count == 0 && list_retaken == 0;
  terminates \true;
  exits \false;
  assigns r->table_address, r->table_size, r->readable, r->count,
    r->elements, r->refused, r->segment[0 .. VIRTQ_SEGMENTS_MAX - 1], *end,
    PACKED_FETCHES, ELEMENT_LOG, list_count, list_fault;
  ensures said: \result <= VIRTQ_STOPPED;
  ensures segments: chain_ok(*space, *q, *r);
  ensures known: fetched_known(*q, *r);
  ensures once: fetched_once;
  ensures losses: \result != VIRTQ_STOPPED ==> losses_told(\result);
  ensures first: flags_fetched(*q, 0, q->next_avail);
  ensures bounded: fetch_count <= 2 * q->size + 1;
  ensures empty: \result == VIRTQ_EMPTY ==> fetch_count == 1 &&
    !flags_avail(fetch_value[0], q->avail_wrap);
  ensures broken: \result == VIRTQ_STOPPED ==> list_broken(q->size, *q);
  ensures list: \result == VIRTQ_TAKEN || \result == VIRTQ_MALFORMED ||
    \result == VIRTQ_LOST ==> 0 < list_count &&
    list_fetched(q->desc, q->size, q->next_avail, q->avail_wrap,
      list_count) && !list_more(list_count - 1);
  ensures end: \result == VIRTQ_TAKEN || \result == VIRTQ_MALFORMED ||
    \result == VIRTQ_LOST ==> end->length == list_count <= q->size &&
    end->id == fetch_packed[2 * list_count - 1].id &&
    end->slot < q->size && slot_on(q->size, q->next_avail, q->avail_wrap,
      end->slot, end->wrap, end->length);
  ensures log: \result == VIRTQ_TAKEN ==> elements_told(*r) &&
    refusal_told(*space, *q, *r);
  ensures decoded: \result == VIRTQ_TAKEN ==>
    list_decoded(r->table_address, r->table_size);
  ensures refused: \result == VIRTQ_MALFORMED ==>
    0 <= list_fault < list_count && list_refused(*space, *q, list_fault);
*/
static enum virtq_answer take_list(struct virtq_request *r,
				   const struct prec_space *space,
				   const struct virtq *q, struct list_end *end)
{
	enum virtq_answer answer = VIRTQ_TAKEN;
	uint32_t slot = q->next_avail;
	bool wrap = q->avail_wrap;
	struct pvirtq_desc d;
	uint32_t k;

	/*@ assert some: 0 < q->size; */
	/*@
	  loop invariant steps: 0 <= k <= q->size && list_count == k;
	  loop invariant slot: slot < q->size &&
	    slot_on(q->size, q->next_avail, q->avail_wrap, slot, wrap, k);
	  loop invariant segments: chain_ok(*space, *q, *r);
	  loop invariant no_table: r->table_size == 0;
	  loop invariant walked: list_walked(*q, k);
	  loop invariant so_far: list_so_far(*space, *q, *r, answer, k);
	  loop assigns k, slot, wrap, d, answer, r->table_address,
	    r->table_size, r->readable, r->count, r->elements, r->refused,
	    r->segment[0 .. VIRTQ_SEGMENTS_MAX - 1],
	    PACKED_FETCHES, ELEMENT_LOG, list_count, list_fault;
	  loop variant q->size - k;
	*/
	for (k = 0; k < q->size; k++) {
		answer = take_slot(r, space, q, slot, wrap, k == 0, answer, &d);
		if (answer == VIRTQ_GONE)
			return VIRTQ_GONE;
		if (answer == VIRTQ_EMPTY)
			return k == 0 ? VIRTQ_EMPTY : VIRTQ_STOPPED;
		slot++;
		if (slot == q->size) {
			slot = 0;
			wrap = !wrap;
		}
		if (d.flags & VIRTQ_DESC_F_NEXT)
			continue;
		end->id = d.id;
		end->length = k + 1;
		end->slot = slot;
		end->wrap = wrap;
		return answer;
	}
	/*@ assert round: list_broken(q->size, *q); */
	/*@ assert known: fetched_known(*q, *r); */
	return VIRTQ_STOPPED;
}

enum virtq_answer packed_next(struct virtq *q, const struct prec_space *space,
			      struct virtq_request *r)
{
	enum virtq_answer answer;
	struct list_end end;

	/*@ ghost list_count = 0; */
	/*@ ghost list_fault = 0; */
	chain_begin(r);
	if (q->state != VIRTQ_READY)
		return VIRTQ_STOPPED;
	/*@ ghost
	  uint32_t from = q->next_avail;
	  int from_wrap = q->avail_wrap;
	  list_retaken = 0;
	*/
	answer = take_list(r, space, q, &end);
	if (answer == VIRTQ_EMPTY || answer == VIRTQ_GONE)
		return answer;
	if (answer == VIRTQ_STOPPED ||
	    !hold_list(q, r, end.id, end.length, end.slot, end.wrap)) {
		/*@ assert broken: list_broken(q->size, \at(*q, Pre)); */
		q->state = VIRTQ_BROKEN;
		/*@ assert segments: request_ok(*space, *q, *r); */
		return VIRTQ_STOPPED;
	}
	/*@ assert placed: q->size == \at(q->size, Pre) &&
	      q->desc == \at(q->desc, Pre) &&
	      q->avail == \at(q->avail, Pre) &&
	      q->used == \at(q->used, Pre); */
	/*@ assert known: fetched_known(*q, *r); */
	/*@ assert refusal: answer == VIRTQ_TAKEN ==>
	      refusal_told(*space, *q, *r); */
	/*@ assert refused: answer == VIRTQ_MALFORMED ==>
	      list_refused(*space, *q, list_fault); */
	/*@ assert segments: chain_ok(*space, *q, *r); */
	/*@ ghost still_list(q, answer, from, from_wrap, r->head,
	      r->table_address, r->table_size); */
	answer = chain_settle(r, answer);
	/*@ assert kept: request_ok(*space, *q, *r); */
	/*@ assert told: losses_told(answer); */
	/*@ assert count: list_count == q->held[r->head]; */
	return answer;
}

/* Take the descriptors of a list that was given.  VIRTQ_STOPPED: they are no
 * list. */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid_read(q) && virtq_ok(*space, *q) &&
    q->state == VIRTQ_READY && q->packed;
  requires request: \valid(r) && \separated(r, q, space) &&
    chain_ok(*space, *q, *r) && r->table_size == 0 && !r->refused;
  requires list: \valid_read(list + (0 .. count - 1)) &&
    \separated(list + (0 .. count - 1), r, q, space);
  requires log: fetch_count == 0 && element_count == 0 && elements_told(*r);
  requires given: list_retaken != 0 && list_fault == 0;
  terminates \true;
  exits \false;
  assigns r->table_address, r->table_size, r->readable, r->count,
    r->elements, r->refused, r->segment[0 .. VIRTQ_SEGMENTS_MAX - 1],
    PACKED_FETCHES, ELEMENT_LOG, list_fault;
  ensures said: \result == VIRTQ_TAKEN || \result == VIRTQ_MALFORMED ||
    \result == VIRTQ_LOST || \result == VIRTQ_STOPPED;
  ensures segments: chain_ok(*space, *q, *r);
  ensures known: fetched_known(*q, *r);
  ensures once: fetched_once && fetch_count <= 1;
  ensures losses: \result != VIRTQ_STOPPED ==> losses_told(\result);
  ensures a_list: \result != VIRTQ_STOPPED ==> 1 <= count <= q->size &&
    (list[count - 1].flags & VIRTQ_DESC_F_NEXT) == 0 &&
    \forall integer k; 0 <= k < count - 1 ==>
      (list[k].flags & VIRTQ_DESC_F_NEXT) != 0;
  ensures log: \result == VIRTQ_TAKEN ==> elements_told(*r) &&
    refusal_told(*space, *q, *r);
  ensures decoded: \result == VIRTQ_TAKEN ==>
    given_decoded(list, count, r->table_address, r->table_size);
  ensures refused: \result == VIRTQ_MALFORMED ==>
    0 <= list_fault < count && given_refused(*space, *q, list, list_fault);
*/
static enum virtq_answer take_given(struct virtq_request *r,
				    const struct prec_space *space,
				    const struct virtq *q,
				    const struct pvirtq_desc *list,
				    uint32_t count)
{
	enum virtq_answer answer = VIRTQ_TAKEN;
	uint32_t k;

	/*@
	  loop invariant steps: 0 <= k && k <= q->size;
	  loop invariant said: answer == VIRTQ_TAKEN ||
	    answer == VIRTQ_MALFORMED;
	  loop invariant segments: chain_ok(*space, *q, *r);
	  loop invariant no_table: r->table_size == 0;
	  loop invariant log: answer == VIRTQ_TAKEN ==>
	    elements_told(*r) && element_count == k;
	  loop invariant given: answer == VIRTQ_TAKEN ==>
	    given_taken(list, k);
	  loop invariant refusal: answer == VIRTQ_TAKEN ==>
	    refusal_told(*space, *q, *r);
	  loop invariant fault: answer == VIRTQ_MALFORMED ==>
	    0 <= list_fault < k && given_refused(*space, *q, list, list_fault);
	  loop invariant work: fetch_count == 0 && list_retaken != 0;
	  loop invariant more: \forall integer i; 0 <= i < k ==>
	    (list[i].flags & VIRTQ_DESC_F_NEXT) != 0;
	  loop assigns k, answer, r->table_address, r->table_size,
	    r->readable, r->count, r->elements, r->refused,
	    r->segment[0 .. VIRTQ_SEGMENTS_MAX - 1], PACKED_FETCHES,
	    ELEMENT_LOG, list_fault;
	  loop variant q->size - k;
	*/
	for (k = 0; k < count && k < q->size; k++) {
		/*@ ghost enter_desc(r, answer, list[k].addr, list[k].len,
		      list[k].flags); */
		/*@ ghost
		  if (answer == VIRTQ_TAKEN)
		    list_fault = k;
		*/
		/*@ assert before: answer == VIRTQ_TAKEN &&
		      !is_indirect(list[k].flags) ==>
		      given_taken(list, k + 1); */
		answer = take_desc(r, space, q, list[k], k == 0, answer);
		/*@ assert given: answer == VIRTQ_TAKEN &&
		      !is_indirect(list[k].flags) ==>
		      given_taken(list, k + 1); */
		/*@ assert fault: answer == VIRTQ_MALFORMED ==>
		      0 <= list_fault <= k &&
		      given_refused(*space, *q, list, list_fault); */
		if (list[k].flags & VIRTQ_DESC_F_NEXT)
			continue;
		/*@ assert whole: answer == VIRTQ_TAKEN && k + 1 == count ==>
		      given_decoded(list, count, r->table_address,
		        r->table_size); */
		return k + 1 == count ? answer : VIRTQ_STOPPED;
	}
	return VIRTQ_STOPPED;
}

enum virtq_answer packed_retake(struct virtq *q, const struct prec_space *space,
				const struct pvirtq_desc *list, uint32_t count,
				struct virtq_request *r)
{
	enum virtq_answer answer;

	/*@ ghost list_retaken = 1; */
	/*@ ghost list_fault = 0; */
	chain_begin(r);
	if (q->state != VIRTQ_READY)
		return VIRTQ_STOPPED;
	answer = take_given(r, space, q, list, count);
	if (answer == VIRTQ_STOPPED ||
	    !hold_id(q, r, list[count - 1].id, count)) {
		/*@ assert whole: virtq_whole(*q); */
		q->state = VIRTQ_BROKEN;
		/*@ assert stopped: virtq_ok(*space, *q); */
		/*@ assert segments: request_ok(*space, *q, *r); */
		return VIRTQ_STOPPED;
	}
	/*@ assert queue: virtq_ok(*space, *q); */
	/*@ assert segments: chain_ok(*space, *q, *r); */
	/*@ assert refusal: answer == VIRTQ_TAKEN ==>
	      refusal_told(*space, *q, *r); */
	/*@ assert refused: answer == VIRTQ_MALFORMED ==>
	      given_refused(*space, *q, list, list_fault); */
	/*@ ghost still_table(answer, r->table_size != 0 ? 0 : -1,
	      r->table_address); */
	answer = chain_settle(r, answer);
	/*@ assert kept: request_ok(*space, *q, *r); */
	return answer;
}
