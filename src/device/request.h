/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_REQUEST_H
#define PRECARIUM_DEVICE_REQUEST_H

#include <sys/queue.h>

#include <precarium/region.h>

#include "virtio/blk.h"
#include "store/store.h"

struct queue;
struct lane;
struct loop;

/* A region that a request uses, and its epoch when the request began. */
struct epoch_seen {
	struct prec_region *region;
	uint64_t epoch;
};

/*
 * A transfer between the store and a client's pages.  It ends exactly once,
 * and with success only when all its bytes moved and no region of it was lost
 * meanwhile, which the kernel or a device need not have noticed.
 */
struct request {
	struct store_io io; /* first: the store hands it back */
	struct queue *queue;
	LIST_ENTRY(request) entry;
	struct vblk_request block;
	uint64_t begun_ns; /* when the turn that took it began */
	bool small;	   /* kept for reuse when it ends */
	bool limited;	   /* counted as in flight in the rates of its export */
	uint32_t seen_count;
	uint32_t tries; /* in a row that its holes were filled */
	uint64_t moved; /* before what io stands for: see sparse.h */
	struct epoch_seen *seen;
	struct prec_span spans[];
};

/* As how many requests it counts where their number is limited, because that
 * limits what they cost in memory: a request of many segments as several. */
#define REQUEST_SEGMENTS 64u

static inline uint32_t request_weight(const struct request *request)
{
	return 1 + request->block.count / REQUEST_SEGMENTS;
}

/* Carry out what was decided of the chain that was taken from the queue:
 * complete it at once, as one that is malformed, or begin its transfer, which
 * copies what it needs of `chain` and `ranges`.  Returns the bytes of the
 * transfer, for fairness. */
uint64_t request_begin(struct queue *queue, const struct virtq_request *chain,
		       const struct vblk_request *block,
		       const struct vblk_ranges *ranges);

/*
 * Reject a chain that cannot be completed, because it has no place for a
 * status, or because the memory that describes it is gone (`lost`).  The queue
 * stops.  Giving the chain back would mislead the guest: guests look at nothing
 * but the status byte, in memory that they reuse, where the success of the
 * previous request may still stand.
 */
void request_reject(struct queue *queue, bool lost);

/* The store has finished with it: complete the request, and free it. */
void request_finish(struct store_io *io);

/* Hand the stalled requests to the store, as far as it has room now. */
void request_resume(struct lane *lane);

/* The client has ended: drop what the store has not begun and cancel the rest,
 * which is reaped without touching the client's memory. */
void queue_abort(struct queue *queue);

/* Quiesce: cancel requests where the store can; they fail. */
void queue_cancel(struct queue *queue);

/* Likewise, whatever that takes.  The store can. */
void queue_insist(struct queue *queue);

#endif
