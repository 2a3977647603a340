// SPDX-License-Identifier: MIT
#include "virtio/split.h"

/*
 * How a request is taken.  The avail index is fetched when all entries known to
 * be available are taken.  Then, for each request, one avail entry is fetched,
 * each descriptor of the chain and, if there is one, the indirect table.  Each
 * is copied into our own memory by one fetch, and nothing is fetched twice, so
 * a client that rewrites its rings meanwhile gains nothing.
 *
 * After an error of the ring (an index that jumps, a head that is out of range
 * or in flight) there is nothing to complete, so the queue is broken.  An error
 * of a chain concerns its request only: if its descriptors can be followed to
 * the end, the last byte that the device may write is found even if the rest is
 * useless.
 */

/* Ghost: enter an entry of the fetched table into the log. */
/*@ ghost
  /@ requires request: \valid_read(r) && elements_told(*r) &&
       0 <= chain_direct <= element_count < ELEMENT_MAX;
     requires so_far: ring_taken && table_taken(element_count, count);
     requires entry: index < count <= LENT_TABLE_MAX &&
       !is_indirect(fetch_table[index].flags);
     requires first: chain_direct == element_count ==> index == 0;
     requires next: chain_direct < element_count ==>
       has_next(element_flags[element_count - 1]) &&
       index == fetch_table[element_index[element_count - 1]].next;
     terminates \true;
     exits \false;
     assigns element_addr[element_count], element_len[element_count],
       element_flags[element_count], element_index[element_count];
     ensures log: elements_told(*r);
     ensures direct: ring_taken;
     ensures taken: table_taken(element_count + 1, count);
     ensures place: element_index[element_count] == index;
     ensures this: element_is(element_count, fetch_table[index].addr,
       fetch_table[index].len, fetch_table[index].flags); @/
  static void enter_entry(const struct virtq_request *r, uint32_t count,
                          uint32_t index)
  {
    element_index[element_count] = index;
    element_enter(r, fetch_table[index].addr, fetch_table[index].len,
                  fetch_table[index].flags);
  }
*/

/* Ghost: enter the descriptor that was fetched last. */
/*@ ghost
  /@ requires request: \valid_read(r) && elements_told(*r) &&
       0 <= chain_direct == element_count < ELEMENT_MAX;
     requires last: 0 <= chain_first &&
       fetch_count == chain_first + chain_direct + 1 <= FETCH_MAX;
     requires so_far: ring_taken;
     requires direct: !is_indirect(fetch_desc[fetch_count - 1].flags);
     terminates \true;
     exits \false;
     assigns element_addr[element_count], element_len[element_count],
       element_flags[element_count], chain_direct;
     ensures log: elements_told(*r);
     ensures one: chain_direct == \old(chain_direct) + 1;
     ensures direct: ring_taken;
     ensures this: desc_taken(element_count, fetch_count - 1); @/
  static void enter_desc(const struct virtq_request *r)
  {
    element_enter(r, fetch_desc[fetch_count - 1].addr,
                  fetch_desc[fetch_count - 1].len,
                  fetch_desc[fetch_count - 1].flags);
    /@ assert last: desc_taken(element_count, fetch_count - 1); @/
    /@ assert earlier: ring_taken; @/
    chain_direct++;
  }
*/

/* Take the descriptors of a fetched table (2.7.5.3.2); `next` is an index into
 * the table.  Ends after `count` steps even if they form a loop. */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid_read(q) && virtq_ok(*space, *q) &&
    q->state == VIRTQ_READY;
  requires request: \valid(r) && \separated(r, q, space) &&
    chain_ok(*space, *q, *r);
  requires entries: \valid_read(table + (0 .. LENT_TABLE_MAX - 1)) &&
    \separated(table + (0 .. LENT_TABLE_MAX - 1), r);
  requires log: elements_told(*r) &&
    0 <= chain_direct == element_count <= VIRTQ_SIZE_MAX;
  requires some: 1 <= count <= LENT_TABLE_MAX;
  requires fetched: \forall integer j; 0 <= j < count ==>
    fetch_table[j] == table[j];
  requires direct: ring_taken;
  requires refusal: refusal_told(*space, *q, *r);
  terminates \true;
  exits \false;
  assigns r->readable, r->count, r->elements, r->refused,
    r->segment[0 .. VIRTQ_SEGMENTS_MAX - 1], ELEMENT_LOG;
  ensures log: \result == VIRTQ_TAKEN ==> elements_told(*r) && chain_ended;
  ensures direct: ring_taken;
  ensures taken: table_taken(element_count, count);
  ensures some: \result == VIRTQ_TAKEN ==> chain_direct < element_count;
  ensures astray: \result == VIRTQ_MALFORMED ==> table_astray(count);
  ensures refusal: refusal_told(*space, *q, *r);
  ensures said: \result == VIRTQ_TAKEN || \result == VIRTQ_MALFORMED;
  ensures segments: chain_ok(*space, *q, *r);
