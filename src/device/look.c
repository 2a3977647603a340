// SPDX-License-Identifier: MIT
#include "device/look.h"

#include <stdbool.h>

/* The gain of a request counts half after some five others. */
#define FADE 8

/* What is saved in a good time is not spent for ever in a bad one. */
#define CREDIT_PRICES 64u

uint64_t look_for_ns(const struct look *look, uint64_t price_ns)
{
	if (look->gain_ns >= 0 || look->credit_ns < price_ns ||
	    look->slept >= LOOK_AGAIN)
		return price_ns;
	return 0;
}

/* What the worker paid for this gap. */
static uint64_t paid(bool looked, uint64_t gap_ns, uint64_t price_ns)
{
	if (!looked)
		return price_ns;
	return gap_ns < price_ns ? gap_ns : 2 * price_ns;
}

static void settle(struct look *look, uint64_t best_ns, uint64_t paid_ns,
		   uint64_t price_ns)
{
	uint64_t most = CREDIT_PRICES * price_ns;

	look->credit_ns += 2 * best_ns + best_ns / LOOK_GRANT;
	look->credit_ns -=
		paid_ns < look->credit_ns ? paid_ns : look->credit_ns;
	if (look->credit_ns > most)
		look->credit_ns = most;
}

void look_ended(struct look *look, uint64_t gap_ns, uint64_t price_ns)
{
	bool looked = look_for_ns(look, price_ns) > 0;
	bool met = gap_ns < price_ns;
	int64_t price = (int64_t)price_ns;

	settle(look, met ? gap_ns : price_ns, paid(looked, gap_ns, price_ns),
	       price_ns);
	look->slept = looked ? 0 : look->slept + 1;
	if (looked && met && look->gain_ns < 0)
		look->gain_ns = 0;
	look->gain_ns -= look->gain_ns / FADE;
	look->gain_ns += met ? price - (int64_t)gap_ns : -price;
}
