/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_INFLIGHT_H
#define PRECARIUM_DEVICE_INFLIGHT_H

#include <stdbool.h>
#include <stdint.h>

#include <precarium/space.h>
#include <precarium/status.h>

#include "virtio/ring_wire.h"

struct memory_region;
struct inflight_lists;

/*
 * The log of requests in flight (vhost-user.rst, "Inflight I/O tracking"): a
 * server that takes over from one that died learns from it which requests were
 * taken and not completed.  It outlives us because the client holds it, so the
 * client may write anything into it, or take it away: each field is fetched once,
 * checked, and bounded, and the worst that a lie does is to make us carry out what
 * the client describes, in its rings or in the log, and might as well have asked
 * for.
 *
 * What is stored, and in which order, depends on the layout of the ring:
 * inflight_split.h, inflight_packed.h; layout.h calls one of them.
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
	bool lost;     /* it was found gone, which was not logged yet */
	uint16_t last; /* head of the last batch: what we stored there */
	uint64_t counter;
	/* Left by the previous server, and not taken again yet, in the order in
	 * which it had taken them.  Their heads; of a packed ring those of
	 * their entries. */
	uint32_t left_first;
	uint32_t left_end;
	uint16_t left[VIRTQ_SIZE_MAX];
	struct inflight_lists *lists; /* of a packed ring; NULL: none */
};

/* Bytes of a log for so many queues of so many entries, and where the part of
 * a queue lies in it.  VIRTQ_SIZE_MAX entries at most. */
uint64_t inflight_size(bool packed, uint32_t queues, uint32_t entries);
uint64_t inflight_offset(bool packed, uint32_t queue, uint32_t entries);

/*
 * An empty log: a file that nobody can shrink or grow, whose pages nobody has
 * touched.  The one that this client had is emptied and given once more, so
 * that asking again and again costs us nothing.  The descriptor stays the log's.
 * -1: errno tells why.
 */
int inflight_make(struct inflight *log, uint64_t size);

/* Close what is there. */
void inflight_close(struct inflight *log);
void inflight_queue_close(struct inflight_queue *log);

/* Log in this span from now on; of size 0: do not.  Nothing is in flight. */
void inflight_use(struct inflight_queue *log, struct prec_span span);

/* The client took it away: its requests go on, and no server after us will
 * know of them. */
void inflight_lose(struct inflight_queue *log);

/* A request that the log says was in flight. */
struct inflight_left {
	uint64_t counter;
	uint16_t head;
};

/* Is something left? */
static inline bool inflight_is_left(const struct inflight_queue *log)
{
	return log->left_first != log->left_end;
}

/* These are left, to be taken again in the order of their counters. */
void inflight_line_up(struct inflight_queue *log, struct inflight_left *left,
		      uint32_t count);

#endif
