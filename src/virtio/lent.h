/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_VIRTIO_LENT_H
#define PRECARIUM_VIRTIO_LENT_H

#include <stdint.h>

#include <precarium/space.h>
#include <precarium/status.h>

#include "virtio/blk_wire.h"
#include "virtio/ring_wire.h"

/*
 * Access to lent memory: virtio code touches memory of the client only through
 * these calls.
 *
 * Each call returns PREC_OK or PREC_GONE.  After PREC_GONE the output is
 * undefined, and any number of the call's stores, from the first on, may have
 * been made.  For the prover a call has a contract and no body: each time it
 * may return any value or fail, and it requires that the range lies in a
 * granted span.  For the machine each access is one instruction of the stated
 * width, which the compiler neither repeats nor widens (lent_raw.h).
 *
 * The parameter `space` exists for the contracts; no code uses it.
 */

/* The longest indirect table that we accept. */
#define LENT_TABLE_MAX 1024u

/* In so many regions at most. */
#define LENT_PIECES_MAX 16u

/* Where a table lies: spans, one a region, that follow each other in the
 * client's addresses. */
struct lent_pieces {
	uint32_t count;
	struct prec_span piece[LENT_PIECES_MAX];
};

/* The most that lent_load_bytes fetches for one request. */
#define LENT_BYTES_MAX 256u

/* Ghost: every fetch, by client address, whether it succeeded, and the value
 * that it then brought.  A request may fetch each descriptor of the ring (of a
 * packed ring in two pieces), the avail index and entry, one indirect table
 * (which counts as one, in however many regions it lies), the header in up to
 * 16 pieces, and the ranges after it in up to 256. */
/*@ ghost
  int fetch_count;
  uint64_t fetch_at[66560];
  uint64_t fetch_size[66560];
  int fetch_ok[66560]; // 0: the memory is gone
  int fetch_fenced[66560]; // was there a fence since the last store?
  uint32_t fetch_index[66560]; // index of the descriptor; set by the caller

  // The value of fetch m, which is of one of these kinds.
  uint16_t fetch_value[66560];
  struct virtq_desc fetch_desc[66560];
  struct pvirtq_desc fetch_packed[66560]; // without the flags
  struct virtio_blk_req_header fetch_header[66560];
  // What lent_load_bytes brought for a request, in the order of its fetches.
  int byte_count;
  uint8_t fetch_byte[512];
  // A request has at most one indirect table.
  struct virtq_desc fetch_table[1024];
  struct pvirtq_desc fetch_packed_table[1024];
*/
#define FETCH_MAX 66560
#define BYTES_MAX 512
/* Ghost: of each byte in the log of bytes, its client address, and the fetch
 * that brought it.  The header and what comes after it are the fetches from
 * read_first on; those from byte_first on are in the log of bytes. */
/*@ ghost
  uint64_t byte_at[512];
  int byte_fetch[512];
  int read_first;
  int byte_first;
*/
/* Ranges of ACSL need their spaces. */
/* clang-format off */
#define FETCHES(first, last) \
	fetch_count, fetch_at[(first) .. (last)], \
	fetch_size[(first) .. (last)], \
	fetch_ok[(first) .. (last)], fetch_fenced[(first) .. (last)]
#define FETCH_NEXT \
	fetch_count, fetch_at[fetch_count], fetch_size[fetch_count], \
	fetch_ok[fetch_count], fetch_fenced[fetch_count]
#define SPLIT_FETCHES(first) \
	FETCHES(first, FETCH_MAX - 1), fetch_value[(first) .. FETCH_MAX - 1], \
	fetch_desc[(first) .. FETCH_MAX - 1], \
	fetch_index[(first) .. FETCH_MAX - 1], \
	fetch_table[0 .. LENT_TABLE_MAX - 1]
