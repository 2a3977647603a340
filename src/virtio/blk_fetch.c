// SPDX-License-Identifier: MIT
#include "virtio/blk_fetch.h"

/* Are these bytes outside the rings and the table, so that they were not
 * fetched before? */
/*@
  requires queue: \valid_read(q) && rings_sized(*q);
  requires chain: \valid_read(c);
  requires bounded: p.address + p.size <= PREC_ADDRESS_MAX &&
    c->table_address + c->table_size <= PREC_ADDRESS_MAX;
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures off: \result <==> off_rings(*q, p) &&
    apart(p.address, p.size, c->table_address, c->table_size);
*/
static bool fetchable(const struct virtq *q, const struct virtq_request *c,
		      struct prec_span p)
{
	if (virtq_meets_rings(q, p))
		return false;
	return p.address + p.size <= c->table_address ||
	       c->table_address + c->table_size <= p.address;
}

/* Does the span overlap one of the first `count` segments? */
/*@
  requires chain: \valid_read(c) && count <= VIRTQ_SEGMENTS_MAX;
  requires bounded: p.address + p.size <= PREC_ADDRESS_MAX &&
    \forall integer i; 0 <= i < count ==>
      c->segment[i].address + c->segment[i].size <= PREC_ADDRESS_MAX;
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures apart: !\result <==> \forall integer i; 0 <= i < count ==>
    apart(p.address, p.size, c->segment[i].address, c->segment[i].size);
*/
static bool meets_earlier(const struct virtq_request *c, uint32_t count,
			  struct prec_span p)
{
	uint32_t i;

	/*@
	  loop invariant range: 0 <= i <= count;
	  loop invariant so_far: \forall integer j; 0 <= j < i ==>
	    apart(p.address, p.size, c->segment[j].address,
	      c->segment[j].size);
	  loop assigns i;
	  loop variant count - i;
	*/
	for (i = 0; i < count; i++)
		if (p.address + p.size > c->segment[i].address &&
		    c->segment[i].address + c->segment[i].size > p.address)
			return true;
	return false;
}

/* Move the cursor by `size` bytes, which were fetched of its segment. */
/*@
  requires chain: \valid_read(c);
  requires out: \valid(at) && \separated(at, c);
  requires cursor: at->segment < VIRTQ_SEGMENTS_MAX &&
    at->part < c->segment[at->segment].size <= 0xffffffff;
  requires size: 0 < size <= c->segment[at->segment].size - at->part;
  terminates \true;
  exits \false;
  assigns *at;
  ensures inside: at->part > 0 ==> at->segment == \old(at->segment) &&
    at->part == \old(at->part) + size &&
    at->part < c->segment[at->segment].size;
  ensures whole: at->part == 0 ==> at->segment == \old(at->segment) + 1 &&
    \old(at->part) + size == c->segment[\old(at->segment)].size;
*/
static void advance(const struct virtq_request *c, struct vblk_cursor *at,
		    uint32_t size)
{
	if (c->segment[at->segment].size - at->part == size) {
		at->segment++;
		at->part = 0;
	} else {
		at->part += size;
	}
}

/*
 * Fetch the next `size` bytes, in one piece from each segment; the client split
 * them, or they cross the end of a region.  Pieces that overlap would be
 * fetched twice, so they make the chain malformed.
 */
