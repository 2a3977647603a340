// SPDX-License-Identifier: MIT
#include "virtio/blk.h"

#include "virtio/blk_fetch.h"
#include "virtio/blk_status.h"

/* Remove `size` bytes, fewer than all, from the front of segment i. */
/*@
  requires chain: \valid(c) && i < c->readable <= c->count &&
    c->count <= VIRTQ_SEGMENTS_MAX;
  requires part: size < c->segment[i].size && span_bounded(c->segment[i]);
  terminates \true;
  exits \false;
  assigns c->segment[i].host, c->segment[i].address, c->segment[i].size;
  ensures cut: span_cut(\old(c->segment[i]), c->segment[i], size, 0);
  ensures before: bytes_before(*c, i) == bytes_before(\old(*c), i);
  ensures readable: bytes_before(*c, c->readable) + size ==
    bytes_before(\old(*c), c->readable);
  ensures count: bytes_before(*c, c->count) + size ==
    bytes_before(\old(*c), c->count);
*/
static void trim(struct virtq_request *c, uint32_t i, uint64_t size)
{
	c->segment[i].host += size;
	c->segment[i].address += size;
	c->segment[i].size -= size;
	/*@ ghost
	  uint32_t n = 0;
	  /@
	    loop invariant range: 0 <= n <= c->count;
	    loop invariant sums: \forall integer j; 0 <= j <= n ==>
	      bytes_before(*c, j) + (i < j ? size : 0) ==
	        bytes_before(\at(*c, Pre), j);
	    loop assigns n;
	    loop variant c->count - n;
	  @/
	  while (n < c->count) n++;
	*/
}

