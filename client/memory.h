/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_CLIENT_MEMORY_H
#define PRECARIUM_CLIENT_MEMORY_H

#include "client/client.h"

/*
 * What the files of the client library share with each other.  Functions that
 * return int return 0, or -1 with a line in the client's `error`.
 */

/* memory.c: the regions. */
void client_memory_init(struct client *client);
int client_memory_make(struct client *client);
void client_memory_free(struct client *client);
/* Allocates part of a region, which lives as long as the region. */
int client_memory_place(struct client *client, uint32_t index, uint64_t size,
			uint64_t align, struct client_place *place);

/* ring.c: the bytes that all rings, requests and buffers need, with alignment;
 * and their placement. */
uint64_t client_ring_need(const struct client_options *options);
int client_ring_place(struct client *client);

#define load_acquire(at)	 __atomic_load_n(at, __ATOMIC_ACQUIRE)
#define store_release(at, value) __atomic_store_n(at, value, __ATOMIC_RELEASE)

/* chain.c: writes the descriptors of one request to `table`, numbered from
 * `first`: header, data in `segments` pieces of whole sectors, status.  Returns
 * how many there are. */
uint32_t client_fill_chain(struct client *client, struct client_slot *slot,
			   struct vring_desc *table, uint16_t first);

/* request.c: asks for a call at the next completion.  The caller must check for
 * completions once more: those before it cause no call. */
void client_want_call(struct client *client, struct client_queue *queue);

/* packed.c */
void client_packed_reset(struct client *client, struct client_queue *queue);
uint32_t client_packed_base(const struct client_queue *queue);
void client_packed_prepare(struct client *client, struct client_queue *queue,
			   struct client_slot *slot);
void client_packed_publish(struct client_queue *queue,
			   const struct client_slot *slot);
bool client_packed_wants_kick(struct client_queue *queue);
void client_packed_want_call(struct client_queue *queue);
int client_packed_take(struct client *client, struct client_queue *queue,
		       uint32_t *id, uint32_t *length);

#endif
