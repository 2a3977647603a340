/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_VIRTIO_BLK_FETCH_H
#define PRECARIUM_VIRTIO_BLK_FETCH_H

#include <stdint.h>

#include "virtio/blk_wire.h"
#include "virtio/still.h"
#include "virtio/virtq.h"

/*
 * Fetching the device-readable part of a chain into our memory: each byte once,
 * however the client split it over segments (2.7.4.1: no framing is assumed).
 */

/*
 * How far the readable part of a chain was fetched: the segments before
 * `segment` whole, and `part` bytes, fewer than all, of that one.
 */
struct vblk_cursor {
	uint32_t segment;
	uint32_t part;
};

/*@
  // How many bytes the segments before i have.
  logic integer bytes_before(struct virtq_request c, integer i) =
    i <= 0 ? 0 : bytes_before(c, i - 1) + c.segment[i - 1].size;

  logic integer bytes_to(struct virtq_request c, struct vblk_cursor at) =
    bytes_before(c, at.segment) + at.part;

  // How many of the first n bytes of a chain are in segment i.
  logic integer piece(struct virtq_request c, integer i, integer n) =
    bytes_before(c, i) + c.segment[i].size <= n ? c.segment[i].size :
    n - bytes_before(c, i);

  // The first `size` bytes of segment i can be fetched, and once: they do not
  // overlap the rings, the table or the segments before them.
  predicate piece_apart(struct virtq q, struct virtq_request c, integer i,
                        integer size) =
    apart(c.segment[i].address, size, q.desc.address, q.desc.size) &&
    apart(c.segment[i].address, size, q.avail.address, q.avail.size) &&
    apart(c.segment[i].address, size, q.used.address, q.used.size) &&
    apart(c.segment[i].address, size, c.table_address, c.table_size) &&
    (\forall integer j; 0 <= j < i ==>
      apart(c.segment[i].address, size, c.segment[j].address,
        c.segment[j].size));

  // The device reads n bytes or more, and of the first n none is in the rings
  // or the table, and none is there twice.
  predicate laid_out(struct virtq q, struct virtq_request c, integer n) =
    n <= bytes_before(c, c.readable) &&
    (\forall integer i; 0 <= i < c.readable && bytes_before(c, i) < n ==>
      piece_apart(q, c, i, piece(c, i, n)));

  logic integer pieces(struct vblk_cursor at) =
    at.segment + (at.part > 0 ? 1 : 0);

  predicate cursor_ok(struct virtq_request c, struct vblk_cursor at) =
    at.segment <= c.readable &&
    (at.part > 0 ==> at.segment < c.readable &&
      at.part < c.segment[at.segment].size);

  // The fetches from `base` on were of the bytes between byte p of segment s
  // and byte q of segment t, in order, one fetch for each segment.
  predicate fetched_between{L}(struct virtq_request c, integer s, integer p,
                               integer t, integer q, integer base) =
    0 <= base && fetch_count == base + t - s + (q > 0 ? 1 : 0) &&
    (\forall integer m; base <= m < fetch_count ==>
      fetch_at[m] == c.segment[m - base + s].address + (m == base ? p : 0)) &&
    (\forall integer m; base <= m < base + t - s ==>
      fetch_at[m] + fetch_size[m] ==
        c.segment[m - base + s].address + c.segment[m - base + s].size) &&
    (q > 0 ==> fetch_at[fetch_count - 1] + fetch_size[fetch_count - 1] ==
      c.segment[t].address + q);

  // They were of all bytes before the cursor.
  predicate fetched_to{L}(struct virtq_request c, struct vblk_cursor at,
                          integer base) =
    fetched_between(c, 0, 0, at.segment, at.part, base);

  // They are all fetches except those of the rings and the table.
  predicate fetched_so_far{L}(struct virtq q, struct virtq_request c,
                              struct vblk_cursor at) =
    fetched_to(c, at, fetch_count - pieces(at)) &&
    (\forall integer m; 0 <= m < fetch_count - pieces(at) ==>
      inside_ring(q.desc, fetch_at[m], fetch_size[m]) ||
      inside_ring(q.avail, fetch_at[m], fetch_size[m]) ||
      (fetch_at[m] == c.table_address && fetch_size[m] == c.table_size));

  // `most` bytes of a chain may be fetched.
  predicate may_fetch{L}(struct prec_space s, struct virtq q,
                         struct virtq_request c, integer most) =
    space_ok(s) && virtq_ok(s, q) && q.state == VIRTQ_READY &&
    request_ok(s, q, c) && fetched_once && fetch_count + most <= FETCH_MAX;

  // At most `most` fetches were added, none of a byte fetched before.
  predicate fetched_anew{A, B}(integer most) =
    fetched_once{B} &&
    \at(fetch_count, A) <= \at(fetch_count, B) <=
      \at(fetch_count, A) + most &&
    (\forall integer m; 0 <= m < \at(fetch_count, A) ==>
      \at(fetch_at[m], B) == \at(fetch_at[m], A) &&
      \at(fetch_size[m], B) == \at(fetch_size[m], A) &&
      \at(fetch_ok[m], B) == \at(fetch_ok[m], A));

  // The next `size` bytes can be logged ...
  predicate may_log{L}(integer size) =
    0 <= byte_count && byte_count + size <= BYTES_MAX;

  // ... and now they are: `bytes` has them.
  predicate bytes_logged{A, B}(uint8_t *bytes, integer size) =
    \at(byte_count, B) == \at(byte_count, A) + size &&
    (\forall integer i; 0 <= i < size ==> \at(bytes[i], B) ==
      \at(fetch_byte[i + \at(byte_count, A)], B));
*/

