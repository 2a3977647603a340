/* SPDX-License-Identifier: MIT */
#ifndef PREC_VIRTIO_BLK_FETCH_H
#define PREC_VIRTIO_BLK_FETCH_H

#include <stdint.h>

#include "virtio/block.h"
#include "virtio/virtq.h"

/*
 * What the driver's part of a chain says, brought into our memory: each byte
 * once, however the client cut it (2.7.4.1: no framing is assumed).
 */

/*
 * How far the driver's part of a chain was fetched: segments before `segment`
 * whole, and `part` bytes of that one, which are not all of it.
 */
struct vblk_cursor {
	uint32_t segment;
	uint32_t part;
};

/*@
  logic integer pieces(struct vblk_cursor at) =
    at.segment + (at.part > 0 ? 1 : 0);

  predicate cursor_ok(struct virtq_request c, struct vblk_cursor at) =
    at.segment <= c.readable &&
    (at.part > 0 ==> at.segment < c.readable &&
      at.part < c.segment[at.segment].size);

  // The last fetches, from `base` on, were of the segments up to the cursor,
  // one of each.
  predicate fetched_to{L}(struct virtq_request c, struct vblk_cursor at,
                          integer base) =
    0 <= base && fetch_count == base + pieces(at) &&
    (\forall integer m; base <= m < fetch_count ==>
      fetch_at[m] == c.segment[m - base].address &&
      fetch_size[m] <= c.segment[m - base].size) &&
    (at.part > 0 ==> fetch_size[fetch_count - 1] == at.part);
*/

/*@
  logic integer wire32{L}(uint8_t *bytes, integer at) =
    bytes[at] + 0x100 * bytes[at + 1] + 0x10000 * bytes[at + 2] +
    0x1000000 * bytes[at + 3];

  logic integer wire64{L}(uint8_t *bytes, integer at) =
    wire32(bytes, at) + 0x100000000 * wire32(bytes, at + 4);

  // The fields of segment i of a discard or write zeroes.
  logic integer range_sector{L}(uint8_t *bytes, integer i) =
    wire64(bytes, VIRTIO_BLK_RANGE_SIZE * i);

  logic integer range_sectors{L}(uint8_t *bytes, integer i) =
    wire32(bytes, VIRTIO_BLK_RANGE_SIZE * i + 8);

  logic integer range_flags{L}(uint8_t *bytes, integer i) =
    wire32(bytes, VIRTIO_BLK_RANGE_SIZE * i + 12);
*/

/*@
  requires bytes: \valid_read(bytes + (at .. at + 3)) && at <= 252;
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures value: \result == wire32(bytes, at);
*/
static inline uint32_t vblk_number32(const uint8_t *bytes, uint32_t at)
{
	return bytes[at] + 0x100u * bytes[at + 1] + 0x10000u * bytes[at + 2] +
	       0x1000000u * bytes[at + 3];
}

/*@
  requires bytes: \valid_read(bytes + (at .. at + 7)) && at <= 248;
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures value: \result == wire64(bytes, at);
*/
static inline uint64_t vblk_number64(const uint8_t *bytes, uint32_t at)
{
	return vblk_number32(bytes, at) +
	       0x100000000ull * vblk_number32(bytes, at + 4);
}

/* The first bytes that the driver reads are the header. */
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
  ensures some: \result == VIRTQ_TAKEN ==> 0 < c->readable;
  ensures cursor: \result == VIRTQ_TAKEN ==> cursor_ok(*c, *at);
  ensures fetched: \result == VIRTQ_TAKEN ==>
    fetched_to(*c, *at, \old(fetch_count));
  ensures earlier: \forall integer m; 0 <= m < \old(fetch_count) ==>
    fetch_at[m] == \old(fetch_at[m]) && fetch_size[m] == \old(fetch_size[m]);
  ensures once: fetched_once;
  ensures bounded: \old(fetch_count) <= fetch_count <=
    \old(fetch_count) + 16;
*/
enum virtq_answer vblk_take_header(const struct virtq *q,
				   const struct prec_space *space,
				   const struct virtq_request *c,
				   struct vblk_cursor *at,
				   struct virtio_blk_req_header *header);

/* All that the driver sends after the header, at most CLIENT_BYTES_MAX. */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid_read(q) && virtq_ok(*space, *q) &&
    q->state == VIRTQ_READY;
  requires chain: \valid_read(c) && request_ok(*space, *q, *c);
  requires cursor: cursor_ok(*c, at);
  requires out: \valid(bytes + (0 .. CLIENT_BYTES_MAX - 1)) &&
    \separated(bytes + (0 .. CLIENT_BYTES_MAX - 1), c, q, space);
  requires once: fetched_once && fetch_count + 256 <= FETCH_MAX;
  requires fetched: fetched_to(*c, at, fetch_count - pieces(at));
  requires known: \forall integer m; 0 <= m < fetch_count - pieces(at) ==>
    inside_ring(q->desc, fetch_at[m], fetch_size[m]) ||
    inside_ring(q->avail, fetch_at[m], fetch_size[m]) ||
    (fetch_at[m] == c->table_address && fetch_size[m] == c->table_size);
  terminates \true;
  exits \false;
  assigns bytes[0 .. CLIENT_BYTES_MAX - 1], FETCH_LOG;
  ensures said: \result == VIRTQ_TAKEN || \result == VIRTQ_MALFORMED ||
    \result == VIRTQ_LOST;
  ensures all: \result == VIRTQ_TAKEN ==>
    fetch_count == \old(fetch_count) + (c->readable - at.segment);
  ensures first: \result == VIRTQ_TAKEN && \old(fetch_count) < fetch_count ==>
    fetch_at[\old(fetch_count)] == c->segment[at.segment].address + at.part;
  ensures starts: \result == VIRTQ_TAKEN ==>
    \forall integer m; \old(fetch_count) < m < fetch_count ==>
      fetch_at[m] == c->segment[m - \old(fetch_count) + at.segment].address;
  ensures ends: \result == VIRTQ_TAKEN ==>
    \forall integer m; \old(fetch_count) <= m < fetch_count ==>
      fetch_at[m] + fetch_size[m] ==
        c->segment[m - \old(fetch_count) + at.segment].address +
        c->segment[m - \old(fetch_count) + at.segment].size;
  ensures once: fetched_once;
  ensures bounded: \old(fetch_count) <= fetch_count <=
    \old(fetch_count) + 256;
*/
enum virtq_answer vblk_take_rest(const struct virtq *q,
				 const struct prec_space *space,
				 const struct virtq_request *c,
				 struct vblk_cursor at, uint8_t *bytes);

#endif
