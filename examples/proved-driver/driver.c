// SPDX-License-Identifier: MIT
#include "driver.h"

enum prec_status driver_submit(struct driver *d, struct prec_ledger *ledger,
			       const struct prec_space *space, uint32_t client,
			       uint32_t slot, uint64_t address, uint64_t size)
{
	struct prec_span span;
	enum prec_status status;
	uint32_t range;

	if (slot >= SLOTS || size == 0)
		return PREC_INVALID;
	if (d->size[slot] != 0)
		return PREC_BUSY;
	status = prec_space_resolve(space, address, size,
				    PREC_READ | PREC_WRITE, &span);
	if (status != PREC_OK)
		return status;
	range = space->slot[span.index];
	/* The slot of the device is the place of the pin. */
	status = prec_ledger_pin(ledger, client, range, slot);
	if (status != PREC_OK)
		return status;
	d->host[slot] = span.host;
	d->size[slot] = span.size;
	d->range[slot] = range;
	return PREC_OK;
}

enum prec_status driver_done(struct driver *d, struct prec_ledger *ledger,
			     uint32_t slot, uint32_t *quiet)
{
	struct prec_unpin unpin;
	enum prec_status status;

	*quiet = PREC_NONE;
	if (slot >= SLOTS || d->size[slot] == 0)
		return PREC_INVALID;
	/* driver_ok says that there is a pin, so no branch handles none. */
	status = prec_ledger_unpin(ledger, slot, &unpin);
	d->size[slot] = 0;
	*quiet = unpin.quiet;
	return unpin.believed ? status : PREC_GONE;
}