/*@
  logic integer wire32{L}(uint8_t *bytes, integer at) =
    bytes[at] + 0x100 * bytes[at + 1] + 0x10000 * bytes[at + 2] +
    0x1000000 * bytes[at + 3];

  logic integer wire64{L}(uint8_t *bytes, integer at) =
    wire32(bytes, at) + 0x100000000 * wire32(bytes, at + 4);

  // Numbers in the log of bytes.
  logic integer logged32{L}(integer at) =
    fetch_byte[at] + 0x100 * fetch_byte[at + 1] +
    0x10000 * fetch_byte[at + 2] + 0x1000000 * fetch_byte[at + 3];

  logic integer logged64{L}(integer at) =
    logged32(at) + 0x100000000 * logged32(at + 4);

  // The fields of segment i of a discard or write zeroes, whose bytes begin at
  // `from` in that log.
  logic integer logged_sector{L}(integer from, integer i) =
    logged64(from + VIRTIO_BLK_RANGE_SIZE * i);

  logic integer logged_sectors{L}(integer from, integer i) =
    logged32(from + VIRTIO_BLK_RANGE_SIZE * i + 8);

  logic integer logged_flags{L}(integer from, integer i) =
    logged32(from + VIRTIO_BLK_RANGE_SIZE * i + 12);

  // How many bytes of the header are in that log: all, if it lay in pieces.
  logic integer header_logged(struct virtq_request c) =
    c.segment[0].size < VIRTIO_BLK_HEADER_SIZE ? VIRTIO_BLK_HEADER_SIZE : 0;

  // Type and sector are what fetch m brought, or what the log of bytes has.
  predicate header_said{L}(struct virtq_request c, integer m, integer type,
                           integer sector) =
    c.segment[0].size < VIRTIO_BLK_HEADER_SIZE ?
      type == logged32(0) && sector == logged64(8) :
      type == fetch_header[m].type && sector == fetch_header[m].sector;
*/

/*
 * Header and ranges are values of the still image (still.h), too: the image of
 * rings and table is continued by the fetches of the request itself.
 */