#define PACKED_FETCHES \
	FETCHES(0, FETCH_MAX - 1), fetch_value[0 .. FETCH_MAX - 1], \
	fetch_packed[0 .. FETCH_MAX - 1], fetch_index[0 .. FETCH_MAX - 1], \
	fetch_packed_table[0 .. LENT_TABLE_MAX - 1]
#define BYTE_FETCHES \
	FETCHES(0, FETCH_MAX - 1), byte_count, \
	fetch_byte[0 .. BYTES_MAX - 1], byte_at[0 .. BYTES_MAX - 1], \
	byte_fetch[0 .. BYTES_MAX - 1]
#define BLK_FETCHES \
	BYTE_FETCHES, fetch_header[0 .. FETCH_MAX - 1], read_first, byte_first
/* clang-format on */

/* Ghost: every store, in order, one entry for each instruction.  Each function
 * that stores restarts the log. */
/*@ ghost
  int fenced; // no store since the last fence
  int store_count;
  uint64_t store_at[16];
  uint64_t store_size[16];
  uint64_t store_value[16];
*/
#define STORE_MAX 16
/* clang-format off */
#define STORES(first, last) \
	fenced, store_count, store_at[(first) .. (last)], \
	store_size[(first) .. (last)], store_value[(first) .. (last)]
/* clang-format on */

/*@
  // Store i was of `size` bytes at the client's address `at`.
  predicate store_is{L}(integer i, integer at, integer size, integer value) =
    store_at[i] == at && store_size[i] == size && store_value[i] == value;

  predicate apart(integer a, integer a_size, integer b, integer b_size) =
    a + a_size <= b || b + b_size <= a;

  // One fetch was added, and ended with this status.
  predicate fetched{A, B}(integer at, integer size, integer status) =
    \at(fetch_count, B) == \at(fetch_count, A) + 1 &&
    \at(fetch_at[\at(fetch_count, A)], B) == at &&
    \at(fetch_size[\at(fetch_count, A)], B) == size &&
    (\at(fetch_ok[\at(fetch_count, A)], B) != 0 <==> status == PREC_OK) &&
    \at(fetch_fenced[\at(fetch_count, A)], B) == \at(fenced, A);

  // Whatever was fetched was there.
  predicate fetched_all{L} =
    \forall integer m; 0 <= m < fetch_count ==> fetch_ok[m] != 0;

  // Whatever was fetched in between was there.
  predicate fetched_there{A, B} =
    \forall integer m; \at(fetch_count, A) <= m < \at(fetch_count, B) ==>
      \at(fetch_ok[m], B) != 0;

  // No byte of client memory has been fetched twice.
  predicate fetched_once{L} =
    0 <= fetch_count <= FETCH_MAX &&
    \forall integer i, j; 0 <= i < j < fetch_count ==>
      apart(fetch_at[i], fetch_size[i], fetch_at[j], fetch_size[j]);

  predicate readable_span(struct prec_space s, struct prec_span p) =
    span_granted(s, p) && rights_grant(p.rights, PREC_READ);

  predicate writable_span(struct prec_space s, struct prec_span p) =
    span_granted(s, p) && rights_grant(p.rights, PREC_WRITE);

  // What every load requires, besides a place for the value ...
  predicate load_allowed{L}(struct prec_space s, struct prec_span p,
                            integer offset, integer size) =
    space_ok(s) && readable_span(s, p) && offset + size <= p.size &&
    0 <= fetch_count < FETCH_MAX;

  // ... and every call that makes so many stores.
  predicate store_allowed{L}(struct prec_space s, struct prec_span p,
                             integer offset, integer size, integer stores) =
    space_ok(s) && writable_span(s, p) && offset + size <= p.size &&
    0 <= store_count <= STORE_MAX - stores;

  // These pieces may be read, and are [address, address + size), in order.
  predicate pieces_read(struct prec_space s, struct lent_pieces t,
                        integer address, integer size) =
    1 <= t.count <= LENT_PIECES_MAX &&
    (\forall integer i; 0 <= i < t.count ==>
      readable_span(s, t.piece[i]) && 0 < t.piece[i].size) &&
    (\forall integer i; 0 <= i < t.count - 1 ==>
      t.piece[i].address + t.piece[i].size == t.piece[i + 1].address) &&
    t.piece[0].address == address &&
    t.piece[t.count - 1].address + t.piece[t.count - 1].size ==
      address + size;

  // What loading a table requires.
  predicate table_allowed{L}(struct prec_space s, struct lent_pieces t,
                             integer size) =
    space_ok(s) && pieces_read(s, t, t.piece[0].address, size) &&
    0 <= fetch_count < FETCH_MAX;
*/

