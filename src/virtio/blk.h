/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_VIRTIO_BLK_H
#define PRECARIUM_VIRTIO_BLK_H

#include <stdbool.h>
#include <stdint.h>

#include "store/range.h"
#include "virtio/blk_fetch.h"
#include "virtio/blk_wire.h"
#include "virtio/virtq.h"

/*
 * Block requests (VIRTIO 1.2, 5.2.6): from a chain of segments to a decision.
 * Nothing here does I/O.
 */

/* So that a size in bytes fits 63 bits. */
#define VBLK_CAPACITY_MAX 0x0040000000000000ull

/* Data of one request: at most what one system call moves, and less than the
 * largest used length. */
#define VBLK_BYTES_MAX 0x7ffff000u

/* The seg_max that we offer: with header and status, a chain of 128. */
#define VBLK_SEG_MAX 126u

/* The ranges that we offer for one discard or write zeroes: they fit into
 * LENT_BYTES_MAX, and their sum into VBLK_BYTES_MAX. */
#define VBLK_RANGES_MAX	       16u
#define VBLK_RANGE_SECTORS_MAX 0x20000u /* 64 MiB */

/* The most that is written for GET_ID: clients have places of other sizes than
 * VIRTIO_BLK_ID_BYTES for it. */
#define VBLK_ID_MAX 0x100000u

struct vblk_device {
	uint64_t capacity; /* in sectors; at most VBLK_CAPACITY_MAX */
	uint32_t blk_size; /* bytes: 512 or 4096 */
	uint16_t queues;
	bool read_only;
	bool writeback;
	bool discard; /* supported */
	bool write_zeroes;
	bool may_unmap;		    /* write zeroes may deallocate */
	uint32_t discard_alignment; /* in sectors */
	/* 5.2.4: in blocks of blk_size, except the exponent of 2 */
	uint8_t physical_block_exp;
	uint8_t alignment_offset;
	uint16_t min_io_size;
	uint32_t opt_io_size;
};

enum vblk_op {
	VBLK_ANSWER = 0, /* no I/O: report `answer` */
	VBLK_READ,	 /* from the store to the segments */
	VBLK_WRITE,	 /* from the segments to the store */
	VBLK_FLUSH,	 /* make earlier writes durable */
	VBLK_IDENTIFY,	 /* the id, as much as fits, and zeroes after it */
	VBLK_DISCARD,	 /* the ranges are no longer needed */
	VBLK_ZEROES,	 /* make the ranges read as zeroes */
};

struct vblk_request {
	enum vblk_op op;
	uint32_t head;
	uint32_t type; /* as the client gave it */
	uint64_t sector;
	uint64_t offset; /* in the store, in bytes; of READ and WRITE */
	uint64_t bytes; /* of data: the sum of the segments, or of the ranges */
	/* The data: segments first .. first + count - 1 of the chain. */
	uint32_t first;
	uint32_t count;
	uint8_t answer;
	bool gone;		 /* ANSWER: because the header is gone */
	struct prec_span status; /* where the status byte is stored */
};

/* The ranges of DISCARD and ZEROES; not written for other requests. */
struct vblk_ranges {
	uint32_t count;
	struct store_range range[VBLK_RANGES_MAX];
};

/*
 * Clause 5.2.6 as a table.  What a request asks for, and what is wrong with it,
 * depend on its type and sector, on the number of bytes that the device reads
 * after the header (`in`) and writes before the status (`out`), on the device,
 * and on nothing else; for DISCARD and WRITE_ZEROES also on their ranges.
 */
