// SPDX-License-Identifier: MIT
#include "device/iotlb.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* The least that an IOMMU translates. */
#define GRAIN_MIN 4096u

struct iotlb *iotlb_new(void)
{
	struct iotlb *iotlb = calloc(1, sizeof(*iotlb));

	if (!iotlb)
		return NULL;
	pthread_mutex_init(&iotlb->lock, NULL);
	iotlb_clear(iotlb);
	return iotlb;
}

void iotlb_free(struct iotlb *iotlb)
{
	if (iotlb)
		pthread_mutex_destroy(&iotlb->lock);
	free(iotlb);
}

void iotlb_clear(struct iotlb *iotlb)
{
	iotlb->space.count = 0;
	for (uint32_t i = 0; i < PREC_SPACE_MAX; i++)
		iotlb->entries[i].region = PREC_NONE;
	iotlb->grain = GRAIN_MIN;
	iotlb_ask_again(iotlb);
}

/* Pages that one look asks for. */
#define MISSING_MAX 32u
/* A request that needs more entries than it may have pieces, and a table that
 * has some, is not carried out: that it is refused needs no translation. */
#define SEEN_MAX 2048u

void iotlb_look(struct iotlb *iotlb)
{
	iotlb->looks++;
	iotlb->missing = 0;
	iotlb->seen = 0;
}

bool iotlb_has_looked(const struct iotlb *iotlb)
{
	return iotlb->missing >= MISSING_MAX || iotlb->seen >= SEEN_MAX;
}

void iotlb_ask_again(struct iotlb *iotlb)
{
	iotlb->asked_count = 0;
	iotlb->unsent = 0;
}

static bool was_asked(const struct iotlb *iotlb, uint64_t address,
		      uint32_t rights)
{
	for (uint32_t i = 0; i < iotlb->asked_count; i++) {
		const struct iotlb_miss *miss = &iotlb->asked[i];

		if (miss->address == address &&
		    (miss->rights & rights) == rights)
			return true;
	}
	return false;
}

/* One that is never answered makes room for others. */
static void ask(struct iotlb *iotlb, uint64_t address, uint32_t rights)
{
	if (iotlb->unsent == IOTLB_ASKED_MAX ||
	    was_asked(iotlb, address, rights))
		return;
	if (iotlb->asked_count == IOTLB_ASKED_MAX) {
		iotlb->asked_count--;
		memmove(iotlb->asked, iotlb->asked + 1,
			iotlb->asked_count * sizeof(iotlb->asked[0]));
	}
	iotlb->asked[iotlb->asked_count++] =
		(struct iotlb_miss){ address, rights };
	iotlb->unsent++;
}

bool iotlb_next_miss(struct iotlb *iotlb, struct iotlb_miss *miss)
{
	if (iotlb->unsent == 0)
		return false;
	*miss = iotlb->asked[iotlb->asked_count - iotlb->unsent];
	return true;
}

void iotlb_miss_sent(struct iotlb *iotlb)
{
	assert(iotlb->unsent > 0);
	iotlb->unsent--;
}

static void forget_asked(struct iotlb *iotlb, uint64_t address, uint64_t size)
{
	uint32_t sent = iotlb->asked_count - iotlb->unsent;
	uint32_t kept = 0, unsent = 0;

	for (uint32_t i = 0; i < iotlb->asked_count; i++) {
		if (iotlb->asked[i].address - address < size)
			continue;
		iotlb->asked[kept++] = iotlb->asked[i];
		unsent += i >= sent;
	}
	iotlb->asked_count = kept;
	iotlb->unsent = unsent;
}

/* The next page that may be translated apart. */
static uint64_t next_page(const struct iotlb *iotlb, uint64_t address)
{
	return (address | (iotlb->grain - 1)) + 1;
}

bool iotlb_covers(struct iotlb *iotlb, uint64_t address, uint64_t size,
		  uint32_t rights)
{
	uint64_t end = address + size;
	bool covered = true;

	/* Beyond what can be translated: for the ring to find out. */
	if (size > PREC_ADDRESS_MAX || address > PREC_ADDRESS_MAX - size)
		return true;
	while (address < end && !iotlb_has_looked(iotlb)) {
		uint32_t i = prec_space_find(&iotlb->space, address);

		if (i != PREC_NONE &&
		    (iotlb->space.rights[i] & rights) == rights) {
			iotlb->entries[iotlb->space.slot[i]].used =
				iotlb->looks;
			iotlb->seen++;
			address = iotlb->space.end[i];
			continue;
		}
		covered = false;
		iotlb->missing++;
		ask(iotlb, address, rights);
		address = next_page(iotlb, address);
	}
	return covered;
}

