/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_DIRTY_H
#define PRECARIUM_DEVICE_DIRTY_H

#include <stdbool.h>
#include <stdint.h>

struct memory_region;

/*
 * The log of what we write into the client's memory, for its migration: a bit
 * for each page of 4096 bytes of the guest's addresses (vhost-user.rst,
 * "Migration").
 *
 * A page is marked after it was written.  The client clears the mark and then
 * copies the page, perhaps in between: so it finds the mark and copies once
 * more.  Marked before, the page could be copied as it was.  All marks of a
 * request but that of the used index itself are there before the index is,
 * and all marks before the answer that a ring is quiet, after which the client
 * looks for the last time.
 *
 * The bitmap is lent, too: it may go, and what stands in it is never looked
 * at.
 */
struct dirty {
	struct memory_region *region; /* NULL: none */
	uint64_t size;		      /* bytes of the bitmap */
	bool all;    /* also what is not a ring: VHOST_F_LOG_ALL */
	bool lost;   /* it was found gone, which nobody was told yet */
	int call_fd; /* signalled when there are marks; -1: none */
};

/* From now on this one, of `size` bytes; NULL: none. */
void dirty_use(struct dirty *dirty, struct memory_region *region,
	       uint64_t size);
void dirty_close(struct dirty *dirty);

/* [address, address + size) was written. */
void dirty_mark(struct dirty *dirty, uint64_t address, uint64_t size);

#endif
