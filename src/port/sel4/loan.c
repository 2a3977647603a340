// SPDX-License-Identifier: MIT
#include "own.h"

#include <precarium/io_sel4.h>

#include <stddef.h>

/* Loans to devices, as a driver thread has them: calls to the keeper, in the
 * order that the ledger allows. */

static enum prec_status ask(enum keeper_request request,
			    const struct prec_io_loan *loan, uint64_t more)
{
	return keeper_ask(request, (uint64_t)(uintptr_t)loan->region,
			  (uint64_t)(uintptr_t)loan->io, more, NULL);
}

/* The range is used no more, or never was. */
static enum prec_status forget(struct prec_ledger *ledger, uint32_t range)
{
	uint32_t quiet;
	enum prec_status status = prec_ledger_revoke(ledger, range, &quiet);

	return status ? status : prec_ledger_release(ledger, range);
}

enum prec_status prec_io_lend(struct prec_ledger *ledger,
			      struct prec_io_loan *loan)
{
	enum prec_status status;
	uint32_t range;

	if (loan->domain != PREC_IO_SPACE && loan->domain != PREC_IO_BROKER)
		return PREC_INVALID;
	/* Before anything is mapped: the quota. */
	status = prec_ledger_grant(ledger, loan->client, loan->domain,
				   loan->region->span.size, &range);
	if (status)
		return status;
	status = ask(KEEPER_LEND_IO, loan, loan->rights);
	if (status)
		return forget(ledger, range) ? PREC_INVALID : status;
	loan->range = range;
	return PREC_OK;
}

uint64_t prec_io_address(const struct prec_io_loan *loan, uint64_t offset)
{
	return loan->io->at + (loan->region->span.host - loan->io->window) +
	       offset;
}

enum prec_status prec_io_begin(struct prec_ledger *ledger,
			       const struct prec_io_loan *loan, uint32_t place,
			       uint32_t rights)
{
	if (rights & ~loan->rights)
		return PREC_RIGHTS;
	return prec_ledger_pin(ledger, loan->client, loan->range, place);
}

/* The look comes after the device has said that it is done. */
enum prec_status prec_io_end(struct prec_ledger *ledger,
			     const struct prec_io_loan *loan, uint32_t place,
			     uint64_t offset, uint64_t size)
{
	enum prec_status seen =
		prec_region_check_part(loan->region, offset, size);
	struct prec_unpin unpin;
	enum prec_status status = prec_ledger_unpin(ledger, place, &unpin);

	if (status)
		return status;
	if (seen == PREC_OK && (!unpin.believed || unpin.range != loan->range))
		return PREC_GONE;
	return seen;
}

/* Nothing is in flight: out of the device's tables, then out of the ledger. */
static enum prec_status end(struct prec_ledger *ledger,
			    struct prec_io_loan *loan, bool buried)
{
	enum prec_status status = ask(KEEPER_TAKE_IO, loan, true);

	if (status == PREC_OK && !buried)
		status = prec_ledger_release(ledger, loan->range);
	if (status == PREC_OK)
		loan->range = PREC_NONE;
	return status;
}

enum prec_status prec_io_take_back(struct prec_ledger *ledger,
				   struct prec_io_loan *loan)
{
	uint32_t range = loan->range, quiet = PREC_NONE;
	enum prec_status status;

	if (range == PREC_NONE)
		return PREC_INVALID;
	/* The first time. */
	status = prec_ledger_revoke(ledger, range, &quiet);
	if (status == PREC_OK && loan->domain == PREC_IO_SPACE) {
		status = ask(KEEPER_TAKE_IO, loan, false);
		if (status == PREC_OK && quiet == PREC_NONE)
			status = prec_ledger_cut_off(ledger, range);
		if (status)
			return status;
	}
	if (prec_ledger_next_quiet(ledger, range) == range)
		return end(ledger, loan, false);
	/* It says BUSY, or that the range was buried. */
	status = prec_ledger_release(ledger, range);
	return status == PREC_INVALID ? end(ledger, loan, true) : PREC_BUSY;
}
