/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PORT_SEL4_OWN_H
#define PRECARIUM_PORT_SEL4_OWN_H

#include "port/region.h"

#include <precarium/keeper.h>
#include <precarium/lending_sel4.h>

#include <sel4/sel4.h>

/* What this port keeps of regions and threads, and what a driver thread asks of
 * the keeper. */

/* region->flags, beside those of port/region.h. */
enum {
	REGION_ADMITTING = 1u << 2, /* its pages are being touched */
};

/* In the `port` of a region; what the keeper alone needs to know is in its
 * book (regions.h). */
struct region_own {
	uint32_t refused; /* enum prec_refusal, while it is admitted */
};

_Static_assert(sizeof(struct region_own) <=
		       sizeof(((struct prec_region *)0)->port),
	       "the room that region.h leaves");
_Static_assert(OPEN_MAX == PREC_KEEPER_OPEN, "as keeper.h has it");

static inline struct region_own *own(const struct prec_region *region)
{
	return (struct region_own *)(uintptr_t)region->port;
}

/* What a driver thread asks.  In message registers: which of these, the region,
 * and two words more. */
enum keeper_request {
	KEEPER_MAP = 1, /* lending */
	KEEPER_REVOKE,
	KEEPER_UNMAP,
	KEEPER_CHECK,	/* offset and size */
	KEEPER_AT,	/* the address, in the place of the region */
	KEEPER_LEND_IO, /* device and rights */
	KEEPER_TAKE_IO, /* device, and whether it is the end of the loan */
};

/* The calling thread, once it has entered. */
struct driver_self {
	struct prec_keeper *keeper; /* NULL: it has not */
	struct prec_keeper_thread *thread;
	uint64_t endpoint;
};
extern LIBSEL4_THREAD_LOCAL struct driver_self driver_self;

/* PREC_INVALID: it has not.  *more: the second word of the answer. */
enum prec_status keeper_ask(enum keeper_request request, uint64_t subject,
			    uint64_t a, uint64_t b, uint64_t *more);

#endif
