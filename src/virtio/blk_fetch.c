// SPDX-License-Identifier: MIT
#include "virtio/blk_fetch.h"

/* May these bytes be fetched, having been fetched by nobody before? */
/*@
  requires queue: \valid_read(q) && rings_sized(*q);
  requires chain: \valid_read(c);
  requires bounded: p.address + p.size <= PREC_ADDRESS_MAX &&
    c->table_address + c->table_size <= PREC_ADDRESS_MAX;
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures off: \result ==> off_rings(*q, p) &&
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

/* `part` bytes of segment i were the last. */
/*@
  requires chain: \valid_read(c) && i < VIRTQ_SEGMENTS_MAX;
  requires out: \valid(at) && \separated(at, c);
  requires part: 0 < part <= c->segment[i].size;
  terminates \true;
  exits \false;
  assigns *at;
  ensures inside: at->part > 0 ==> at->segment == i && at->part == part &&
    part < c->segment[i].size;
  ensures whole: at->part == 0 ==> at->segment == i + 1 &&
    part == c->segment[i].size;
*/
static void set_cursor(const struct virtq_request *c, struct vblk_cursor *at,
		       uint32_t i, uint32_t part)
{
	bool whole = c->segment[i].size == part;

	at->segment = whole ? i + 1 : i;
	at->part = whole ? 0 : part;
}

/* As it comes from every client we know: the header in one segment. */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid_read(q) && virtq_ok(*space, *q) &&
    q->state == VIRTQ_READY;
  requires chain: \valid_read(c) && request_ok(*space, *q, *c);
  requires out: \valid(at) && \valid(header) &&
    \separated(at, header, c, q, space);
  requires header: 0 < c->readable &&
    VIRTIO_BLK_HEADER_SIZE <= c->segment[0].size;
  requires once: fetched_once && fetch_count + 1 <= FETCH_MAX;
  requires known: fetched_known(*q, *c);
  terminates \true;
  exits \false;
  assigns *at, *header, FETCH_LOG;
  ensures said: \result == VIRTQ_TAKEN || \result == VIRTQ_MALFORMED ||
    \result == VIRTQ_LOST;
  ensures cursor: \result == VIRTQ_TAKEN ==> cursor_ok(*c, *at);
  ensures fetched: \result == VIRTQ_TAKEN ==>
    fetched_to(*c, *at, \old(fetch_count));
  ensures earlier: \forall integer m; 0 <= m < \old(fetch_count) ==>
    fetch_at[m] == \old(fetch_at[m]) && fetch_size[m] == \old(fetch_size[m]);
  ensures once: fetched_once;
  ensures bounded: \old(fetch_count) <= fetch_count <=
    \old(fetch_count) + 1;
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
	gone = client_load_header(space, p, header);
	/*@ assert once: fetched_once; */
	if (gone)
		return VIRTQ_LOST;
	set_cursor(c, at, 0, VIRTIO_BLK_HEADER_SIZE);
	return VIRTQ_TAKEN;
}

/* Does the span meet one of the first `count` segments? */
/*@
  requires chain: \valid_read(c) && count <= VIRTQ_SEGMENTS_MAX;
  requires bounded: p.address + p.size <= PREC_ADDRESS_MAX &&
    \forall integer i; 0 <= i < count ==>
      c->segment[i].address + c->segment[i].size <= PREC_ADDRESS_MAX;
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures apart: !\result ==> \forall integer i; 0 <= i < count ==>
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

/* Cut into pieces, by the client or at a region's end.  Pieces that overlap
 * would be fetched twice, so that is no header. */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid_read(q) && virtq_ok(*space, *q) &&
    q->state == VIRTQ_READY;
  requires chain: \valid_read(c) && request_ok(*space, *q, *c);
  requires out: \valid(at) && \valid(header) &&
    \separated(at, header, c, q, space);
  requires once: fetched_once && fetch_count + 16 <= FETCH_MAX;
  requires known: fetched_known(*q, *c);
  terminates \true;
  exits \false;
  assigns *at, *header, FETCH_LOG;
  ensures said: \result == VIRTQ_TAKEN || \result == VIRTQ_MALFORMED ||
    \result == VIRTQ_LOST;
  ensures cursor: \result == VIRTQ_TAKEN ==> cursor_ok(*c, *at);
  ensures fetched: \result == VIRTQ_TAKEN ==>
    fetched_to(*c, *at, \old(fetch_count));
  ensures earlier: \forall integer m; 0 <= m < \old(fetch_count) ==>
    fetch_at[m] == \old(fetch_at[m]) && fetch_size[m] == \old(fetch_size[m]);
  ensures once: fetched_once;
  ensures bounded: \old(fetch_count) <= fetch_count <=
    \old(fetch_count) + 16;
*/
static enum virtq_answer split_header(const struct virtq *q,
				      const struct prec_space *space,
				      const struct virtq_request *c,
				      struct vblk_cursor *at,
				      struct virtio_blk_req_header *header)
{
	uint8_t bytes[CLIENT_BYTES_MAX];
	uint32_t have = 0;
	uint32_t part = 0;
	uint32_t i = 0;
	/*@ ghost int before = fetch_count; */

