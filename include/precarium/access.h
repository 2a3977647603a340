/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_ACCESS_H
#define PRECARIUM_ACCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <precarium/space.h>
#include <precarium/status.h>
#include <precarium/touched.h>

#ifndef __FRAMAC__
#if defined(__x86_64__)
#include <precarium/access_x86_64.h>
#elif defined(__aarch64__)
#include <precarium/access_aarch64.h>
#else
#error "precarium: no accessors for this processor yet"
#endif
#include <precarium/module.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Any memory of the program.  The prover must know that these are bytes; a C
 * caller should not have to cast. */
#ifdef __FRAMAC__
#define PREC_BYTES unsigned char
#else
#define PREC_BYTES void
#endif

/*
 * Reading and writing lent memory outside a transaction.  If the memory is
 * gone, the call returns PREC_GONE.  Each call takes a span and an offset in
 * it, checks both, and may be called from any thread and in handlers.
 * What was read is a copy in the program's own memory: check that, not the lent
 * bytes, which may change at any instant.
 *
 * PREC_RANGE and PREC_RIGHTS: no client memory was touched.
 *
 * Loads and stores are one instruction of the stated width, which the compiler
 * never repeats, and use the byte order of the memory, little-endian.  A load
 * acquires, a store releases.  PREC_INVALID: the address is not a multiple of
 * the width; an access across a cache line is slow or traps.
 */
#ifndef __FRAMAC__
#define PREC_ACCESS_CHECK(span, offset, width, right)                        \
	do {                                                                 \
		if ((span).size < (width) || (offset) > (span).size - (width)) \
			return PREC_RANGE;                                   \
		if (!((span).rights & (right)))                              \
			return PREC_RIGHTS;                                  \
		if (((span).host + (offset)) % (width) != 0)                 \
			return PREC_INVALID;                                 \
	} while (0)

#define PREC_DEFINE_ACCESS(bits)                                             \
	PREC_MUST_CHECK PREC_INLINE enum prec_status prec_load##bits(        \
		struct prec_span span, uint64_t offset, uint##bits##_t *out) \
	{                                                                    \
		PREC_ACCESS_CHECK(span, offset, (bits) / 8u, PREC_READ);       \
		return prec_raw_load##bits(span.host + offset, out);         \
	}                                                                    \
	PREC_MUST_CHECK PREC_INLINE enum prec_status prec_store##bits(       \
		struct prec_span span, uint64_t offset, uint##bits##_t value) \
	{                                                                    \
		PREC_ACCESS_CHECK(span, offset, (bits) / 8u, PREC_WRITE);      \
		return prec_raw_store##bits(span.host + offset, value);      \
	}

PREC_DEFINE_ACCESS(8)
PREC_DEFINE_ACCESS(16)
PREC_DEFINE_ACCESS(32)
PREC_DEFINE_ACCESS(64)

/*
 * Compare-and-swap: if the value there is *expected, store `desired`.  With
 * PREC_OK *swapped says whether it was, and *expected becomes the value found.
 * Sequentially consistent.  Needs both rights.
 */
#define PREC_DEFINE_CAS(bits)                                                \
	PREC_MUST_CHECK PREC_INLINE enum prec_status                         \
		prec_compare_exchange##bits(struct prec_span span,           \
					    uint64_t offset,                 \
					    uint##bits##_t *expected,        \
					    uint##bits##_t desired,          \
					    bool *swapped)                   \
	{                                                                    \
		enum prec_status status;                                     \
		uint##bits##_t found = *expected;                            \
                                                                             \
		PREC_ACCESS_CHECK(span, offset, (bits) / 8u, PREC_READ);       \
		PREC_ACCESS_CHECK(span, offset, (bits) / 8u, PREC_WRITE);      \
		status = prec_raw_cas##bits(span.host + offset, &found,      \
					    desired);                        \
		if (status == PREC_OK) {                                     \
			*swapped = found == *expected;                       \
			*expected = found;                                   \
		}                                                            \
		return status;                                               \
	}

PREC_DEFINE_CAS(32)
PREC_DEFINE_CAS(64)

