// SPDX-License-Identifier: MIT
#include "virtio/chain.h"

void chain_begin(struct virtq_request *r)
{
	r->head = 0;
	r->readable = 0;
	r->count = 0;
	r->elements = 0;
	r->refused = false;
	r->table_address = 0;
	r->table_size = 0;
	/*@ ghost
	  fetch_count = 0;
	  element_count = 0;
	  element_room = -1;
	*/
}

/*@
  predicate to_the_end(struct prec_space s, struct prec_span p) =
    p.address + p.size == s.end[p.index];

  // Only the last of these segments may end before its region does.
  predicate long_pieces(struct prec_space s, struct virtq_request r,
                        integer first, integer last) =
    \forall integer i; first <= i < last - 1 ==> to_the_end(s, r.segment[i]);
*/

/* Append [address, address + size) to the request, split at region ends. */
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
    r->segment[0 .. VIRTQ_SEGMENTS_MAX - 1], REFUSAL_BYTE;
  ensures segments: request_ok(*space, *q, *r);
  ensures kept: \forall integer i; 0 <= i < \old(r->count) ==>
    r->segment[i] == \old(*r).segment[i];
  ensures covers: \result ==>
    covers(*r, \old(r->count), r->count, address, size);
  ensures long: long_pieces(*space, *r, \old(r->count), r->count);
  ensures refused: !\result ==>
    append_refused(*space, *q, address, size, rights);
  ensures side: r->readable ==
    (rights == PREC_READ ? r->count : \old(r->readable));
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
	  loop invariant long: long_pieces(*space, *r, \at(r->count, Pre),
	    r->count);
	  loop invariant cut: 0 < size && \at(r->count, Pre) < r->count ==>
	    to_the_end(*space, r->segment[r->count - 1]);
	  loop assigns n, address, size, r->readable, r->count,
	    r->segment[0 .. VIRTQ_SEGMENTS_MAX - 1], REFUSAL_BYTE;
	  loop variant size;
	*/
	while (size > 0) {
		n = r->count;
		/*@ ghost
		  refusal_at = address;
		  refusal_count = n;
		*/
		if (n >= VIRTQ_SEGMENTS_MAX)
			return false;
		/* In place: a copy would be loaded with wider accesses than it
		 * was stored with, and would wait for those stores. */
		if (prec_space_piece(space, address, size, rights,
				     &r->segment[n]))
			return false;
		/*@ ghost refusal_size = r->segment[n].size; */
		if (rights == PREC_WRITE && virtq_meets_rings(q, r->segment[n]))
			return false;
		/*@ assert before: covers(*r, \at(r->count, Pre), n,
		      \at(address, Pre), \at(size, Pre) - size); */
		/*@ assert joined: \at(r->count, Pre) < n ==>
		      r->segment[n - 1].address + r->segment[n - 1].size ==
		      r->segment[n].address; */
		r->count = n + 1;
		if (rights == PREC_READ)
			r->readable++;
		address += r->segment[n].size;
		size -= (uint32_t)r->segment[n].size;
		/*@ assert with_piece: covers(*r, \at(r->count, Pre), n + 1,
		      \at(address, Pre), \at(size, Pre) - size); */
	}
	return true;
}

/* Append the data of a descriptor.  Elements that the device reads come first
 * (2.7.4.2, 2.8.17). */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid_read(q) && virtq_ok(*space, *q) &&
    q->state == VIRTQ_READY;
  requires request: \valid(r) && \separated(r, q, space) &&
    request_ok(*space, *q, *r);
  terminates \true;
  exits \false;
  assigns r->readable, r->count,
    r->segment[0 .. VIRTQ_SEGMENTS_MAX - 1], REFUSAL_BYTE;
  ensures segments: request_ok(*space, *q, *r);
  ensures kept: \forall integer i; 0 <= i < \old(r->count) ==>
    r->segment[i] == \old(*r).segment[i];
  ensures covers: \result ==>
    covers(*r, \old(r->count), r->count, addr, len);
  ensures written: \result && write ==> r->readable == \old(r->readable);
  ensures read: \result && !write ==>
    \old(r->readable) == \old(r->count) && r->readable == r->count;
  ensures refused: !\result ==>
    (!write && \old(r->readable) < \old(r->count)) ||
    append_refused(*space, *q, addr, len, write ? PREC_WRITE : PREC_READ);
*/
static bool take_data(struct virtq_request *r, const struct prec_space *space,
		      const struct virtq *q, uint64_t addr, uint32_t len,
		      bool write)
{
	if (write)
		return append(r, space, q, addr, len, PREC_WRITE);
	return r->readable == r->count &&
	       append(r, space, q, addr, len, PREC_READ);
}

/* Keep only the last byte that the device may write of a refused chain. */
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
  ensures later: write && len > 0 &&
    r->count == 1 ==> r->segment[0].address == addr + len - 1;
  ensures kept: !write || len == 0 ==>
    r->count == \old(r->count) && r->segment[0] == \old(r->segment[0]);