/*@
  logic integer op_of_type(integer type) =
    type == VIRTIO_BLK_T_IN           ? VBLK_READ     :
    type == VIRTIO_BLK_T_OUT          ? VBLK_WRITE    :
    type == VIRTIO_BLK_T_FLUSH        ? VBLK_FLUSH    :
    type == VIRTIO_BLK_T_GET_ID       ? VBLK_IDENTIFY :
    type == VIRTIO_BLK_T_DISCARD      ? VBLK_DISCARD  :
    type == VIRTIO_BLK_T_WRITE_ZEROES ? VBLK_ZEROES   : VBLK_ANSWER;

  // 5.2.6.1: whole sectors, and all of them inside the device.
  logic boolean sectors_inside(struct vblk_device d, integer sector,
                               integer bytes) =
    bytes % VIRTIO_BLK_SECTOR == 0 &&
    VIRTIO_BLK_SECTOR * sector + bytes <= VIRTIO_BLK_SECTOR * d.capacity;

  // 5.2.4, 5.2.6.1: whole ranges, and as many as max_discard_seg allows.
  logic boolean ranges_counted(integer bytes) =
    bytes % VIRTIO_BLK_RANGE_SIZE == 0 &&
    0 < bytes <= VBLK_RANGES_MAX * VIRTIO_BLK_RANGE_SIZE;

  logic integer range_refusal(struct vblk_device d, integer type, integer in,
                              integer out) =
    out != 0 || !ranges_counted(in) || d.read_only ? VIRTIO_BLK_S_IOERR :
    (type == VIRTIO_BLK_T_DISCARD ? d.discard != 0 : d.write_zeroes != 0) ?
      VIRTIO_BLK_S_OK : VIRTIO_BLK_S_UNSUPP;

  // 5.2.6.2: the status of a request that is refused; OK if it is not.
  logic integer refusal(struct vblk_device d, integer type, integer sector,
                        integer in, integer out) =
    type == VIRTIO_BLK_T_IN ?
      (in == 0 && out <= VBLK_BYTES_MAX && sectors_inside(d, sector, out) ?
        VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR) :
    type == VIRTIO_BLK_T_OUT ?
      (out == 0 && in <= VBLK_BYTES_MAX && sectors_inside(d, sector, in) &&
        !d.read_only ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR) :
    type == VIRTIO_BLK_T_FLUSH ?
      (in == 0 && out == 0 ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR) :
    type == VIRTIO_BLK_T_GET_ID ?
      (in == 0 && out <= VBLK_ID_MAX ?
        VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR) :
    type == VIRTIO_BLK_T_DISCARD || type == VIRTIO_BLK_T_WRITE_ZEROES ?
      range_refusal(d, type, in, out) :
    VIRTIO_BLK_S_UNSUPP;

  // A transfer of no bytes is done without I/O; a flush has no data.
  logic integer op_of(struct vblk_device d, integer type, integer sector,
                      integer in, integer out) =
    refusal(d, type, sector, in, out) != VIRTIO_BLK_S_OK ? VBLK_ANSWER :
    in + out == 0 && type != VIRTIO_BLK_T_FLUSH ? VBLK_ANSWER :
    op_of_type(type);

  // The decision is the one of the table.
  predicate by_table(struct vblk_device d, struct vblk_request r, integer in,
                     integer out) =
    r.op == op_of(d, r.type, r.sector, in, out) &&
    (r.op == VBLK_ANSWER ==>
      r.answer == refusal(d, r.type, r.sector, in, out));

  // The bytes between header and status.
  logic integer bytes_in(struct virtq_request c) =
    bytes_before(c, c.readable) - VIRTIO_BLK_HEADER_SIZE;

  logic integer bytes_out(struct virtq_request c) =
    bytes_before(c, c.count) - bytes_before(c, c.readable) - 1;
*/

/* Ghost: where the bytes of the ranges begin in the log of bytes. */
/*@ ghost int ranges_from; */

