/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_MEMORY_H
#define PRECARIUM_DEVICE_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include <precarium/lending_linux.h>
#include <precarium/region.h>
#include <precarium/space.h>

#include "device/release.h"
#include "device/share.h"
#include "store/store.h"

/* A region as the client describes it. */
struct memory_entry {
	uint64_t guest; /* address for the guest */
	uint64_t size;
	uint64_t user;	 /* address for the front-end */
	uint64_t offset; /* into the file */
};

/*
 * What one client has lent: its regions, found by guest addresses (as
 * descriptors name them) and by the front-end's own (as ring addresses do).
 * The entries of the space carry the slot of the region.
 */
struct memory_region {
	struct prec_region region;
	struct memory_entry entry;
	struct release release;
	struct share *regions;	/* its place is of these; NULL: of none */
	struct store_loan loan; /* see loan.h */
	uint64_t lent_epoch;	/* of the region, when the loan began */
	uint64_t lent_us;	/* when that was; 0: its pin is counted */
};

/*
 * A region costs a descriptor, a mapping and an entry in the library's table,
 * which all clients of the process share.  So many are usual for one client.
 */
#define MEMORY_REGIONS_USUAL 32u

struct memory {
	/* Set by whoever makes it; NULL: no limit, and see release.h. */
	struct share *regions;
	struct release_account *releases;
	struct release release;
	struct prec_space guest;
	struct memory_region *slots[PREC_SPACE_MAX]; /* NULL: free */
};

/* How lent memory is accepted. */
struct memory_admission {
	uint32_t regions_max;	    /* at most PREC_SPACE_MAX */
	uint32_t admit;		    /* PREC_ADMIT_* */
	struct prec_budget *budget; /* of the client; NULL: none */
};

/*
 * Map one region; `fd` is borrowed.  NULL: *why is one line with what was
 * expected.
 */
struct memory_region *
memory_region_new(const struct memory_entry *entry, int fd,
		  const struct memory_admission *admission, const char **why);
/* Unmap it, later (release.h): until then the pages stay mapped, but no span
 * names them.  It is not lent on any more. */
void memory_region_free(struct memory_region *region,
			struct release_account *releases);

/* Add one region.  `fd` is borrowed.  On error nothing has changed, and *why
 * is one line with what was expected. */
bool memory_add(struct memory *memory, const struct memory_entry *entry, int fd,
		const struct memory_admission *admission, const char **why);

/* The region that was added by these addresses and this size.  NULL: there is
 * none, and *why says what was expected. */
struct memory_region *memory_find(const struct memory *memory,
				  const struct memory_entry *entry,
				  const char **why);

/*
 * Take a region out: nothing reaches it when this returns, and it is unmapped
 * later.  It is named by both addresses and the size.  No request may use it
 * any more.
 */
bool memory_remove(struct memory *memory, const struct memory_entry *entry,
		   const char **why);

/* The guest's address of the front-end's address `user`, by which it names its
 * rings.  False: it is in no region. */
bool memory_guest_address(const struct memory *memory, uint64_t user,
			  uint64_t *guest);

/* The slot of the region that the front-end's address `user` is in; PREC_NONE:
 * none. */
uint32_t memory_slot_of_user(const struct memory *memory, uint64_t user);

/* Why rings are not found in it: one line, with what was expected. */
const char *memory_why_no_rings(const struct memory *memory);

/* Free it, and unmap what was lent, later.  NULL is ignored. */
void memory_free(struct memory *memory);

#endif
