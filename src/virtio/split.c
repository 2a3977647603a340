// SPDX-License-Identifier: MIT
#include "virtio/split.h"

/*
 * How a request is taken.  The avail index is fetched when all that was known
 * to be there is taken; then, per request, one avail entry, each descriptor of
 * the chain and, if it names one, one indirect table.  Each is copied into our
 * own memory by one fetch; what was fetched is never asked of the client again,
 * so a client that rewrites its rings meanwhile gains nothing.
 *
 * Errors of the ring (an index that jumps, a head that is none or is in flight)
 * leave nothing to complete: the queue is broken.  Errors of a chain belong to
 * its request alone: if its descriptors can be followed to the end, the last
 * byte that the driver may write is found even when the rest is of no use.
 */

/* Append [address, address + size) to the request, cut where regions end. */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid_read(q) && virtq_ok(*space, *q) &&
    q->state == VIRTQ_READY;
  requires request: \valid(r) && \separated(r, q, space) &&
    request_ok(*space, *q, *r);
  requires order: rights == PREC_WRITE ||
    (rights == PREC_READ && r->readable == r->count);
  terminates \true;
  exits \false;
  assigns r->readable, r->count,
    r->segment[0 .. VIRTQ_SEGMENTS_MAX - 1];
  ensures segments: request_ok(*space, *q, *r);
  ensures kept: \forall integer i; 0 <= i < \old(r->count) ==>
    r->segment[i] == \old(*r).segment[i];
  ensures covers: \result ==>
    covers(*r, \old(r->count), r->count, address, size);
*/
static bool append(struct virtq_request *r, const struct prec_space *space,
		   const struct virtq *q, uint64_t address, uint32_t size,
		   uint32_t rights)
{
	uint32_t n;

	/*@
	  loop invariant segments: request_ok(*space, *q, *r);
	  loop invariant more: \at(r->count, Pre) <= r->count;
	  loop invariant left: size <= \at(size, Pre);
	  loop invariant at: size == \at(size, Pre) ||
	    (address <= PREC_ADDRESS_MAX);
	  loop invariant sum: address + size ==
	    \at(address, Pre) + \at(size, Pre);
	  loop invariant kept: \forall integer i;
	    0 <= i < \at(r->count, Pre) ==>
	    r->segment[i] == \at(*r, Pre).segment[i];
	  loop invariant covers: covers(*r, \at(r->count, Pre), r->count,
	    \at(address, Pre), \at(size, Pre) - size);
	  loop invariant reads: rights == PREC_READ ==>
	    r->readable == r->count;
	  loop invariant writes: rights == PREC_WRITE ==>
	    r->readable == \at(r->readable, Pre);
	  loop assigns n, address, size, r->readable, r->count,
	    r->segment[0 .. VIRTQ_SEGMENTS_MAX - 1];
	  loop variant size;
	*/
	while (size > 0) {
		n = r->count;
		if (n >= VIRTQ_SEGMENTS_MAX)
			return false;
		/* In place: a copy would be loaded wider than it was stored,
		 * and wait for the stores. */
		if (prec_space_piece(space, address, size, rights,
				     &r->segment[n]))
			return false;
		if (rights == PREC_WRITE && virtq_meets_rings(q, r->segment[n]))
			return false;
		r->count = n + 1;
		if (rights == PREC_READ)
			r->readable++;
		address += r->segment[n].size;
		size -= (uint32_t)r->segment[n].size;
	}
	return true;
}

/* The data of a descriptor (2.7.4.2: what the driver reads comes first). */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid_read(q) && virtq_ok(*space, *q) &&
    q->state == VIRTQ_READY;
  requires request: \valid(r) && \separated(r, q, space) &&
    request_ok(*space, *q, *r);
  terminates \true;
  exits \false;
  assigns r->readable, r->count,
    r->segment[0 .. VIRTQ_SEGMENTS_MAX - 1];
  ensures segments: request_ok(*space, *q, *r);
  ensures kept: \forall integer i; 0 <= i < \old(r->count) ==>
    r->segment[i] == \old(*r).segment[i];
  ensures covers: \result ==>
    covers(*r, \old(r->count), r->count, d.addr, d.len);