/*@
  // Byte b of the header (5.2.6).
  logic integer header_byte(struct virtio_blk_req_header h, integer b) =
    b < 4 ? byte_of(h.type, b) : b < 8 ? byte_of(h.reserved, b - 4) :
    byte_of(h.sector, b - 8);

  // The image of rings and table, continued by the header, if it was fetched
  // whole ...
  logic integer header_image{L}(integer packed, integer table, integer at) =
    read_first < byte_first && fetch_at[read_first] <= at &&
        at < fetch_at[read_first] + fetch_size[read_first] ?
      header_byte(fetch_header[read_first], at - fetch_at[read_first]) :
      image(packed, table, read_first, at);

  // ... and by the first n bytes in the log of bytes.
  logic integer read_image{L}(integer packed, integer table, integer n,
                              integer at) =
    n <= 0 ? header_image(packed, table, at) :
    byte_at[n - 1] == at ? fetch_byte[n - 1] :
    read_image(packed, table, n - 1, at);

  // It still has what it had of rings and table.
  predicate image_continued{L} =
    \forall integer packed, table, m, at; 0 <= m < read_first &&
      fetch_covers(m, at) ==> read_image(packed, table, byte_count, at) ==
        image(packed, table, read_first, at);

  // The client's address of byte k of those in the first n segments.
  logic integer read_place(struct virtq_request c, integer n, integer k) =
    n <= 0 ? 0 :
    bytes_before(c, n - 1) <= k ?
      c.segment[n - 1].address + (k - bytes_before(c, n - 1)) :
      read_place(c, n - 1, k);

  // What the image has there: byte k that the device reads, and numbers.
  logic integer read8{L}(struct virtq_request c, integer packed,
                         integer table, integer k) =
    read_image(packed, table, byte_count, read_place(c, c.readable, k));

  logic integer read32{L}(struct virtq_request c, integer packed,
                          integer table, integer k) =
    read8(c, packed, table, k) + 0x100 * read8(c, packed, table, k + 1) +
    0x10000 * read8(c, packed, table, k + 2) +
    0x1000000 * read8(c, packed, table, k + 3);

  logic integer read64{L}(struct virtq_request c, integer packed,
                          integer table, integer k) =
    read32(c, packed, table, k) +
    0x100000000 * read32(c, packed, table, k + 4);

  // 5.2.6: type and sector are the first bytes that the device reads, as the
  // image has them.
  predicate header_still{L}(struct virtq_request c, integer type,
                            integer sector) =
    \forall integer packed, table; type == read32(c, packed, table, 0) &&
      sector == read64(c, packed, table, 8);

  // The log of bytes has what the image has: the header, if it lay in pieces,
  // and what the device reads after it.
  predicate bytes_still{L}(struct virtq_request c) =
    \let skip = VIRTIO_BLK_HEADER_SIZE - header_logged(c);
    \forall integer packed, table, k; skip <= k < skip + byte_count ==>
      read8(c, packed, table, k) == fetch_byte[k - skip];

  // Each byte in the log was brought by a fetch, and none is there twice.
  predicate bytes_placed{L} =
    0 <= byte_count <= BYTES_MAX && 0 <= byte_first <= fetch_count &&
    (\forall integer i; 0 <= i < byte_count ==>
      byte_first <= byte_fetch[i] < fetch_count &&
      fetch_covers(byte_fetch[i], byte_at[i])) &&
    (\forall integer i, j; 0 <= i < j < byte_count ==>
      byte_at[i] != byte_at[j]);

  // Byte i in the log is byte i + skip of what the device reads.
  predicate bytes_read{L}(struct virtq_request c, integer skip) =
    bytes_placed && (\forall integer i; 0 <= i < byte_count ==>
      byte_at[i] == read_place(c, c.readable, i + skip));

  // The header was fetched, whole or in pieces.
  predicate header_read{L}(struct virtq_request c) =
    0 < c.readable <= VIRTQ_SEGMENTS_MAX && 0 <= read_first < fetch_count &&
    bytes_read(c, VIRTIO_BLK_HEADER_SIZE - header_logged(c)) &&
    header_logged(c) <= byte_count &&
    byte_first == read_first + (header_logged(c) == 0 ? 1 : 0) &&
    (header_logged(c) == 0 ==> fetch_at[read_first] == c.segment[0].address &&
      fetch_size[read_first] == VIRTIO_BLK_HEADER_SIZE);
*/

/* Ghost: where the bytes of segment i are among those that the device reads. */
/*@ ghost
  /@ requires chain: \valid_read(c) && i < c->readable <= VIRTQ_SEGMENTS_MAX;
     terminates \true;
     exits \false;
     assigns \nothing;
     ensures place: \forall integer k; bytes_before(*c, i) <= k <
       bytes_before(*c, i) + c->segment[i].size ==>
       read_place(*c, c->readable, k) ==
         c->segment[i].address + (k - bytes_before(*c, i)); @/
  void see_place(const struct virtq_request *c, uint32_t i);
*/