*/
static enum virtq_answer walk_table(struct virtq_request *r,
				    const struct prec_space *space,
				    const struct virtq *q,
				    const struct virtq_desc *table,
				    uint32_t count)
{
	uint32_t i = 0;
	uint32_t k;

	/*@
	  loop invariant steps: 0 <= k <= count;
	  loop invariant entry: 0 <= i < count;
	  loop invariant segments: chain_ok(*space, *q, *r);
	  loop invariant log: elements_told(*r) &&
	    element_count == chain_direct + k;
	  loop invariant direct: ring_taken;
	  loop invariant taken: table_taken(element_count, count);
	  loop invariant refusal: refusal_told(*space, *q, *r);
	  loop invariant first: k == 0 ==> i == 0;
	  loop invariant next: 0 < k ==>
	    has_next(element_flags[element_count - 1]) &&
	    i == fetch_table[element_index[element_count - 1]].next;
	  loop assigns k, i, r->readable, r->count, r->elements, r->refused,
	    r->segment[0 .. VIRTQ_SEGMENTS_MAX - 1], ELEMENT_LOG;
	  loop variant count - k;
	*/
	for (k = 0; k < count; k++) {
		uint16_t flags = table[i].flags;

		/*@ assert entry: fetch_table[i] == table[i]; */
		/*@ assert astray: is_indirect(flags) ==>
		      table_astray(count); */
		if (flags & VIRTQ_DESC_F_INDIRECT)
			return VIRTQ_MALFORMED;
		/*@ ghost enter_entry(r, count, i); */
		chain_take(r, space, q, table[i].addr, table[i].len, flags);
		if (!(flags & VIRTQ_DESC_F_NEXT))
			return VIRTQ_TAKEN;
		i = table[i].next;
		/*@ assert left: i >= count ==> table_astray(count); */
		if (i >= count)
			return VIRTQ_MALFORMED;
	}
	/*@ assert full: element_count - chain_direct == count; */
	/*@ assert more: has_next(element_flags[element_count - 1]); */
	/*@ assert all: table_astray(count); */
	return VIRTQ_MALFORMED;
}

/* Take the rest of the chain, which is in an indirect table (2.7.5.3). */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid_read(q) && virtq_ok(*space, *q) &&
    q->state == VIRTQ_READY;
  requires request: \valid(r) && \separated(r, q, space) &&
    chain_ok(*space, *q, *r);
  requires first_table: r->table_size == 0;
  requires once: fetched_once && fetch_count < FETCH_MAX;
  requires all: fetched_all;
  requires log: elements_told(*r) &&
    0 <= chain_direct == element_count <= VIRTQ_SIZE_MAX;
  requires rings: fetched_rings(*q);
  requires chain: ring_taken && ring_followed(*q, fetch_count);
  requires refusal: refusal_told(*space, *q, *r);
  terminates \true;
  exits \false;
  assigns r->table_address, r->table_size, r->readable, r->count,
    r->elements, r->refused, r->segment[0 .. VIRTQ_SEGMENTS_MAX - 1],
    FETCH_NEXT, fetch_table[0 .. LENT_TABLE_MAX - 1], ELEMENT_LOG;
  ensures log: \result == VIRTQ_TAKEN ==> elements_told(*r) && chain_ended;
  ensures losses: losses_told(\result);
  ensures named: r->table_size != 0 ==> !has_next(d.flags) &&
    r->table_address == d.addr && r->table_size == d.len && 0 < d.len &&
    d.len <= 16 * LENT_TABLE_MAX &&
    fetch_count == \old(fetch_count) + 1 &&
    fetch_at[fetch_count - 1] == d.addr &&
    fetch_size[fetch_count - 1] == d.len;
  ensures chain: ring_taken && ring_followed(*q, \old(fetch_count));
  ensures taken: \result == VIRTQ_TAKEN ==> r->table_size != 0 &&
    chain_direct < element_count && table_taken(element_count, d.len / 16);
  ensures tableless: r->table_size == 0 ==>
    \result == VIRTQ_MALFORMED && fetch_count == \old(fetch_count) &&
    element_count == \old(element_count) &&
    (has_next(d.flags) || table_refused(*space, *q, d.addr, d.len));
  ensures astray: \result == VIRTQ_MALFORMED && r->table_size != 0 ==>
    table_taken(element_count, d.len / 16) && table_astray(d.len / 16);
  ensures refusal: refusal_told(*space, *q, *r);
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
				    const struct virtq *q, struct virtq_desc d)
{
	struct virtq_desc table[LENT_TABLE_MAX];
	struct lent_pieces pieces;
	uint32_t count = d.len / VIRTQ_DESC_SIZE;

	/* 2.7.5.3.1: NEXT must not be set with it; 2.7.5.3.2: WRITE is ignored.
	 * Descriptors may precede it. */
	if (d.flags & VIRTQ_DESC_F_NEXT)
		return VIRTQ_MALFORMED;
	if (!chain_table(r, space, q, d.addr, d.len, &pieces))
		return VIRTQ_MALFORMED;
	/*@ assert new: \forall integer i; 0 <= i < fetch_count ==>
	      apart(fetch_at[i], fetch_size[i], d.addr, d.len); */
	if (lent_load_table(space, &pieces, count, table))
		return VIRTQ_LOST;
	/*@ assert once: fetched_once; */
	/*@ assert known: fetched_known(*q, *r); */
	/*@ assert followed: ring_followed(*q, fetch_count - 1); */
	return walk_table(r, space, q, table, count);
}

