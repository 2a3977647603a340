/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_CLIENT_BURST_H
#define PRECARIUM_CLIENT_BURST_H

#include "client/client.h"

/*
 * Requests in bursts, for measurements: the work of client_submit and
 * client_wait without what would make the client slower than the server that it
 * measures.  Chains are built once, an index is published and a kick considered
 * once for many requests, and a completion is found without a search.
 *
 * Every request is a read or a write of `buffer_size` bytes.  The client must
 * be opened without `indirect` and with one segment.
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

/* Between client_open and client_start.  Borrows the client until burst_free.
 * -1: the client's `error` says why. */
int burst_init(struct burst *burst, struct client *client, uint32_t queue);
void burst_free(struct burst *burst);

/* Writes a request to a free slot.  In a split ring the server sees it at
 * burst_publish, in a packed ring at once. */
void burst_put(struct burst *burst, uint32_t slot, uint32_t type,
	       uint64_t sector);
/* Publishes requests, and kicks if the server wants it. */
int burst_publish(struct burst *burst);

/* Takes the next completion: 1, and its slot; 0: there is none; -1: the ring is
 * corrupt. */
int burst_take(struct burst *burst, uint32_t *slot);
/* Asks for a call at the next completion.  Take completions once more after
 * this: those that came before it cause no call. */
void burst_want_call(struct burst *burst);

#endif
