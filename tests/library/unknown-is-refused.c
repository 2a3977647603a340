// SPDX-License-Identifier: MIT
/*
 * Options and policies that this version does not know are refused, so that a
 * later version may give them a meaning.
 */
#include "lender.h"

static struct lender lender;

static void never(struct prec_transaction *t, void *argument)
{
	(void)t;
	(void)argument;
	EXPECT(false);
}

static void policies(void)
{
	const uint32_t wrong[] = { 2, 3, 77, 0x80000000u, ~0u };
	struct prec_transaction t;
	size_t i;

	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		EXPECT(run_on(&lender.region, (enum prec_policy)wrong[i], never,
			      NULL, &t) == PREC_INVALID);
		EXPECT(prec_transaction_current() == NULL);
	}
}

static void options(void)
{
	uint32_t known = PREC_ADMIT_ANY_FILE | PREC_ADMIT_SPARSE |
			 PREC_ADMIT_STRICT | PREC_TOLERATE | PREC_KEEP_ON_FORK;
	struct lender other = { .fd = new_file(PAGE, MFD_ALLOW_SEALING) };
	uint32_t bit;

	for (bit = 1; bit; bit <<= 1) {
		EXPECT((try_lend(&other, PAGE, PREC_READ, bit, NULL) ==
			PREC_INVALID) == !(known & bit));
		EXPECT(try_lend(&other, PAGE, PREC_READ, bit | known, NULL) ==
			       PREC_INVALID ||
		       known & bit);
	}
	close(other.fd);
}

int main(void)
{
	lend_pattern(&lender, PAGE);
	policies();
	options();
	end_lending(&lender);
	return expect_end();
}
