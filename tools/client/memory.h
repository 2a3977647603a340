/* SPDX-License-Identifier: MIT */
#ifndef CLIENT_MEMORY_H
#define CLIENT_MEMORY_H

#include "client.h"

/* Private to the client library: the life of its regions. */
void client_memory_init(struct client *client);
int client_memory_make(struct client *client);
void client_memory_free(struct client *client);
/* Give out part of a region. */
int client_memory_place(struct client *client, uint32_t index, uint64_t size,
			uint64_t align, struct client_place *place);

/* How many bytes all rings, requests and buffers need, edges included. */
uint64_t client_ring_need(const struct client_options *options);
int client_ring_place(struct client *client);
void client_ring_reset(struct client *client);

#endif
