// SPDX-License-Identifier: MIT
/*
 * Copies that meet an edge: `done` is the number of bytes before it, these
 * arrived, and no other byte of the destination was changed.  Every size up to
 * 130 at every distance from the edge, and larger sizes around the places where
 * the copy changes its method.  All of it by each method that some processor
 * takes, whatever this one would.
 */
#include "lender.h"

#define SPACE  (64u * PAGE)
#define EDGE   (32u * PAGE)
#define CANARY 0u
#define MARGIN 80u

static struct lender from, to;
static unsigned char buffer[2 * MARGIN + EDGE];
static unsigned char source[EDGE + MARGIN];
static unsigned char before[SPACE];

/* Is [start, start + size) all of one value? */
static bool all(const unsigned char *start, uint64_t size, unsigned char value)
{
	return size == 0 ||
	       (start[0] == value && memcmp(start, start + 1, size - 1) == 0);
}

static bool said(struct prec_result r, uint64_t size, uint64_t reach)
{
	uint64_t done = size < reach ? size : reach;

	return r.done == done && r.error == 0 &&
	       r.status == (done == size ? PREC_OK : PREC_GONE);
}

/* The buffer holds `done` bytes of the pattern at `shift`, and canaries. */
static bool arrived(uint64_t shift, uint64_t offset, uint64_t done)
{
	uint64_t i;

	if (!all(buffer, shift, CANARY) ||
	    !all(buffer + shift + done, sizeof(buffer) - shift - done, CANARY))
		return false;
	for (i = 0; i < done; i++)
		if (buffer[shift + i] != pattern(offset + i))
			return false;
	return true;
}

/* Size and reach: how many of the bytes lie before the edge. */
static void copy_in(uint64_t size, uint64_t reach, uint64_t shift)
{
	uint64_t offset = EDGE - reach;
	struct prec_result r;

	memset(buffer, CANARY, sizeof(buffer));
	r = prec_copy_in(buffer + shift, from.region.span, offset, size);
	EXPECT(said(r, size, reach));
	EXPECT(arrived(shift, offset, r.done));
}

static void gather(uint64_t size, uint64_t reach, uint64_t shift)
{
	uint64_t offset = EDGE - reach;
	struct prec_span spans[4];
	struct prec_result r;
	uint64_t at = 0;
	uint32_t i;

	for (i = 0; i < 4; i++) {
		uint64_t part = i == 3 ? size - at : (size - at) / 3;

		MUST(prec_span_part(from.region.span, offset + at, part,
				    &spans[i]) == PREC_OK);
		at += part;
	}
	memset(buffer, CANARY, sizeof(buffer));
	r = prec_gather(buffer + shift, size, spans, 4);
	EXPECT(said(r, size, reach));
	EXPECT(arrived(shift, offset, r.done));
}

/* What `to` holds up to its edge: `value` of the source from offset on. */
static bool written(uint64_t offset, uint64_t done, const unsigned char *data,
		    uint64_t data_step)
{
	uint64_t window = offset > MARGIN ? offset - MARGIN : 0;
	static unsigned char now[SPACE];
	uint64_t i;

	MUST(pread(to.fd, now + window, EDGE - window, (off_t)window) ==
	     (ssize_t)(EDGE - window));
	if (memcmp(now + window, before + window, offset - window) != 0)
		return false;
	for (i = 0; i < done; i++)
		if (now[offset + i] != data[i * data_step])
			return false;
	return memcmp(now + offset + done, before + offset + done,
		      EDGE - offset - done) == 0;
}

static void restore(uint64_t offset)
{
	uint64_t size = EDGE - offset;

	MUST(pwrite(to.fd, before + offset, size, (off_t)offset) ==
	     (ssize_t)size);
}

static void copy_out(uint64_t size, uint64_t reach, uint64_t shift)
{
	uint64_t offset = EDGE - reach;
	struct prec_result r =
		prec_copy_out(to.region.span, offset, source + shift, size);

	EXPECT(said(r, size, reach));
	EXPECT(written(offset, r.done, source + shift, 1));
	restore(offset);
}

static void scatter(uint64_t size, uint64_t reach, uint64_t shift)
{
	uint64_t offset = EDGE - reach, half = size / 2;
	struct prec_span spans[2];
	struct prec_result r;

	MUST(prec_span_part(to.region.span, offset, half, &spans[0]) ==
	     PREC_OK);
	MUST(prec_span_part(to.region.span, offset + half, size - half,
			    &spans[1]) == PREC_OK);
	r = prec_scatter(spans, 2, source + shift, size);
	EXPECT(said(r, size, reach));
	EXPECT(written(offset, r.done, source + shift, 1));
	restore(offset);
}

