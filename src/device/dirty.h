/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_DIRTY_H
#define PRECARIUM_DEVICE_DIRTY_H

#include <stdbool.h>
#include <stdint.h>

struct memory_region;
struct release_account;

/*
 * The log of what we write into the client's memory, for its migration: a bit
 * for each page of 4096 bytes of guest addresses (vhost-user.rst, "Migration").
 *
 * A page is marked after it was written.  The client clears the mark and then
 * copies the page; if that falls between our write and our mark, it finds the
 * mark and copies once more.  If the page were marked first, its old contents
 * could be copied.  All marks of a request but that of the used index are set
 * before the index is, and all marks before the reply that a ring is quiet,
 * after which the client reads the log for the last time.
 *
 * The bitmap is lent too: it may go, and its contents are never read.  Threads
 * that serve one client mark in it together; one of them tells that it is gone.
 */
struct dirty {
	struct memory_region *region; /* NULL: none */
	uint64_t size;		      /* bytes of the bitmap */
	bool all;    /* mark data as well as rings: VHOST_F_LOG_ALL */
	bool gone;   /* atomic, as the next; nothing is marked any more */
	bool lost;   /* it was found gone, which was not logged yet */
	int call_fd; /* signalled when there are new marks; -1: none */
	struct release_account *releases;
};

/* Mark in this bitmap of `size` bytes from now on; NULL: do not mark.  Takes
 * over the region, and frees the old one. */
void dirty_use(struct dirty *dirty, struct memory_region *region,
	       uint64_t size);
/* Take over `fd`, an eventfd of the client or -1, in place of the old one,
 * which no notifier has any more. */
void dirty_set_call(struct dirty *dirty, int fd);
void dirty_close(struct dirty *dirty);

/* Is there a log? */
static inline bool dirty_is_on(const struct dirty *dirty)
{
	return dirty->region &&
	       !__atomic_load_n(&dirty->gone, __ATOMIC_RELAXED);
}
/* It was found gone, and this was not asked before. */
static inline bool dirty_take_lost(struct dirty *dirty)
{
	return __atomic_load_n(&dirty->lost, __ATOMIC_RELAXED) &&
	       __atomic_exchange_n(&dirty->lost, false, __ATOMIC_RELAXED);
}

/* [address, address + size) was written. */
void dirty_mark(struct dirty *dirty, uint64_t address, uint64_t size);

#endif
