/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_VIRTIO_BLK_H
#define PRECARIUM_VIRTIO_BLK_H

#include <stdbool.h>
#include <stdint.h>

#include "virtio/blk_wire.h"
#include "store/range.h"
#include "virtio/virtq.h"

/*
 * Block requests (VIRTIO 1.2, 5.2.6): from a chain of segments to a decision,
 * and from the result of the I/O to the answer.  Nothing here does I/O.
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
	VBLK_IDENTIFY,	 /* VIRTIO_BLK_ID_BYTES to the segments */
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

/*@
  logic integer span_total(struct virtq_request r, integer first,
                           integer last) =
    last <= first ? 0 :
    span_total(r, first, last - 1) + r.segment[last - 1].size;

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
    (r.op == VBLK_IDENTIFY ==> r.bytes == VIRTIO_BLK_ID_BYTES) &&
    (r.op == VBLK_FLUSH || r.op == VBLK_ANSWER ==>
      r.bytes == 0 && r.count == 0) &&
    (r.op == VBLK_ANSWER ==> r.answer <= VIRTIO_BLK_S_UNSUPP) &&
    (of_ranges(r) ==> ranges_decided(d, r, w)) &&
    (!of_ranges(r) ==> r.bytes == span_total(c, r.first, r.first + r.count));
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
    BLK_FETCHES;
  ensures said: \result == VIRTQ_TAKEN || \result == VIRTQ_MALFORMED;
  ensures answered: \result == VIRTQ_TAKEN <==>
    \old(c->readable) < \old(c->count);
  ensures last: \result == VIRTQ_TAKEN ==>
    r->status.address == last_byte(\old(*c));
  ensures failed: \result == VIRTQ_TAKEN &&
    (\old(c->readable) == 0 || r->gone) ==>
    r->op == VBLK_ANSWER && r->answer == VIRTIO_BLK_S_IOERR;
  ensures chain: request_ok(*space, *q, *c);
  ensures decision: \result == VIRTQ_TAKEN ==>
    decision_ok(*d, *space, *c, *r, *w);
  ensures once: fetched_once;
  ensures bounded: fetch_count <= \old(fetch_count) + 272;
*/
enum virtq_answer vblk_decode(const struct vblk_device *d,
			      const struct virtq *q,
			      const struct prec_space *space,
			      struct virtq_request *c, struct vblk_request *r,
			      struct vblk_ranges *w);

/* The answer: the status byte, and the used length, which counts if the status
 * byte could be stored. */
struct vblk_outcome {
	uint8_t status;
	uint32_t used;
};

/*
 * `did` and `moved`: how the I/O ended, and how many bytes from the start of
 * the data certainly moved.  `same_epoch`: no region that the request names has
 * lost memory since the request was taken; otherwise `moved` is not trusted.
 *
 * The used length counts bytes from the start of the writable part (2.7.8.2),
 * so it includes the status byte only if all data before it was written.
 */
/*@
  requires request: \valid_read(r) && r->bytes <= VBLK_BYTES_MAX;
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures told: \result.status == (r->op == VBLK_ANSWER ? r->answer :
    did == PREC_OK && moved == r->bytes && same_epoch ? VIRTIO_BLK_S_OK :
    VIRTIO_BLK_S_IOERR);
  ensures granted: \result.used <= r->bytes + 1;
  ensures happened: \result.used <= moved + 1;
  ensures believed: r->op == VBLK_READ && !same_epoch ==> \result.used == 0;
  ensures only_status: r->op != VBLK_READ && r->op != VBLK_IDENTIFY ==>
    \result.used == 1;
*/
struct vblk_outcome vblk_outcome(const struct vblk_request *r,
				 enum prec_status did, uint64_t moved,
				 bool same_epoch);

/* Store the status byte, once, and nothing else. */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires request: \valid_read(r);
  requires place: writable_span(*space, r->status) && r->status.size == 1;
  terminates \true;
  exits \false;
  assigns store_count, store_at[0], store_size[0], store_value[0];
  ensures said: \result == PREC_OK || \result == PREC_GONE;
  ensures once: store_count == (\result == PREC_OK ? 1 : 0);
  ensures stored: \result == PREC_OK ==>
    store_is(0, r->status.address, 1, status);
*/
PREC_MUST_CHECK enum prec_status
vblk_store_status(const struct vblk_request *r, const struct prec_space *space,
		  uint8_t status);

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
*/
void vblk_config(const struct vblk_device *d, struct virtio_blk_config *config);

#endif
