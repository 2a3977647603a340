// SPDX-License-Identifier: MIT
#include "virtio/blk.h"

/* The last byte that the driver writes is the status, and no data. */
/*@
  requires table: space_ok(*space) && virtq_ok(*space, *q);
  requires chain: \valid(c) && request_ok(*space, *q, *c);
  requires out: \valid(status) && \separated(status, c, q, space);
  terminates \true;
  exits \false;
  assigns *status, c->count, c->segment[0 .. VIRTQ_SEGMENTS_MAX - 1];
  ensures chain: request_ok(*space, *q, *c);
  ensures there: \result <==> \old(c->readable) < \old(c->count);
  ensures last: \result ==> status->address == last_byte(\old(*c));
  ensures place: \result ==>
    writable_span(*space, *status) && status->size == 1;
*/
static bool place_status(const struct virtq *q, const struct prec_space *space,
			 struct virtq_request *c, struct prec_span *status)
{
	struct prec_span place;
	uint32_t last;

	/* Named so that the contract can speak of them. */
	(void)q;
	(void)space;
	if (c->count == c->readable)
		return false;
	last = c->count - 1;
	place = c->segment[last];
	place.host += place.size - 1;
	place.address += place.size - 1;
	place.size = 1;
	*status = place;
	if (c->segment[last].size == 1)
		c->count = last;
	else
		c->segment[last].size--;
	return true;
}

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

/* Take `size` bytes off the front of segment i; true if nothing remains, and
 * then the segment is left as it was. */
/*@
  requires chain: \valid(c) && i < VIRTQ_SEGMENTS_MAX;
  requires part: 0 < size <= c->segment[i].size;
  terminates \true;
  exits \false;
  assigns c->segment[i].host, c->segment[i].address, c->segment[i].size;
  ensures whole: \result <==> size == \old(c->segment[i].size);
  ensures kept: \result ==> c->segment[i] == \old(c->segment[i]);
  ensures rest: !\result ==>
    c->segment[i].host == (uint64_t)(\old(c->segment[i].host) + size) &&
    c->segment[i].address ==
      (uint64_t)(\old(c->segment[i].address) + size) &&
    c->segment[i].size == \old(c->segment[i].size) - size;
*/
static bool trim(struct virtq_request *c, uint32_t i, uint64_t size)
{
	if (c->segment[i].size == size)
		return true;
	c->segment[i].host += size;
	c->segment[i].address += size;
	c->segment[i].size -= size;
	return false;
}

/* As it comes from every client we know: the header in one segment. */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid_read(q) && virtq_ok(*space, *q) &&
    q->state == VIRTQ_READY;
  requires chain: \valid(c) && request_ok(*space, *q, *c);
  requires out: \valid(first) && \valid(header) &&
    \separated(first, header, c, q, space);
  requires header: 0 < c->readable &&
    VIRTIO_BLK_HEADER_SIZE <= c->segment[0].size;
  requires once: fetched_once && fetch_count + 1 <= FETCH_MAX;
  requires known: fetched_known(*q, *c);
  terminates \true;
  exits \false;
  assigns *first, *header, c->segment[0 .. VIRTQ_SEGMENTS_MAX - 1],
    fetch_count, fetch_at[0 .. FETCH_MAX - 1],
    fetch_size[0 .. FETCH_MAX - 1];
  ensures said: \result == VIRTQ_TAKEN || \result == VIRTQ_MALFORMED ||
    \result == VIRTQ_LOST;
  ensures chain: request_ok(*space, *q, *c);
  ensures data: \result == VIRTQ_TAKEN ==> *first <= c->readable;
  ensures once: fetched_once;
  ensures bounded: \old(fetch_count) <= fetch_count <=
    \old(fetch_count) + 1;