/* Set bits of a byte atomically, without waiting for other writers.
 * Sequentially consistent.  Needs both rights. */
PREC_MUST_CHECK PREC_INLINE enum prec_status
prec_or8(struct prec_span span, uint64_t offset, uint8_t bits)
{
	PREC_ACCESS_CHECK(span, offset, 1u, PREC_READ);
	PREC_ACCESS_CHECK(span, offset, 1u, PREC_WRITE);
	return prec_raw_or8(span.host + offset, bits);
}
#endif

/*@
  // What a copy of `size` bytes may answer: all of it, or how far it came
  // before the memory was gone, or why it did not start.
  predicate copy_result(struct prec_result r, integer size) =
    r.error == 0 && r.done <= size &&
    (r.status == PREC_OK || r.status == PREC_GONE ||
     r.status == PREC_RANGE || r.status == PREC_RIGHTS) &&
    (r.status == PREC_GONE ==> r.done < size) &&
    (r.status == PREC_RANGE || r.status == PREC_RIGHTS ==> r.done == 0);

  predicate part_inside(struct prec_span p, integer offset, integer size) =
    offset + size <= p.size;

  logic integer spans_total{L}(struct prec_span *spans, integer count) =
    count <= 0 ? 0 :
    spans_total(spans, count - 1) + spans[count - 1].size;

  // What a copy between spans and `size` bytes of ours moves: the shorter.
  logic integer shorter{L}(struct prec_span *spans, integer count,
                           integer size) =
    spans_total(spans, count) < size ? spans_total(spans, count) : size;

  predicate spans_grant{L}(struct prec_span *spans, integer count,
                           integer rights) =
    \forall integer i; 0 <= i < count ==>
      rights_grant(spans[i].rights, rights);

  // May a copy start here?
  predicate copy_allowed(struct prec_span p, integer offset, integer size,
                         integer rights) =
    part_inside(p, offset, size) && rights_grant(p.rights, rights);

  // Why a copy does not start, if it does not.
  logic integer copy_answer(struct prec_span p, integer offset, integer size,
                            integer rights) =
    offset + size > p.size ? PREC_RANGE :
    (p.rights & rights) != rights ? PREC_RIGHTS : PREC_OK;

  predicate copy_started(struct prec_result r) =
    r.status == PREC_OK || r.status == PREC_GONE;

  // Where one copy went: to its part of the span and nowhere else, and
  // nowhere at all if it did not start.
  predicate copy_touched{L}(struct prec_result r, struct prec_span p,
                            integer offset, integer size, integer writes) =
    copy_started(r) ?
      prec_touched_count == 1 &&
      touched(0, p.host + offset, size, writes, r.done) :
      prec_touched_count == 0;

  // What is left for span k, the spans before it being done; no more than it
  // has room for.
  logic integer span_share{L}(struct prec_span *spans, integer k,
                              integer size) =
    spans[k].size < size - spans_total(spans, k) ?
      spans[k].size : size - spans_total(spans, k);

  // Where a gather or scatter went: access k to span k, from its start, for
  // the bytes of ours that follow those of the spans before.
  predicate span_touched{L}(struct prec_span *spans, integer k, integer size,
                            unsigned char *ours, integer writes) =
    spans_total(spans, k) < size &&
    prec_touched[k].at == spans[k].host &&
    prec_touched[k].size == span_share(spans, k, size) &&
    prec_touched[k].writes == writes &&
    prec_touched[k].ours == ours + spans_total(spans, k);

  predicate spans_touched{L}(struct prec_span *spans, integer count,
                             integer size, unsigned char *ours,
                             integer writes) =
    0 <= prec_touched_count <= count &&
    \forall integer k; 0 <= k < prec_touched_count ==>
      span_touched(spans, k, size, ours, writes);

  // None follows one that came short.
  predicate in_order{L} =
    \forall integer k; 0 <= k < prec_touched_count - 1 ==> touched_whole(k);

  // How far the list came: to the end, or as far as the last access.
  predicate list_done{L}(struct prec_result r, struct prec_span *spans) =
    r.status == PREC_OK ?
      \forall integer k; 0 <= k < prec_touched_count ==> touched_whole(k) :
      r.status == PREC_GONE ==> 0 < prec_touched_count &&
        !touched_whole(prec_touched_count - 1) &&
        r.done == spans_total(spans, prec_touched_count - 1) +
          prec_touched[prec_touched_count - 1].done;
*/