/* Begin a new stamp for a new request. */
/*@
  requires queue: \valid(q) && virtq_stamped(*q) &&
    q->size <= VIRTQ_SIZE_MAX;
  terminates \true;
  exits \false;
  assigns q->serial, q->stamp[0 .. VIRTQ_SIZE_MAX - 1];
  ensures fresh: \forall integer i; 0 <= i < q->size ==>
    q->stamp[i] < q->serial;
*/
static void next_serial(struct virtq *q)
{
	uint32_t i;

	if (q->serial == 0xffffffffu) {
		/*@
		  loop invariant range: 0 <= i <= q->size;
		  loop invariant clear: \forall integer j; 0 <= j < i ==>
		    q->stamp[j] == 0;
		  loop assigns i, q->stamp[0 .. VIRTQ_SIZE_MAX - 1];
		  loop variant q->size - i;
		*/
		for (i = 0; i < q->size; i++)
			q->stamp[i] = 0;
		q->serial = 0;
	}
	q->serial++;
}

/* Load a descriptor of the ring, to which the one before leads. */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid(q) && virtq_ok(*space, *q) &&
    q->state == VIRTQ_READY;
  requires desc: i < q->size && q->stamp[i] != q->serial;
  requires out: \valid(d) && \separated(d, q, space);
  requires chain: chain_fetched(*q) && fetched_rings(*q) &&
    fetch_count < FETCH_MAX;
  requires next: desc_next(i);
  requires known: stamps_fetched(*q);
  terminates \true;
  exits \false;
  assigns *d, q->stamp[i], FETCH_NEXT, fetch_desc[fetch_count],
    fetch_index[fetch_count], chain_fetch[i];
  ensures said: \result == PREC_OK || \result == PREC_GONE;
  ensures work: fetch_count == \old(fetch_count) + 1;
  ensures stamped: virtq_stamped(*q);
  ensures known: stamps_fetched(*q);
  ensures index: fetch_index[\old(fetch_count)] == i;
  ensures value: \result == PREC_OK ==> fetch_desc[fetch_count - 1] == *d;
  ensures chain: \result == PREC_OK ==> chain_fetched(*q);
  ensures lost: \result == PREC_GONE ==> fetch_ok[fetch_count - 1] == 0;
  ensures once: fetched_once && fetched_rings(*q);
*/
static enum prec_status follow(struct virtq *q, const struct prec_space *space,
			       uint32_t i, struct virtq_desc *d)
{
	enum prec_status gone;

	/*@ ghost int n = fetch_count; */
	/*@ assert fresh: \forall integer m;
	      chain_first <= m < fetch_count ==> fetch_index[m] != i; */
	q->stamp[i] = q->serial;
	/*@ ghost
	  fetch_index[fetch_count] = i;
	  chain_fetch[i] = fetch_count;
	*/
	gone = lent_load_desc(space, q->desc, i, d);
	/*@ assert new: \forall integer m; 0 <= m < fetch_count - 1 ==>
	      apart(fetch_at[m], fetch_size[m], fetch_at[fetch_count - 1],
	        fetch_size[fetch_count - 1]); */
	/*@ assert once: fetched_once; */
	/*@ assert rings: fetched_rings(*q); */
	/*@ assert one: fetch_count == n + 1; */
	/*@ assert this: desc_fetched(*q, n); */
	/*@ assert link: chain_first < n ==> fetch_index[n] == i &&
	      i == fetch_desc[n - 1].next &&
	      has_next(fetch_desc[n - 1].flags) &&
	      !is_indirect(fetch_desc[n - 1].flags); */
	/*@ assert descs: \forall integer m; chain_first <= m < n ==>
	      desc_fetched(*q, m); */
	/*@ assert links: \forall integer m; chain_first < m < n ==>
	      desc_linked(m); */
	/*@ assert stamps: \forall integer m;
	      chain_first <= m < fetch_count ==>
	      q->stamp[fetch_index[m]] == q->serial; */
	/*@ assert entry: \forall integer m; 0 <= m < chain_first ==>
	      inside_ring(q->avail, fetch_at[m], fetch_size[m]); */
	/*@ assert followed: ring_followed(*q, fetch_count); */
	return gone;
}

