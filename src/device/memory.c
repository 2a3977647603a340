// SPDX-License-Identifier: MIT
#include "device/memory.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

/* Only files in memory (memfd, tmpfs, hugetlbfs) have seals.  Never blocks, as
 * fstat and fstatfs may. */
static bool is_in_memory(int fd)
{
	return fcntl(fd, F_GET_SEALS) >= 0;
}

static const char *why_not_added(enum prec_status status)
{
	switch (status) {
	case PREC_OVERLAP:
		return "it overlaps another region; expected disjoint "
		       "ranges of addresses";
	case PREC_FULL:
		return "the table is full; expected no more regions than were "
		       "offered";
	case PREC_SYSTEM:
		return "the system could not map it";
	default:
		return "its addresses or its size are invalid; expected "
		       "ranges below 2^56";
	}
}

/* Read-only descriptors lend read-only memory. */
static uint32_t rights_of(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0 && (flags & O_ACCMODE) == O_RDONLY)
		return PREC_READ;
	return PREC_READ | PREC_WRITE;
}

/* A core dump is of the server, and neither as large as all machines nor with
 * what they hold.  A kernel that cannot is no reason to refuse. */
static void keep_from_dumps(const struct prec_region *region)
{
	madvise((void *)(uintptr_t)region->span.host, region->span.size,
		MADV_DONTDUMP);
}

static bool map_region(struct memory_region *new, int fd,
		       const struct memory_admission *admission,
		       const char **why)
{
	const struct prec_lending lending = {
		.fd = fd,
		.rights = rights_of(fd),
		.offset = new->entry.offset,
		.size = new->entry.size,
		.address = new->entry.guest,
		.options = admission->admit,
		.budget = admission->budget,
	};
	enum prec_refusal refusal = PREC_REFUSAL_NONE;
	enum prec_status status;

	/* Checked before the library asks for its size or file system, which a
	 * file server that the client controls need not answer. */
	if (!(admission->admit & PREC_ADMIT_ANY_FILE) && !is_in_memory(fd)) {
		*why = "not a file in memory; expected a memfd, or a file of "
		       "tmpfs or hugetlbfs";
		return false;
	}
	status = prec_region_map(&new->region, &lending, &refusal);
	if (status == PREC_OK) {
		keep_from_dumps(&new->region);
		return true;
	}
	*why = status == PREC_REFUSED ? prec_refusal_text(refusal)
				      : why_not_added(status);
	return false;
}

struct memory_region *
memory_region_new(const struct memory_entry *entry, int fd,
		  const struct memory_admission *admission, const char **why)
{
	struct memory_region *new = calloc(1, sizeof(*new));

	if (!new) {
		*why = "out of memory";
		return NULL;
	}
	new->entry = *entry;
	if (map_region(new, fd, admission, why))
		return new;
	free(new);
	return NULL;
}

/* Other threads that map or unmap wait while the kernel takes pages out of our
 * page tables, so that is done in pieces.  Nobody touches the pages any
 * more. */
#define UNMAP_PIECE (8ull << 20)

static void empty(const struct prec_span *span)
{
	for (uint64_t at = 0; at < span->size; at += UNMAP_PIECE) {
		uint64_t left = span->size - at;

		madvise((void *)(uintptr_t)(span->host + at),
			left < UNMAP_PIECE ? left : UNMAP_PIECE, MADV_DONTNEED);
	}
}

/* The system may lack memory for a moment, even to unmap.  This thread has
 * time. */
#define UNMAP_TRIES 20
#define RETRY_NS    10000000

static enum prec_status try_to_unmap(struct prec_region *region)
{
	const struct timespec pause = { .tv_nsec = RETRY_NS };
	enum prec_status status = prec_region_unmap(region);

	for (int i = 1; status == PREC_SYSTEM && i < UNMAP_TRIES; i++) {
		nanosleep(&pause, NULL);
		status = prec_region_unmap(region);
	}
	return status;
}

static void unmap(struct memory_region *old)
{
	enum prec_status revoked;

	empty(&old->region.span);
	if (try_to_unmap(&old->region) == PREC_OK) {
		free(old);
		return;
	}
	/* A thread is still inside a transaction on it, and finds the region
	 * gone.  The address range and the object are leaked rather than
	 * reused. */
	revoked = prec_region_revoke(&old->region);
	assert(revoked == PREC_OK || revoked == PREC_SYSTEM);
}

static void give_places(struct share *regions, uint32_t count)
{
	if (regions && count)
		share_give(regions, count);
}

static void unmap_region(struct release *release)
{
	struct memory_region *old =
		(struct memory_region *)((char *)release -
					 offsetof(struct memory_region,
						  release));
	struct share *regions = old->regions;

	unmap(old);
	give_places(regions, 1);
}

void memory_region_free(struct memory_region *region,
			struct release_account *releases)
{
	region->release.descriptors = 1;
	release_later(releases, &region->release, unmap_region);
}

static uint32_t free_slot(const struct memory *memory, uint32_t max)
{
	for (uint32_t i = 0; i < max && i < PREC_SPACE_MAX; i++) {
		if (!memory->slots[i])
			return i;
	}
	return PREC_NONE;
}

static bool take_place(struct memory *memory)
{
	return !memory->regions ||
	       share_take(memory->regions, 1,
			  memory->guest.count >= MEMORY_REGIONS_USUAL);
}