/*@
  logic integer last_byte(struct virtq_request c) =
    c.segment[c.count - 1].address + c.segment[c.count - 1].size - 1;

  logic integer range_total(struct vblk_ranges w, integer last) =
    last <= 0 ? 0 : range_total(w, last - 1) + w.range[last - 1].size;

  // Whole sectors inside the device, and at most as many as we offer.
  predicate range_ok(struct vblk_device d, struct store_range g) =
    g.size % VIRTIO_BLK_SECTOR == 0 && g.offset % VIRTIO_BLK_SECTOR == 0 &&
    g.size <= VBLK_RANGE_SECTORS_MAX * VIRTIO_BLK_SECTOR &&
    g.offset + g.size <= d.capacity * VIRTIO_BLK_SECTOR;

  predicate ranges_ok(struct vblk_device d, struct vblk_ranges w) =
    w.count <= VBLK_RANGES_MAX &&
    (\forall integer i; 0 <= i < w.count ==> range_ok(d, w.range[i]));

  // The flags of n ranges, the bytes of which are logged from `from` on.
  predicate flags_known{L}(integer from, integer n, integer known) =
    \forall integer i; 0 <= i < n ==> logged_flags(from, i) <= known;

  // 5.2.4, 5.2.6.1: range i is inside the device, and not too large.
  predicate range_inside{L}(struct vblk_device d, integer from, integer i) =
    logged_sectors(from, i) <= VBLK_RANGE_SECTORS_MAX && sectors_inside(d,
      logged_sector(from, i), VIRTIO_BLK_SECTOR * logged_sectors(from, i));

  predicate ranges_inside{L}(struct vblk_device d, integer from, integer n) =
    \forall integer i; 0 <= i < n ==> range_inside(d, from, i);

  // This is range i.
  predicate range_said{L}(struct store_range g, integer from, integer i) =
    g.offset == VIRTIO_BLK_SECTOR * logged_sector(from, i) &&
    g.size == VIRTIO_BLK_SECTOR * logged_sectors(from, i) &&
    (g.unmap <==> logged_flags(from, i) == VIRTIO_BLK_RANGE_UNMAP);

  predicate ranges_said{L}(struct vblk_ranges w, integer from) =
    \forall integer i; 0 <= i < w.count ==> range_said(w.range[i], from, i);

  logic integer known_flags(integer type) =
    type == VIRTIO_BLK_T_WRITE_ZEROES ? VIRTIO_BLK_RANGE_UNMAP : 0;

  // 5.2.6.2: unknown flags first; ranges outside; nothing to do; carried out.
  predicate by_ranges{L}(struct vblk_device d, struct vblk_request r,
                         struct vblk_ranges w, integer n, integer from) =
    !flags_known(from, n, known_flags(r.type)) ?
      r.op == VBLK_ANSWER && r.answer == VIRTIO_BLK_S_UNSUPP :
    !ranges_inside(d, from, n) ?
      r.op == VBLK_ANSWER && r.answer == VIRTIO_BLK_S_IOERR :
    w.count == n && ranges_said(w, from) && r.bytes == range_total(w, n) &&
    (r.bytes > 0 ? r.op == op_of_type(r.type) :
      r.op == VBLK_ANSWER && r.answer == VIRTIO_BLK_S_OK);

  predicate by_range_table{L}(struct vblk_device d, struct vblk_request r,
                              struct vblk_ranges w, integer in, integer out,
                              integer from) =
    range_refusal(d, r.type, in, out) != VIRTIO_BLK_S_OK ?
      r.op == VBLK_ANSWER &&
        r.answer == range_refusal(d, r.type, in, out) :
      by_ranges(d, r, w, in / VIRTIO_BLK_RANGE_SIZE, from);

  predicate failed(struct vblk_request r) =
    r.op == VBLK_ANSWER && r.answer == VIRTIO_BLK_S_IOERR;

  predicate of_range_type(struct vblk_request r) =
    r.type == VIRTIO_BLK_T_DISCARD || r.type == VIRTIO_BLK_T_WRITE_ZEROES;

  predicate of_ranges(struct vblk_request r) =
    r.op == VBLK_DISCARD || r.op == VBLK_ZEROES;

  // 5.2.6.2: neither on a read-only device, nor on one that did not offer it;
  // a discard has no unmap flag.
  predicate ranges_decided(struct vblk_device d, struct vblk_request r,
                           struct vblk_ranges w) =
    !d.read_only && ranges_ok(d, w) && 0 < r.bytes && r.count == 0 &&
    r.bytes == range_total(w, w.count) &&
    (r.op == VBLK_DISCARD ==> d.discard &&
      (\forall integer i; 0 <= i < w.count ==> !w.range[i].unmap)) &&
    (r.op == VBLK_ZEROES ==> d.write_zeroes);

  // The decision may be carried out.
  predicate decision_ok(struct vblk_device d, struct prec_space s,
                        struct virtq_request c, struct vblk_request r,
                        struct vblk_ranges w) =
    r.op <= VBLK_ZEROES && r.head == c.head &&
    writable_span(s, r.status) && r.status.size == 1 &&
    r.first + r.count <= c.count && r.bytes <= VBLK_BYTES_MAX &&
    (r.op == VBLK_READ || r.op == VBLK_IDENTIFY ==>
      r.first >= c.readable) &&
    (r.op == VBLK_WRITE ==> r.first + r.count <= c.readable &&
      !d.read_only) &&
    (r.op == VBLK_READ || r.op == VBLK_WRITE ==>
      r.bytes > 0 && r.bytes % VIRTIO_BLK_SECTOR == 0 &&
      r.offset == r.sector * VIRTIO_BLK_SECTOR &&
      r.offset + r.bytes <= d.capacity * VIRTIO_BLK_SECTOR) &&
    (r.op == VBLK_IDENTIFY ==> 0 < r.bytes <= VBLK_ID_MAX) &&
    (r.op == VBLK_FLUSH || r.op == VBLK_ANSWER ==>
      r.bytes == 0 && r.count == 0) &&
    (r.op == VBLK_ANSWER ==> r.answer <= VIRTIO_BLK_S_UNSUPP) &&
    (of_ranges(r) ==> ranges_decided(d, r, w)) &&
    (!of_ranges(r) ==> r.bytes ==
      bytes_before(c, r.first + r.count) - bytes_before(c, r.first));

  // The span after bytes were taken off its front and its back.
  predicate span_cut(struct prec_span old, struct prec_span p, integer front,
                     integer back) =
    p.host == old.host + front && p.address == old.address + front &&
    p.size == old.size - front - back && p.index == old.index &&
    p.rights == old.rights;

  // The data are the bytes that the device reads after the header, in order ...
  predicate data_in(struct virtq_request old, struct virtq_request c,
                    struct vblk_request r) =
    \let cut = VIRTIO_BLK_HEADER_SIZE - bytes_before(old, r.first);
    r.first + r.count == old.readable &&
    (0 < r.count ==> 0 <= cut < old.segment[r.first].size) &&
    (\forall integer i; r.first <= i < old.readable ==>
      span_cut(old.segment[i], c.segment[i], i == r.first ? cut : 0, 0));

  // ... or those that it writes before the status.
  predicate data_out(struct virtq_request old, struct virtq_request c,
                     struct vblk_request r) =
    r.first == old.readable && r.first + r.count ==
      old.count - (old.segment[old.count - 1].size == 1 ? 1 : 0) &&
    (\forall integer i; r.first <= i < r.first + r.count ==>
      span_cut(old.segment[i], c.segment[i], 0, i == old.count - 1 ? 1 : 0));
*/