/* Ghost: what was fetched of a request is what the image has. */
/*@ ghost
  /@ requires chain: \valid_read(c);
     requires once: fetched_once;
     requires read: header_read(*c);
     requires said: header_said(*c, read_first, type, sector);
     terminates \true;
     exits \false;
     assigns \nothing;
     ensures header: header_still(*c, type, sector);
     ensures bytes: bytes_still(*c);
     ensures continued: image_continued; @/
  void still_read(const struct virtq_request *c, uint32_t type,
                  uint64_t sector);
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

/* Fetch the header: the first bytes that the device reads. */
/*@
  requires in: \valid_read(space) && \valid_read(q) && \valid_read(c);
  requires out: \valid(at) && \valid(header) &&
    \separated(at, header, c, q, space);
  requires may: may_fetch(*space, *q, *c, VIRTIO_BLK_HEADER_SIZE);
  requires known: fetched_known(*q, *c);
  terminates \true;
  exits \false;
  assigns *at, *header, BLK_FETCHES;
  ensures said: \result == VIRTQ_TAKEN || \result == VIRTQ_MALFORMED ||
    \result == VIRTQ_LOST;
  ensures there: \result != VIRTQ_LOST <==> fetched_there{Pre, Post};
  ensures value: \result == VIRTQ_TAKEN ==>
    header_said(*c, \old(fetch_count), header->type, header->sector) &&
    byte_count == header_logged(*c);
  ensures first: read_first == \old(fetch_count);
  ensures read: \result == VIRTQ_TAKEN ==> header_read(*c);
  ensures some: \result == VIRTQ_TAKEN ==> 0 < c->readable;
  ensures cursor: \result == VIRTQ_TAKEN ==> cursor_ok(*c, *at);
  ensures header: \result == VIRTQ_TAKEN ==>
    bytes_to(*c, *at) == VIRTIO_BLK_HEADER_SIZE;
  ensures rest: \result == VIRTQ_TAKEN && at->segment < c->readable ==>
    VIRTIO_BLK_HEADER_SIZE < bytes_before(*c, c->readable);
  ensures refused: \result == VIRTQ_MALFORMED ==>
    !laid_out(*q, *c, VIRTIO_BLK_HEADER_SIZE);
  ensures fetched: \result == VIRTQ_TAKEN ==>
    fetched_to(*c, *at, \old(fetch_count));
  ensures anew: fetched_anew{Pre, Post}(VIRTIO_BLK_HEADER_SIZE);
*/
enum virtq_answer vblk_take_header(const struct virtq *q,
				   const struct prec_space *space,
				   const struct virtq_request *c,
				   struct vblk_cursor *at,
				   struct virtio_blk_req_header *header);

/* Fetch the bytes after the header, which must be exactly `size`. */
/*@
  requires in: \valid_read(space) && \valid_read(q) && \valid_read(c);
  requires out: \valid(bytes + (0 .. LENT_BYTES_MAX - 1)) &&
    \separated(bytes + (0 .. LENT_BYTES_MAX - 1), c, q, space);
  requires size: 0 < size <= LENT_BYTES_MAX;
  requires may: may_fetch(*space, *q, *c, size);
  requires cursor: cursor_ok(*c, at);
  requires so_far: fetched_so_far(*q, *c, at);
  requires log: may_log(size);
  requires read: bytes_read(*c, bytes_to(*c, at) - byte_count);
  terminates \true;
  exits \false;
  assigns bytes[0 .. LENT_BYTES_MAX - 1], BYTE_FETCHES;
  ensures read: bytes_read(*c, bytes_to(*c, at) - \old(byte_count));
  ensures grown: \old(byte_count) <= byte_count;
  ensures said: \result == VIRTQ_TAKEN || \result == VIRTQ_MALFORMED ||
    \result == VIRTQ_LOST;
  ensures there: \result != VIRTQ_LOST <==> fetched_there{Pre, Post};
  ensures value: \result == VIRTQ_TAKEN ==>
    bytes_logged{Pre, Post}(bytes, size);
  ensures log_kept: \forall integer i; 0 <= i < \old(byte_count) ==>
    fetch_byte[i] == \old(fetch_byte[i]);
  ensures all: \result == VIRTQ_TAKEN ==>
    fetched_between(*c, at.segment, at.part, c->readable, 0,
      \old(fetch_count));
  ensures refused: \result == VIRTQ_MALFORMED &&
    bytes_to(*c, at) + size == bytes_before(*c, c->readable) ==>
    !laid_out(*q, *c, bytes_before(*c, c->readable));
  ensures anew: fetched_anew{Pre, Post}(size);
*/
enum virtq_answer vblk_take_rest(const struct virtq *q,
				 const struct prec_space *space,
				 const struct virtq_request *c,
				 struct vblk_cursor at, uint32_t size,
				 uint8_t *bytes);

#endif