/* Take descriptor i of the ring, or the table that it names. */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid(q) && virtq_ok(*space, *q) &&
    q->state == VIRTQ_READY;
  requires request: \valid(r) && \separated(r, q, space) &&
    chain_ok(*space, *q, *r);
  requires out: \valid(d) && \separated(d, r, q, space);
  requires desc: i < q->size && q->stamp[i] != q->serial;
  requires walked: chain_walked(*space, *q, *r, i);
  requires room: chain_first <= 2 && 0 <= chain_direct < q->size;
  terminates \true;
  exits \false;
  assigns r->table_address, r->table_size, r->readable, r->count,
    r->elements, r->refused, r->segment[0 .. VIRTQ_SEGMENTS_MAX - 1], *d,
    q->stamp[i], SPLIT_FETCHES(fetch_count), ELEMENT_LOG, chain_direct,
    chain_fetch[i];
  ensures said: \result == VIRTQ_TAKEN || \result == VIRTQ_MALFORMED ||
    \result == VIRTQ_LOST;
  ensures queue: virtq_ok(*space, *q);
  ensures segments: chain_ok(*space, *q, *r);
  ensures index: fetch_index[\old(fetch_count)] == i;
  ensures work: \old(fetch_count) < fetch_count <= \old(fetch_count) + 2;
  ensures losses: losses_told(\result);
  ensures once: fetched_once;
  ensures known: fetched_known(*q, *r);
  ensures log: \result == VIRTQ_TAKEN ==> elements_told(*r) &&
    refusal_told(*space, *q, *r);
  ensures more: \result == VIRTQ_TAKEN && has_next(d->flags) ==>
    fetch_count == \old(fetch_count) + 1 &&
    chain_walked(*space, *q, *r, d->next);
  ensures decoded: \result == VIRTQ_TAKEN && !has_next(d->flags) ==>
    chain_decoded(*q, fetch_index[chain_first], r->table_address,
      r->table_size);
  ensures astray: \result == VIRTQ_MALFORMED ==>
    chain_astray(*space, *q, fetch_index[chain_first], r->table_address,
      r->table_size);
*/
static enum virtq_answer take_desc(struct virtq_request *r,
				   const struct prec_space *space,
				   struct virtq *q, uint32_t i,
				   struct virtq_desc *d)
{
	enum virtq_answer answer;

	if (follow(q, space, i, d)) {
		/*@ assert kept: chain_ok(*space, *q, *r); */
		return VIRTQ_LOST;
	}
	/*@ assert seen: fetched_known(*q, *r); */
	/*@ assert all: fetched_all; */
	/*@ assert kept: chain_ok(*space, *q, *r); */
	/*@ assert refusal: refusal_told(*space, *q, *r); */
	if (d->flags & VIRTQ_DESC_F_INDIRECT) {
		answer = take_table(r, space, q, *d);
		/*@ assert bare: answer == VIRTQ_MALFORMED &&
		      r->table_size == 0 ==>
		      desc_tableless(*space, *q, fetch_count - 1); */
		/*@ assert named: r->table_size != 0 ==>
		      table_named(r->table_address, r->table_size,
		        fetch_count - 2); */
		/*@ assert followed: ring_followed(*q, fetch_count -
		      (r->table_size != 0 ? 1 : 0)); */
		/*@ assert table: answer == VIRTQ_TAKEN ==>
		      chain_decoded(*q, fetch_index[chain_first],
		        r->table_address, r->table_size); */
		/*@ assert tableless: answer == VIRTQ_MALFORMED ==>
		      chain_astray(*space, *q, fetch_index[chain_first],
		        r->table_address, r->table_size); */
		return answer;
	}
	/*@ ghost enter_desc(r); */
	chain_take(r, space, q, d->addr, d->len, d->flags);
	/*@ assert last: element_flags[element_count - 1] == d->flags; */
	/*@ assert known: fetched_known(*q, *r); */
	/*@ assert decoded: !has_next(d->flags) ==>
	      chain_decoded(*q, fetch_index[chain_first], r->table_address,
	        r->table_size); */
	return VIRTQ_TAKEN;
}

