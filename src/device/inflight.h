/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_INFLIGHT_H
#define PRECARIUM_DEVICE_INFLIGHT_H

#include <stdbool.h>
#include <stdint.h>

#include <precarium/space.h>
#include <precarium/status.h>

#include "virtio/ring_wire.h"

struct memory_region;
struct inflight_packed_entries;

/*
 * The log of requests in flight (vhost-user.rst, "Inflight I/O tracking"; what
 * differs for packed rings is in inflight_packed.h): a driver that takes over
 * from one that died learns from it which requests were taken and not completed.
 * It outlives us because the client holds it, so the client may write anything
 * into it, or take it away: each field is fetched once, checked, and bounded, and
 * the worst that a lie does is to make us carry out what the client describes, in
 * its rings or in the log, and might as well have asked for.
 *
 * One log for a client: the memory that we made for it, and what it gave back
 * to be used, which is the same if it means well.
 */
struct inflight {
	int fd;			      /* the memory that we made; -1: none */
	struct memory_region *region; /* in use; NULL: none */
};

/* The part of one queue. */
struct inflight_queue {
	struct prec_span span; /* of size 0: requests are not logged */
	bool unread;   /* it came from the client and was not looked at */
	bool lost;     /* it was found gone, which nobody was told yet */
	uint16_t last; /* head of the last batch: what we stored there */
	uint64_t counter;
	/* Left by the driver before us, and not taken again yet: in the order
	 * in which it had taken them.  Their heads; of a packed ring those of
	 * their entries. */
	uint32_t left_first;
	uint32_t left_end;
	uint16_t left[VIRTQ_SIZE_MAX];
	/* Of a packed ring whose requests are logged; else NULL.  Freed by
	 * inflight_packed_free. */
	struct inflight_packed_entries *packed;
};

/* Bytes of a log for so many queues of so many entries, and where the part of
 * a queue lies in it.  VIRTQ_SIZE_MAX entries at most. */
uint64_t inflight_size(bool packed, uint32_t queues, uint32_t entries);
uint64_t inflight_offset(bool packed, uint32_t queue, uint32_t entries);

/*
 * An empty log: a file that nobody can shrink or grow, whose pages nobody has
 * touched.  The one that this client had is emptied and given once more, so
 * that asking again and again costs us nothing.  -1: errno tells.
 */
int inflight_make(struct inflight *log, uint64_t size);

/* Close what is there. */
void inflight_close(struct inflight *log);

/* Log in this span from now on; of size 0: do not.  Nothing is in flight. */
void inflight_use(struct inflight_queue *log, struct prec_span span);

/* The client took it away: its requests go on, and no driver after us will
 * know of them. */
void inflight_lose(struct inflight_queue *log);

/* What the log says was in flight; how it orders what is left. */
struct inflight_left {
	uint64_t counter;
	uint16_t head;
};
void inflight_line_up(struct inflight_queue *log, struct inflight_left *left,
		      uint32_t count);

/*
 * The rings of `size` entries were found, their used index is `used`.  Read
 * what the driver before us left, if that was not done yet: then *recovered,
 * and *taken is how many requests were in flight.  A log that is new is made
 * ready.
 *
 * PREC_RANGE: it has room for smaller rings only.  PREC_GONE: it is gone, and
 * not used any more.
 */
PREC_MUST_CHECK enum prec_status inflight_read(struct inflight_queue *log,
					       uint32_t size, uint16_t used,
					       bool *recovered,
					       uint32_t *taken);

/* The next request that the driver before us had taken.  False: no more. */
bool inflight_next(struct inflight_queue *log, uint16_t *head);

/*
 * `head` was taken from the available ring.  Nothing of it may have been
 * carried out yet.
 */
void inflight_taken(struct inflight_queue *log, uint16_t head);

/* `head` is about to be put into the used ring, which nothing else of the
 * queue may follow before inflight_completed. */
void inflight_completing(struct inflight_queue *log, uint16_t head);

/* `head` is in the used ring, whose index is now `used`. */
void inflight_completed(struct inflight_queue *log, uint16_t head,
			uint16_t used);

#endif
