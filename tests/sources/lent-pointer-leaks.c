// SPDX-License-Identifier: MIT
/* Must not pass a checker: a pointer into lent memory is used plainly, outside
 * prec_plain.  Only lent-pointer-warns.sh looks at this file. */
#include <precarium/transaction.h>

unsigned char leak(const struct prec_region *region);

unsigned char leak(const struct prec_region *region)
{
	const unsigned char PREC_LENT *bytes =
		(const unsigned char PREC_LENT *)prec_lent(region);

	return *bytes;
}
