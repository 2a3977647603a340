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
	bool small; /* of a size that is used again */
	uint32_t seen_count;
	struct epoch_seen *seen;
	struct prec_span spans[];
};

/* Carry out the chain that was taken from the queue, or refuse one that is
 * malformed: answer it at once, or begin its transfer.  Gives its bytes, for
 * fairness. */
uint64_t request_begin(struct queue *queue, struct virtq_request *chain);

/*
 * A chain that cannot be answered, because no place for a status was found in
 * it, or what describes it is gone.  The queue stops.  To give the chain back
 * would be a lie: guests look at nothing but the status byte, in memory that they
 * use again, and there the success of the last request may still stand.
 */
void request_reject(struct queue *queue, bool lost);

/* What the store hands back: tell the client, and free it. */
void request_finish(struct store_io *io);

/* Hand the stalled requests to the store, as far as it has room now. */
void request_resume(struct lane *lane);

/* The client ends: drop what the store has not begun, and finish the rest
 * without touching the client's memory. */
void queue_abort(struct queue *queue);

/* Quiesce: cancel requests where the store can; they fail. */
void queue_cancel(struct queue *queue);

#endif
