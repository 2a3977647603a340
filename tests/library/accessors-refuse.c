// SPDX-License-Identifier: MIT
/*
 * Loads, stores, compare-and-swap and copies refuse what is out of range, not
 * lent for that, or misaligned, and touch nothing.
 */
#include <string.h>

#include "lender.h"

static struct lender lender;
static void look(unsigned char *bytes)
{
	MUST(pread(lender.fd, bytes, PAGE, 0) == PAGE);
}

#define REFUSED(bits, span, offset, load_says, store_says)                     \
	do {                                                                   \
		uint##bits##_t value = 7;                                      \
                                                                               \
		EXPECT(prec_load##bits(span, offset, &value) == (load_says));  \
		EXPECT(value == 7);                                            \
		EXPECT(prec_store##bits(span, offset, 9) == (store_says));     \
	} while (0)

static void out_of_range(struct prec_span span)
{
	unsigned char bytes[64] = { 0 };

	REFUSED(8, span, span.size, PREC_RANGE, PREC_RANGE);
	REFUSED(16, span, span.size - 1, PREC_RANGE, PREC_RANGE);
	REFUSED(32, span, span.size - 2, PREC_RANGE, PREC_RANGE);
	REFUSED(64, span, span.size - 4, PREC_RANGE, PREC_RANGE);
	REFUSED(64, span, UINT64_MAX, PREC_RANGE, PREC_RANGE);
	REFUSED(64, span, UINT64_MAX - 7, PREC_RANGE, PREC_RANGE);
	EXPECT(prec_copy_in(bytes, span, span.size - 63, 64).status ==
	       PREC_RANGE);
	EXPECT(prec_copy_out(span, UINT64_MAX, bytes, 2).status == PREC_RANGE);
	EXPECT(prec_fill(span, 1, 1, UINT64_MAX).status == PREC_RANGE);
}

static void misaligned(struct prec_span span)
{
	uint64_t expected = 0;
	uint32_t expected32 = 0;
	bool swapped = true;

	REFUSED(16, span, 1, PREC_INVALID, PREC_INVALID);
	REFUSED(32, span, 2, PREC_INVALID, PREC_INVALID);
	REFUSED(64, span, 4, PREC_INVALID, PREC_INVALID);
	/* across a cache line */
	REFUSED(64, span, 60, PREC_INVALID, PREC_INVALID);
	EXPECT(prec_compare_exchange64(span, 60, &expected, 1, &swapped) ==
	       PREC_INVALID);
	EXPECT(prec_compare_exchange32(span, 62, &expected32, 1, &swapped) ==
	       PREC_INVALID);
	EXPECT(swapped && expected == 0 && expected32 == 0);
}

static void not_lent_for_that(struct prec_span span)
{
	unsigned char bytes[8] = { 0 };
	uint64_t expected = 0;
	bool swapped;

	span.rights = PREC_READ;
	EXPECT(prec_store64(span, 0, 1) == PREC_RIGHTS);
	EXPECT(prec_compare_exchange64(span, 0, &expected, 1, &swapped) ==
	       PREC_RIGHTS);
	EXPECT(prec_copy_out(span, 0, bytes, 8).status == PREC_RIGHTS);
	EXPECT(prec_fill(span, 0, 1, 8).status == PREC_RIGHTS);
	EXPECT(prec_copy_across(span, 0, span, 64, 8).status == PREC_RIGHTS);
	span.rights = PREC_WRITE;
	EXPECT(prec_load64(span, 0, &expected) == PREC_RIGHTS);
	EXPECT(prec_copy_in(bytes, span, 0, 8).status == PREC_RIGHTS);
}

int main(void)
{
	unsigned char before[PAGE], after[PAGE];

	lend_pattern(&lender, PAGE);
	look(before);
	out_of_range(lender.region.span);
	misaligned(lender.region.span);
	not_lent_for_that(lender.region.span);
	look(after);
	EXPECT(memcmp(before, after, PAGE) == 0);
	end_lending(&lender);
	return expect_end();
}