/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid(q) && virtq_ok(*space, *q) &&
    q->state == VIRTQ_READY;
  requires request: \valid(r) && \separated(r, q, space) &&
    chain_ok(*space, *q, *r);
  requires head: r->head < q->size;
  requires first_table: r->table_size == 0;
  requires once: fetched_once && fetch_count <= 2;
  requires all: fetched_all;
  requires log: elements_told(*r) && element_count == 0;
  requires refusal: !r->refused;
  requires entry: \forall integer i; 0 <= i < fetch_count ==>
    inside_ring(q->avail, fetch_at[i], fetch_size[i]);
  terminates \true;
  exits \false;
  assigns r->table_address, r->table_size, r->readable, r->count,
    r->elements, r->refused, r->segment[0 .. VIRTQ_SEGMENTS_MAX - 1],
    q->serial, q->stamp[0 .. VIRTQ_SIZE_MAX - 1],
    SPLIT_FETCHES(fetch_count), ELEMENT_LOG, CHAIN_LOG;
  ensures log: \result == VIRTQ_TAKEN ==> elements_told(*r);
  ensures losses: losses_told(\result);
  ensures first: chain_first == \old(fetch_count);
  ensures decoded: \result == VIRTQ_TAKEN ==>
    chain_decoded(*q, r->head, r->table_address, r->table_size);
  ensures refusal: \result == VIRTQ_TAKEN ==> refusal_told(*space, *q, *r);
  ensures astray: \result == VIRTQ_MALFORMED ==>
    chain_astray(*space, *q, r->head, r->table_address, r->table_size);
  ensures said: \result == VIRTQ_TAKEN || \result == VIRTQ_MALFORMED ||
    \result == VIRTQ_LOST;
  ensures queue: virtq_ok(*space, *q);
  ensures segments: chain_ok(*space, *q, *r);
  ensures bounded: \old(fetch_count) <= fetch_count <=
    \old(fetch_count) + q->size + 1;
  ensures once: fetched_once;
  ensures known: fetched_known(*q, *r);
*/
static enum virtq_answer take_chain(struct virtq_request *r,
				    const struct prec_space *space,
				    struct virtq *q)
{
	enum virtq_answer answer;
	struct virtq_desc d;
	uint32_t i = r->head;
	uint32_t k;

	/*@ ghost int before = fetch_count; */
	/*@ ghost chain_first = fetch_count; */
	/*@ ghost chain_direct = 0; */
	next_serial(q);
	/*@
	  loop invariant steps: 0 <= k <= q->size;
	  loop invariant desc: i < q->size;
	  loop invariant queue: virtq_ok(*space, *q);
	  loop invariant segments: chain_ok(*space, *q, *r);
	  loop invariant work: fetch_count == before + k && chain_direct == k;
	  loop invariant walked: chain_walked(*space, *q, *r, i);
	  loop invariant head: k == 0 ? i == r->head :
	    fetch_index[before] == r->head;
	  loop assigns k, i, d, answer, r->table_address, r->table_size,
	    r->readable, r->count, r->elements, r->refused,
	    r->segment[0 .. VIRTQ_SEGMENTS_MAX - 1],
	    q->stamp[0 .. VIRTQ_SIZE_MAX - 1],
	    SPLIT_FETCHES(before), ELEMENT_LOG, chain_direct,
	    chain_fetch[0 .. VIRTQ_SIZE_MAX - 1];
	  loop variant q->size - k;
	*/
	for (k = 0; k < q->size; k++) {
		/*@ assert round: q->stamp[i] == q->serial ==>
		      chain_astray(*space, *q, r->head, r->table_address,
		        r->table_size); */
		/*@ assert known: fetched_known(*q, *r); */
		if (q->stamp[i] == q->serial)
			return VIRTQ_MALFORMED;
		answer = take_desc(r, space, q, i, &d);
		/*@ assert head: fetch_index[before] == r->head; */
		if (answer != VIRTQ_TAKEN || !(d.flags & VIRTQ_DESC_F_NEXT))
			return answer;
		i = d.next;
		/*@ assert out: i >= q->size ==>
		      chain_astray(*space, *q, r->head, r->table_address,
		        r->table_size); */
		if (i >= q->size) {
			/*@ assert seen: fetched_known(*q, *r); */
			return VIRTQ_MALFORMED;
		}
	}
	/*@ assert full: chain_astray(*space, *q, r->head, r->table_address,
	      r->table_size); */
	/*@ assert all: fetched_known(*q, *r); */
	return VIRTQ_MALFORMED;
}