static void fill(uint64_t size, uint64_t reach, uint64_t shift)
{
	uint64_t offset = EDGE - reach;
	unsigned char value = (unsigned char)(0xa0 + shift);
	struct prec_result r = prec_fill(to.region.span, offset, value, size);

	EXPECT(said(r, size, reach));
	EXPECT(written(offset, r.done, &value, 0));
	restore(offset);
}

/* The edge met by the source, by the destination, or by both at once. */
static void copy_across(uint64_t size, uint64_t reach, uint64_t shift)
{
	uint64_t offset = EDGE - reach, inside = shift + PAGE;
	static unsigned char data[EDGE];
	struct prec_result r;
	uint64_t i;

	r = prec_copy_across(to.region.span, inside, from.region.span, offset,
			     size < EDGE - inside ? size : 0);
	if (size < EDGE - inside) {
		EXPECT(said(r, size, reach));
		for (i = 0; i < r.done; i++)
			data[i] = pattern(offset + i);
		EXPECT(written(inside, r.done, data, 1));
		restore(inside);
	}
	r = prec_copy_across(to.region.span, offset, from.region.span, shift,
			     size);
	EXPECT(said(r, size, reach));
	for (i = 0; i < r.done; i++)
		data[i] = pattern(shift + i);
	EXPECT(written(offset, r.done, data, 1));
	restore(offset);
	if (shift > reach || EDGE - offset + shift > EDGE)
		return;
	r = prec_copy_across(to.region.span, offset, from.region.span,
			     offset + shift, size);
	EXPECT(said(r, size, reach - shift));
	for (i = 0; i < r.done; i++)
		data[i] = pattern(offset + shift + i);
	EXPECT(written(offset, r.done, data, 1));
	restore(offset);
}

static void every_copy(uint64_t size, uint64_t reach)
{
	static uint64_t turn;
	uint64_t shift = turn++ * 5 % 17;

	copy_in(size, reach, shift);
	gather(size, reach, shift);
	copy_out(size, reach, shift);
	scatter(size, reach, shift);
	fill(size, reach, shift);
	copy_across(size, reach, shift);
}

static void large(uint64_t size)
{
	const uint64_t reaches[] = { 0,		1,	   2,	      15,
				     16,	17,	   63,	      64,
				     65,	127,	   128,	      size / 3,
				     size / 2,	255,	   1000,      1024,
				     4095,	4096,	   4097,      size - 65,
				     size - 64, size - 17, size - 16, size - 1,
				     size,	size + 1,  size + 64 };
	size_t i;

	for (i = 0; i < sizeof(reaches) / sizeof(reaches[0]); i++)
		if (reaches[i] <= size + 64)
			every_copy(size, reaches[i]);
}

/* The library's own, asked of the processor when the handler is installed. */
extern uint8_t prec_vector_size __attribute__((visibility("hidden")));
extern uint64_t prec_copy_string_min __attribute__((visibility("hidden")));
extern uint64_t prec_fill_string_min __attribute__((visibility("hidden")));

/* At each distance from the edge, or at each so many. */
static void every_size(uint64_t step)
{
	const uint64_t sizes[] = { 191,	 192,  193,  254,   255,  256,	257,
				   511,	 512,  513,  767,   1022, 1023, 1024,
				   1025, 1026, 2047, 4031,  4032, 4095, 4096,
				   4097, 8191, 8192, 12345, 70000 };
	uint64_t size, reach;
	size_t i;

	for (size = 0; size <= 130; size++)
		for (reach = 0; reach <= size + 1;
		     reach += UNDER_SANITIZER ? 5 : step)
			every_copy(size, reach);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		large(sizes[i]);
}

/* Vectors of so many bytes at most, strings from so many on. */
static void by_method(uint8_t vectors, uint64_t string_min, uint64_t step)
{
	prec_vector_size = vectors;
	prec_copy_string_min = string_min;
	prec_fill_string_min = string_min;
	every_size(step);
}

static void by_vectors(uint8_t widest, uint8_t size, const char *name)
{
	if (widest >= size)
		by_method(size, UINT64_MAX, 1);
	else
		skip_part(name, "they are not used on this processor");
}

int main(void)
{
	uint8_t widest;

	lend_pattern(&from, SPACE);
	lend_pattern(&to, SPACE);
	set_size(&from, EDGE);
	set_size(&to, EDGE);
	for (size_t i = 0; i < sizeof(source); i++)
		source[i] = (unsigned char)(i * 11 % 251 + 1);
	MUST(pread(to.fd, before, EDGE, 0) == EDGE);
	widest = prec_vector_size;
	by_vectors(widest, 64, "vectors of 512 bits");
	by_vectors(widest, 32, "vectors of 256 bits");
	by_method(16, UINT64_MAX, 3);
	by_method(widest, 0, 3);
	end_lending(&from);
	end_lending(&to);
	return expect_end();
}