*/
static bool take_data(struct virtq_request *r, const struct prec_space *space,
		      const struct virtq *q, struct virtq_desc d)
{
	if (d.flags & VIRTQ_DESC_F_WRITE)
		return append(r, space, q, d.addr, d.len, PREC_WRITE);
	return r->readable == r->count &&
	       append(r, space, q, d.addr, d.len, PREC_READ);
}

/* Of a chain that cannot be carried out only the last byte is kept that the
 * driver may write: block requests have their status there, and with it the
 * client learns of its mistake and the queue goes on. */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid_read(q) && virtq_ok(*space, *q) &&
    q->state == VIRTQ_READY;
  requires request: \valid(r) && \separated(r, q, space) &&
    request_ok(*space, *q, *r) && only_last(*r);
  terminates \true;
  exits \false;
  assigns r->count, r->segment[0];
  ensures segments: request_ok(*space, *q, *r) && only_last(*r);
  ensures later: (d.flags & VIRTQ_DESC_F_WRITE) && d.len > 0 &&
    r->count == 1 ==> r->segment[0].address == d.addr + d.len - 1;
  ensures kept: !(d.flags & VIRTQ_DESC_F_WRITE) || d.len == 0 ==>
    r->count == \old(r->count) && r->segment[0] == \old(r->segment[0]);
*/
static void keep_last(struct virtq_request *r, const struct prec_space *space,
		      const struct virtq *q, struct virtq_desc d)
{
	if (!(d.flags & VIRTQ_DESC_F_WRITE) || d.len == 0)
		return;
	r->count = 0;
	if (d.addr > PREC_ADDRESS_MAX)
		return;
	if (prec_space_resolve(space, d.addr + (d.len - 1), 1, PREC_WRITE,
			       &r->segment[0]))
		return;
	if (!virtq_meets_rings(q, r->segment[0]))
		r->count = 1;
}

/* The chain has this descriptor next. */
/*@ ghost
  /@ requires logged: chain_logged && chain_count < CHAIN_MAX;
     terminates \true;
     exits \false;
     assigns chain_count, chain_last, chain_desc[0 .. CHAIN_MAX - 1];
     ensures logged: chain_logged;
     ensures more: chain_count == \old(chain_count) + 1;
     ensures there: chain_desc[\old(chain_count)] == d;
     ensures earlier: \forall integer k; 0 <= k < \old(chain_count) ==>
       chain_desc[k] == \old(chain_desc[k]);
     ensures last: has_room(d) ==> chain_last == \old(chain_count);
     ensures kept: !has_room(d) ==> chain_last == \old(chain_last);
  @/
  void follow(struct virtq_desc d)
  {
    chain_desc[chain_count] = d;
    if ((d.flags & VIRTQ_DESC_F_WRITE) &&
        !(d.flags & VIRTQ_DESC_F_INDIRECT) && d.len > 0)
      chain_last = chain_count;
    chain_count++;
  }
*/

enum step { STEP_BAD, STEP_LAST, STEP_MORE };

/* One descriptor that is in the ring or in a table.  Where its data cannot be
 * had the chain is followed all the same, to its last byte. */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid_read(q) && virtq_ok(*space, *q) &&
    q->state == VIRTQ_READY;
  requires request: \valid(r) && \separated(r, q, space) &&
    chain_ok(*space, *q, *r);
  requires chain: chain_logged && chain_count < CHAIN_MAX && last_kept(*r);
  terminates \true;
  exits \false;
  assigns r->readable, r->count, r->refused,
    r->segment[0 .. VIRTQ_SEGMENTS_MAX - 1],
    chain_count, chain_last, chain_desc[0 .. CHAIN_MAX - 1];
  ensures chain: chain_logged && chain_count == \old(chain_count) + 1 &&
    chain_desc[\old(chain_count)] == d;
  ensures earlier: \forall integer k; 0 <= k < \old(chain_count) ==>
    chain_desc[k] == \old(chain_desc[k]);
  ensures last: \result != STEP_BAD ==> last_kept(*r);
  ensures end: \result == STEP_LAST ==> chain_ended;
  ensures said: \result <= STEP_MORE;
  ensures segments: chain_ok(*space, *q, *r);
  ensures refused: \old(r->refused) ==> r->refused;
  ensures kept: !r->refused ==>
    \forall integer i; 0 <= i < \old(r->count) ==>
    r->segment[i] == \old(*r).segment[i];
  ensures covers: \result != STEP_BAD && !r->refused ==>
    covers(*r, \old(r->count), r->count, d.addr, d.len);