/*@
  requires in: \valid_read(space) && \valid_read(q) && \valid_read(c);
  requires out: \valid(at) && \valid(bytes + (0 .. LENT_BYTES_MAX - 1)) &&
    \separated(at, bytes + (0 .. LENT_BYTES_MAX - 1), c, q, space);
  requires size: 0 < size <= LENT_BYTES_MAX;
  requires may: may_fetch(*space, *q, *c, size);
  requires cursor: cursor_ok(*c, *at);
  requires so_far: fetched_so_far(*q, *c, *at);
  requires log: may_log(size);
  terminates \true;
  exits \false;
  assigns *at, bytes[0 .. LENT_BYTES_MAX - 1], BYTE_FETCHES;
  ensures said: \result == VIRTQ_TAKEN || \result == VIRTQ_MALFORMED ||
    \result == VIRTQ_LOST;
  ensures there: \result != VIRTQ_LOST <==> fetched_there{Pre, Post};
  ensures value: \result == VIRTQ_TAKEN ==>
    bytes_logged{Pre, Post}(bytes, size);
  ensures log_kept: \forall integer i; 0 <= i < \old(byte_count) ==>
    fetch_byte[i] == \old(fetch_byte[i]);
  ensures some: \result == VIRTQ_TAKEN ==> \old(at->segment) < c->readable;
  ensures cursor: \result == VIRTQ_TAKEN ==> cursor_ok(*c, *at);
  ensures size: \result == VIRTQ_TAKEN ==>
    bytes_to(*c, *at) == bytes_to(*c, \old(*at)) + size;
  ensures refused: \result == VIRTQ_MALFORMED ==>
    !laid_out(*q, *c, bytes_to(*c, \old(*at)) + size);
  ensures fetched: \result == VIRTQ_TAKEN ==>
    fetched_between(*c, \old(at->segment), \old(at->part), at->segment,
      at->part, \old(fetch_count));
  ensures anew: fetched_anew{Pre, Post}(size);
*/
static enum virtq_answer take(const struct virtq *q,
			      const struct prec_space *space,
			      const struct virtq_request *c,
			      struct vblk_cursor *at, uint32_t size,
			      uint8_t *bytes)
{
	uint32_t have = 0;
	/*@ ghost int before = fetch_count; */
	/*@ ghost int start = byte_count; */
	/*@ ghost uint32_t segment = at->segment; */
	/*@ ghost uint32_t part = at->part; */
	/*@ ghost int base = fetch_count - segment - (part > 0 ? 1 : 0); */

	/*@
	  loop invariant have: 0 <= have <= size;
	  loop invariant none: have == 0 ==> fetch_count == before &&
	    at->segment == segment && at->part == part;
	  loop invariant some: have > 0 ==> segment < c->readable;
	  loop invariant cursor: cursor_ok(*c, *at) && segment <= at->segment;
	  loop invariant part: 0 < have < size ==> at->part == 0 &&
	    segment < at->segment;
	  loop invariant there: fetched_there{Pre, Here};
	  loop invariant logged: byte_count == start + have;
	  loop invariant value: \forall integer i; 0 <= i < have ==>
	    bytes[i] == fetch_byte[i + start];
	  loop invariant log_kept: \forall integer i; 0 <= i < start ==>
	    fetch_byte[i] == \at(fetch_byte[i], Pre);
	  loop invariant size: bytes_to(*c, *at) ==
	    bytes_to(*c, \at(*at, Pre)) + have;
	  loop invariant fetched: have > 0 ==>
	    fetched_between(*c, segment, part, at->segment, at->part, before);
	  loop invariant work: before <= fetch_count <= before + have;
	  loop invariant earlier: \forall integer m; 0 <= m < before ==>
	    fetch_at[m] == \at(fetch_at[m], Pre) &&
	    fetch_size[m] == \at(fetch_size[m], Pre) &&
	    fetch_ok[m] == \at(fetch_ok[m], Pre);
	  loop invariant once: fetched_once;
	  loop assigns have, *at, bytes[0 .. LENT_BYTES_MAX - 1],
	    BYTE_FETCHES;
	  loop variant size - have;
	*/
	while (have < size) {
		struct prec_span p;
		enum prec_status gone;

		if (at->segment >= c->readable)
			return VIRTQ_MALFORMED;
		p = c->segment[at->segment];
		p.host += at->part;
		p.address += at->part;
		p.size -= at->part;
		if (p.size > size - have)
			p.size = size - have;
		/*@ assert place: p.address ==
		      c->segment[at->segment].address + at->part &&
		      p.size <= c->segment[at->segment].size - at->part; */
		/*@ assert piece: at->part + p.size == piece(*c, at->segment,
		      bytes_to(*c, \at(*at, Pre)) + size); */
		if (!fetchable(q, c, p) || meets_earlier(c, at->segment, p))
			return VIRTQ_MALFORMED;
		/*@ assert new: \forall integer m; 0 <= m < base ==>
		      apart(fetch_at[m], fetch_size[m], p.address, p.size); */
		/*@ assert part: part > 0 ==>
		      apart(fetch_at[before - 1], fetch_size[before - 1],
		        p.address, p.size); */
		/*@ assert whole: \forall integer m;
		      base <= m < base + segment ==>
		      apart(fetch_at[m], fetch_size[m], p.address, p.size); */
		/*@ assert header: \forall integer m; base <= m < before ==>
		      apart(fetch_at[m], fetch_size[m], p.address, p.size); */
		/*@ assert piece: \forall integer m;
		      before <= m < fetch_count ==>
		      apart(fetch_at[m], fetch_size[m], p.address, p.size); */
		/*@ assert count:
		      fetch_count == before + at->segment - segment &&
		      at->part == (fetch_count == before ? part : 0); */
		/*@ assert starts: \forall integer m;
		      before <= m < fetch_count ==> fetch_at[m] ==
		        c->segment[m - before + segment].address +
		        (m == before ? part : 0); */
		/*@ assert ends: \forall integer m;
		      before <= m < fetch_count ==>
		        fetch_at[m] + fetch_size[m] ==
		        c->segment[m - before + segment].address +
		        c->segment[m - before + segment].size; */
		gone = lent_load_bytes(space, p, (uint32_t)p.size, bytes, have);
		/*@ assert once: fetched_once; */
		if (gone)
			return VIRTQ_LOST;
		/*@ assert logged: byte_count == start + have + p.size; */
		/*@ assert bytes_kept: \forall integer i; 0 <= i < have ==>
		      bytes[i] == fetch_byte[i + start]; */
		/*@ assert bytes_new: \forall integer i;
		      have <= i < have + p.size ==>
		      bytes[i] == fetch_byte[i + start]; */
		have += (uint32_t)p.size;
		/*@ assert last: fetch_at[fetch_count - 1] +
		      fetch_size[fetch_count - 1] ==
		        c->segment[at->segment].address + at->part + p.size; */
		/*@ assert starts_kept: \forall integer m;
		      before <= m < fetch_count - 1 ==> fetch_at[m] ==
		        c->segment[m - before + segment].address +
		        (m == before ? part : 0); */
		/*@ assert index:
		      fetch_count - 1 - before + segment == at->segment; */
		/*@ assert start: fetch_at[fetch_count - 1] ==
		      c->segment[at->segment].address + at->part; */
		/*@ assert next: fetch_at[fetch_count - 1] ==
		      c->segment[fetch_count - 1 - before + segment].address +
		      (fetch_count - 1 == before ? part : 0); */
		/*@ assert ends_kept: \forall integer m;
		      before <= m < fetch_count - 1 ==>
		        fetch_at[m] + fetch_size[m] ==
		        c->segment[m - before + segment].address +
		        c->segment[m - before + segment].size; */
		/*@ assert starts_all: \forall integer m;
		      before <= m < fetch_count ==> fetch_at[m] ==
		        c->segment[m - before + segment].address +
		        (m == before ? part : 0); */
		advance(c, at, (uint32_t)p.size);
		/*@ assert counted:
		      fetch_count == before + at->segment - segment +
		        (at->part > 0 ? 1 : 0); */
		/*@ assert up_to: at->part > 0 ==> fetch_at[fetch_count - 1] +
		      fetch_size[fetch_count - 1] ==
		        c->segment[at->segment].address + at->part; */
		/*@ assert ends_all: \forall integer m;
		      before <= m < before + at->segment - segment ==>
		        fetch_at[m] + fetch_size[m] ==
		          c->segment[m - before + segment].address +
		          c->segment[m - before + segment].size; */
	}
	return VIRTQ_TAKEN;
}