*/
static void keep_last(struct virtq_request *r, const struct prec_space *space,
		      const struct virtq *q, uint64_t addr, uint32_t len,
		      bool write)
{
	if (!write || len == 0)
		return;
	r->count = 0;
	if (addr > PREC_ADDRESS_MAX)
		return;
	if (prec_space_resolve(space, addr + (len - 1), 1, PREC_WRITE,
			       &r->segment[0]))
		return;
	if (!virtq_meets_rings(q, r->segment[0]))
		r->count = 1;
}

void chain_take(struct virtq_request *r, const struct prec_space *space,
		const struct virtq *q, uint64_t addr, uint32_t len,
		uint16_t flags)
{
	bool write = flags & VIRTQ_DESC_F_WRITE;

	if (!r->refused && !take_data(r, space, q, addr, len, write)) {
		/*@ ghost
		  refusal_element = element_count;
		  refusal_room = element_room;
		*/
		r->refused = true;
		r->readable = 0;
		r->count = 0;
	}
	if (r->refused)
		keep_last(r, space, q, addr, len, write);
	r->elements++;
	/*@ ghost
	  element_end[element_count] = r->count;
	  if (write && len > 0)
	    element_room = element_count;
	  element_count++;
	*/
	/*@ assert logged: elements_logged; */
	/*@ assert kept: last_kept(*r); */
	/*@ assert same: \forall integer k; 0 <= k < element_count - 1 ==>
	      element_first(k) == \at(element_first(k), Pre) &&
	      element_end[k] == \at(element_end[k], Pre); */
	/*@ assert before: !r->refused ==>
	      \forall integer k; 0 <= k < element_count - 1 ==>
	      element_end[k] <= r->count; */
	/*@ assert held: !r->refused ==>
	      \forall integer i; 0 <= i < \at(r->count, Pre) ==>
	      r->segment[i] == \at(*r, Pre).segment[i]; */
	/*@ assert inside: !r->refused ==>
	      \forall integer k; 0 <= k < element_count - 1 ==>
	      element_end[k] <= \at(r->count, Pre); */
	/*@ assert was: !r->refused ==>
	      \forall integer k; 0 <= k < element_count - 1 ==>
	      covers(\at(*r, Pre), element_first(k), element_end[k],
	        element_addr[k], element_len[k]); */
	/*@ assert cover: !r->refused ==>
	      \forall integer k; 0 <= k < element_count - 1 ==>
	      covers(*r, element_first(k), element_end[k], element_addr[k],
	        element_len[k]); */
	/*@ assert rooms: !r->refused ==>
	      \forall integer k; 0 <= k < element_count - 1 ==>
	      (has_room(k) ==> r->readable <= element_first(k)) &&
	      (!element_written(k) ==> element_end[k] <= r->readable); */
	/*@ assert earlier: !r->refused ==>
	      \forall integer k; 0 <= k < element_count - 1 ==>
	      element_end[k] <= r->count &&
	      covers(*r, element_first(k), element_end[k], element_addr[k],
	        element_len[k]) &&
	      (has_room(k) ==> r->readable <= element_first(k)) &&
	      (!element_written(k) ==> element_end[k] <= r->readable); */
	/*@ assert this: !r->refused ==>
	      covers(*r, element_first(element_count - 1),
	        element_end[element_count - 1], addr, len); */
	/*@ assert end: !r->refused ==>
	      r->count == element_first(element_count); */
	/*@ assert room: !r->refused && r->readable < r->count ==>
	      0 <= element_room; */
	/*@ assert last: !r->refused ==>
	      element_end[element_count - 1] <= r->count &&
	      covers(*r, element_first(element_count - 1),
	        element_end[element_count - 1],
	        element_addr[element_count - 1],
	        element_len[element_count - 1]) &&
	      (has_room(element_count - 1) ==>
	        r->readable <= element_first(element_count - 1)) &&
	      (!element_written(element_count - 1) ==>
	        element_end[element_count - 1] <= r->readable); */
	/*@ assert covered: elements_covered(*r); */
	/*@ assert refusal: refusal_told(*space, *q, *r); */
}

/* Find the pieces of [address, address + size), to be read, by region. */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires out: \valid(pieces) && \separated(pieces, space);
  requires some: 0 < size;
  terminates \true;
  exits \false;
  assigns *pieces;
  ensures there: \result ==> pieces_read(*space, *pieces, address, size);
  ensures refused: !\result ==> table_unlent(*space, address, size);