*/
static enum step take_desc(struct virtq_request *r,
			   const struct prec_space *space,
			   const struct virtq *q, struct virtq_desc d)
{
	/*@ ghost follow(d); */
	if (d.flags & VIRTQ_DESC_F_INDIRECT)
		return STEP_BAD;
	if (!r->refused && !take_data(r, space, q, d)) {
		r->refused = true;
		r->readable = 0;
		r->count = 0;
	}
	if (r->refused)
		keep_last(r, space, q, d);
	return d.flags & VIRTQ_DESC_F_NEXT ? STEP_MORE : STEP_LAST;
}

/* The descriptors of a fetched table (2.7.5.3.2): `next` counts in the table.
 * Ends after `count` steps even if they run in a circle. */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid_read(q) && virtq_ok(*space, *q) &&
    q->state == VIRTQ_READY;
  requires request: \valid(r) && \separated(r, q, space) &&
    chain_ok(*space, *q, *r);
  requires entries: \valid_read(table + (0 .. CLIENT_TABLE_MAX - 1)) &&
    \separated(table + (0 .. CLIENT_TABLE_MAX - 1), r);
  requires chain: chain_logged && chain_count <= VIRTQ_SIZE_MAX &&
    last_kept(*r);
  requires some: 1 <= count <= CLIENT_TABLE_MAX;
  terminates \true;
  exits \false;
  assigns r->readable, r->count, r->refused,
    r->segment[0 .. VIRTQ_SEGMENTS_MAX - 1],
    chain_count, chain_last, chain_desc[0 .. CHAIN_MAX - 1];
  ensures last: \result == VIRTQ_TAKEN ==>
    chain_logged && chain_ended && last_kept(*r);
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
	  loop invariant chain: chain_logged && last_kept(*r) &&
	    chain_count == \at(chain_count, Pre) + k;
	  loop assigns k, i, r->readable, r->count, r->refused,
	    r->segment[0 .. VIRTQ_SEGMENTS_MAX - 1],
	    chain_count, chain_last, chain_desc[0 .. CHAIN_MAX - 1];
	  loop variant count - k;
	*/
	for (k = 0; k < count; k++) {
		enum step step = take_desc(r, space, q, table[i]);

		if (step == STEP_BAD)
			return VIRTQ_MALFORMED;
		if (step == STEP_LAST)
			return VIRTQ_TAKEN;
		i = table[i].next;
		if (i >= count)
			return VIRTQ_MALFORMED;
	}
	return VIRTQ_MALFORMED;
}