/* A cursor before the last segment has bytes after it. */
/*@ ghost
  /@
    requires chain: \valid_read(c) && cursor_ok(*c, at);
    requires sizes: \forall integer i; 0 <= i < c->readable ==>
      0 < c->segment[i].size;
    terminates \true;
    exits \false;
    assigns \nothing;
    ensures rest: at.segment < c->readable ==>
      bytes_to(*c, at) < bytes_before(*c, c->readable);
  @/
  static void see_rest(const struct virtq_request *c, struct vblk_cursor at)
  {
    uint32_t i = at.segment;

    /@
      loop invariant range: at.segment <= i <= c->readable;
      loop invariant more: at.segment < i ==>
        bytes_to(*c, at) < bytes_before(*c, i);
      loop assigns i;
      loop variant c->readable - i;
    @/
    while (i < c->readable)
      i++;
  }
*/

/* Fetch a header in one segment, as every client that we know sends it. */
/*@
  requires in: \valid_read(space) && \valid_read(q) && \valid_read(c);
  requires out: \valid(at) && \valid(header) &&
    \separated(at, header, c, q, space);
  requires header: 0 < c->readable &&
    VIRTIO_BLK_HEADER_SIZE <= c->segment[0].size;
  requires may: may_fetch(*space, *q, *c, 1);
  requires known: fetched_known(*q, *c);
  terminates \true;
  exits \false;
  assigns *at, *header, BLK_FETCHES;
  ensures said: \result == VIRTQ_TAKEN || \result == VIRTQ_MALFORMED ||
    \result == VIRTQ_LOST;
  ensures there: \result != VIRTQ_LOST <==> fetched_there{Pre, Post};
  ensures value: \result == VIRTQ_TAKEN ==>
    *header == fetch_header[\old(fetch_count)];
  ensures bytes: byte_count == \old(byte_count);
  ensures cursor: \result == VIRTQ_TAKEN ==> cursor_ok(*c, *at);
  ensures header: \result == VIRTQ_TAKEN ==>
    bytes_to(*c, *at) == VIRTIO_BLK_HEADER_SIZE;
  ensures rest: \result == VIRTQ_TAKEN && at->segment < c->readable ==>
    VIRTIO_BLK_HEADER_SIZE < bytes_before(*c, c->readable);
  ensures refused: \result == VIRTQ_MALFORMED ==>
    !laid_out(*q, *c, VIRTIO_BLK_HEADER_SIZE);
  ensures fetched: \result == VIRTQ_TAKEN ==>
    fetched_to(*c, *at, \old(fetch_count));
  ensures anew: fetched_anew{Pre, Post}(1);
*/
static enum virtq_answer whole_header(const struct virtq *q,
				      const struct prec_space *space,
				      const struct virtq_request *c,
				      struct vblk_cursor *at,
				      struct virtio_blk_req_header *header)
{
	struct prec_span p = c->segment[0];
	enum prec_status gone;

