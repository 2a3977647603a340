/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_CLIENT_BURST_H
#define PRECARIUM_CLIENT_BURST_H

#include "client/client.h"

/*
 * Requests by the handful, for measurements: what client_submit and client_wait
 * do, without what would make the client slower than the driver that it
 * measures.  Chains are built once, an index is published and a kick weighed
 * once for many requests, and a completion is found without a search.
 *
 * Every request is a read or a write of `buffer_size` bytes.  For clients that
 * were opened without `indirect`, and with one segment.
 */
struct burst_slot {
	struct virtio_blk_outhdr *header;
	uint8_t *status;
	uint8_t *data;
};

struct burst {
	struct client *client;
	struct client_queue *queue;
	uint32_t number; /* of the queue */
	bool packed;
	struct burst_slot *slots;
};

/* Between client_open and client_start. */
int burst_init(struct burst *burst, struct client *client, uint32_t queue);
void burst_free(struct burst *burst);

/* A request on a slot that is free.  The driver of a split ring sees it at
 * burst_publish, that of a packed one at once. */
void burst_put(struct burst *burst, uint32_t slot, uint32_t type,
	       uint64_t sector);
/* Publish, and kick if the driver wants it. */
int burst_publish(struct burst *burst);

/* The slot of the next completion: 1; none: 0; nonsense in the ring: -1. */
int burst_take(struct burst *burst, uint32_t *slot);
/* Ask for a call at the next completion; what came before is to be taken
 * after this, or no call comes. */
void burst_want_call(struct burst *burst);

#endif
