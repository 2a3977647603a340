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

/* Load a piece of which nothing was fetched before. */
/*@
  requires in: \valid_read(space);
  requires allowed: load_allowed(*space, p, 0, p.size) && 0 < p.size;
  requires room: have + p.size <= LENT_BYTES_MAX;
  requires log: may_log(p.size);
  requires out: \valid(bytes + (0 .. LENT_BYTES_MAX - 1)) &&
    \separated(bytes + (0 .. LENT_BYTES_MAX - 1), space);
  requires once: fetched_once;
  requires new: \forall integer m; 0 <= m < fetch_count ==>
    apart(fetch_at[m], fetch_size[m], p.address, p.size);
  requires placed: bytes_placed;
  terminates \true;
  exits \false;
  assigns bytes[have .. have + p.size - 1], FETCH_NEXT, byte_count,
    fetch_byte[byte_count .. byte_count + p.size - 1],
    byte_at[byte_count .. byte_count + p.size - 1],
    byte_fetch[byte_count .. byte_count + p.size - 1];
  ensures said: \result == PREC_OK || \result == PREC_GONE;
  ensures log: fetched{Pre, Post}(p.address, p.size, \result);
  ensures bytes: byte_count == \old(byte_count) +
    (\result == PREC_OK ? p.size : 0);
  ensures value: \result == PREC_OK ==>
    \forall integer i; have <= i < have + p.size ==>
      bytes[i] == fetch_byte[i + (\old(byte_count) - have)];
  ensures places: \forall integer i; \old(byte_count) <= i < byte_count ==>
    byte_at[i] == p.address + (i - \old(byte_count));
  ensures once: fetched_once;
  ensures placed: bytes_placed;
*/
static enum prec_status load_piece(const struct prec_space *space,
				   struct prec_span p, uint8_t *bytes,
				   uint32_t have)
{
	enum prec_status gone;
	/*@ ghost int before = byte_count; */
	/*@ ghost int last = fetch_count; */

	gone = lent_load_bytes(space, p, (uint32_t)p.size, bytes, have);
	/*@ assert kept: \forall integer i; 0 <= i < before ==>
	      byte_at[i] == \at(byte_at[i], Pre) &&
	      byte_first <= byte_fetch[i] < last &&
	      fetch_covers(byte_fetch[i], byte_at[i]); */
	/*@ assert brought: \forall integer i; before <= i < byte_count ==>
	      byte_fetch[i] == last && fetch_covers(last, byte_at[i]); */
	/*@ assert other: \forall integer i, j;
	      0 <= i < before <= j < byte_count ==> byte_at[i] != byte_at[j]; */
	return gone;
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
  requires read: bytes_read(*c, bytes_to(*c, *at) - byte_count);
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
  ensures read: bytes_read(*c, bytes_to(*c, \old(*at)) - \old(byte_count));
  ensures grown: \old(byte_count) <= byte_count &&
    (\result == VIRTQ_TAKEN ==> byte_count == \old(byte_count) + size);
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
	  loop invariant placed: bytes_placed;
	  loop invariant places: \forall integer i; 0 <= i < byte_count ==>
	    byte_at[i] == read_place(*c, c->readable,
	      i + (bytes_to(*c, \at(*at, Pre)) - start));
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
		/*@ ghost see_place(c, at->segment); */
		/*@ assert away: \forall integer m; 0 <= m < fetch_count ==>
		      apart(fetch_at[m], fetch_size[m], p.address, p.size); */
		gone = load_piece(space, p, bytes, have);
		/*@ assert places: \forall integer i;
		      start + have <= i < byte_count ==> byte_at[i] ==
		        read_place(*c, c->readable,
		          i + (bytes_to(*c, \at(*at, Pre)) - start)); */
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
  assigns *at, *header, FETCHES(0, FETCH_MAX - 1),
    fetch_header[0 .. FETCH_MAX - 1];
  ensures said: \result == VIRTQ_TAKEN || \result == VIRTQ_MALFORMED ||
    \result == VIRTQ_LOST;
  ensures there: \result != VIRTQ_LOST <==> fetched_there{Pre, Post};
  ensures value: \result == VIRTQ_TAKEN ==>
    *header == fetch_header[\old(fetch_count)];
  ensures where: \result == VIRTQ_TAKEN ==>
    fetch_count == \old(fetch_count) + 1 &&
    fetch_at[\old(fetch_count)] == c->segment[0].address &&
    fetch_size[\old(fetch_count)] == VIRTIO_BLK_HEADER_SIZE;
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
	/*@ ghost read_first = fetch_count; */
	/*@ ghost byte_first = fetch_count; */
	if (c->readable > 0 && c->segment[0].size >= VIRTIO_BLK_HEADER_SIZE) {
		/*@ ghost byte_first = fetch_count + 1; */
		answer = whole_header(q, space, c, at, header);
		/*@ assert whole: answer == VIRTQ_TAKEN ==>
		      header_said(*c, read_first, header->type,
		        header->sector) &&
		      byte_count == header_logged(*c); */
		/*@ assert none: answer == VIRTQ_TAKEN ==>
		      header_logged(*c) == 0 &&
		      bytes_read(*c, VIRTIO_BLK_HEADER_SIZE); */
		/*@ assert read: answer == VIRTQ_TAKEN ==> header_read(*c); */
		return answer;
	}
	at->segment = 0;
	at->part = 0;
	/*@ assert none: bytes_to(*c, *at) - byte_count == 0; */
	answer = take(q, space, c, at, VIRTIO_BLK_HEADER_SIZE, bytes);
	/*@ assert placed: bytes_read(*c, 0); */
	if (answer != VIRTQ_TAKEN)
		return answer;
	header->type = vblk_number32(bytes, 0);
	header->reserved = vblk_number32(bytes, 4);
	header->sector = vblk_number64(bytes, 8);
	/*@ assert count: byte_count == VIRTIO_BLK_HEADER_SIZE &&
	      c->segment[0].size < VIRTIO_BLK_HEADER_SIZE; */
	/*@ assert byte: \forall integer i; 0 <= i < VIRTIO_BLK_HEADER_SIZE ==>
	      bytes[i] == fetch_byte[i]; */
	/*@ assert type: header->type == logged32(0); */
	/*@ assert low: wire32(&bytes[0], 8) == logged32(8); */
	/*@ assert high: wire32(&bytes[0], 12) == logged32(12); */
	/*@ assert sector: header->sector == logged64(8); */
	/*@ assert some: read_first < fetch_count; */
	/*@ assert pieces: header_logged(*c) == VIRTIO_BLK_HEADER_SIZE; */
	/*@ assert read: header_read(*c); */
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