#ifdef __FRAMAC__
#define LENT_CALL
#define LENT_FENCE
#else
#define LENT_CALL  PREC_MUST_CHECK static inline
#define LENT_FENCE static inline
#endif

/*@
  requires allowed: \valid_read(space) && load_allowed(*space, span, offset, 2);
  requires out: \valid(out) && \separated(out, space);
  terminates \true;
  exits \false;
  assigns *out, FETCH_NEXT, fetch_value[fetch_count];
  ensures said: \result == PREC_OK || \result == PREC_GONE;
  ensures log: fetched{Pre, Post}(span.address + offset, 2, \result);
  ensures value: \result == PREC_OK ==>
    fetch_value[\old(fetch_count)] == *out;
*/
LENT_CALL enum prec_status lent_load16(const struct prec_space *space,
				       struct prec_span span, uint64_t offset,
				       uint16_t *out);

/*@
  requires allowed: \valid_read(space) &&
    load_allowed(*space, span, 16 * index, 16);
  requires out: \valid(out) && \separated(out, space);
  terminates \true;
  exits \false;
  assigns *out, FETCH_NEXT, fetch_desc[fetch_count];
  ensures said: \result == PREC_OK || \result == PREC_GONE;
  ensures log: fetched{Pre, Post}(span.address + 16 * index, 16, \result);
  ensures value: \result == PREC_OK ==>
    fetch_desc[\old(fetch_count)] == *out;
*/
LENT_CALL enum prec_status lent_load_desc(const struct prec_space *space,
					  struct prec_span span, uint32_t index,
					  struct virtq_desc *out);

/* The first `count` descriptors; one across an edge of two regions too. */
/*@
  requires allowed: \valid_read(space) && \valid_read(pieces) &&
    table_allowed(*space, *pieces, 16 * count);
  requires bounded: count <= LENT_TABLE_MAX;
  requires out: \valid(out + (0 .. LENT_TABLE_MAX - 1)) &&
    \separated(out + (0 .. LENT_TABLE_MAX - 1), space, pieces);
  terminates \true;
  exits \false;
  assigns out[0 .. LENT_TABLE_MAX - 1], FETCH_NEXT,
    fetch_table[0 .. LENT_TABLE_MAX - 1];
  ensures said: \result == PREC_OK || \result == PREC_GONE;
  ensures log: fetched{Pre, Post}(pieces->piece[0].address, 16 * count,
    \result);
  ensures value: \result == PREC_OK ==>
    \forall integer i; 0 <= i < count ==> fetch_table[i] == out[i];
*/
LENT_CALL enum prec_status lent_load_table(const struct prec_space *space,
					   const struct lent_pieces *pieces,
					   uint32_t count,
					   struct virtq_desc *out);

/* A descriptor of a packed ring without its flags: the caller loads them first,
 * because they say whether the other fields are valid. */