/* The rest of the chain is in a table of its own (2.7.5.3). */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid_read(q) && virtq_ok(*space, *q) &&
    q->state == VIRTQ_READY;
  requires request: \valid(r) && \separated(r, q, space) &&
    chain_ok(*space, *q, *r);
  requires first_table: r->table_size == 0;
  requires once: fetched_once && fetch_count < FETCH_MAX;
  requires chain: chain_logged && chain_count <= VIRTQ_SIZE_MAX &&
    last_kept(*r);
  requires rings: fetched_rings(*q);
  terminates \true;
  exits \false;
  assigns r->table_address, r->table_size, r->readable, r->count,
    r->refused, r->segment[0 .. VIRTQ_SEGMENTS_MAX - 1],
    chain_count, chain_last, chain_desc[0 .. CHAIN_MAX - 1],
    fetch_count, fetch_at[fetch_count], fetch_size[fetch_count];
  ensures last: \result == VIRTQ_TAKEN ==>
    chain_logged && chain_ended && last_kept(*r);
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
	struct virtq_desc table[CLIENT_TABLE_MAX];
	struct prec_span span;
	uint32_t count = d.len / VIRTQ_DESC_SIZE;

	if (d.len % VIRTQ_DESC_SIZE != 0)
		return VIRTQ_MALFORMED;
	if (count == 0 || count > CLIENT_TABLE_MAX)
		return VIRTQ_MALFORMED;
	if (prec_space_resolve(space, d.addr, d.len, PREC_READ, &span))
		return VIRTQ_MALFORMED;
	/* On the rings it would be fetched a second time. */
	if (virtq_meets_rings(q, span))
		return VIRTQ_MALFORMED;
	/*@ assert new: \forall integer i; 0 <= i < fetch_count ==>
	      apart(fetch_at[i], fetch_size[i], d.addr, d.len); */
	r->table_address = d.addr;
	r->table_size = d.len;
	if (client_load_table(space, span, count, table))
		return VIRTQ_LOST;
	/*@ assert once: fetched_once; */
	/*@ assert known: fetched_known(*q, *r); */
	return walk_table(r, space, q, table, count);
}