/* How many entries are available?  The load acquires: the entries and
 * descriptors that the client stored before the index are visible
 * (2.7.13.3). */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid(q) && \separated(q, space) && virtq_ok(*space, *q) &&
    q->state == VIRTQ_READY && !q->packed;
  requires log: fetch_count == 0;
  terminates \true;
  exits \false;
  assigns q->state, q->waiting, FETCHES(0, 0), fetch_value[0];
  ensures queue: virtq_ok(*space, *q);
  ensures waiting: \result == VIRTQ_TAKEN || \result == VIRTQ_EMPTY ==>
    q->waiting == ahead(fetch_value[0], q->next_avail);
  ensures some: \result == VIRTQ_TAKEN ==> 0 < q->waiting;
  ensures none: \result == VIRTQ_EMPTY ==>
    fetch_value[0] == q->next_avail;
  ensures jumped: \result == VIRTQ_STOPPED ==>
    ahead(fetch_value[0], q->next_avail) > q->size;
  ensures said: \result == VIRTQ_TAKEN || \result == VIRTQ_EMPTY ||
    \result == VIRTQ_GONE || \result == VIRTQ_STOPPED;
  ensures state: q->state == (\result == VIRTQ_STOPPED ? VIRTQ_BROKEN :
    VIRTQ_READY);
  ensures log: fetched{Pre, Post}(q->avail.address + VIRTQ_AVAIL_IDX, 2,
    \result == VIRTQ_GONE ? PREC_GONE : PREC_OK);
*/
static enum virtq_answer look(struct virtq *q, const struct prec_space *space)
{
	uint16_t index;
	uint32_t waiting;

	if (lent_load16(space, q->avail, VIRTQ_AVAIL_IDX, &index))
		return VIRTQ_GONE;
	waiting = (index + 0x10000u - q->next_avail) % 0x10000u;
	/*@ assert ahead: waiting == ahead(index, q->next_avail); */
	if (waiting > q->size) {
		q->state = VIRTQ_BROKEN;
		return VIRTQ_STOPPED;
	}
	q->waiting = waiting;
	return waiting ? VIRTQ_TAKEN : VIRTQ_EMPTY;
}

/* Fetch the next entry of the avail ring.  If none is known to be available,
 * the index is fetched first. */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid(q) && \separated(q, space) && virtq_ok(*space, *q) &&
    q->state == VIRTQ_READY && !q->packed;
  requires out: \valid(head) && \separated(head, q, space);
  requires log: fetch_count == 0;
  terminates \true;
  exits \false;
  assigns *head, q->state, q->waiting, q->next_avail, FETCHES(0, 1),
    fetch_value[0 .. 1];
  ensures queue: virtq_ok(*space, *q);
  ensures said: \result == VIRTQ_TAKEN || \result == VIRTQ_EMPTY ||
    \result == VIRTQ_GONE || \result == VIRTQ_STOPPED;
  ensures state: q->state == (\result == VIRTQ_STOPPED ? VIRTQ_BROKEN :
    VIRTQ_READY);
  ensures work: 1 <= fetch_count <= 2;
  ensures losses: losses_told(\result);
  ensures once: fetched_once;
  ensures inside: \forall integer i; 0 <= i < fetch_count ==>
    fetch_size[i] == 2 && inside_ring(q->avail, fetch_at[i], fetch_size[i]);
  ensures looked: \old(q->waiting) == 0 ==> index_fetched(*q, 0);
  ensures some: \result == VIRTQ_TAKEN && \old(q->waiting) == 0 ==>
    0 < ahead(fetch_value[0], \old(q->next_avail));
  ensures entry: \result == VIRTQ_TAKEN ==>
    fetch_count == (\old(q->waiting) == 0 ? 2 : 1) &&
    entry_fetched(*q, fetch_count - 1, \old(q->next_avail)) &&
    *head == fetch_value[fetch_count - 1];
  ensures taken: \result == VIRTQ_TAKEN ==>
    q->waiting == seen(\old(q->waiting), \old(q->next_avail)) - 1 &&
    q->next_avail == (uint16_t)(\old(q->next_avail) + 1);
  ensures none: \result != VIRTQ_TAKEN ==>
    q->next_avail == \old(q->next_avail);
  ensures empty: \result == VIRTQ_EMPTY ==> fetch_count == 1 &&
    \old(q->waiting) == 0 && fetch_value[0] == \old(q->next_avail);
  ensures jumped: \result == VIRTQ_STOPPED ==>
    seen(\old(q->waiting), \old(q->next_avail)) > q->size;