static uint32_t free_entry(const struct iotlb *iotlb)
{
	for (uint32_t i = 0; i < PREC_SPACE_MAX; i++) {
		if (iotlb->entries[i].region == PREC_NONE)
			return i;
	}
	return PREC_NONE;
}

static void take_out(struct iotlb *iotlb, uint32_t index)
{
	iotlb->entries[iotlb->space.slot[index]].region = PREC_NONE;
	prec_space_remove(&iotlb->space, index);
}

/* The entry that was not looked at for the longest time goes. */
static void make_room(struct iotlb *iotlb)
{
	uint32_t oldest = 0;

	if (iotlb->space.count < PREC_SPACE_MAX)
		return;
	for (uint32_t i = 1; i < iotlb->space.count; i++) {
		if (iotlb->entries[iotlb->space.slot[i]].used <
		    iotlb->entries[iotlb->space.slot[oldest]].used)
			oldest = i;
	}
	take_out(iotlb, oldest);
}

/* A piece of a region. */
struct piece {
	uint64_t address;
	uint64_t size;
	uint64_t host;
	uint32_t rights;
	uint32_t region;
	uint64_t used;
};

static struct piece piece_at(const struct iotlb *iotlb, uint32_t index)
{
	const struct prec_space *space = &iotlb->space;
	const struct iotlb_entry *entry = &iotlb->entries[space->slot[index]];

	return (struct piece){
		.address = space->start[index],
		.size = space->end[index] - space->start[index],
		.host = space->host[index],
		.rights = space->rights[index],
		.region = entry->region,
		.used = entry->used,
	};
}

static void enter(struct iotlb *iotlb, const struct piece *piece)
{
	uint32_t slot;

	if (piece->size == 0)
		return;
	make_room(iotlb);
	slot = free_entry(iotlb);
	if (prec_space_add(&iotlb->space, piece->address, piece->size,
			   piece->host, piece->rights, slot) != PREC_OK)
		return;
	iotlb->entries[slot] =
		(struct iotlb_entry){ piece->region, piece->used };
}

static bool continues(const struct piece *a, const struct piece *b)
{
	return a->address + a->size == b->address &&
	       a->host + a->size == b->host && a->rights == b->rights &&
	       a->region == b->region;
}

/* Together with its neighbours: a ring must lie in one entry, and pages that
 * follow each other in both address spaces need but one. */