/* A new stamp for a new request. */
/*@
  requires queue: \valid(q) && virtq_stamped(*q);
  terminates \true;
  exits \false;
  assigns q->serial, q->stamp[0 .. VIRTQ_SIZE_MAX - 1];
  ensures fresh: \forall integer i; 0 <= i < VIRTQ_SIZE_MAX ==>
    q->stamp[i] < q->serial;
*/
static void next_serial(struct virtq *q)
{
	uint32_t i;

	if (q->serial == 0xffffffffu) {
		/*@
		  loop invariant range: 0 <= i <= VIRTQ_SIZE_MAX;
		  loop invariant clear: \forall integer j; 0 <= j < i ==>
		    q->stamp[j] == 0;
		  loop assigns i, q->stamp[0 .. VIRTQ_SIZE_MAX - 1];
		  loop variant VIRTQ_SIZE_MAX - i;
		*/
		for (i = 0; i < VIRTQ_SIZE_MAX; i++)
			q->stamp[i] = 0;
		q->serial = 0;
	}
	q->serial++;
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
  requires chain: chain_logged && chain_count == 0 && last_kept(*r);
  requires entry: \forall integer i; 0 <= i < fetch_count ==>
    inside_ring(q->avail, fetch_at[i], fetch_size[i]);
  terminates \true;
  exits \false;
  assigns r->table_address, r->table_size, r->readable, r->count,
    r->refused, r->segment[0 .. VIRTQ_SEGMENTS_MAX - 1],
    q->serial, q->stamp[0 .. VIRTQ_SIZE_MAX - 1],
    chain_count, chain_last, chain_desc[0 .. CHAIN_MAX - 1], fetch_count,
    fetch_at[0 .. FETCH_MAX - 1], fetch_size[0 .. FETCH_MAX - 1],
    fetch_index[0 .. FETCH_MAX - 1];
  ensures last: \result == VIRTQ_TAKEN ==>
    chain_logged && chain_ended && last_kept(*r);
  ensures said: \result == VIRTQ_TAKEN || \result == VIRTQ_MALFORMED ||
    \result == VIRTQ_LOST;
  ensures queue: virtq_ok(*space, *q);
  ensures segments: chain_ok(*space, *q, *r);
  ensures bounded: \old(fetch_count) <= fetch_count <=
    \old(fetch_count) + q->size + 1;
  ensures earlier: \forall integer m; 0 <= m < \old(fetch_count) ==>
    fetch_at[m] == \old(fetch_at[m]) && fetch_size[m] == \old(fetch_size[m]);
  ensures once: fetched_once;
  ensures known: fetched_known(*q, *r);
*/
static enum virtq_answer take_chain(struct virtq_request *r,
				    const struct prec_space *space,
				    struct virtq *q)
{
	struct virtq_desc d;
	uint32_t i = r->head;
	uint32_t k;

	/*@ ghost int before = fetch_count; */
	next_serial(q);
	/*@
	  loop invariant steps: 0 <= k <= q->size;
	  loop invariant desc: i < q->size;
	  loop invariant segments: chain_ok(*space, *q, *r);
	  loop invariant no_table: r->table_size == 0;
	  loop invariant stamped: virtq_stamped(*q);
	  loop invariant work: fetch_count == before + k;
	  loop invariant entry: \forall integer m; 0 <= m < before ==>
	    inside_ring(q->avail, fetch_at[m], fetch_size[m]);
	  loop invariant earlier: \forall integer m; 0 <= m < before ==>
	    fetch_at[m] == \at(fetch_at[m], Pre) &&
	    fetch_size[m] == \at(fetch_size[m], Pre);
	  loop invariant descs: \forall integer m;
	    before <= m < fetch_count ==> fetch_index[m] < q->size &&
	    q->stamp[fetch_index[m]] == q->serial &&
	    fetch_at[m] == q->desc.address + 16 * fetch_index[m] &&
	    fetch_size[m] == 16;
	  loop invariant once: fetched_once;
	  loop invariant chain: chain_logged && chain_count == k &&
	    last_kept(*r);
	  loop assigns k, i, d, r->readable, r->count, r->refused,
	    r->segment[0 .. VIRTQ_SEGMENTS_MAX - 1],
	    chain_count, chain_last, chain_desc[0 .. CHAIN_MAX - 1],
	    q->stamp[0 .. VIRTQ_SIZE_MAX - 1], fetch_count,
	    fetch_at[0 .. FETCH_MAX - 1], fetch_size[0 .. FETCH_MAX - 1],
	    fetch_index[0 .. FETCH_MAX - 1];
	  loop variant q->size - k;
	*/
	for (k = 0; k < q->size; k++) {
		enum prec_status gone;
		enum step step;

		if (q->stamp[i] == q->serial)
			return VIRTQ_MALFORMED;
		/*@ assert fresh: \forall integer m;
		      before <= m < fetch_count ==> fetch_index[m] != i; */
		q->stamp[i] = q->serial;
		/*@ ghost fetch_index[fetch_count] = i; */
		gone = client_load_desc(space, q->desc, i, &d);
		/*@ assert new: \forall integer m;
		      0 <= m < fetch_count - 1 ==>
		      apart(fetch_at[m], fetch_size[m],
		        fetch_at[fetch_count - 1],
		        fetch_size[fetch_count - 1]); */
		/*@ assert once: fetched_once; */
		if (gone)
			return VIRTQ_LOST;
		if (d.flags & VIRTQ_DESC_F_INDIRECT) {
			/* 2.7.5.3.1: NEXT must not be set with it; 2.7.5.3.2:
			 * WRITE is ignored.  Descriptors may precede it. */
			if (d.flags & VIRTQ_DESC_F_NEXT)
				return VIRTQ_MALFORMED;
			/*@ ghost follow(d); */
			return take_table(r, space, q, d);
		}
		step = take_desc(r, space, q, d);
		if (step == STEP_BAD)
			return VIRTQ_MALFORMED;
		if (step == STEP_LAST)
			return VIRTQ_TAKEN;
		i = d.next;
		if (i >= q->size)
			return VIRTQ_MALFORMED;
	}
	return VIRTQ_MALFORMED;
}

/* A head comes into flight, or leaves it.  The ghost loop follows the sum. */
/*@
  requires queue: \valid(q) && virtq_counted(*q);
  requires head: head < VIRTQ_SIZE_MAX && (q->held[head] == 0 <==> held);
  terminates \true;
  exits \false;
  assigns q->held[head], q->in_flight;
  ensures marked: q->held[head] == (held ? 1 : 0);
  ensures counted: virtq_counted(*q);
  ensures by_one: q->in_flight == \old(q->in_flight) + (held ? 1 : -1);
*/
static void mark(struct virtq *q, uint32_t head, bool held)
{
	q->held[head] = held ? 1 : 0;
	/*@ ghost
	  uint32_t k = 0;
	  /@ loop invariant 0 <= k <= VIRTQ_SIZE_MAX;
	     loop invariant held_below(q->held, k) ==
	       held_below(\at(*q, Pre).held, k) +
	       (head < k ? (held ? 1 : -1) : 0);
	     loop invariant 0 <= held_below(\at(*q, Pre).held, k) <= k;
	     loop invariant 0 <= held_below(q->held, k) <= k;
	     loop invariant held_below(q->held, k) == 0 ==>
	       \forall integer i; 0 <= i < k ==> q->held[i] == 0;
	     loop assigns k;
	     loop variant VIRTQ_SIZE_MAX - k;
	  @/
	  while (k < VIRTQ_SIZE_MAX) k++;
	*/
	if (held)
		q->in_flight++;
	else
		q->in_flight--;
}

/* A head is taken once: a client that offers it again while it is in flight
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
static bool hold(struct virtq *q, uint32_t head)
{
	if (head >= q->size || q->held[head])
		return false;
	mark(q, head, true);
	return true;
}

/*@
  requires request: \valid(r);
  terminates \true;
  exits \false;
  assigns r->head, r->readable, r->count, r->refused, r->table_address,
    r->table_size, chain_count, chain_last, fetch_count;
  ensures empty: r->head == 0 && r->readable == 0 && r->count == 0 &&
    !r->refused && r->table_address == 0 && r->table_size == 0;
  ensures log: fetch_count == 0 && chain_count == 0 && chain_logged;
*/
static void begin(struct virtq_request *r)
{
	r->head = 0;
	r->readable = 0;
	r->count = 0;
	r->refused = false;
	r->table_address = 0;
	r->table_size = 0;
	/*@ ghost
	  fetch_count = 0;
	  chain_count = 0;
	  chain_last = -1;
	*/
}

/* How many entries wait?  The load acquires: entries and descriptors that the
 * client stored before it moved the index are there (2.7.13.3). */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid(q) && \separated(q, space) && virtq_ok(*space, *q) &&
    q->state == VIRTQ_READY && !q->packed;
  requires log: fetch_count == 0;
  terminates \true;
  exits \false;
  assigns q->state, q->waiting, fetch_count, fetch_at[0], fetch_size[0];
  ensures queue: virtq_ok(*space, *q);
  ensures some: \result == VIRTQ_TAKEN ==> 0 < q->waiting;
  ensures said: \result == VIRTQ_TAKEN || \result == VIRTQ_EMPTY ||
    \result == VIRTQ_GONE || \result == VIRTQ_STOPPED;
  ensures state: q->state == (\result == VIRTQ_STOPPED ? VIRTQ_BROKEN :
    VIRTQ_READY);
  ensures log: fetched{Pre, Post}(q->avail.address + VIRTQ_AVAIL_IDX, 2);
*/
static enum virtq_answer look(struct virtq *q, const struct prec_space *space)
{
	uint16_t index;
	uint32_t waiting;

	if (client_load16(space, q->avail, VIRTQ_AVAIL_IDX, &index))
		return VIRTQ_GONE;
	waiting = (uint16_t)(index - q->next_avail);
	if (waiting > q->size) {
		q->state = VIRTQ_BROKEN;
		return VIRTQ_STOPPED;
	}
	q->waiting = waiting;
	return waiting ? VIRTQ_TAKEN : VIRTQ_EMPTY;
}

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
static enum virtq_answer settle(struct virtq_request *r,
				enum virtq_answer answer)
{
	if (answer == VIRTQ_TAKEN)
		return r->refused ? VIRTQ_MALFORMED : VIRTQ_TAKEN;
	r->readable = 0;
	r->count = 0;
	return answer;
}

enum virtq_answer virtq_next(struct virtq *q, const struct prec_space *space,
			     struct virtq_request *r)
{
	enum virtq_answer answer;
	uint32_t slot;
	uint16_t head;

	begin(r);
	if (q->state != VIRTQ_READY)
		return VIRTQ_STOPPED;
	if (q->waiting == 0) {
		answer = look(q, space);
		if (answer != VIRTQ_TAKEN)
			return answer;
	}
	slot = q->next_avail % q->size;
	if (client_load16(space, q->avail,
			  VIRTQ_AVAIL_RING + VIRTQ_AVAIL_ENTRY * (uint64_t)slot,
			  &head))
		return VIRTQ_GONE;
	q->next_avail++;
	q->waiting--;
	if (!hold(q, head)) {
		q->state = VIRTQ_BROKEN;
		return VIRTQ_STOPPED;
	}
	r->head = head;
	return settle(r, take_chain(r, space, q));
}

enum virtq_answer virtq_retake(struct virtq *q, const struct prec_space *space,
			       uint32_t head, struct virtq_request *r)
{
	begin(r);
	if (q->state != VIRTQ_READY || !hold(q, head))
		return VIRTQ_STOPPED;
	r->head = head;
	return settle(r, take_chain(r, space, q));
}

enum prec_status virtq_complete(struct virtq *q, const struct prec_space *space,
				uint32_t head, uint32_t len)
{
	struct virtq_used_elem elem = { head, len };
	uint32_t slot;

	if (head >= q->size || !q->held[head])
		return PREC_INVALID;
	/*@ ghost store_count = 0; */
	mark(q, head, false);
	if (q->state != VIRTQ_READY)
		return PREC_GONE;
	slot = q->next_used % q->size;
	if (client_store_used(space, q->used, slot, elem))
		return PREC_GONE;
	/* Releases: the client that sees the index sees the element, the status
	 * byte and the data (2.7.8.2, 2.7.14). */
	if (client_store16(space, q->used, VIRTQ_USED_IDX,
			   (uint16_t)(q->next_used + 1)))
		return PREC_GONE;
	q->next_used++;
	return PREC_OK;
}

/* 2.7.10: notify when the index passed the event since it was last weighed. */
/*@
  terminates \true;
  exits \false;
  assigns \nothing;
*/
static bool passed(uint16_t event, uint16_t now, uint16_t before)
{
	return (uint16_t)(now - event - 1) < (uint16_t)(now - before);
}

enum prec_status virtq_should_notify(struct virtq *q,
				     const struct prec_space *space, bool *yes)
{
	uint64_t at = VIRTQ_AVAIL_FLAGS;
	uint16_t value;

	if (q->state != VIRTQ_READY)
		return PREC_GONE;
	/*@ ghost fetch_count = 0; */
	if (q->event_index)
		at = VIRTQ_AVAIL_RING + VIRTQ_AVAIL_ENTRY * (uint64_t)q->size;
	/* The used index is out before the hint is read: else a client that
	 * asks to be notified, and then looks, misses both (2.7.7.2). */
	client_fence();
	if (client_load16(space, q->avail, at, &value))
		return PREC_GONE;
	if (q->event_index)
		*yes = passed(value, q->next_used, q->notified);
	else
		*yes = !(value & VIRTQ_AVAIL_F_NO_INTERRUPT);
	q->notified = q->next_used;
	return PREC_OK;
}

enum prec_status virtq_suppress(const struct virtq *q,
				const struct prec_space *space, bool on)
{
	enum prec_status status = PREC_OK;

	/*@ ghost store_count = 0; */
	if (q->state != VIRTQ_READY)
		return PREC_GONE;
	if (!q->event_index)
		status = client_store16(space, q->used, VIRTQ_USED_FLAGS,
					on ? VIRTQ_USED_F_NO_NOTIFY : 0);
	else if (!on)
		status = client_store16(
			space, q->used,
			VIRTQ_USED_RING + VIRTQ_USED_ENTRY * (uint64_t)q->size,
			q->next_avail);
	/* The hint is out before the caller looks at the ring once more. */
	client_fence();
	return status;
}

void virtq_seek(struct virtq *q, uint16_t avail, uint16_t used)
{
	q->next_avail = avail;
	q->next_used = used;
	q->notified = used;
	q->waiting = 0;
}

enum prec_status virtq_used_index(const struct virtq *q,
				  const struct prec_space *space,
				  uint16_t *index)
{
	if (q->state != VIRTQ_READY)
		return PREC_GONE;
	/*@ ghost fetch_count = 0; */
	return client_load16(space, q->used, VIRTQ_USED_IDX, index);
}