/*@
  requires allowed: \valid_read(space) &&
    load_allowed(*space, span, 16 * index, 16);
  requires out: \valid(out) && \separated(out, space);
  terminates \true;
  exits \false;
  assigns out->addr, out->len, out->id, FETCH_NEXT, fetch_packed[fetch_count];
  ensures said: \result == PREC_OK || \result == PREC_GONE;
  ensures log: fetched{Pre, Post}(span.address + 16 * index, 14, \result);
  ensures value: \result == PREC_OK ==>
    fetch_packed[\old(fetch_count)].addr == out->addr &&
    fetch_packed[\old(fetch_count)].len == out->len &&
    fetch_packed[\old(fetch_count)].id == out->id;
*/
LENT_CALL enum prec_status lent_load_packed(const struct prec_space *space,
					    struct prec_span span,
					    uint32_t index,
					    struct pvirtq_desc *out);

/* The first `count` descriptors; one across an edge of two regions too. */
/*@
  requires allowed: \valid_read(space) && \valid_read(pieces) &&
    table_allowed(*space, *pieces, 16 * count);
  requires bounded: count <= LENT_TABLE_MAX;
  requires out: \valid(out + (0 .. LENT_TABLE_MAX - 1)) &&
    \separated(out + (0 .. LENT_TABLE_MAX - 1), space, pieces);
  terminates \true;
  exits \false;
  assigns out[0 .. LENT_TABLE_MAX - 1], FETCH_NEXT,
    fetch_packed_table[0 .. LENT_TABLE_MAX - 1];
  ensures said: \result == PREC_OK || \result == PREC_GONE;
  ensures log: fetched{Pre, Post}(pieces->piece[0].address, 16 * count,
    \result);
  ensures value: \result == PREC_OK ==>
    \forall integer i; 0 <= i < count ==> fetch_packed_table[i] == out[i];
*/
LENT_CALL enum prec_status
lent_load_packed_table(const struct prec_space *space,
		       const struct lent_pieces *pieces, uint32_t count,
		       struct pvirtq_desc *out);

/*@
  requires allowed: \valid_read(space) && load_allowed(*space, span, 0, 16);
  requires out: \valid(out) && \separated(out, space);
  terminates \true;
  exits \false;
  assigns *out, FETCH_NEXT, fetch_header[fetch_count];
  ensures said: \result == PREC_OK || \result == PREC_GONE;
  ensures log: fetched{Pre, Post}(span.address, 16, \result);
  ensures value: \result == PREC_OK ==>
    fetch_header[\old(fetch_count)] == *out;
*/
LENT_CALL enum prec_status lent_load_header(const struct prec_space *space,
					    struct prec_span span,
					    struct virtio_blk_req_header *out);

/* Load the first `count` bytes of the span into bytes[at] onwards: one piece of
 * data that the client may have split over several segments. */
/*@
  requires allowed: \valid_read(space) && load_allowed(*space, span, 0, count);
  requires room: at + count <= LENT_BYTES_MAX;
  requires log: 0 <= byte_count && byte_count + count <= BYTES_MAX;
  requires out: \valid(bytes + (0 .. LENT_BYTES_MAX - 1)) &&
    \separated(bytes + (0 .. LENT_BYTES_MAX - 1), space);
  terminates \true;
  exits \false;
  assigns bytes[at .. at + count - 1], FETCH_NEXT, byte_count,
    fetch_byte[byte_count .. byte_count + count - 1],
    byte_at[byte_count .. byte_count + count - 1],
    byte_fetch[byte_count .. byte_count + count - 1];
  ensures said: \result == PREC_OK || \result == PREC_GONE;
  ensures log: fetched{Pre, Post}(span.address, count, \result);
  ensures bytes: byte_count == \old(byte_count) +
    (\result == PREC_OK ? count : 0);
  ensures value: \result == PREC_OK ==>
    \forall integer i; at <= i < at + count ==>
      bytes[i] == fetch_byte[i + (\old(byte_count) - at)];
  ensures places: \forall integer i; \old(byte_count) <= i < byte_count ==>
    byte_at[i] == span.address + (i - \old(byte_count)) &&
    byte_fetch[i] == \old(fetch_count);
*/
LENT_CALL enum prec_status lent_load_bytes(const struct prec_space *space,
					   struct prec_span span,
					   uint32_t count, uint8_t *bytes,
					   uint32_t at);