/*@
  // 5.2.6: range i is what the still image has after the header (blk_fetch.h).
  predicate range_still{L}(struct virtq_request c, struct store_range g,
                           integer i) =
    \let at = VIRTIO_BLK_HEADER_SIZE + VIRTIO_BLK_RANGE_SIZE * i;
    \forall integer packed, table;
      g.offset == VIRTIO_BLK_SECTOR * read64(c, packed, table, at) &&
      g.size == VIRTIO_BLK_SECTOR * read32(c, packed, table, at + 8) &&
      (g.unmap <==>
        read32(c, packed, table, at + 12) == VIRTIO_BLK_RANGE_UNMAP);

  predicate ranges_still{L}(struct virtq_request c, struct vblk_ranges w) =
    \forall integer i; 0 <= i < w.count ==> range_still(c, w.range[i], i);

  // The snapshot theorem of a block request: the image of rings and table is
  // continued, and in it type and sector are the header's, and what was fetched
  // after the header is what the device reads there.
  predicate request_still{L}(struct virtq_request c, struct vblk_request r) =
    image_continued && header_still(c, r.type, r.sector) && bytes_still(c);
*/

/*
 * Decide what a chain asks for.  The header is the first 16 bytes that the
 * device reads and the status the last byte that it writes, however they are
 * split over segments (2.7.4.1: no framing is assumed).  Both are removed from
 * the segments of the chain.
 *
 * VIRTQ_TAKEN: *r is the decision.  If there is no header, as in a chain that
 * was VIRTQ_MALFORMED when it was taken, or the header is gone, it is to answer
 * VIRTIO_BLK_S_IOERR.  VIRTQ_MALFORMED: there is no status byte.  Then the
 * client cannot be told, and the chain must not be completed: the status of an
 * earlier request may still be in the byte that the client looks at.
 */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid_read(q) && virtq_ok(*space, *q) &&
    q->state == VIRTQ_READY;
  requires device: \valid_read(d) && d->capacity <= VBLK_CAPACITY_MAX;
  requires chain: \valid(c) && request_ok(*space, *q, *c);
  requires out: \valid(r) && \valid(w) && \separated(r, w, c, q, space, d);
  requires once: fetched_once && fetch_count + 272 <= FETCH_MAX;
  requires known: fetched_known(*q, *c);
  terminates \true;
  exits \false;
  assigns *r, *w, c->count, c->segment[0 .. VIRTQ_SEGMENTS_MAX - 1],
    BLK_FETCHES, ranges_from;
  ensures said: \result == VIRTQ_TAKEN || \result == VIRTQ_MALFORMED;
  ensures answered: \result == VIRTQ_TAKEN <==>
    \old(c->readable) < \old(c->count);
  ensures last: \result == VIRTQ_TAKEN ==>
    r->status.address == last_byte(\old(*c));
  ensures failed: \result == VIRTQ_TAKEN &&
    (\old(c->readable) == 0 || r->gone) ==>
    r->op == VBLK_ANSWER && r->answer == VIRTIO_BLK_S_IOERR;
  ensures there: \result == VIRTQ_TAKEN ==>
    (r->gone <==> !fetched_there{Pre, Post});
  ensures header: \result == VIRTQ_TAKEN && (!failed(*r) || (!r->gone &&
    laid_out(*q, \old(*c), VIRTIO_BLK_HEADER_SIZE))) ==>
    header_said(\old(*c), \old(fetch_count), r->type, r->sector);
  ensures first: read_first == \old(fetch_count) || \result != VIRTQ_TAKEN;
  ensures still: \result == VIRTQ_TAKEN && (!failed(*r) || (!r->gone &&
    laid_out(*q, \old(*c), VIRTIO_BLK_HEADER_SIZE))) ==>
    request_still(\old(*c), *r);
  ensures still_ranges: \result == VIRTQ_TAKEN && of_ranges(*r) ==>
    ranges_still(\old(*c), *w);
  ensures table: \result == VIRTQ_TAKEN && !r->gone && !of_range_type(*r) &&
    laid_out(*q, \old(*c), VIRTIO_BLK_HEADER_SIZE) ==>
    by_table(*d, *r, bytes_in(\old(*c)), bytes_out(\old(*c)));
  ensures ranges: \result == VIRTQ_TAKEN && !r->gone && of_range_type(*r) &&
    laid_out(*q, \old(*c), VIRTIO_BLK_HEADER_SIZE) &&
    laid_out(*q, \old(*c), bytes_before(\old(*c), c->readable)) ==>
    by_range_table(*d, *r, *w, bytes_in(\old(*c)), bytes_out(\old(*c)),
      header_logged(\old(*c)));
  ensures otherwise: \result == VIRTQ_TAKEN ==> failed(*r) ||
    (!of_range_type(*r) &&
      by_table(*d, *r, bytes_in(\old(*c)), bytes_out(\old(*c)))) ||
    (of_range_type(*r) && by_range_table(*d, *r, *w, bytes_in(\old(*c)),
      bytes_out(\old(*c)), header_logged(\old(*c))));
  ensures in: \result == VIRTQ_TAKEN && r->op == VBLK_WRITE ==>
    data_in(\old(*c), *c, *r);
  ensures out: \result == VIRTQ_TAKEN &&
    (r->op == VBLK_READ || r->op == VBLK_IDENTIFY) ==>
    data_out(\old(*c), *c, *r);
  ensures chain: request_ok(*space, *q, *c);
  ensures decision: \result == VIRTQ_TAKEN ==>
    decision_ok(*d, *space, *c, *r, *w);
  ensures anew: fetched_anew{Pre, Post}(272);