/* They are looked through one after the other: clients have few. */
uint32_t memory_slot_of_user(const struct memory *memory, uint64_t user)
{
	for (uint32_t i = 0; i < memory->guest.count; i++) {
		uint32_t slot = memory->guest.slot[i];
		const struct memory_region *region = memory->slots[slot];

		if (user - region->entry.user < region->entry.size)
			return slot;
	}
	return PREC_NONE;
}

bool memory_guest_address(const struct memory *memory, uint64_t user,
			  uint64_t *guest)
{
	uint32_t slot = memory_slot_of_user(memory, user);
	const struct memory_region *region;

	if (slot == PREC_NONE)
		return false;
	region = memory->slots[slot];
	*guest = region->entry.guest + (user - region->entry.user);
	return true;
}

/* Of the front-end's addresses. */
static bool overlaps(const struct memory *memory,
		     const struct memory_entry *entry)
{
	for (uint32_t i = 0; i < memory->guest.count; i++) {
		const struct memory_entry *other =
			&memory->slots[memory->guest.slot[i]]->entry;

		if (entry->user < other->user + other->size &&
		    other->user < entry->user + entry->size)
			return true;
	}
	return false;
}

static enum prec_status enter(struct memory *memory, struct memory_region *new,
			      uint32_t slot)
{
	const struct memory_entry *entry = &new->entry;
	const struct prec_span *span = &new->region.span;
	enum prec_status status;

	if (overlaps(memory, entry))
		return PREC_OVERLAP;
	status = prec_space_add(&memory->guest, entry->guest, entry->size,
				span->host, span->rights, slot);
	if (status == PREC_OK)
		memory->slots[slot] = new;
	return status;
}

/* What can be checked without touching the file. */
static enum prec_status check_entry(const struct memory_entry *entry)
{
	if (entry->size == 0 || entry->size > PREC_ADDRESS_MAX ||
	    entry->guest > PREC_ADDRESS_MAX - entry->size ||
	    entry->user > PREC_ADDRESS_MAX - entry->size ||
	    entry->offset > INT64_MAX - entry->size)
		return PREC_INVALID;
	return PREC_OK;
}

static bool add_region(struct memory *memory, const struct memory_entry *entry,
		       int fd, const struct memory_admission *admission,
		       const char **why)
{
	uint32_t slot = free_slot(memory, admission->regions_max);
	enum prec_status status = check_entry(entry);
	struct memory_region *new;

	if (status == PREC_OK && slot == PREC_NONE)
		status = PREC_FULL;
	if (status != PREC_OK) {
		*why = why_not_added(status);
		return false;
	}
	new = memory_region_new(entry, fd, admission, why);
	if (!new)
		return false;
	status = enter(memory, new, slot);
	if (status == PREC_OK)
		return true;
	*why = why_not_added(status);
	memory_region_free(new, memory->releases);
	return false;
}

bool memory_add(struct memory *memory, const struct memory_entry *entry, int fd,
		const struct memory_admission *admission, const char **why)
{
	if (!take_place(memory)) {
		*why = "clients have lent so many regions that there is room "
		       "for no more; expected 32 at most";
		return false;
	}
	if (add_region(memory, entry, fd, admission, why))
		return true;
	give_places(memory->regions, 1);
	return false;
}

static void take_out(struct memory *memory, uint32_t guest, uint32_t slot)
{
	struct memory_region *old = memory->slots[slot];

	prec_space_remove(&memory->guest, guest);
	memory->slots[slot] = NULL;
	old->regions = memory->regions;
	memory_region_free(old, memory->releases);
}

struct memory_region *memory_find(const struct memory *memory,
				  const struct memory_entry *entry,
				  const char **why)
{
	uint32_t guest = prec_space_find(&memory->guest, entry->guest);
	struct memory_region *there;
	uint32_t slot;

	*why = "no such region; expected the addresses and the size that it "
	       "was added with";
	if (guest == PREC_NONE)
		return NULL;
	slot = memory->guest.slot[guest];
	there = memory->slots[slot];
	if (there->entry.guest != entry->guest ||
	    there->entry.user != entry->user ||
	    there->entry.size != entry->size)
		return NULL;
	return there;
}

bool memory_remove(struct memory *memory, const struct memory_entry *entry,
		   const char **why)
{
	uint32_t guest = prec_space_find(&memory->guest, entry->guest);

	if (!memory_find(memory, entry, why))
		return false;
	take_out(memory, guest, memory->guest.slot[guest]);
	return true;
}

const char *memory_why_no_rings(const struct memory *memory)
{
	if (memory->guest.count == 0)
		return "no memory was lent, so the rings are nowhere; expected "
		       "shared memory: share=on of QEMU's "
		       "memory-backend-memfd, libvirt's <access "
		       "mode='shared'/>";
	return "the rings are not in lent memory; expected addresses of the "
	       "front-end in a region that was added";
}

static void unmap_all(struct release *release)
{
	struct memory *old =
		(struct memory *)((char *)release -
				  offsetof(struct memory, release));

	for (uint32_t i = 0; i < PREC_SPACE_MAX; i++) {
		if (old->slots[i])
			unmap(old->slots[i]);
	}
	give_places(old->regions, old->guest.count);
	free(old);
}

void memory_free(struct memory *memory)
{
	if (!memory)
		return;
	memory->release.descriptors = memory->guest.count;
	release_later(memory->releases, &memory->release, unmap_all);
}
