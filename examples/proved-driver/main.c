// SPDX-License-Identifier: MIT
/*
 * A client lends a page, a transfer begins, and the client takes the page back
 * in the middle.  The page is not released before the device is done, and the
 * completion that the device then reports is not believed.
 */
#include <stdio.h>

#include "driver.h"

#define CLIENT 0u
#define DEVICE 0u

static struct prec_space space;
static struct prec_ledger ledger;
static struct driver driver;

static int fail(const char *what)
{
	printf("proved-driver: %s\n", what);
	return 1;
}

int main(void)
{
	uint32_t range;
	uint32_t quiet;

	prec_ledger_init(&ledger);
	if (prec_ledger_quota(&ledger, CLIENT, 4096) ||
	    prec_ledger_grant(&ledger, CLIENT, DEVICE, 4096, &range) ||
	    prec_space_add(&space, 0x1000, 4096, 0x700000,
			   PREC_READ | PREC_WRITE, range))
		return fail("a page cannot be lent");
	if (driver_submit(&driver, &ledger, &space, CLIENT, 0, 0x1ff0, 32) !=
	    PREC_RANGE)
		return fail("a claim past the page was taken");
	if (driver_submit(&driver, &ledger, &space, CLIENT, 0, 0x1100, 512))
		return fail("a claim inside the page was not taken");
	if (prec_ledger_revoke(&ledger, range, &quiet) || quiet != PREC_NONE)
		return fail("released under the device");
	if (driver_submit(&driver, &ledger, &space, CLIENT, 1, 0x1100, 512) !=
	    PREC_GONE)
		return fail("new work after a revoke");
	if (prec_ledger_release(&ledger, range) != PREC_BUSY)
		return fail("given back under the device");
	if (driver_done(&driver, &ledger, 0, &quiet) != PREC_GONE ||
	    quiet != range)
		return fail("the device was believed");
	if (prec_ledger_release(&ledger, range))
		return fail("not given back");
	puts("taken back in the middle, given back at the end");
	return 0;
}