static void enter_joined(struct iotlb *iotlb, struct piece piece)
{
	uint32_t i = PREC_NONE;

	if (piece.address > 0)
		i = prec_space_find(&iotlb->space, piece.address - 1);
	if (i != PREC_NONE) {
		const struct piece before = piece_at(iotlb, i);

		if (continues(&before, &piece)) {
			take_out(iotlb, i);
			piece.address = before.address;
			piece.host = before.host;
			piece.size += before.size;
		}
	}
	i = prec_space_find(&iotlb->space, piece.address + piece.size);
	if (i != PREC_NONE) {
		const struct piece after = piece_at(iotlb, i);

		if (continues(&piece, &after)) {
			take_out(iotlb, i);
			piece.size += after.size;
		}
	}
	enter(iotlb, &piece);
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* One entry of [address, end), or PREC_NONE. */
static uint32_t overlapped(const struct iotlb *iotlb, uint64_t address,
			   uint64_t end)
{
	for (uint32_t i = 0; i < iotlb->space.count; i++) {
		if (iotlb->space.start[i] < end &&
		    address < iotlb->space.end[i])
			return i;
	}
	return PREC_NONE;
}

static uint64_t end_of(uint64_t address, uint64_t size)
{
	if (address > PREC_ADDRESS_MAX || size > PREC_ADDRESS_MAX - address)
		return PREC_ADDRESS_MAX;
	return address + size;
}

bool iotlb_has(const struct iotlb *iotlb, uint64_t address, uint64_t size)
{
	return overlapped(iotlb, address, end_of(address, size)) != PREC_NONE;
}

void iotlb_invalidate(struct iotlb *iotlb, uint64_t address, uint64_t size)
{
	uint64_t end = end_of(address, size);
	uint32_t i;

	forget_asked(iotlb, address, size);
	while ((i = overlapped(iotlb, address, end)) != PREC_NONE) {
		struct piece left = piece_at(iotlb, i), right = left;

		take_out(iotlb, i);
		if (left.address + left.size > end) {
			right.address = end;
			right.size = left.address + left.size - end;
			right.host += end - left.address;
			enter(iotlb, &right);
		}
		left.size = left.address < address ? address - left.address : 0;
		enter(iotlb, &left);
	}
}

/* The first of these bytes that lie in one region.  False: they are not
 * lent. */
static bool first_piece(const struct memory *memory, uint64_t address,
			uint64_t size, uint64_t user, uint32_t rights,
			struct piece *piece)
{
	uint32_t slot = memory_slot_of_user(memory, user);
	const struct memory_region *region;
	uint64_t offset;

	if (slot == PREC_NONE)
		return false;
	region = memory->slots[slot];
	offset = user - region->entry.user;
	*piece = (struct piece){
		.address = address,
		.size = least(size, region->entry.size - offset),
		.host = region->region.span.host + offset,
		.rights = rights & region->region.span.rights,
		.region = slot,
	};
	return true;
}

static bool in_table(const struct iotlb *iotlb, const struct piece *piece)
{
	uint32_t i = prec_space_find(&iotlb->space, piece->address);
	struct piece there;

	if (i == PREC_NONE)
		return false;
	there = piece_at(iotlb, i);
	return piece->size <= there.size - (piece->address - there.address) &&
	       there.host - there.address == piece->host - piece->address &&
	       there.rights == piece->rights && there.region == piece->region;
}

bool iotlb_is_new(const struct iotlb *iotlb, const struct memory *memory,
		  uint64_t address, uint64_t size, uint64_t user,
		  uint32_t rights)
{
	struct piece piece;

	if (!iotlb_has(iotlb, address, size))
		return true;
	for (; size > 0; size -= piece.size) {
		if (!first_piece(memory, address, size, user, rights, &piece) ||
		    !in_table(iotlb, &piece))
			return false;
		address += piece.size;
		user += piece.size;
	}
	return true;
}

static bool check(const struct memory *memory, uint64_t address, uint64_t size,
		  uint64_t user, const char **why)
{
	struct piece piece;

	*why = "expected addresses below 2^56, and at least a byte";
	if (size == 0 || size > PREC_ADDRESS_MAX ||
	    address > PREC_ADDRESS_MAX - size || user > PREC_ADDRESS_MAX - size)
		return false;
	*why = "expected addresses of the front-end in regions that were added";
	for (; size > 0; size -= piece.size) {
		if (!first_piece(memory, 0, size, user, 0, &piece))
			return false;
		user += piece.size;
	}
	return true;
}

bool iotlb_update(struct iotlb *iotlb, const struct memory *memory,
		  uint64_t address, uint64_t size, uint64_t user,
		  uint32_t rights, const char **why)
{
	struct piece piece;

	if (!check(memory, address, size, user, why))
		return false;
	iotlb_invalidate(iotlb, address, size);
	iotlb->updates++;
	iotlb->grain = GRAIN_MIN;
	while (iotlb->grain < size && iotlb->grain < 1ull << 30)
		iotlb->grain *= 2;
	for (; size > 0; size -= piece.size) {
		if (!first_piece(memory, address, size, user, rights, &piece))
			break;
		piece.used = iotlb->looks;
		if (piece.rights)
			enter_joined(iotlb, piece);
		address += piece.size;
		user += piece.size;
	}
	return true;
}

void iotlb_to_memory(const struct iotlb *iotlb, const struct memory *memory,
		     struct prec_span *span)
{
	const struct iotlb_entry *entry =
		&iotlb->entries[iotlb->space.slot[span->index]];
	const struct memory_region *region = memory->slots[entry->region];

	assert(region);
	span->address =
		region->entry.guest + (span->host - region->region.span.host);
	span->index = prec_space_find(&memory->guest, span->address);
	span->rights = region->region.span.rights;
}

const char *iotlb_why_no_rings(void)
{
	return "a ring is translated into pieces; expected pages that follow "
	       "each other in one region";
}