*/
static bool find_pieces(const struct prec_space *space, uint64_t address,
			uint32_t size, struct lent_pieces *pieces)
{
	uint32_t n;

	pieces->count = 0;
	/*@
	  loop invariant count: pieces->count <= LENT_PIECES_MAX;
	  loop invariant left: size <= \at(size, Pre);
	  loop invariant at: size == \at(size, Pre) ||
	    address <= PREC_ADDRESS_MAX;
	  loop invariant sum: address + size ==
	    \at(address, Pre) + \at(size, Pre);
	  loop invariant none: pieces->count == 0 <==>
	    size == \at(size, Pre);
	  loop invariant some: 0 < pieces->count ==>
	    pieces_read(*space, *pieces, \at(address, Pre),
	      \at(size, Pre) - size);
	  loop invariant cut: 0 < pieces->count && 0 < size ==>
	    space->end[pieces->piece[pieces->count - 1].index] == address;
	  loop invariant next: \forall integer i; 0 <= i < pieces->count ==>
	    pieces->piece[i].index == pieces->piece[0].index + i;
	  loop invariant first: 0 < pieces->count ==>
	    space_has(*space, pieces->piece[0].index, \at(address, Pre));
	  loop assigns n, address, size, *pieces;
	  loop variant size;
	*/
	while (size > 0) {
		n = pieces->count;
		/*@ assert full: n >= LENT_PIECES_MAX ==>
		      table_scattered(*space, pieces->piece[0].index,
		        \at(address, Pre), \at(size, Pre)); */
		if (n >= LENT_PIECES_MAX)
			return false;
		if (prec_space_piece(space, address, size, PREC_READ,
				     &pieces->piece[n])) {
			/*@ assert gap: unlent(*space, address, PREC_READ); */
			return false;
		}
		/*@ assert after: 0 < n ==>
		      pieces->piece[n - 1].index < pieces->piece[n].index; */
		/*@ assert between: 0 < n && pieces->piece[n - 1].index + 1 <
		      pieces->piece[n].index ==>
		      address <=
		        space->start[pieces->piece[n - 1].index + 1] <
		        space->end[pieces->piece[n - 1].index + 1] <=
		        address; */
		/*@ assert joined: 0 < n ==> pieces->piece[n].index ==
		      pieces->piece[n - 1].index + 1; */
		pieces->count = n + 1;
		address += pieces->piece[n].size;
		size -= (uint32_t)pieces->piece[n].size;
	}
	return true;
}

bool chain_table(struct virtq_request *r, const struct prec_space *space,
		 const struct virtq *q, uint64_t addr, uint32_t len,
		 struct lent_pieces *pieces)
{
	uint32_t count = len / VIRTQ_DESC_SIZE;
	struct prec_span whole = { 0, len, addr, PREC_NONE, PREC_READ };

	if (len % VIRTQ_DESC_SIZE != 0)
		return false;
	if (count == 0 || count > LENT_TABLE_MAX)
		return false;
	if (!find_pieces(space, addr, len, pieces))
		return false;
	if (virtq_meets_rings(q, whole))
		return false;
	r->table_address = addr;
	r->table_size = len;
	return true;
}

/* Mark the head as in flight, or with 0 slots as not in flight.  The ghost loop
 * proves the new sum. */
/*@
  requires queue: \valid(q) && q->size <= VIRTQ_SIZE_MAX && virtq_counted(*q);
  requires head: head < q->size && (q->held[head] == 0 <==> slots > 0);
  requires slots: slots <= VIRTQ_SIZE_MAX;
  terminates \true;
  exits \false;
  assigns q->held[head], q->in_flight;
  ensures marked: q->held[head] == slots;
  ensures counted: virtq_counted(*q);
  ensures bounded: q->in_flight <= VIRTQ_SIZE_MAX;
  ensures by_one: q->in_flight == \old(q->in_flight) + (slots > 0 ? 1 : -1);
*/
static void mark(struct virtq *q, uint32_t head, uint32_t slots)
{
	q->held[head] = (uint16_t)slots;
	/*@ ghost
	  uint32_t k = 0;
	  /@ loop invariant 0 <= k <= q->size;
	     loop invariant held_below(q->held, k) ==
	       held_below(\at(*q, Pre).held, k) +
	       (head < k ? (slots > 0 ? 1 : -1) : 0);
	     loop invariant 0 <= held_below(\at(*q, Pre).held, k) <= k;
	     loop invariant 0 <= held_below(q->held, k) <= k;
	     loop invariant held_below(q->held, k) == 0 ==>
	       \forall integer i; 0 <= i < k ==> q->held[i] == 0;
	     loop assigns k;
	     loop variant q->size - k;
	  @/
	  while (k < q->size) k++;
	*/
	if (slots > 0)
		q->in_flight++;
	else
		q->in_flight--;
}

bool chain_hold(struct virtq *q, uint32_t head, uint32_t slots)
{
	if (head >= q->size || q->held[head])
		return false;
	mark(q, head, slots);
	return true;
}

void chain_release(struct virtq *q, uint32_t head)
{
	mark(q, head, 0);
}

enum virtq_answer chain_settle(struct virtq_request *r,
			       enum virtq_answer answer)
{
	if (answer == VIRTQ_TAKEN)
		return r->refused ? VIRTQ_MALFORMED : VIRTQ_TAKEN;
	r->readable = 0;
	r->count = 0;
	return answer;
}