*/
enum virtq_answer vblk_decode(const struct vblk_device *d,
			      const struct virtq *q,
			      const struct prec_space *space,
			      struct virtq_request *c, struct vblk_request *r,
			      struct vblk_ranges *w);

/* Fill in the configuration space (5.2.4).  The client is given its first
 * VIRTIO_BLK_CONFIG_SIZE bytes. */
/*@
  requires device: \valid_read(d);
  requires out: \valid(config) && \separated(config, d);
  terminates \true;
  exits \false;
  assigns *config;
  ensures capacity: config->capacity == d->capacity;
  ensures segments: config->seg_max == VBLK_SEG_MAX;
  ensures geometry: config->geometry.cylinders * config->geometry.heads *
    config->geometry.sectors <= d->capacity;
  ensures cylinders: 0 < d->capacity ==> 0 < config->geometry.cylinders;
  ensures discard: config->max_discard_seg ==
      (d->discard ? VBLK_RANGES_MAX : 0) &&
    config->max_discard_sectors ==
      (d->discard ? VBLK_RANGE_SECTORS_MAX : 0);
  ensures zeroes: config->max_write_zeroes_seg ==
      (d->write_zeroes ? VBLK_RANGES_MAX : 0) &&
    config->max_write_zeroes_sectors ==
      (d->write_zeroes ? VBLK_RANGE_SECTORS_MAX : 0);
  ensures alignment: config->discard_sector_alignment ==
      (d->discard ? d->discard_alignment : 0);
  ensures unmap: config->write_zeroes_may_unmap ==
      (d->write_zeroes && d->may_unmap ? 1 : 0);
  ensures block: config->blk_size == d->blk_size &&
    config->topology.physical_block_exp == d->physical_block_exp &&
    config->topology.alignment_offset == d->alignment_offset &&
    config->topology.min_io_size == d->min_io_size &&
    config->topology.opt_io_size == d->opt_io_size;
  ensures rest: config->num_queues == d->queues && config->size_max == 0 &&
    config->writeback == (d->writeback ? 1 : 0);
*/
void vblk_config(const struct vblk_device *d, struct virtio_blk_config *config);

#endif