/*
 * Copies, at the speed of memcpy.  `done` is exact to the byte: bytes before it
 * were copied, and no byte after it was delivered or changed.  The order of
 * reads and writes is not specified, and bytes may be read twice; the copy must
 * not be used until the call has returned.  PREC_GONE: `done` bytes were
 * copied, and then the memory was lost.
 */
/*@
  requires span: span_bounded(span);
  requires room: \valid(to + (0 .. size - 1));
  terminates \true;
  exits \false;
  assigns to[0 .. size - 1], prec_touched_count, prec_touched[0];
  ensures result: copy_result(\result, size);
  ensures whole: \result.status == PREC_OK ==> \result.done == size;
  ensures allowed: copy_started(\result) <==>
    copy_allowed(span, offset, size, PREC_READ);
  ensures told: !copy_started(\result) ==> \result.status ==
    copy_answer(span, offset, size, PREC_READ);
  ensures where: copy_touched(\result, span, offset, size, 0);
  ensures ours: copy_started(\result) ==> prec_touched[0].ours == to;
  behavior refused:
    assumes refused: !copy_allowed(span, offset, size, PREC_READ);
    assigns prec_touched_count;
*/
PREC_EXPORT PREC_MUST_CHECK struct prec_result
prec_copy_in(PREC_BYTES *to, struct prec_span span, uint64_t offset,
	     uint64_t size);
/*@
  requires span: span_bounded(span);
  requires there: \valid_read(from + (0 .. size - 1));
  terminates \true;
  exits \false;
  assigns prec_touched_count, prec_touched[0];
  ensures result: copy_result(\result, size);
  ensures whole: \result.status == PREC_OK ==> \result.done == size;
  ensures allowed: copy_started(\result) <==>
    copy_allowed(span, offset, size, PREC_WRITE);
  ensures told: !copy_started(\result) ==> \result.status ==
    copy_answer(span, offset, size, PREC_WRITE);
  ensures where: copy_touched(\result, span, offset, size, 1);
  ensures ours: copy_started(\result) ==> prec_touched[0].ours == from;
*/
PREC_EXPORT PREC_MUST_CHECK struct prec_result
prec_copy_out(struct prec_span span, uint64_t offset, const PREC_BYTES *from,
	      uint64_t size);
/*@
  requires span: span_bounded(span);
  terminates \true;
  exits \false;
  assigns prec_touched_count, prec_touched[0];
  ensures result: copy_result(\result, size);
  ensures whole: \result.status == PREC_OK ==> \result.done == size;
  ensures allowed: copy_started(\result) <==>
    copy_allowed(span, offset, size, PREC_WRITE);
  ensures told: !copy_started(\result) ==> \result.status ==
    copy_answer(span, offset, size, PREC_WRITE);
  ensures where: copy_touched(\result, span, offset, size, 1);
  ensures value: copy_started(\result) ==> prec_touched[0].fill == value;
*/
PREC_EXPORT PREC_MUST_CHECK struct prec_result
prec_fill(struct prec_span span, uint64_t offset, uint8_t value, uint64_t size);

/* From one client's memory into another's, or the same client's.  The ranges
 * must not overlap. */
/*@
  requires spans: span_bounded(to) && span_bounded(from);
  terminates \true;
  exits \false;
  assigns prec_touched_count, prec_touched[0 .. 1];
  ensures result: copy_result(\result, size);
  ensures whole: \result.status == PREC_OK ==> \result.done == size;
  ensures allowed: copy_started(\result) <==>
    copy_allowed(to, to_offset, size, PREC_WRITE) &&
    copy_allowed(from, from_offset, size, PREC_READ);
  ensures told: !copy_started(\result) ==> \result.status ==
    (copy_answer(to, to_offset, size, PREC_WRITE) == PREC_OK ?
      copy_answer(from, from_offset, size, PREC_READ) :
      copy_answer(to, to_offset, size, PREC_WRITE));
  ensures where: copy_started(\result) ? prec_touched_count == 2 &&
      touched(0, to.host + to_offset, size, 1, \result.done) &&
      touched(1, from.host + from_offset, size, 0, \result.done) :
    prec_touched_count == 0;
*/
PREC_EXPORT PREC_MUST_CHECK struct prec_result
prec_copy_across(struct prec_span to, uint64_t to_offset,
		 struct prec_span from, uint64_t from_offset, uint64_t size);