/*@
  requires allowed: \valid_read(space) &&
    store_allowed(*space, span, offset, 1, 1);
  terminates \true;
  exits \false;
  assigns STORES(store_count, store_count);
  ensures said: \result == PREC_OK || \result == PREC_GONE;
  ensures unfenced: fenced == 0;
  ensures log: store_count == \old(store_count) +
    (\result == PREC_OK ? 1 : 0);
  ensures stored: \result == PREC_OK ==> store_is(\old(store_count),
    span.address + offset, 1, value);
*/
LENT_CALL enum prec_status lent_store8(const struct prec_space *space,
				       struct prec_span span, uint64_t offset,
				       uint8_t value);

/* A release store: a reader that sees the value also sees all earlier
 * stores. */
/*@
  requires allowed: \valid_read(space) &&
    store_allowed(*space, span, offset, 2, 1);
  terminates \true;
  exits \false;
  assigns STORES(store_count, store_count);
  ensures said: \result == PREC_OK || \result == PREC_GONE;
  ensures unfenced: fenced == 0;
  ensures log: store_count == \old(store_count) +
    (\result == PREC_OK ? 1 : 0);
  ensures stored: \result == PREC_OK ==> store_is(\old(store_count),
    span.address + offset, 2, value);
*/
LENT_CALL enum prec_status lent_store16(const struct prec_space *space,
					struct prec_span span, uint64_t offset,
					uint16_t value);

/* Two stores: the id, then the length. */
/*@
  requires allowed: \valid_read(space) &&
    store_allowed(*space, span, 4 + 8 * slot, 8, 2);
  terminates \true;
  exits \false;
  assigns STORES(store_count, store_count + 1);
  ensures said: \result == PREC_OK || \result == PREC_GONE;
  ensures unfenced: fenced == 0;
  ensures log: \result == PREC_OK ?
    store_count == \old(store_count) + 2 :
    \old(store_count) <= store_count <= \old(store_count) + 1;
  ensures id: store_count > \old(store_count) ==>
    store_is(\old(store_count), span.address + 4 + 8 * slot, 4, elem.id);
  ensures length: store_count > \old(store_count) + 1 ==>
    store_is(\old(store_count) + 1, span.address + 4 + 8 * slot + 4, 4,
      elem.len);
*/
LENT_CALL enum prec_status lent_store_used(const struct prec_space *space,
					   struct prec_span span, uint32_t slot,
					   struct virtq_used_elem elem);

/* A used descriptor of a packed ring without its flags: the caller stores them
 * afterwards, because they publish it.  Two stores: the length, then the id. */
/*@
  requires allowed: \valid_read(space) &&
    store_allowed(*space, span, 16 * index, 16, 2);
  terminates \true;
  exits \false;
  assigns STORES(store_count, store_count + 1);
  ensures said: \result == PREC_OK || \result == PREC_GONE;
  ensures unfenced: fenced == 0;
  ensures log: \result == PREC_OK ?
    store_count == \old(store_count) + 2 :
    \old(store_count) <= store_count <= \old(store_count) + 1;
  ensures length: store_count > \old(store_count) ==>
    store_is(\old(store_count), span.address + 16 * index + 8, 4, len);
  ensures id: store_count > \old(store_count) + 1 ==>
    store_is(\old(store_count) + 1, span.address + 16 * index + 12, 2, id);
*/
LENT_CALL enum prec_status lent_store_packed(const struct prec_space *space,
					     struct prec_span span,
					     uint32_t index, uint32_t len,
					     uint16_t id);

/* Make earlier stores visible before any later load. */
/*@
  terminates \true;
  exits \false;
  assigns fenced;
  ensures fenced: fenced != 0;
*/
LENT_FENCE void lent_fence(void);

#ifndef __FRAMAC__
#include "virtio/lent_raw.h"
#endif

#endif