	/*@
	  loop invariant have: 0 <= i <= have <= VIRTIO_BLK_HEADER_SIZE;
	  loop invariant pieces: i <= c->readable;
	  loop invariant work: fetch_count == before + i;
	  loop invariant earlier: \forall integer m; 0 <= m < before ==>
	    fetch_at[m] == \at(fetch_at[m], Pre) &&
	    fetch_size[m] == \at(fetch_size[m], Pre);
	  loop invariant these: \forall integer m;
	    before <= m < fetch_count ==>
	    fetch_at[m] == c->segment[m - before].address &&
	    fetch_size[m] <= c->segment[m - before].size;
	  loop invariant last: i > 0 ==> 0 < part <= c->segment[i - 1].size &&
	    fetch_size[fetch_count - 1] == part;
	  loop invariant some: have > 0 ==> i > 0;
	  loop invariant once: fetched_once;
	  loop assigns have, part, i, bytes[0 .. CLIENT_BYTES_MAX - 1],
	    FETCH_LOG;
	  loop variant VIRTIO_BLK_HEADER_SIZE - have;
	*/
	while (have < VIRTIO_BLK_HEADER_SIZE) {
		struct prec_span p;
		enum prec_status gone;

		if (i >= c->readable)
			return VIRTQ_MALFORMED;
		p = c->segment[i];
		if (p.size > VIRTIO_BLK_HEADER_SIZE - have)
			p.size = VIRTIO_BLK_HEADER_SIZE - have;
		if (!fetchable(q, c, p) || meets_earlier(c, i, p))
			return VIRTQ_MALFORMED;
		/*@ assert new: \forall integer m; 0 <= m < before ==>
		      apart(fetch_at[m], fetch_size[m], p.address, p.size); */
		/*@ assert piece: \forall integer m;
		      before <= m < fetch_count ==>
		      apart(fetch_at[m], fetch_size[m], p.address, p.size); */
		part = (uint32_t)p.size;
		gone = client_load_bytes(space, p, part, bytes, have);
		/*@ assert once: fetched_once; */
		if (gone)
			return VIRTQ_LOST;
		have += part;
		i++;
	}
	set_cursor(c, at, i - 1, part);
	header->type = vblk_number32(bytes, 0);
	header->reserved = vblk_number32(bytes, 4);
	header->sector = vblk_number64(bytes, 8);
	return VIRTQ_TAKEN;
}

enum virtq_answer vblk_take_header(const struct virtq *q,
				   const struct prec_space *space,
				   const struct virtq_request *c,
				   struct vblk_cursor *at,
				   struct virtio_blk_req_header *header)
{
	if (c->readable == 0)
		return VIRTQ_MALFORMED;
	if (c->segment[0].size >= VIRTIO_BLK_HEADER_SIZE)
		return whole_header(q, space, c, at, header);
	return split_header(q, space, c, at, header);
}

enum virtq_answer vblk_take_rest(const struct virtq *q,
				 const struct prec_space *space,
				 const struct virtq_request *c,
				 struct vblk_cursor at, uint8_t *bytes)
{
	uint32_t have = 0;
	uint32_t i;
	/*@ ghost int before = fetch_count; */
	/*@ ghost int base = fetch_count - at.segment - (at.part > 0 ? 1 : 0); */

	/*@
	  loop invariant range: at.segment <= i <= c->readable;
	  loop invariant have: have <= CLIENT_BYTES_MAX;
	  loop invariant work: fetch_count == before + (i - at.segment);
	  loop invariant earlier: \forall integer m; 0 <= m < before ==>
	    fetch_at[m] == \at(fetch_at[m], Pre) &&
	    fetch_size[m] == \at(fetch_size[m], Pre);
	  loop invariant ends: \forall integer m;
	    before <= m < fetch_count ==>
	    fetch_at[m] + fetch_size[m] ==
	      c->segment[m - before + at.segment].address +
	      c->segment[m - before + at.segment].size;
	  loop invariant first: i > at.segment ==>
	    fetch_at[before] == c->segment[at.segment].address + at.part;
	  loop invariant starts: \forall integer m;
	    before < m < fetch_count ==>
	    fetch_at[m] == c->segment[m - before + at.segment].address;
	  loop invariant these: \forall integer m;
	    before <= m < fetch_count ==>
	    c->segment[m - before + at.segment].address <= fetch_at[m];
	  loop invariant once: fetched_once;
	  loop assigns have, i, bytes[0 .. CLIENT_BYTES_MAX - 1], FETCH_LOG;
	  loop variant c->readable - i;
	*/
	for (i = at.segment; i < c->readable; i++) {
		struct prec_span p = c->segment[i];
		enum prec_status gone;

		if (i == at.segment) {
			p.host += at.part;
			p.address += at.part;
			p.size -= at.part;
		}
		/*@ assert end: p.address + p.size ==
		      c->segment[i].address + c->segment[i].size; */
		if (p.size > CLIENT_BYTES_MAX - have)
			return VIRTQ_MALFORMED;
		if (!fetchable(q, c, p) || meets_earlier(c, i, p))
			return VIRTQ_MALFORMED;
		/*@ assert new: \forall integer m; 0 <= m < base ==>
		      apart(fetch_at[m], fetch_size[m], p.address, p.size); */
		/*@ assert part: at.part > 0 ==>
		      apart(fetch_at[before - 1], fetch_size[before - 1],
		        p.address, p.size); */
		/*@ assert whole: \forall integer m;
		      base <= m < base + at.segment ==>
		      apart(fetch_at[m], fetch_size[m], p.address, p.size); */
		/*@ assert header: \forall integer m; base <= m < before ==>
		      apart(fetch_at[m], fetch_size[m], p.address, p.size); */
		/*@ assert piece: \forall integer m;
		      before <= m < fetch_count ==>
		      apart(fetch_at[m], fetch_size[m], p.address, p.size); */
		gone = client_load_bytes(space, p, (uint32_t)p.size, bytes,
					 have);
		/*@ assert once: fetched_once; */
		if (gone)
			return VIRTQ_LOST;
		have += (uint32_t)p.size;
	}
	return VIRTQ_TAKEN;
}