*/
static enum virtq_answer whole_header(const struct virtq *q,
				      const struct prec_space *space,
				      struct virtq_request *c, uint32_t *first,
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
	*first = trim(c, 0, VIRTIO_BLK_HEADER_SIZE) ? 1 : 0;
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

/*@
  requires bytes: \valid_read(bytes + (at .. at + 3)) && at <= 12;
  terminates \true;
  exits \false;
  assigns \nothing;
*/
static uint32_t number32(const uint8_t *bytes, uint32_t at)
{
	return bytes[at] | (uint32_t)bytes[at + 1] << 8 |
	       (uint32_t)bytes[at + 2] << 16 | (uint32_t)bytes[at + 3] << 24;
}

/* Cut into pieces, by the client or at a region's end.  Pieces that overlap
 * would be fetched twice, so that is no header. */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid_read(q) && virtq_ok(*space, *q) &&
    q->state == VIRTQ_READY;
  requires chain: \valid(c) && request_ok(*space, *q, *c);
  requires out: \valid(first) && \valid(header) &&
    \separated(first, header, c, q, space);
  requires once: fetched_once && fetch_count + 16 <= FETCH_MAX;
  requires known: fetched_known(*q, *c);
  terminates \true;
  exits \false;
  assigns *first, *header, c->segment[0 .. VIRTQ_SEGMENTS_MAX - 1],
    fetch_count, fetch_at[0 .. FETCH_MAX - 1],
    fetch_size[0 .. FETCH_MAX - 1];
  ensures said: \result == VIRTQ_TAKEN || \result == VIRTQ_MALFORMED ||
    \result == VIRTQ_LOST;
  ensures chain: request_ok(*space, *q, *c);
  ensures data: \result == VIRTQ_TAKEN ==> *first <= c->readable;
  ensures once: fetched_once;
  ensures bounded: \old(fetch_count) <= fetch_count <=
    \old(fetch_count) + 16;
*/
static enum virtq_answer split_header(const struct virtq *q,
				      const struct prec_space *space,
				      struct virtq_request *c, uint32_t *first,
				      struct virtio_blk_req_header *header)
{
	uint8_t bytes[VIRTIO_BLK_HEADER_SIZE];
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
	  loop invariant last: i > 0 ==> 0 < part <= c->segment[i - 1].size;
	  loop invariant some: have > 0 ==> i > 0;
	  loop invariant once: fetched_once;
	  loop assigns have, part, i, bytes[0 .. 15], fetch_count,
	    fetch_at[0 .. FETCH_MAX - 1], fetch_size[0 .. FETCH_MAX - 1];
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
	*first = trim(c, i - 1, part) ? i : i - 1;
	header->type = number32(bytes, 0);
	header->reserved = number32(bytes, 4);
	header->sector = (uint64_t)number32(bytes, 12) << 32;
	header->sector |= number32(bytes, 8);
	return VIRTQ_TAKEN;
}

/*@
  requires chain: \valid_read(c);
  requires range: first <= last <= VIRTQ_SEGMENTS_MAX;
  requires sizes: \forall integer i; first <= i < last ==>
    c->segment[i].size <= 0xffffffff;
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures sum: \result == span_total(*c, first, last);
*/
static uint64_t total(const struct virtq_request *c, uint32_t first,
		      uint32_t last)
{
	uint64_t bytes = 0;
	uint32_t i;

	/*@
	  loop invariant range: first <= i <= last;
	  loop invariant bounded: 0 <= bytes <= (i - first) * 0xffffffff;
	  loop invariant sum: bytes == span_total(*c, first, i);
	  loop assigns i, bytes;
	  loop variant last - i;
	*/
	for (i = first; i < last; i++)
		bytes += c->segment[i].size;
	return bytes;
}

/*@
  requires request: \valid(r);
  terminates \true;
  exits \false;
  assigns r->op, r->answer, r->first, r->count, r->offset, r->bytes;
  ensures answer: r->op == VBLK_ANSWER && r->answer == status;
  ensures no_data: r->first == 0 && r->count == 0 && r->bytes == 0;
*/
static void answer_with(struct vblk_request *r, uint8_t status)
{
	r->op = VBLK_ANSWER;
	r->answer = status;
	r->first = 0;
	r->count = 0;
	r->offset = 0;
	r->bytes = 0;
}

/* 5.2.6.1: whole sectors, inside the device. */
/*@
  requires device: \valid_read(d);
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures inside: \result ==> bytes % VIRTIO_BLK_SECTOR == 0 &&
    sector * VIRTIO_BLK_SECTOR + bytes <= d->capacity * VIRTIO_BLK_SECTOR;
*/
static bool inside(const struct vblk_device *d, uint64_t sector, uint64_t bytes)
{
	return bytes % VIRTIO_BLK_SECTOR == 0 && sector <= d->capacity &&
	       bytes / VIRTIO_BLK_SECTOR <= d->capacity - sector;
}

/*@
  requires device: \valid_read(d) && d->capacity <= VBLK_CAPACITY_MAX;
  requires request: \valid(r) && \separated(r, d);
  requires transfer: op == VBLK_READ || op == VBLK_WRITE;
  terminates \true;
  exits \false;
  assigns r->op, r->answer, r->first, r->count, r->offset, r->bytes;
  ensures said: r->op <= VBLK_IDENTIFY;
  ensures answer: r->op == VBLK_ANSWER ==> r->first == 0 && r->count == 0 &&
    r->bytes == 0 && r->answer <= VIRTIO_BLK_S_UNSUPP;
  ensures kept: r->op != VBLK_ANSWER ==> r->first == \old(r->first) &&
    r->count == \old(r->count) && r->bytes == \old(r->bytes);
  ensures transfer: r->op == VBLK_READ || r->op == VBLK_WRITE ==>
    0 < r->bytes <= VBLK_BYTES_MAX &&
    r->bytes % VIRTIO_BLK_SECTOR == 0 &&
    r->offset == r->sector * VIRTIO_BLK_SECTOR &&
    r->offset + r->bytes <= d->capacity * VIRTIO_BLK_SECTOR;
  ensures op: r->op == op || r->op == VBLK_ANSWER;
*/
static void decide_transfer(const struct vblk_device *d, struct vblk_request *r,
			    enum vblk_op op)
{
	if (r->bytes > VBLK_BYTES_MAX || !inside(d, r->sector, r->bytes)) {
		answer_with(r, VIRTIO_BLK_S_IOERR);
		return;
	}
	if (r->bytes == 0) {
		answer_with(r, VIRTIO_BLK_S_OK);
		return;
	}
	r->op = op;
	r->offset = r->sector * VIRTIO_BLK_SECTOR;
}

/* r->first, r->count and r->bytes are the data on the side that the type uses;
 * `other` is how many segments of data lie on the side that it does not. */
/*@
  requires device: \valid_read(d) && d->capacity <= VBLK_CAPACITY_MAX;
  requires request: \valid(r) && \separated(r, d);
  requires none: r->count == 0 ==> r->bytes == 0;
  terminates \true;
  exits \false;
  assigns r->op, r->answer, r->first, r->count, r->offset, r->bytes;
  ensures said: r->op <= VBLK_IDENTIFY;
  ensures answer: r->op == VBLK_ANSWER ==> r->first == 0 && r->count == 0 &&
    r->bytes == 0 && r->answer <= VIRTIO_BLK_S_UNSUPP;
  ensures kept: r->op != VBLK_ANSWER ==> r->first == \old(r->first) &&
    r->count == \old(r->count) && r->bytes == \old(r->bytes);
  ensures transfer: r->op == VBLK_READ || r->op == VBLK_WRITE ==>
    0 < r->bytes <= VBLK_BYTES_MAX &&
    r->bytes % VIRTIO_BLK_SECTOR == 0 &&
    r->offset == r->sector * VIRTIO_BLK_SECTOR &&
    r->offset + r->bytes <= d->capacity * VIRTIO_BLK_SECTOR;
  ensures out: r->op == VBLK_WRITE ==>
    r->type == VIRTIO_BLK_T_OUT && !d->read_only;
  ensures in: r->op == VBLK_READ || r->op == VBLK_IDENTIFY ==>
    r->type != VIRTIO_BLK_T_OUT;
  ensures flush: r->op == VBLK_FLUSH ==> r->bytes == 0 && r->count == 0;
  ensures identify: r->op == VBLK_IDENTIFY ==>
    r->bytes == VIRTIO_BLK_ID_BYTES;
*/
static void decide(const struct vblk_device *d, struct vblk_request *r,
		   uint32_t other)
{
	switch (r->type) {
	case VIRTIO_BLK_T_IN:
		if (other != 0)
			break;
		decide_transfer(d, r, VBLK_READ);
		return;
	case VIRTIO_BLK_T_OUT:
		/* 5.2.6.2: a read-only device fails writes. */
		if (other != 0 || d->read_only)
			break;
		decide_transfer(d, r, VBLK_WRITE);
		return;
	case VIRTIO_BLK_T_FLUSH:
		if (other != 0 || r->count != 0)
			break;
		r->op = VBLK_FLUSH;
		return;
	case VIRTIO_BLK_T_GET_ID:
		if (other != 0 || r->bytes != VIRTIO_BLK_ID_BYTES)
			break;
		r->op = VBLK_IDENTIFY;
		return;
	default:
		answer_with(r, VIRTIO_BLK_S_UNSUPP);
		return;
	}
	answer_with(r, VIRTIO_BLK_S_IOERR);
}

/* The first bytes that the driver reads are the header. */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid_read(q) && virtq_ok(*space, *q) &&
    q->state == VIRTQ_READY;
  requires chain: \valid(c) && request_ok(*space, *q, *c);
  requires out: \valid(first) && \valid(header) &&
    \separated(first, header, c, q, space);
  requires once: fetched_once && fetch_count + 16 <= FETCH_MAX;
  requires known: fetched_known(*q, *c);
  terminates \true;
  exits \false;
  assigns *first, *header, c->segment[0 .. VIRTQ_SEGMENTS_MAX - 1],
    fetch_count, fetch_at[0 .. FETCH_MAX - 1],
    fetch_size[0 .. FETCH_MAX - 1];
  ensures said: \result == VIRTQ_TAKEN || \result == VIRTQ_MALFORMED ||
    \result == VIRTQ_LOST;
  ensures chain: request_ok(*space, *q, *c);
  ensures some: \result == VIRTQ_TAKEN ==> 0 < c->readable;
  ensures data: \result == VIRTQ_TAKEN ==> *first <= c->readable;
  ensures once: fetched_once;
  ensures bounded: \old(fetch_count) <= fetch_count <=
    \old(fetch_count) + 16;
*/
static enum virtq_answer take_header(const struct virtq *q,
				     const struct prec_space *space,
				     struct virtq_request *c, uint32_t *first,
				     struct virtio_blk_req_header *header)
{
	if (c->readable == 0)
		return VIRTQ_MALFORMED;
	if (c->segment[0].size >= VIRTIO_BLK_HEADER_SIZE)
		return whole_header(q, space, c, first, header);
	return split_header(q, space, c, first, header);
}

enum virtq_answer vblk_decode(const struct vblk_device *d,
			      const struct virtq *q,
			      const struct prec_space *space,
			      struct virtq_request *c, struct vblk_request *r)
{
	struct virtio_blk_req_header header = { 0, 0, 0 };
	enum virtq_answer answer;
	uint32_t first = 0;
	uint32_t other;

	if (!place_status(q, space, c, &r->status))
		return VIRTQ_MALFORMED;
	answer = take_header(q, space, c, &first, &header);
	r->head = c->head;
	r->type = header.type;
	r->sector = header.sector;
	r->answer = VIRTIO_BLK_S_OK;
	r->gone = answer == VIRTQ_LOST;
	r->offset = 0;
	if (answer != VIRTQ_TAKEN) {
		answer_with(r, VIRTIO_BLK_S_IOERR);
		return VIRTQ_TAKEN;
	}
	if (header.type == VIRTIO_BLK_T_OUT) {
		r->first = first;
		r->count = c->readable - first;
		other = c->count - c->readable;
	} else {
		r->first = c->readable;
		r->count = c->count - c->readable;
		other = c->readable - first;
	}
	r->bytes = total(c, r->first, r->first + r->count);
	decide(d, r, other);
	return VIRTQ_TAKEN;
}

struct vblk_outcome vblk_outcome(const struct vblk_request *r,
				 enum prec_status did, uint64_t moved,
				 bool same_epoch)
{
	struct vblk_outcome out = { VIRTIO_BLK_S_IOERR, 1 };
	bool whole = moved == r->bytes && same_epoch;

	if (r->op == VBLK_ANSWER) {
		out.status = r->answer;
		return out;
	}
	if (did == PREC_OK && whole)
		out.status = VIRTIO_BLK_S_OK;
	if (r->op == VBLK_READ || r->op == VBLK_IDENTIFY) {
		if (whole)
			out.used = (uint32_t)r->bytes + 1;
		else if (same_epoch && moved < r->bytes)
			out.used = (uint32_t)moved;
		else
			out.used = 0;
	}
	return out;
}

enum prec_status vblk_store_status(const struct vblk_request *r,
				   const struct prec_space *space,
				   uint8_t status)
{
	/*@ ghost store_count = 0; */
	return client_store8(space, r->status, 0, status);
}

void vblk_config(const struct vblk_device *d, struct virtio_blk_config *config)
{
	struct virtio_blk_config fill = { 0 };

	fill.capacity = d->capacity;
	fill.seg_max = VBLK_SEG_MAX;
	fill.blk_size = d->blk_size;
	fill.writeback = d->writeback;
	fill.num_queues = d->queues;
	*config = fill;
}
