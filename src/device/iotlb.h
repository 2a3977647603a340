/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_IOTLB_H
#define PRECARIUM_DEVICE_IOTLB_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <precarium/space.h>

#include "device/memory.h"

/*
 * The translations that a client has told us (VIRTIO_F_ACCESS_PLATFORM, and
 * IOTLB messages of vhost-user).  Its rings and descriptors then hold addresses
 * of an IOMMU, and each must be translated before anything is done there.
 *
 * It is one more table of what a client lent: a space, whose entries lie in
 * regions of its memory.  What is not in it is asked for: `ahead.h` finds that
 * out before a request is taken, and the transport asks; nobody waits for the
 * answer but the queue.  Being a cache, it may forget any entry, except while a
 * request in flight has spans of it: a change takes back no entry before that
 * has ended (device_retranslate).
 *
 * One thread uses it, the device's.  Where the device has several parts, looks
 * are by the threads of all of them, one at a time, with the lock; all else but
 * iotlb_to_memory is done while these stand.
 */

/* Pages that were asked for and not answered. */
#define IOTLB_ASKED_MAX 64u

struct iotlb_miss {
	uint64_t address; /* of the IOMMU */
	uint32_t rights;  /* that are needed there */
};

/* What belongs to the entry whose slot it is. */
struct iotlb_entry {
	uint32_t region; /* slot of the memory; PREC_NONE: free */
	uint64_t used;	 /* the last look at it */
};

struct iotlb {
	pthread_mutex_t lock;
	struct prec_space space;
	struct iotlb_entry entries[PREC_SPACE_MAX];
	uint64_t looks;
	uint32_t missing; /* pages, in this look */
	uint32_t seen;	  /* entries, likewise */
	uint64_t updates; /* counts them */
	uint64_t grain; /* bytes of the last translation: how far one reaches */
	/* The newest `unsent` of them are still to be asked for. */
	struct iotlb_miss asked[IOTLB_ASKED_MAX];
	uint32_t asked_count;
	uint32_t unsent;
};

/* NULL: no memory. */
struct iotlb *iotlb_new(void);
/* NULL is ignored. */
void iotlb_free(struct iotlb *iotlb);

/* Another look begins, at all that one request needs.  What it finds is kept
 * before what earlier ones found. */
void iotlb_look(struct iotlb *iotlb);
/* Is all of this translated?  Else what is missing is asked for, unless that
 * was done already. */
bool iotlb_covers(struct iotlb *iotlb, uint64_t address, uint64_t size,
		  uint32_t rights);
/* This look has asked for, or seen, as much as one may: an end to it. */
bool iotlb_has_looked(const struct iotlb *iotlb);

/* What is to be asked for next.  False: nothing. */
bool iotlb_next_miss(struct iotlb *iotlb, struct iotlb_miss *miss);
/* It was asked for. */
void iotlb_miss_sent(struct iotlb *iotlb);
/* Forget what was asked for: it is asked for again. */
void iotlb_ask_again(struct iotlb *iotlb);

/* True: so many bytes there, by the front-end's address `user`, are in the
 * table already, or none of them is.  False: some are translated otherwise. */
bool iotlb_is_new(const struct iotlb *iotlb, const struct memory *memory,
		  uint64_t address, uint64_t size, uint64_t user,
		  uint32_t rights);
/* Enter a translation instead of those that it overlaps.  False: it is refused,
 * *why says what was expected, and nothing has changed. */
bool iotlb_update(struct iotlb *iotlb, const struct memory *memory,
		  uint64_t address, uint64_t size, uint64_t user,
		  uint32_t rights, const char **why);

/* Is any of this translated? */
bool iotlb_has(const struct iotlb *iotlb, uint64_t address, uint64_t size);
/* Take it out. */
void iotlb_invalidate(struct iotlb *iotlb, uint64_t address, uint64_t size);
void iotlb_clear(struct iotlb *iotlb);

/* Why rings that are translated are not found: one line, with what was
 * expected. */
const char *iotlb_why_no_rings(void);

/* Of a span of the table: the span of the memory that it is. */
void iotlb_to_memory(const struct iotlb *iotlb, const struct memory *memory,
		     struct prec_span *span);

#endif
