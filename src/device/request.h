/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_REQUEST_H
#define PRECARIUM_DEVICE_REQUEST_H

#include <sys/queue.h>

#include <precarium/region.h>

#include "virtio/blk.h"
#include "store/store.h"

struct vhost_queue;
struct vhost_lane;
struct loop;

/* A region that a request uses, and its epoch when the request began. */
struct vhost_watch {
	struct prec_region *region;
	uint64_t epoch;
};

/*
 * A transfer between the store and a client's pages.  It ends exactly once,
 * and with success only when all its bytes moved and no region of it was lost
 * meanwhile, which the kernel or a device need not have noticed.
 */
struct vhost_request {
	struct store_io io; /* first: the store hands it back */
	struct vhost_queue *queue;
	LIST_ENTRY(vhost_request) entry;
	struct vblk_request block;
	bool small; /* of a size that is used again */
	uint32_t watch_count;
	struct vhost_watch *watches;
	struct prec_span spans[];
};

/* Carry out the chain that was taken from the queue, or refuse one that is
 * malformed: answer it at once, or begin its transfer.  Gives its bytes, for
 * fairness. */
uint64_t vhost_request_begin(struct vhost_queue *queue,
			     struct virtq_request *chain);

/*
 * A chain that cannot be answered, because no place for a status was found in
 * it, or what describes it is gone.  The queue stops.  To give the chain back
 * would be a lie: guests look at nothing but the status byte, in memory that they
 * use again, and there the success of the last request may still stand.
 */
void vhost_request_reject(struct vhost_queue *queue, bool lost);

/* What the store hands back: tell the client, and free it. */
void vhost_request_finish(struct store_io *io);

/* Hand the stalled requests to the store, as far as it has room now. */
void vhost_request_resume(struct vhost_lane *lane);

/* The client ends: drop what the store has not begun, and finish the rest
 * without touching the client's memory. */
void vhost_queue_abort(struct vhost_queue *queue);

/* Quiesce: cancel requests where the store can; they fail. */
void vhost_queue_cancel(struct vhost_queue *queue);

#endif