*/
static enum virtq_answer
next_head(struct virtq *q, const struct prec_space *space, uint16_t *head)
{
	enum virtq_answer answer;
	uint32_t slot;

	if (q->waiting == 0) {
		answer = look(q, space);
		if (answer != VIRTQ_TAKEN)
			return answer;
	}
	/*@ assert seen: q->waiting ==
	      seen(\at(q->waiting, Pre), q->next_avail); */
	slot = q->next_avail % q->size;
	if (lent_load16(space, q->avail,
			VIRTQ_AVAIL_RING + VIRTQ_AVAIL_ENTRY * (uint64_t)slot,
			head))
		return VIRTQ_GONE;
	q->next_avail++;
	q->waiting--;
	return VIRTQ_TAKEN;
}

/* Take the request that begins with r->head, which is held. */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid(q) && virtq_ok(*space, *q) &&
    q->state == VIRTQ_READY && !q->packed;
  requires request: \valid(r) && \separated(r, q, space) &&
    chain_ok(*space, *q, *r);
  requires head: r->head < q->size;
  requires begun: r->table_size == 0 && !r->refused;
  requires log: elements_told(*r) && element_count == 0;
  requires once: fetched_once && fetch_count <= 2;
  requires all: fetched_all;
  requires entry: \forall integer i; 0 <= i < fetch_count ==>
    fetch_size[i] == 2 && inside_ring(q->avail, fetch_at[i], fetch_size[i]);
  terminates \true;
  exits \false;
  assigns r->table_address, r->table_size, r->readable, r->count,
    r->elements, r->refused, r->segment[0 .. VIRTQ_SEGMENTS_MAX - 1],
    q->serial, q->stamp[0 .. VIRTQ_SIZE_MAX - 1],
    SPLIT_FETCHES(fetch_count), ELEMENT_LOG, CHAIN_LOG;
  ensures said: \result == VIRTQ_TAKEN || \result == VIRTQ_MALFORMED ||
    \result == VIRTQ_LOST;
  ensures queue: virtq_ok(*space, *q);
  ensures segments: request_ok(*space, *q, *r);
  ensures told: answer_told(*r, \result);
  ensures losses: losses_told(\result);
  ensures first: chain_first == \old(fetch_count);
  ensures decoded: \result == VIRTQ_TAKEN ||
    (\result == VIRTQ_MALFORMED && r->count == 1) ==>
    chain_decoded(*q, r->head, r->table_address, r->table_size);
  ensures still: \result == VIRTQ_TAKEN ||
    (\result == VIRTQ_MALFORMED && r->count == 1) ==>
    chain_still(*q, r->head, r->table_address, r->table_size);
  ensures entries: \result == VIRTQ_TAKEN ||
    (\result == VIRTQ_MALFORMED && r->count == 1) ==>
    \forall integer m; 0 <= m < chain_first ==> fetch_value[m] ==
      still16(0, table_fetch(r->table_size), fetch_at[m]);
  ensures malformed: \result == VIRTQ_MALFORMED ==>
    chain_malformed(*space, *q, *r);
  ensures bounded: \old(fetch_count) <= fetch_count <=
    \old(fetch_count) + q->size + 1;
  ensures once: fetched_once;
  ensures known: fetched_known(*q, *r);
*/
static enum virtq_answer take_held(struct virtq_request *r,
				   const struct prec_space *space,
				   struct virtq *q)
{
	enum virtq_answer answer = take_chain(r, space, q);

	/*@ ghost still_chain(q, answer, r->head, r->table_address,
	      r->table_size); */
	return chain_settle(r, answer);
}

enum virtq_answer split_next(struct virtq *q, const struct prec_space *space,
			     struct virtq_request *r)
{
	enum virtq_answer answer;
	uint16_t head;

