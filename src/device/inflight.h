/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_INFLIGHT_H
#define PRECARIUM_DEVICE_INFLIGHT_H

#include <stdbool.h>
#include <stdint.h>

#include <precarium/space.h>
#include <precarium/status.h>

#include "virtio/ring_wire.h"

struct memory_region;
struct release_account;
struct inflight_left;
struct inflight_lists;

/*
 * The log of requests in flight (vhost-user.rst, "Inflight I/O tracking").  A
 * server that takes over from one that died learns from it which requests were
 * taken and not completed.  It outlives us because the client holds it, so the
 * client may write anything into it, or take it away.  Each field is fetched
 * once, checked and bounded; the worst that a lie does is to make us carry out
 * a request that the client describes, in its rings or in the log, and could
 * have made anyway.
 *
 * What is stored, and in which order, depends on the layout of the ring:
 * inflight_split.h, inflight_packed.h. layout.h calls the right one.
 *
 * A client has one log: the memory that we made for it, and what it gave back
 * to be used, which is the same memory if the client is honest.
 */
struct inflight {
	int fd;			      /* what we made; -1: none */
	struct memory_region *region; /* in use; NULL: none */
	struct release_account *releases;
};

/* The part of one queue. */
struct inflight_queue {
	struct prec_span span; /* of size 0: requests are not logged */
	bool unread;	       /* the client gave it, and it was not read yet */
	bool lost;	       /* it was found gone, which was not logged yet */
	uint16_t last; /* head of the last batch: what we stored there */
	uint64_t counter;
	/* Requests of the previous server that were not taken again yet, in the
	 * order in which it had taken them: their heads; of a packed ring those
	 * of their entries. */
	uint32_t left_first;
	uint32_t left_end;
	struct inflight_left *left;   /* NULL: none are left */
	struct inflight_lists *lists; /* of a packed ring; NULL: none */
};

/* Bytes of a log for so many queues of so many entries, and where the part of
 * a queue lies in it.  VIRTQ_SIZE_MAX entries at most. */
uint64_t inflight_size(bool packed, uint32_t queues, uint32_t entries);
uint64_t inflight_offset(bool packed, uint32_t queue, uint32_t entries);

/*
 * Make an empty log: a file that nobody can shrink or grow, with no page
 * allocated.  The file that this client had is emptied and returned again, so
 * that a client that keeps asking costs us nothing.  The descriptor stays the
 * log's. -1: errno tells why.
 */
int inflight_make(struct inflight *log, uint64_t size);

/* Release what they hold. */
void inflight_close(struct inflight *log);
void inflight_queue_close(struct inflight_queue *log);

/* Log in this span from now on; size 0: do not log.  Nothing may be in
 * flight. */
void inflight_use(struct inflight_queue *log, struct prec_span span);

/* The client took it away: its requests continue, and no later server will know
 * of them. */
void inflight_lose(struct inflight_queue *log);

/* A request that the log says was in flight. */
struct inflight_left {
	uint64_t counter;
	uint16_t head;
};

/* True while requests of the previous server are left. */
static inline bool inflight_is_left(const struct inflight_queue *log)
{
	return log->left_first != log->left_end;
}

/* Finds in the log which requests are left, at most `size`, and how many. */
typedef enum prec_status inflight_find(const struct inflight_queue *log,
				       uint32_t size,
				       struct inflight_left *left,
				       uint32_t *count);
/* Find those that are left, and order them by their counters.  PREC_SYSTEM: no
 * memory; else what `find` says. */
enum prec_status inflight_collect(struct inflight_queue *log, uint32_t size,
				  inflight_find *find);
/* Take the next of them; its head.  There must be one. */
uint16_t inflight_take(struct inflight_queue *log);

#endif