/*@
  requires chain: \valid_read(c);
  requires range: first <= last <= VIRTQ_SEGMENTS_MAX;
  requires sizes: \forall integer i; first <= i < last ==>
    c->segment[i].size <= 0xffffffff;
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures sum: \result == bytes_before(*c, last) - bytes_before(*c, first);
  ensures some: first < last ==> c->segment[first].size <= \result;
*/
static uint64_t total(const struct virtq_request *c, uint32_t first,
		      uint32_t last)
{
	uint64_t bytes = 0;
	uint32_t i;

	/*@
	  loop invariant range: first <= i <= last;
	  loop invariant bounded: 0 <= bytes <= (i - first) * 0xffffffff;
	  loop invariant sum: bytes == bytes_before(*c, i) -
	    bytes_before(*c, first);
	  loop invariant some: first < i ==> c->segment[first].size <= bytes;
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

/* 5.2.6.1: are these whole sectors inside the device? */
/*@
  requires device: \valid_read(d);
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures inside: \result <==> sectors_inside(*d, sector, bytes);
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
  ensures answer: r->op == VBLK_ANSWER ==> r->first == 0 && r->count == 0 &&
    r->bytes == 0;
  ensures kept: r->op != VBLK_ANSWER ==> r->first == \old(r->first) &&
    r->count == \old(r->count) && r->bytes == \old(r->bytes) &&
    r->offset == VIRTIO_BLK_SECTOR * r->sector;
  ensures op: r->op == (\old(r->bytes) > 0 &&
    \old(r->bytes) <= VBLK_BYTES_MAX &&
    sectors_inside(*d, r->sector, \old(r->bytes)) ? op : VBLK_ANSWER);
  ensures refused: r->op == VBLK_ANSWER ==> r->answer ==
    (\old(r->bytes) <= VBLK_BYTES_MAX &&
     sectors_inside(*d, r->sector, \old(r->bytes)) ? VIRTIO_BLK_S_OK :
     VIRTIO_BLK_S_IOERR);
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

/* Decide by type.  r->first, r->count and r->bytes are the data in the
 * direction that the type uses; `other` counts the segments of the other
 * direction. */
/*@
  requires device: \valid_read(d) && d->capacity <= VBLK_CAPACITY_MAX;
  requires request: \valid(r) && \separated(r, d);
  requires none: r->count == 0 <==> r->bytes == 0;
  requires type: !of_range_type(*r);
  terminates \true;
  exits \false;
  assigns r->op, r->answer, r->first, r->count, r->offset, r->bytes;
  ensures answer: r->op == VBLK_ANSWER ==> r->first == 0 && r->count == 0 &&
    r->bytes == 0;
  ensures kept: r->op != VBLK_ANSWER ==> r->first == \old(r->first) &&
    r->count == \old(r->count) && r->bytes == \old(r->bytes);
  ensures offset: r->op == VBLK_READ || r->op == VBLK_WRITE ==>
    r->offset == VIRTIO_BLK_SECTOR * r->sector;
  ensures table: by_table(*d, *r,
    r->type == VIRTIO_BLK_T_OUT ? \old(r->bytes) : other,
    r->type == VIRTIO_BLK_T_OUT ? other : \old(r->bytes));
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
		if (other != 0 || r->bytes > VBLK_ID_MAX)
			break;
		r->op = VBLK_IDENTIFY;
		if (r->bytes == 0)
			answer_with(r, VIRTIO_BLK_S_OK);
		return;
	default:
		answer_with(r, VIRTIO_BLK_S_UNSUPP);
		return;
	}
	answer_with(r, VIRTIO_BLK_S_IOERR);
}

/*
 * Decode and check the segments of a discard or write zeroes.  `known` is
 * VIRTIO_BLK_RANGE_UNMAP if that flag is valid, or else 0; larger flags contain
 * an unknown one.  5.2.6.2: an unknown flag is answered by UNSUPP, whatever
 * else is wrong.
 */
/*@
  requires device: \valid_read(d) && d->capacity <= VBLK_CAPACITY_MAX;
  requires known: known <= VIRTIO_BLK_RANGE_UNMAP;
  requires bytes: \valid_read(bytes + (0 .. LENT_BYTES_MAX - 1));
  requires log: \forall integer i;
    0 <= i < VIRTIO_BLK_RANGE_SIZE * w->count ==>
      bytes[i] == fetch_byte[i + ranges_from];
  requires out: \valid(w) && w->count <= VBLK_RANGES_MAX &&
    \separated(w, d, bytes + (0 .. LENT_BYTES_MAX - 1));
  terminates \true;
  exits \false;
  assigns w->range[0 .. VBLK_RANGES_MAX - 1];
  ensures said: \result <= VIRTIO_BLK_S_UNSUPP;
  ensures unknown: \result == VIRTIO_BLK_S_UNSUPP <==>
    !flags_known(ranges_from, w->count, known);
  ensures inside: \result != VIRTIO_BLK_S_UNSUPP ==>
    (\result == VIRTIO_BLK_S_OK <==>
      ranges_inside(*d, ranges_from, w->count));
  ensures ranges: \result == VIRTIO_BLK_S_OK ==> ranges_ok(*d, *w);
  ensures kept: \result == VIRTIO_BLK_S_OK && known == 0 ==>
    \forall integer i; 0 <= i < w->count ==> !w->range[i].unmap;
  ensures meant: \result == VIRTIO_BLK_S_OK ==>
    ranges_said(*w, ranges_from);
*/
static uint8_t read_ranges(const struct vblk_device *d, const uint8_t *bytes,
			   uint32_t known, struct vblk_ranges *w)
{
	uint8_t answer = VIRTIO_BLK_S_OK;
	uint32_t i;
	/*@ ghost uint32_t outside = 0; */

	/*@
	  loop invariant range: 0 <= i <= w->count;
	  loop invariant said: answer == VIRTIO_BLK_S_OK ||
	    answer == VIRTIO_BLK_S_IOERR;
	  loop invariant known: flags_known(ranges_from, i, known);
	  loop invariant inside: answer == VIRTIO_BLK_S_OK ==>
	    ranges_inside(*d, ranges_from, i);
	  loop invariant outside: answer != VIRTIO_BLK_S_OK ==>
	    0 <= outside < i && !range_inside(*d, ranges_from, outside);
	  loop invariant ranges: answer == VIRTIO_BLK_S_OK ==>
	    \forall integer j; 0 <= j < i ==> range_ok(*d, w->range[j]);
	  loop invariant meant: answer == VIRTIO_BLK_S_OK ==>
	    \forall integer j; 0 <= j < i ==>
	      range_said(w->range[j], ranges_from, j);
	  loop assigns i, answer, outside, w->range[0 .. VBLK_RANGES_MAX - 1];
	  loop variant w->count - i;
	*/
	for (i = 0; i < w->count; i++) {
		uint64_t sector = vblk_number64(bytes, 16 * i);
		uint32_t sectors = vblk_number32(bytes, 16 * i + 8);
		uint32_t flags = vblk_number32(bytes, 16 * i + 12);
		uint64_t size = (uint64_t)sectors * VIRTIO_BLK_SECTOR;
		struct store_range range;

		/*@ assert byte: bytes[16 * i] ==
		      fetch_byte[16 * i + ranges_from]; */
		/*@ assert low: wire32(bytes, 16 * i) ==
		      logged32(ranges_from + 16 * i); */
		/*@ assert high: wire32(bytes, 16 * i + 4) ==
		      logged32(ranges_from + 16 * i + 4); */
		/*@ assert sector: sector == logged_sector(ranges_from, i); */
		/*@ assert sectors:
		      sectors == logged_sectors(ranges_from, i); */
		/*@ assert flags: flags == logged_flags(ranges_from, i); */
		if (flags > known)
			return VIRTIO_BLK_S_UNSUPP;
		/*@ assert flags_known:
		      flags_known(ranges_from, i + 1, known); */
		/*@ assert inside: range_inside(*d, ranges_from, i) <==>
		      sectors <= VBLK_RANGE_SECTORS_MAX &&
		      sectors_inside(*d, sector, size); */
		if (sectors > VBLK_RANGE_SECTORS_MAX ||
		    !inside(d, sector, size)) {
			/*@ ghost outside = i; */
			answer = VIRTIO_BLK_S_IOERR;
			continue;
		}
		range.offset = sector * VIRTIO_BLK_SECTOR;
		range.size = size;
		range.unmap = false;
		if (flags == VIRTIO_BLK_RANGE_UNMAP)
			range.unmap = true;
		/*@ assert exact: range.offset == VIRTIO_BLK_SECTOR * sector; */
		/*@ assert whole: range.offset % VIRTIO_BLK_SECTOR == 0; */
		/*@ assert good: range_ok(*d, range); */
		/*@ assert this: range_inside(*d, ranges_from, i); */
		/*@ assert so_far: answer == VIRTIO_BLK_S_OK ==>
		      ranges_inside(*d, ranges_from, i + 1); */
		w->range[i] = range;
	}
	return answer;
}

/*@
  requires ranges: \valid_read(w) && w->count <= VBLK_RANGES_MAX;
  requires sizes: \forall integer i; 0 <= i < w->count ==>
    w->range[i].size <= VBLK_RANGE_SECTORS_MAX * VIRTIO_BLK_SECTOR;
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures sum: \result == range_total(*w, w->count);
  ensures bounded: \result <= VBLK_BYTES_MAX;
*/
static uint64_t sum_of(const struct vblk_ranges *w)
{
	uint64_t bytes = 0;
	uint32_t i;

	/*@
	  loop invariant range: 0 <= i <= w->count;
	  loop invariant bounded: 0 <= bytes <=
	    i * (VBLK_RANGE_SECTORS_MAX * VIRTIO_BLK_SECTOR);
	  loop invariant sum: bytes == range_total(*w, i);
	  loop assigns i, bytes;
	  loop variant w->count - i;
	*/
	for (i = 0; i < w->count; i++)
		bytes += w->range[i].size;
	return bytes;
}

/* 5.2.6.2: how many ranges are there?  0: not whole ranges, more than we offer,
 * or data that the device would have to write. */
/*@
  requires chain: \valid_read(c) &&
    c->readable <= c->count <= VIRTQ_SEGMENTS_MAX;
  requires cursor: cursor_ok(*c, at);
  requires sizes: \forall integer i; 0 <= i < c->count ==>
    c->segment[i].size <= 0xffffffff;
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures count: \result <= VBLK_RANGES_MAX;
  ensures counted: \result > 0 <==> c->count == c->readable &&
    ranges_counted(bytes_before(*c, c->readable) - bytes_to(*c, at));
  ensures whole: \result > 0 ==> c->count == c->readable &&
    VIRTIO_BLK_RANGE_SIZE * \result + bytes_to(*c, at) ==
      bytes_before(*c, c->readable);
*/
static uint32_t count_ranges(const struct virtq_request *c,
			     struct vblk_cursor at)
{
	uint64_t size = total(c, at.segment, c->readable);

	if (c->count != c->readable)
		return 0;
	size -= at.part;
	if (size % VIRTIO_BLK_RANGE_SIZE != 0 ||
	    size / VIRTIO_BLK_RANGE_SIZE > VBLK_RANGES_MAX)
		return 0;
	return (uint32_t)(size / VIRTIO_BLK_RANGE_SIZE);
}

/* Decide DISCARD and WRITE_ZEROES, whose ranges are data that the client sends
 * and must be fetched. */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid_read(q) && virtq_ok(*space, *q) &&
    q->state == VIRTQ_READY;
  requires device: \valid_read(d) && d->capacity <= VBLK_CAPACITY_MAX;
  requires chain: \valid_read(c) && request_ok(*space, *q, *c);
  requires cursor: cursor_ok(*c, at);
  requires out: \valid(r) && \valid(w) && \separated(r, w, c, q, space, d);
  requires type: r->type == VIRTIO_BLK_T_DISCARD ||
    r->type == VIRTIO_BLK_T_WRITE_ZEROES;
  requires once: fetched_once && fetch_count + 256 <= FETCH_MAX;
  requires so_far: fetched_so_far(*q, *c, at);
  requires log: may_log(LENT_BYTES_MAX);
  requires read: bytes_read(*c, bytes_to(*c, at) - byte_count);
  terminates \true;
  exits \false;
  assigns r->op, r->answer, r->first, r->count, r->offset, r->bytes, r->gone,
    *w, BYTE_FETCHES, ranges_from;
  ensures said: r->op == VBLK_ANSWER || of_ranges(*r);
  ensures answer: r->op == VBLK_ANSWER ==> r->bytes == 0 &&
    r->answer <= VIRTIO_BLK_S_UNSUPP;
  ensures none: r->first == 0 && r->count == 0;
  ensures gone: r->gone ==> r->op == VBLK_ANSWER &&
    r->answer == VIRTIO_BLK_S_IOERR;
  ensures type: of_ranges(*r) ==> r->op == op_of_type(r->type);
  ensures there: r->gone <==> !fetched_there{Pre, Post};
  ensures log_kept: \forall integer i; 0 <= i < \old(byte_count) ==>
    fetch_byte[i] == \old(fetch_byte[i]);
  ensures table: !r->gone &&
    laid_out(*q, *c, bytes_before(*c, c->readable)) ==>
    by_range_table(*d, *r, *w,
      bytes_before(*c, c->readable) - bytes_to(*c, at),
      c->count - c->readable, \old(byte_count));
  ensures otherwise: failed(*r) || by_range_table(*d, *r, *w,
    bytes_before(*c, c->readable) - bytes_to(*c, at), c->count - c->readable,
    \old(byte_count));
  ensures read: bytes_read(*c, bytes_to(*c, at) - \old(byte_count)) &&
    \old(byte_count) <= byte_count;
  ensures logged: of_ranges(*r) ==> ranges_said(*w, \old(byte_count)) &&
    \old(byte_count) + VIRTIO_BLK_RANGE_SIZE * w->count <= byte_count;
  ensures decided: of_ranges(*r) ==> ranges_decided(*d, *r, *w) &&
    r->bytes <= VBLK_BYTES_MAX;
  ensures anew: fetched_anew{Pre, Post}(LENT_BYTES_MAX);
*/
static void decide_ranges(const struct vblk_device *d, const struct virtq *q,
			  const struct prec_space *space,
			  const struct virtq_request *c, struct vblk_cursor at,
			  struct vblk_request *r, struct vblk_ranges *w)
{
	bool zeroes = r->type == VIRTIO_BLK_T_WRITE_ZEROES;
	uint8_t bytes[LENT_BYTES_MAX];
	enum virtq_answer answer;

	answer_with(r, VIRTIO_BLK_S_IOERR);
	r->gone = false;
	w->count = count_ranges(c, at);
	/*@ assert counted: w->count > 0 <==> c->count == c->readable &&
	      ranges_counted(bytes_before(*c, c->readable) -
	        bytes_to(*c, at)); */
	if (d->read_only || w->count == 0)
		return;
	/*@ ghost uint32_t n = w->count; */
	/*@ assert n: VIRTIO_BLK_RANGE_SIZE * n ==
	      bytes_before(*c, c->readable) - bytes_to(*c, at); */
	/*@ assert offered: range_refusal(*d, r->type,
	      bytes_before(*c, c->readable) - bytes_to(*c, at),
	      c->count - c->readable) ==
	        ((zeroes ? d->write_zeroes : d->discard) ? VIRTIO_BLK_S_OK :
	        VIRTIO_BLK_S_UNSUPP); */
	if (zeroes ? !d->write_zeroes : !d->discard) {
		r->answer = VIRTIO_BLK_S_UNSUPP;
		/*@ assert unsupported: by_range_table(*d, *r, *w,
		      bytes_before(*c, c->readable) - bytes_to(*c, at),
		      c->count - c->readable, \at(byte_count, Pre)); */
		return;
	}
	/*@ ghost ranges_from = byte_count; */
	answer = vblk_take_rest(q, space, c, at,
				w->count * VIRTIO_BLK_RANGE_SIZE, bytes);
	r->gone = answer == VIRTQ_LOST;
	if (answer != VIRTQ_TAKEN)
		return;
	r->answer =
		read_ranges(d, bytes, zeroes ? VIRTIO_BLK_RANGE_UNMAP : 0, w);
	/*@ assert wanted: r->answer != VIRTIO_BLK_S_OK ==>
	      by_ranges(*d, *r, *w, n, ranges_from); */
	if (r->answer != VIRTIO_BLK_S_OK)
		return;
	r->bytes = sum_of(w);
	/*@ assert ranges: flags_known(ranges_from, n, known_flags(r->type)) &&
	      ranges_inside(*d, ranges_from, n) &&
	      ranges_said(*w, ranges_from); */
	if (r->bytes > 0)
		r->op = zeroes ? VBLK_ZEROES : VBLK_DISCARD;
	/*@ assert by_ranges: by_ranges(*d, *r, *w, n, ranges_from); */
}

/* Decide the types whose data lie in the segments themselves. */
/*@
  requires device: \valid_read(d) && d->capacity <= VBLK_CAPACITY_MAX;
  requires out: \valid(c) && \valid(r) && \separated(r, c, d);
  requires chain: c->readable <= c->count <= VIRTQ_SEGMENTS_MAX;
  requires sizes: \forall integer i; 0 <= i < c->count ==>
    0 < c->segment[i].size <= 0xffffffff;
  requires cursor: cursor_ok(*c, at);
  requires bounded: 0 < at.part ==> span_bounded(c->segment[at.segment]);
  requires header: bytes_to(*c, at) == VIRTIO_BLK_HEADER_SIZE;
  requires in: at.segment < c->readable ==> 0 < bytes_in(*c);
  requires out: c->readable < c->count ==>
    bytes_before(*c, c->readable) < bytes_before(*c, c->count);
  requires type: !of_range_type(*r);
  terminates \true;
  exits \false;
  assigns r->op, r->answer, r->first, r->count, r->offset, r->bytes,
    c->segment[at.segment].host, c->segment[at.segment].address,
    c->segment[at.segment].size;
  ensures table: by_table(*d, *r, bytes_in(\old(*c)),
    bytes_before(\old(*c), c->count) - bytes_before(\old(*c), c->readable));
  ensures answer: r->op == VBLK_ANSWER ==> r->first == 0 && r->count == 0 &&
    r->bytes == 0;
  ensures offset: r->op == VBLK_READ || r->op == VBLK_WRITE ==>
    r->offset == VIRTIO_BLK_SECTOR * r->sector;
  ensures in: r->op == VBLK_WRITE ==>
    r->first == at.segment && r->first + r->count == c->readable;
  ensures out: r->op != VBLK_ANSWER && r->op != VBLK_WRITE ==>
    r->first == c->readable && r->first + r->count == c->count;
  ensures sum: r->bytes ==
    bytes_before(*c, r->first + r->count) - bytes_before(*c, r->first);
  ensures bytes: r->op != VBLK_ANSWER ==> r->bytes == (r->op == VBLK_WRITE ?
    bytes_in(\old(*c)) : bytes_before(\old(*c), c->count) -
    bytes_before(\old(*c), c->readable));
  ensures flush: r->op == VBLK_FLUSH ==> r->count == 0;
  ensures cut: at.segment < c->readable ==>
    span_cut(\old(c->segment[at.segment]), c->segment[at.segment],
      at.part, 0);
  ensures whole: at.segment == c->readable ==> *c == \old(*c);
*/
static void decide_data(const struct vblk_device *d, struct virtq_request *c,
			struct vblk_cursor at, struct vblk_request *r)
{
	uint32_t other;

	if (at.part > 0)
		trim(c, at.segment, at.part);
	if (r->type == VIRTIO_BLK_T_OUT) {
		r->first = at.segment;
		r->count = c->readable - at.segment;
		other = c->count - c->readable;
	} else {
		r->first = c->readable;
		r->count = c->count - c->readable;
		other = c->readable - at.segment;
	}
	r->bytes = total(c, r->first, r->first + r->count);
	decide(d, r, other);
}

/*@
  // The header was fetched, up to the cursor, and says this.
  predicate header_taken{L}(struct virtq_request c, struct vblk_cursor at,
                            integer type, integer sector) =
    header_read(c) && header_said(c, read_first, type, sector) &&
    byte_count == header_logged(c) && cursor_ok(c, at) &&
    bytes_to(c, at) == VIRTIO_BLK_HEADER_SIZE &&
    (at.segment < c.readable ==> 0 < bytes_in(c));

  // Whom the answer is for, and where it is stored.
  predicate answered_to(struct prec_space s, struct virtq_request c,
                        struct vblk_request r) =
    r.head == c.head && writable_span(s, r.status) && r.status.size == 1;

  // Nothing that was fetched of the request itself is gone.
  predicate read_there{L} = \forall integer m;
    read_first <= m < fetch_count ==> fetch_ok[m] != 0;
*/

/* Fetch the header.  False: there is none, or it is gone, and this is the
 * answer. */
/*@
  requires in: \valid_read(space) && \valid_read(q) && \valid_read(c);
  requires out: \valid(at) && \valid(r) && \separated(at, r, c, q, space);
  requires may: may_fetch(*space, *q, *c, VIRTIO_BLK_HEADER_SIZE);
  requires known: fetched_known(*q, *c);
  terminates \true;
  exits \false;
  assigns *at, r->op, r->head, r->type, r->sector, r->offset, r->bytes,
    r->first, r->count, r->answer, r->gone, BLK_FETCHES;
  ensures head: r->head == c->head;
  ensures there: r->gone <==> !read_there;
  ensures gone: \result ==> !r->gone;
  ensures first: read_first == \old(fetch_count);
  ensures taken: \result ==> header_taken(*c, *at, r->type, r->sector);
  ensures so_far: \result ==> fetched_so_far(*q, *c, *at);
  ensures still: \result ==> request_still(*c, *r);
  ensures failed: !\result ==> failed(*r) && r->first == 0 && r->count == 0 &&
    r->bytes == 0;
  ensures refused: !\result && !r->gone ==>
    !laid_out(*q, *c, VIRTIO_BLK_HEADER_SIZE);
  ensures anew: fetched_anew{Pre, Post}(VIRTIO_BLK_HEADER_SIZE);
*/
static bool take_header(const struct virtq *q, const struct prec_space *space,
			const struct virtq_request *c, struct vblk_cursor *at,
			struct vblk_request *r)
{
	struct virtio_blk_req_header header = { 0, 0, 0 };
	enum virtq_answer answer;

	answer = vblk_take_header(q, space, c, at, &header);
	r->head = c->head;
	r->type = header.type;
	r->sector = header.sector;
	r->answer = VIRTIO_BLK_S_OK;
	r->gone = answer == VIRTQ_LOST;
	r->offset = 0;
	if (answer != VIRTQ_TAKEN) {
		answer_with(r, VIRTIO_BLK_S_IOERR);
		return false;
	}
	/*@ assert said: header_said(*c, read_first, r->type, r->sector); */
	/*@ assert base: fetch_count - pieces(*at) == read_first; */
	/*@ ghost still_read(c, r->type, r->sector); */
	return true;
}

/* Ranges that are what the log of bytes has are what the image has. */
/*@ ghost
  /@ requires in: \valid_read(c) && \valid_read(r) && \valid_read(w);
     requires bytes: bytes_still(*c);
     requires said: of_ranges(*r) ==> ranges_said(*w, header_logged(*c)) &&
       header_logged(*c) + VIRTIO_BLK_RANGE_SIZE * w->count <= byte_count;
     terminates \true;
     exits \false;
     assigns \nothing;
     ensures still: of_ranges(*r) ==> ranges_still(*c, *w); @/
  static void see_ranges(const struct virtq_request *c,
                         const struct vblk_request *r,
                         const struct vblk_ranges *w)
  {
    /@ assert number: \forall integer packed, table, i;
         0 <= i <= byte_count - 4 ==> logged32(i) == read32(*c, packed, table,
           i + VIRTIO_BLK_HEADER_SIZE - header_logged(*c)); @/
    /@ assert range: of_ranges(*r) ==> \forall integer i;
         0 <= i < w->count ==> range_still(*c, w->range[i], i); @/
  }
*/

/* Decode a DISCARD or WRITE_ZEROES. */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid_read(q) && virtq_ok(*space, *q) &&
    q->state == VIRTQ_READY;
  requires device: \valid_read(d) && d->capacity <= VBLK_CAPACITY_MAX;
  requires chain: \valid_read(c) && request_ok(*space, *q, *c);
  requires out: \valid(r) && \valid(w) && \separated(r, w, c, q, space, d);
  requires type: of_range_type(*r);
  requires header: header_taken(*c, at, r->type, r->sector) && read_there;
  requires once: fetched_once && fetch_count + LENT_BYTES_MAX <= FETCH_MAX;
  requires so_far: fetched_so_far(*q, *c, at);
  requires to: answered_to(*space, *c, *r);
  terminates \true;
  exits \false;
  assigns r->op, r->answer, r->first, r->count, r->offset, r->bytes, r->gone,
    *w, BYTE_FETCHES, ranges_from;
  ensures said: r->op == VBLK_ANSWER || of_ranges(*r);
  ensures there: r->gone <==> !read_there;
  ensures gone: r->gone ==> failed(*r);
  ensures header: header_said(*c, read_first, r->type, r->sector);
  ensures still: request_still(*c, *r);
  ensures still_ranges: of_ranges(*r) ==> ranges_still(*c, *w);
  ensures table: !r->gone &&
    laid_out(*q, *c, bytes_before(*c, c->readable)) ==>
    by_range_table(*d, *r, *w, bytes_in(*c), c->count - c->readable,
      header_logged(*c));
  ensures otherwise: failed(*r) || by_range_table(*d, *r, *w, bytes_in(*c),
    c->count - c->readable, header_logged(*c));
  ensures decision: decision_ok(*d, *space, *c, *r, *w);
  ensures anew: fetched_anew{Pre, Post}(LENT_BYTES_MAX);
*/
static void decode_ranges(const struct vblk_device *d, const struct virtq *q,
			  const struct prec_space *space,
			  const struct virtq_request *c, struct vblk_cursor at,
			  struct vblk_request *r, struct vblk_ranges *w)
{
	decide_ranges(d, q, space, c, at, r, w);
	/*@ assert type: 0 < header_logged(*c) ==>
	      logged32(0) == \at(logged32(0), Pre); */
	/*@ assert low: 0 < header_logged(*c) ==>
	      logged32(8) == \at(logged32(8), Pre); */
	/*@ assert high: 0 < header_logged(*c) ==>
	      logged32(12) == \at(logged32(12), Pre); */
	/*@ ghost still_read(c, r->type, r->sector); */
	/*@ ghost see_ranges(c, r, w); */
}

/* Decode a request of another type.  What the header takes of the segment that
 * it ends in is cut off. */
/*@
  requires table: \valid_read(space) && space_ok(*space) && \valid_read(q);
  requires device: \valid_read(d) && d->capacity <= VBLK_CAPACITY_MAX;
  requires chain: \valid(c) && request_ok(*space, *q, *c);
  requires out: \valid(r) && \separated(r, c, q, space, d);
  requires type: !of_range_type(*r);
  requires header: header_taken(*c, at, r->type, r->sector);
  requires written: c->readable < c->count ==>
    bytes_before(*c, c->readable) < bytes_before(*c, c->count);
  requires to: answered_to(*space, *c, *r);
  terminates \true;
  exits \false;
  assigns r->op, r->answer, r->first, r->count, r->offset, r->bytes,
    c->segment[at.segment].host, c->segment[at.segment].address,
    c->segment[at.segment].size;
  ensures table: by_table(*d, *r, bytes_in(\old(*c)),
    bytes_before(\old(*c), c->count) - bytes_before(\old(*c), c->readable));
  ensures in: r->op == VBLK_WRITE ==> data_in(\old(*c), *c, *r);
  ensures out: r->op == VBLK_READ || r->op == VBLK_IDENTIFY ==>
    all_written(\old(*c), *c, *r);
  ensures chain: request_ok(*space, *q, *c);
  ensures decision: \forall struct vblk_ranges w;
    decision_ok(*d, *space, *c, *r, w);
*/
static void decode_data(const struct vblk_device *d, const struct virtq *q,
			const struct prec_space *space, struct virtq_request *c,
			struct vblk_cursor at, struct vblk_request *r)
{
	/* Parameters only so that the contract can name them. */
	(void)q;
	(void)space;
	/*@ assert cut: 0 < at.part ==>
	      segment_ok(*space, *q, *c, at.segment); */
	decide_data(d, c, at, r);
	/*@ assert others: \forall integer i;
	      0 <= i < c->count && i != at.segment ==>
	      c->segment[i] == \at(c->segment[i], Pre); */
	/*@ assert rest: \forall integer i;
	      0 <= i < c->count && i != at.segment ==>
	      segment_ok(*space, *q, *c, i); */
	/*@ assert first: at.segment < c->readable ==>
	      segment_ok(*space, *q, *c, at.segment); */
	/*@ assert op: r->op <= VBLK_IDENTIFY; */
	/*@ assert bounded: r->bytes <= VBLK_BYTES_MAX; */
	/*@ assert sectors: r->op == VBLK_READ || r->op == VBLK_WRITE ==>
	      r->bytes > 0 && sectors_inside(*d, r->sector, r->bytes); */
	/*@ assert identity: r->op == VBLK_IDENTIFY ==>
	      0 < r->bytes <= VBLK_ID_MAX; */
	/*@ assert to: answered_to(*space, *c, *r); */
}

enum virtq_answer vblk_decode(const struct vblk_device *d,
			      const struct virtq *q,
			      const struct prec_space *space,
			      struct virtq_request *c, struct vblk_request *r,
			      struct vblk_ranges *w)
{
	struct vblk_cursor at = { 0, 0 };
	/*@ ghost struct virtq_request whole = *c; */

	if (!vblk_place_status(q, space, c, &r->status))
		return VIRTQ_MALFORMED;
	/*@ ghost struct virtq_request bare = *c; */
	if (!take_header(q, space, c, &at, r))
		return VIRTQ_TAKEN;
	if (r->type == VIRTIO_BLK_T_DISCARD ||
	    r->type == VIRTIO_BLK_T_WRITE_ZEROES)
		decode_ranges(d, q, space, c, at, r, w);
	else
		decode_data(d, q, space, c, at, r);
	/*@ ghost see_whole(*d, whole, bare, *c, *r, *w); */
	return VIRTQ_TAKEN;
}