	chain_begin(r);
	if (q->state != VIRTQ_READY)
		return VIRTQ_STOPPED;
	answer = next_head(q, space, &head);
	if (answer != VIRTQ_TAKEN)
		return answer;
	/*@ ghost int entry = fetch_count - 1; */
	if (!chain_hold(q, head, 1)) {
		q->state = VIRTQ_BROKEN;
		return VIRTQ_STOPPED;
	}
	r->head = head;
	answer = take_held(r, space, q);
	/*@ assert place: fetch_value[entry] == head && fetch_at[entry] ==
	      q->avail.address + 4 + 2 * (\at(q->next_avail, Pre) % q->size);
	*/
	/*@ assert index: \at(q->waiting, Pre) == 0 ==>
	      entry == 1 && fetch_at[0] == q->avail.address + VIRTQ_AVAIL_IDX &&
	      0 < ahead(fetch_value[0], \at(q->next_avail, Pre)); */
	/*@ ghost int whole = answer == VIRTQ_TAKEN ||
	      (answer == VIRTQ_MALFORMED && r->count == 1); */
	/*@ assert still: whole ==> fetch_value[entry] ==
	      still16(0, table_fetch(r->table_size), fetch_at[entry]); */
	/*@ assert first: whole ==> fetch_value[0] ==
	      still16(0, table_fetch(r->table_size), fetch_at[0]); */
	/*@ assert head: whole ==> r->head ==
	      still16(0, table_fetch(r->table_size), q->avail.address + 4 +
	        2 * (\at(q->next_avail, Pre) % q->size)); */
	/*@ assert looked: whole && \at(q->waiting, Pre) == 0 ==> 0 <
	      ahead(still16(0, table_fetch(r->table_size), q->avail.address +
	        VIRTQ_AVAIL_IDX), \at(q->next_avail, Pre)); */
	/*@ assert entry: whole ==> head_still(*q, \at(q->waiting, Pre),
	      \at(q->next_avail, Pre), r->head, r->table_size); */
	return answer;
}

enum virtq_answer split_retake(struct virtq *q, const struct prec_space *space,
			       uint32_t head, struct virtq_request *r)
{
	chain_begin(r);
	if (q->state != VIRTQ_READY || !chain_hold(q, head, 1))
		return VIRTQ_STOPPED;
	r->head = head;
	return take_held(r, space, q);
}

enum prec_status split_complete(struct virtq *q, const struct prec_space *space,
				uint32_t head, uint32_t len)
{
	struct virtq_used_elem elem = { head, len };
	uint32_t slot;

	if (head >= q->size || !q->held[head])
		return PREC_INVALID;
	/*@ ghost store_count = 0; */
	chain_release(q, head);
	if (q->state != VIRTQ_READY)
		return PREC_GONE;
	slot = q->next_used % q->size;
	if (lent_store_used(space, q->used, slot, elem))
		return PREC_GONE;
	/* Releases: a client that sees the index also sees the element, the
	 * status byte and the data (2.7.8.2, 2.7.14). */
	if (lent_store16(space, q->used, VIRTQ_USED_IDX,
			 (uint16_t)(q->next_used + 1)))
		return PREC_GONE;
	q->next_used++;
	return PREC_OK;
}

/* 2.7.10: notify if the index has passed the event since the last check: the
 * formula of the standard's vring_need_event. */
/*@
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures passed: \result <==>
    (uint16_t)(now - event - 1) < (uint16_t)(now - before);
*/
static bool passed(uint16_t event, uint16_t now, uint16_t before)
{
	return (uint16_t)(now - event - 1) < (uint16_t)(now - before);
}

enum prec_status split_should_notify(struct virtq *q,
				     const struct prec_space *space, bool *yes)
{
	uint64_t at = VIRTQ_AVAIL_FLAGS;
	uint16_t value;

	if (q->state != VIRTQ_READY)
		return PREC_GONE;
	/*@ ghost fetch_count = 0; */
	if (q->event_index)
		at = VIRTQ_AVAIL_RING + VIRTQ_AVAIL_ENTRY * (uint64_t)q->size;
	/* The used index must be visible before the hint is read.  Otherwise a
	 * client that asks to be notified, and then looks at the index, could
	 * miss both (2.7.7.2). */
	lent_fence();
	if (lent_load16(space, q->avail, at, &value))
		return PREC_GONE;
	if (q->event_index)
		*yes = passed(value, q->next_used, q->notified);
	else
		*yes = !(value & VIRTQ_AVAIL_F_NO_INTERRUPT);
	q->notified = q->next_used;
	return PREC_OK;
}

enum prec_status split_ask_for_kick(const struct virtq *q,
				    const struct prec_space *space)
{
	enum prec_status status;

	/*@ ghost store_count = 0; */
	if (q->state != VIRTQ_READY)
		return PREC_GONE;
	status = lent_store16(space, q->used,
			      VIRTQ_USED_RING +
				      VIRTQ_USED_ENTRY * (uint64_t)q->size,
			      q->next_avail);
	/* The client sees the event before the caller looks at the ring once
	 * more. */
	lent_fence();
	return status;
}

void split_seek(struct virtq *q, uint16_t avail, uint16_t used)
{
	q->next_avail = avail;
	q->next_used = used;
	q->notified = used;
	q->waiting = 0;
}

enum prec_status split_used_index(const struct virtq *q,
				  const struct prec_space *space,
				  uint16_t *index)
{
	if (q->state != VIRTQ_READY)
		return PREC_GONE;
	/*@ ghost fetch_count = 0; */
	return lent_load16(space, q->used, VIRTQ_USED_IDX, index);
}
