// SPDX-License-Identifier: MIT
#include "own.h"

#include <precarium/access.h>

/* Regions, as a driver thread has them: calls to the keeper. */

LIBSEL4_THREAD_LOCAL struct driver_self driver_self;

enum prec_status prec_keeper_enter(struct prec_keeper *keeper, uint32_t thread,
				   uint64_t endpoint)
{
	if (thread >= PREC_KEEPER_THREADS || keeper->tcb[thread] == 0)
		return PREC_INVALID;
	driver_self.thread = &keeper->thread[thread];
	driver_self.endpoint = endpoint;
	driver_self.keeper = keeper;
	return PREC_OK;
}

enum prec_status keeper_ask(enum keeper_request request, uint64_t subject,
			    uint64_t a, uint64_t b, uint64_t *more)
{
	if (!driver_self.keeper)
		return PREC_INVALID;
	seL4_SetMR(0, request);
	seL4_SetMR(1, subject);
	seL4_SetMR(2, a);
	seL4_SetMR(3, b);
	seL4_Call(driver_self.endpoint, seL4_MessageInfo_new(0, 0, 0, 4));
	if (more)
		*more = seL4_GetMR(1);
	return (enum prec_status)seL4_GetMR(0);
}

static uint64_t number(const void *at)
{
	return (uint64_t)(uintptr_t)at;
}

/* What a capability grants cannot be asked for: touch each page with the right
 * that is wanted.  A store of no bits changes nothing. */
static enum prec_status touch_all(const struct prec_region *region)
{
	enum prec_status status = PREC_OK;
	uint64_t at;
	uint8_t byte;

	for (at = 0; at < region->span.size && status == PREC_OK; at += 4096)
		status =
			region->span.rights & PREC_WRITE
				? prec_raw_or8(region->span.host + at, 0)
				: prec_raw_load8(region->span.host + at, &byte);
	return status;
}

static enum prec_status admit(struct prec_region *region, uint64_t *refusal)
{
	enum prec_status status = touch_all(region);

	region_unmark(region, REGION_ADMITTING);
	if (status == PREC_OK)
		return PREC_OK;
	*refusal = __atomic_load_n(&own(region)->refused, __ATOMIC_RELAXED);
	if (*refusal == PREC_REFUSAL_NONE)
		*refusal = PREC_REFUSAL_NOT_MEMORY;
	status = prec_region_unmap(region);
	return status ? status : PREC_REFUSED;
}

enum prec_status prec_region_map(struct prec_region *region,
				 const struct prec_lending *lending,
				 enum prec_refusal *refusal)
{
	uint64_t why = PREC_REFUSAL_NONE;
	enum prec_status status = keeper_ask(KEEPER_MAP, number(region),
					     number(lending), 0, &why);

	if (status == PREC_OK)
		status = admit(region, &why);
	if (refusal)
		*refusal = (enum prec_refusal)why;
	return status;
}

enum prec_status prec_region_revoke(struct prec_region *region)
{
	return keeper_ask(KEEPER_REVOKE, number(region), 0, 0, NULL);
}

enum prec_status prec_region_unmap(struct prec_region *region)
{
	return keeper_ask(KEEPER_UNMAP, number(region), 0, 0, NULL);
}

enum prec_status prec_region_check(struct prec_region *region)
{
	return keeper_ask(KEEPER_CHECK, number(region), 0, region->span.size,
			  NULL);
}

enum prec_status prec_region_check_part(struct prec_region *region,
					uint64_t offset, uint64_t size)
{
	return keeper_ask(KEEPER_CHECK, number(region), offset, size, NULL);
}

struct prec_region *prec_region_at(uint64_t host)
{
	uint64_t found = 0;

	if (keeper_ask(KEEPER_AT, host, 0, 0, &found))
		return NULL;
	return (struct prec_region *)(uintptr_t)found;
}

uint64_t prec_region_epoch(const struct prec_region *region)
{
	return region_epoch(region);
}

bool prec_region_revoked(const struct prec_region *region)
{
	return region_flags(region) & REGION_WITHDRAWN;
}

void prec_fault_read_counts(struct prec_fault_counts *counts)
{
	if (driver_self.keeper)
		prec_keeper_read_counts(driver_self.keeper, counts);
}

const char *prec_refusal_text(enum prec_refusal refusal)
{
	switch (refusal) {
	case PREC_REFUSAL_NONE:
		return "it was not refused";
	case PREC_REFUSAL_NOT_MEMORY:
		return "expected capabilities to frames of memory that are not "
		       "revoked";
	case PREC_REFUSAL_PAGE_SIZE:
		return "expected frames of 4 KiB";
	case PREC_REFUSAL_RIGHTS:
		return "expected capabilities that grant the rights asked for";
	}
	return "unknown refusal";
}
