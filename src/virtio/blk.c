// SPDX-License-Identifier: MIT
#include "virtio/blk.h"

#include "virtio/blk_fetch.h"

/* Take off the last byte that the device writes: it is the status, not data. */
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

	/* Parameters only so that the contract can name them. */
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

/* Remove `size` bytes, fewer than all, from the front of segment i. */
/*@
  requires chain: \valid(c) && i < VIRTQ_SEGMENTS_MAX;
  requires part: size < c->segment[i].size;
  requires bounded: span_bounded(c->segment[i]);
  terminates \true;
  exits \false;
  assigns c->segment[i].host, c->segment[i].address, c->segment[i].size;
  ensures host: c->segment[i].host == \old(c->segment[i].host) + size;
  ensures address: c->segment[i].address ==
    \old(c->segment[i].address) + size;
  ensures size: c->segment[i].size == \old(c->segment[i].size) - size;
*/
static void trim(struct virtq_request *c, uint32_t i, uint64_t size)
{
	c->segment[i].host += size;
	c->segment[i].address += size;
	c->segment[i].size -= size;
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

/* 5.2.6.1: are these whole sectors inside the device? */
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

/* Decide by type.  r->first, r->count and r->bytes are the data in the
 * direction that the type uses; `other` counts the segments of the other
 * direction. */
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
  requires out: \valid(w) && w->count <= VBLK_RANGES_MAX &&
    \separated(w, d, bytes + (0 .. LENT_BYTES_MAX - 1));
  terminates \true;
  exits \false;
  assigns w->range[0 .. VBLK_RANGES_MAX - 1];
  ensures said: \result <= VIRTIO_BLK_S_UNSUPP;
  ensures unknown: \result == VIRTIO_BLK_S_UNSUPP <==>
    !(\forall integer i; 0 <= i < w->count ==>
      \old(range_flags(bytes, i)) <= known);
  ensures ranges: \result == VIRTIO_BLK_S_OK ==> ranges_ok(*d, *w);
  ensures kept: \result == VIRTIO_BLK_S_OK && known == 0 ==>
    \forall integer i; 0 <= i < w->count ==> !w->range[i].unmap;
  ensures meant: \result == VIRTIO_BLK_S_OK ==>
    \forall integer i; 0 <= i < w->count ==>
      w->range[i].offset == VIRTIO_BLK_SECTOR * \old(range_sector(bytes, i)) &&
      w->range[i].size == VIRTIO_BLK_SECTOR * \old(range_sectors(bytes, i)) &&
      (w->range[i].unmap <==>
        \old(range_flags(bytes, i)) == VIRTIO_BLK_RANGE_UNMAP);
*/
static uint8_t read_ranges(const struct vblk_device *d, const uint8_t *bytes,
			   uint32_t known, struct vblk_ranges *w)
{
	uint8_t answer = VIRTIO_BLK_S_OK;
	uint32_t i;

	/*@
	  loop invariant range: 0 <= i <= w->count;
	  loop invariant said: answer == VIRTIO_BLK_S_OK ||
	    answer == VIRTIO_BLK_S_IOERR;
	  loop invariant known: \forall integer j; 0 <= j < i ==>
	    range_flags(bytes, j) <= known;
	  loop invariant ranges: answer == VIRTIO_BLK_S_OK ==>
	    \forall integer j; 0 <= j < i ==> range_ok(*d, w->range[j]);
	  loop invariant meant: answer == VIRTIO_BLK_S_OK ==>
	    \forall integer j; 0 <= j < i ==>
	    w->range[j].offset == VIRTIO_BLK_SECTOR * range_sector(bytes, j) &&
	    w->range[j].size == VIRTIO_BLK_SECTOR * range_sectors(bytes, j) &&
	    (w->range[j].unmap <==>
	      range_flags(bytes, j) == VIRTIO_BLK_RANGE_UNMAP);
	  loop assigns i, answer, w->range[0 .. VBLK_RANGES_MAX - 1];
	  loop variant w->count - i;
	*/
	for (i = 0; i < w->count; i++) {
		uint64_t sector = vblk_number64(bytes, 16 * i);
		uint32_t sectors = vblk_number32(bytes, 16 * i + 8);
		uint32_t flags = vblk_number32(bytes, 16 * i + 12);
		uint64_t size = (uint64_t)sectors * VIRTIO_BLK_SECTOR;
		struct store_range range;

		/*@ assert sector: sector == range_sector(bytes, i); */
		/*@ assert sectors: sectors == range_sectors(bytes, i); */
		/*@ assert flags: flags == range_flags(bytes, i); */
		if (flags > known)
			return VIRTIO_BLK_S_UNSUPP;
		if (sectors > VBLK_RANGE_SECTORS_MAX ||
		    !inside(d, sector, size)) {
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
  ensures whole: \result > 0 ==> c->count == c->readable &&
    VIRTIO_BLK_RANGE_SIZE * \result + at.part ==
      span_total(*c, at.segment, c->readable);
*/
static uint32_t count_ranges(const struct virtq_request *c,
			     struct vblk_cursor at)
{
	uint64_t size = total(c, at.segment, c->readable);

	if (c->count != c->readable || size < at.part)
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
  terminates \true;
  exits \false;
  assigns r->op, r->answer, r->first, r->count, r->offset, r->bytes, r->gone,
    *w, BLK_FETCHES;
  ensures said: r->op == VBLK_ANSWER || of_ranges(*r);
  ensures answer: r->op == VBLK_ANSWER ==> r->bytes == 0 &&
    r->answer <= VIRTIO_BLK_S_UNSUPP;
  ensures none: r->first == 0 && r->count == 0;
  ensures gone: r->gone ==> r->op == VBLK_ANSWER &&
    r->answer == VIRTIO_BLK_S_IOERR;
  ensures type: of_ranges(*r) ==>
    (r->op == VBLK_DISCARD <==> r->type == VIRTIO_BLK_T_DISCARD);
  ensures decided: of_ranges(*r) ==> ranges_decided(*d, *r, *w) &&
    r->bytes <= VBLK_BYTES_MAX;
  ensures once: fetched_once;
  ensures bounded: \old(fetch_count) <= fetch_count <=
    \old(fetch_count) + 256;
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
	if (d->read_only || w->count == 0)
		return;
	if (zeroes ? !d->write_zeroes : !d->discard) {
		r->answer = VIRTIO_BLK_S_UNSUPP;
		return;
	}
	answer = vblk_take_rest(q, space, c, at,
				w->count * VIRTIO_BLK_RANGE_SIZE, bytes);
	r->gone = answer == VIRTQ_LOST;
	if (answer != VIRTQ_TAKEN)
		return;
	r->answer =
		read_ranges(d, bytes, zeroes ? VIRTIO_BLK_RANGE_UNMAP : 0, w);
	if (r->answer != VIRTIO_BLK_S_OK)
		return;
	r->bytes = sum_of(w);
	if (r->bytes > 0)
		r->op = zeroes ? VBLK_ZEROES : VBLK_DISCARD;
}

enum virtq_answer vblk_decode(const struct vblk_device *d,
			      const struct virtq *q,
			      const struct prec_space *space,
			      struct virtq_request *c, struct vblk_request *r,
			      struct vblk_ranges *w)
{
	struct virtio_blk_req_header header = { 0, 0, 0 };
	struct vblk_cursor at = { 0, 0 };
	enum virtq_answer answer;
	uint32_t other;

	if (!place_status(q, space, c, &r->status))
		return VIRTQ_MALFORMED;
	answer = vblk_take_header(q, space, c, &at, &header);
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
	if (header.type == VIRTIO_BLK_T_DISCARD ||
	    header.type == VIRTIO_BLK_T_WRITE_ZEROES) {
		decide_ranges(d, q, space, c, at, r, w);
		return VIRTQ_TAKEN;
	}
	if (at.part > 0)
		trim(c, at.segment, at.part);
	if (header.type == VIRTIO_BLK_T_OUT) {
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
	return lent_store8(space, r->status, 0, status);
}

/*
 * The geometry that old firmware expects: 63 sectors a track, 16 heads, and at
 * most as many cylinders as an ATA disk.  Never larger than the capacity.
 */
/*@
  requires out: \valid(config);
  terminates \true;
  exits \false;
  assigns config->geometry;
  ensures inside: config->geometry.cylinders * config->geometry.heads *
    config->geometry.sectors <= capacity;
  ensures some: 0 < capacity ==> 0 < config->geometry.cylinders;
*/
static void set_geometry(struct virtio_blk_config *config, uint64_t capacity)
{
	uint64_t cylinders = capacity / 1008; /* of 16 times 63 */

	if (cylinders == 0) {
		config->geometry.cylinders = (uint16_t)capacity;
		config->geometry.heads = 1;
		config->geometry.sectors = 1;
		return;
	}
	config->geometry.cylinders =
		cylinders < 16383 ? (uint16_t)cylinders : 16383;
	config->geometry.heads = 16;
	config->geometry.sectors = 63;
}

void vblk_config(const struct vblk_device *d, struct virtio_blk_config *config)
{
	struct virtio_blk_config fill = { 0 };

	fill.capacity = d->capacity;
	fill.seg_max = VBLK_SEG_MAX;
	set_geometry(&fill, d->capacity);
	fill.blk_size = d->blk_size;
	fill.topology.physical_block_exp = d->physical_block_exp;
	fill.topology.alignment_offset = d->alignment_offset;
	fill.topology.min_io_size = d->min_io_size;
	fill.topology.opt_io_size = d->opt_io_size;
	fill.writeback = d->writeback;
	fill.num_queues = d->queues;
	if (d->discard) {
		fill.max_discard_sectors = VBLK_RANGE_SECTORS_MAX;
		fill.max_discard_seg = VBLK_RANGES_MAX;
		fill.discard_sector_alignment = d->discard_alignment;
	}
	if (d->write_zeroes) {
		fill.max_write_zeroes_sectors = VBLK_RANGE_SECTORS_MAX;
		fill.max_write_zeroes_seg = VBLK_RANGES_MAX;
		fill.write_zeroes_may_unmap = d->may_unmap;
	}
	*config = fill;
}
