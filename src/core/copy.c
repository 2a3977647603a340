// SPDX-License-Identifier: MIT
#include <precarium/access.h>

#include <stdbool.h>

#include "port/port.h"

/* Here are the copies themselves: access_sanitized.h is for their callers. */
#undef prec_copy_in
#undef prec_copy_out
#undef prec_gather
#undef prec_scatter

/* EFAULT, which the port contract fixes: the error number of a system call that
 * was given memory that is not there.  Core has no errno.h. */
#define CALL_FAULTED 14

/*@
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures said: \result.status == status && \result.error == 0 &&
    \result.done == 0;
*/
static struct prec_result nothing_done(enum prec_status status)
{
	struct prec_result result = { status, 0, 0 };

	return result;
}

/* The port returns how many bytes it moved; fewer than asked means gone. */
/*@
  requires part: done <= asked;
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures far: \result.done == done && \result.error == 0;
  ensures whole: \result.status == (done < asked ? PREC_GONE : PREC_OK);
*/
static struct prec_result came_to(uint64_t done, uint64_t asked)
{
	struct prec_result result = { PREC_OK, 0, done };

	if (done < asked)
		result.status = PREC_GONE;
	return result;
}

/*@
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures said: \result == copy_answer(span, offset, size, rights);
  ensures allowed: \result == PREC_OK <==>
    copy_allowed(span, offset, size, rights);
*/
static enum prec_status check(struct prec_span span, uint64_t offset,
			      uint64_t size, uint32_t rights)
{
	if (offset > span.size || size > span.size - offset)
		return PREC_RANGE;
	if ((span.rights & rights) != rights)
		return PREC_RIGHTS;
	return PREC_OK;
}

struct prec_result prec_copy_in(PREC_BYTES *to, struct prec_span span,
				uint64_t offset, uint64_t size)
{
	enum prec_status status = check(span, offset, size, PREC_READ);

	/*@ ghost prec_touched_count = 0; */
	if (status != PREC_OK)
		return nothing_done(status);
	return came_to(prec_port_copy_in(to, span.host + offset, size), size);
}

struct prec_result prec_copy_out(struct prec_span span, uint64_t offset,
				 const PREC_BYTES *from, uint64_t size)
{
	enum prec_status status = check(span, offset, size, PREC_WRITE);

	/*@ ghost prec_touched_count = 0; */
	if (status != PREC_OK)
		return nothing_done(status);
	return came_to(prec_port_copy_out(span.host + offset, from, size),
		       size);
}

struct prec_result prec_fill(struct prec_span span, uint64_t offset,
			     uint8_t value, uint64_t size)
{
	enum prec_status status = check(span, offset, size, PREC_WRITE);

	/*@ ghost prec_touched_count = 0; */
	if (status != PREC_OK)
		return nothing_done(status);
	return came_to(prec_port_fill(span.host + offset, value, size), size);
}

struct prec_result prec_copy_across(struct prec_span to, uint64_t to_offset,
				    struct prec_span from, uint64_t from_offset,
				    uint64_t size)
{
	enum prec_status status = check(to, to_offset, size, PREC_WRITE);
	uint64_t done;

	/*@ ghost prec_touched_count = 0; */
	if (status == PREC_OK)
		status = check(from, from_offset, size, PREC_READ);
	if (status != PREC_OK)
		return nothing_done(status);
	done = prec_port_copy_across(to.host + to_offset,
				     from.host + from_offset, size);
	return came_to(done, size);
}

/* Do all spans grant these rights?  Checked before the first byte moves, so
 * that a wrong span at the end of the list changes nothing. */
/*@
  requires list: \valid_read(spans + (0 .. count - 1));
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures all: \result <==> spans_grant(spans, count, rights);
*/
static bool all_grant(const struct prec_span *spans, uint32_t count,
		      uint32_t rights)
{
	uint32_t i;

	/*@
	  loop invariant range: 0 <= i <= count;
	  loop invariant so_far: spans_grant(spans, i, rights);
	  loop assigns i;
	  loop variant count - i;
	*/
	for (i = 0; i < count; i++)
		if ((spans[i].rights & rights) != rights)
			return false;
	return true;
}