/* Gather from `count` whole spans in order, or scatter to them.  `size` is the
 * number of bytes on the program's side: the copy ends with the shorter of the
 * two sides.  `done` counts over all spans. */
/*@
  requires list: \valid_read(spans + (0 .. count - 1));
  requires spans: \forall integer i; 0 <= i < count ==>
    span_bounded(spans[i]);
  requires room: \valid(to + (0 .. size - 1));
  requires apart: \separated(to + (0 .. size - 1),
    spans + (0 .. count - 1));
  terminates \true;
  exits \false;
  assigns to[0 .. size - 1],
    prec_touched_count, prec_touched[0 .. count - 1];
  ensures result: copy_result(\result, size);
  ensures whole: \result.status == PREC_OK ==>
    \result.done == shorter(spans, count, size);
  ensures allowed: copy_started(\result) <==>
    spans_grant(spans, count, PREC_READ);
  ensures where: spans_touched(spans, count, size, to, 0);
  ensures in_order: in_order;
  ensures far: list_done(\result, spans);
  ensures nowhere: !copy_started(\result) ==> prec_touched_count == 0;
  ensures told: !copy_started(\result) ==> \result.status == PREC_RIGHTS;
*/
PREC_EXPORT PREC_MUST_CHECK struct prec_result
prec_gather(PREC_BYTES *to, uint64_t size, const struct prec_span *spans,
	    uint32_t count);
/*@
  requires list: \valid_read(spans + (0 .. count - 1));
  requires spans: \forall integer i; 0 <= i < count ==>
    span_bounded(spans[i]);
  requires room: \valid_read(from + (0 .. size - 1));
  terminates \true;
  exits \false;
  assigns prec_touched_count, prec_touched[0 .. count - 1];
  ensures result: copy_result(\result, size);
  ensures whole: \result.status == PREC_OK ==>
    \result.done == shorter(spans, count, size);
  ensures allowed: copy_started(\result) <==>
    spans_grant(spans, count, PREC_WRITE);
  ensures where: spans_touched(spans, count, size, from, 1);
  ensures in_order: in_order;
  ensures far: list_done(\result, spans);
  ensures nowhere: !copy_started(\result) ==> prec_touched_count == 0;
  ensures told: !copy_started(\result) ==> \result.status == PREC_RIGHTS;
*/
PREC_EXPORT PREC_MUST_CHECK struct prec_result
prec_scatter(const struct prec_span *spans, uint32_t count,
	     const PREC_BYTES *from, uint64_t size);

/*
 * Converts the result of a system call that was given client memory.
 * `returned` and `error` are its result and errno; for io_uring, (res < 0 ? -1
 * : res) and -res.  EFAULT becomes PREC_GONE.  A short count stays PREC_OK with
 * `done` less than asked, because what it means depends on the call.  With
 * EFAULT `done` is 0, but a direct write may have moved bytes before it: treat
 * the target as undefined.
 */
/*@
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures moved: returned >= 0 ==> \result.status == PREC_OK &&
    \result.done == returned && \result.error == 0;
  ensures gone: returned < 0 && error == 14 ==>
    \result.status == PREC_GONE && \result.done == 0 && \result.error == 0;
  ensures system: returned < 0 && error != 14 ==>
    \result.status == PREC_SYSTEM && \result.done == 0 &&
    \result.error == error;
*/
PREC_EXPORT struct prec_result prec_result_of_call(int64_t returned,
						   int32_t error);

#ifdef __cplusplus
}
#endif

#ifndef __FRAMAC__
#include <precarium/access_sanitized.h>
#endif

#endif