	p.size = VIRTIO_BLK_HEADER_SIZE;
	if (!fetchable(q, c, p))
		return VIRTQ_MALFORMED;
	/*@ assert new: \forall integer m; 0 <= m < fetch_count ==>
	      apart(fetch_at[m], fetch_size[m], p.address, p.size); */
	gone = lent_load_header(space, p, header);
	/*@ assert once: fetched_once; */
	if (gone)
		return VIRTQ_LOST;
	at->segment = 0;
	at->part = 0;
	advance(c, at, VIRTIO_BLK_HEADER_SIZE);
	/*@ ghost see_rest(c, *at); */
	return VIRTQ_TAKEN;
}

enum virtq_answer vblk_take_header(const struct virtq *q,
				   const struct prec_space *space,
				   const struct virtq_request *c,
				   struct vblk_cursor *at,
				   struct virtio_blk_req_header *header)
{
	uint8_t bytes[LENT_BYTES_MAX];
	enum virtq_answer answer;

	/*@ ghost byte_count = 0; */
	if (c->readable > 0 && c->segment[0].size >= VIRTIO_BLK_HEADER_SIZE)
		return whole_header(q, space, c, at, header);
	at->segment = 0;
	at->part = 0;
	answer = take(q, space, c, at, VIRTIO_BLK_HEADER_SIZE, bytes);
	if (answer != VIRTQ_TAKEN)
		return answer;
	header->type = vblk_number32(bytes, 0);
	header->reserved = vblk_number32(bytes, 4);
	header->sector = vblk_number64(bytes, 8);
	/*@ ghost see_rest(c, *at); */
	return VIRTQ_TAKEN;
}

enum virtq_answer vblk_take_rest(const struct virtq *q,
				 const struct prec_space *space,
				 const struct virtq_request *c,
				 struct vblk_cursor at, uint32_t size,
				 uint8_t *bytes)
{
	struct vblk_cursor end = at;
	enum virtq_answer answer = take(q, space, c, &end, size, bytes);

	/*@ ghost if (answer == VIRTQ_TAKEN) see_rest(c, end); */
	if (answer == VIRTQ_TAKEN && end.segment != c->readable)
		return VIRTQ_MALFORMED;
	return answer;
}