struct prec_result prec_gather(PREC_BYTES *to, uint64_t size,
			       const struct prec_span *spans, uint32_t count)
{
	unsigned char *bytes = to;
	uint64_t done = 0;
	uint32_t i;

	/*@ ghost prec_touched_count = 0; */
	if (!all_grant(spans, count, PREC_READ))
		return nothing_done(PREC_RIGHTS);
	/*@
	  loop invariant range: 0 <= i <= count;
	  loop invariant part: done <= size;
	  loop invariant sum: done == shorter(spans, i, size);
	  loop invariant each: prec_touched_count == i;
	  loop invariant where: spans_touched(spans, i, size, bytes, 0);
	  loop invariant whole: \forall integer k; 0 <= k < i ==>
	    touched_whole(k);
	  loop assigns i, done, prec_touched_count,
	    prec_touched[0 .. count - 1], bytes[0 .. size - 1];
	  loop variant count - i;
	*/
	for (i = 0; i < count && done < size; i++) {
		uint64_t part = size - done;
		uint64_t moved;

		if (part > spans[i].size)
			part = spans[i].size;
		moved = prec_port_copy_in(bytes + done, spans[i].host, part);
		done += moved;
		if (moved < part)
			return came_to(done, size);
		/*@ assert next: spans_total(spans, i + 1) ==
		      spans_total(spans, i) + spans[i].size; */
	}
	/*@ ghost
	  /@ loop invariant rest: i <= k <= count &&
	       done == shorter(spans, k, size);
	     loop assigns k;
	     loop variant count - k; @/
	  for (uint32_t k = i; k < count; k++)
	    ;
	*/
	return came_to(done, done);
}

struct prec_result prec_scatter(const struct prec_span *spans, uint32_t count,
				const PREC_BYTES *from, uint64_t size)
{
	const unsigned char *bytes = from;
	uint64_t done = 0;
	uint32_t i;

	/*@ ghost prec_touched_count = 0; */
	if (!all_grant(spans, count, PREC_WRITE))
		return nothing_done(PREC_RIGHTS);
	/*@
	  loop invariant range: 0 <= i <= count;
	  loop invariant part: done <= size;
	  loop invariant sum: done == shorter(spans, i, size);
	  loop invariant each: prec_touched_count == i;
	  loop invariant where: spans_touched(spans, i, size, bytes, 1);
	  loop invariant whole: \forall integer k; 0 <= k < i ==>
	    touched_whole(k);
	  loop assigns i, done, prec_touched_count,
	    prec_touched[0 .. count - 1];
	  loop variant count - i;
	*/
	for (i = 0; i < count && done < size; i++) {
		uint64_t part = size - done;
		uint64_t moved;

		if (part > spans[i].size)
			part = spans[i].size;
		moved = prec_port_copy_out(spans[i].host, bytes + done, part);
		done += moved;
		if (moved < part)
			return came_to(done, size);
		/*@ assert next: spans_total(spans, i + 1) ==
		      spans_total(spans, i) + spans[i].size; */
	}
	/*@ ghost
	  /@ loop invariant rest: i <= k <= count &&
	       done == shorter(spans, k, size);
	     loop assigns k;
	     loop variant count - k; @/
	  for (uint32_t k = i; k < count; k++)
	    ;
	*/
	return came_to(done, done);
}

struct prec_result prec_result_of_call(int64_t returned, int32_t error)
{
	struct prec_result result = { PREC_SYSTEM, error, 0 };

	if (returned >= 0) {
		result.status = PREC_OK;
		result.error = 0;
		result.done = (uint64_t)returned;
	} else if (error == CALL_FAULTED) {
		result.status = PREC_GONE;
		result.error = 0;
	}
	return result;
}
