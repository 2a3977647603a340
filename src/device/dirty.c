// SPDX-License-Identifier: MIT
#include "device/dirty.h"

#include <stddef.h>

#include <precarium/access.h>

#include "device/memory.h"
#include "device/release.h"

#define PAGE_BITS 12

void dirty_use(struct dirty *dirty, struct memory_region *region, uint64_t size)
{
	if (dirty->region)
		memory_region_free(dirty->region, dirty->releases);
	dirty->region = region;
	dirty->size = size;
	dirty->gone = false;
}

void dirty_set_call(struct dirty *dirty, int fd)
{
	release_fd(dirty->releases, dirty->call_fd);
	dirty->call_fd = fd;
}

void dirty_close(struct dirty *dirty)
{
	dirty_use(dirty, NULL, 0);
	dirty_set_call(dirty, -1);
}

/* It is unmapped when another takes its place: others may be about to mark. */
static void lose(struct dirty *dirty)
{
	if (!__atomic_exchange_n(&dirty->gone, true, __ATOMIC_RELAXED))
		__atomic_store_n(&dirty->lost, true, __ATOMIC_RELAXED);
}

/* The bits of one byte that stand for the pages first .. last. */
static uint8_t bits_of(uint64_t byte, uint64_t first, uint64_t last)
{
	uint32_t from = byte == first / 8 ? (uint32_t)(first % 8) : 0;
	uint32_t to = byte == last / 8 ? (uint32_t)(last % 8) : 7;

	return (uint8_t)((0xffu << from) & (0xffu >> (7 - to)));
}

/* Always by an atomic instruction, even if the bit seems to be set: it makes
 * what we wrote visible before the client can have cleared the bit.  Pages
 * beyond the bitmap are not logged. */
void dirty_mark(struct dirty *dirty, uint64_t address, uint64_t size)
{
	uint64_t first = address >> PAGE_BITS;
	uint64_t last;

	if (!dirty_is_on(dirty) || size == 0 || address > UINT64_MAX - size)
		return;
	last = (address + size - 1) >> PAGE_BITS;
	for (uint64_t byte = first / 8; byte <= last / 8; byte++) {
		if (byte >= dirty->size)
			return;
		if (prec_or8(dirty->region->region.span, byte,
			     bits_of(byte, first, last)) == PREC_OK)
			continue;
		lose(dirty);
		return;
	}
}
