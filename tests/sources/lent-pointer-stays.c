// SPDX-License-Identifier: MIT
/* Must pass a checker: the place where a lent pointer becomes plain is said. */
#include <precarium/transaction.h>

unsigned char stay(const struct prec_region *region);

unsigned char stay(const struct prec_region *region)
{
	const void PREC_LENT *lent = prec_lent(region);
	const volatile unsigned char *bytes = prec_plain(lent);

	return bytes[0];
}
