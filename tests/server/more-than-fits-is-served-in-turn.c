/* SPDX-License-Identifier: MIT */
/*
 * G11: there are limits on requests in flight, of a client and of a store.
 * What is beyond them waits and is served, on every queue, of every client,
 * though each queue was kicked only once.
 */
#include "serve.h"

#define CLIENTS 3u
#define QUEUES	8u
#define DEPTH	32u
#define SIZE	4096u
#define ROUNDS	20u

static struct client clients[CLIENTS];

static void submit_all(struct client *client, uint32_t round)
{
	for (uint32_t queue = 0; queue < QUEUES; queue++) {
		for (uint32_t slot = 0; slot < DEPTH; slot++)
			DO(client,
			   client_submit(client, queue, slot, round % 2,
					 (queue * DEPTH + slot) * 8, SIZE));
	}
	for (uint32_t queue = 0; queue < QUEUES; queue++)
		DO(client, client_kick(client, queue));
}

static void wait_all(struct client *client)
{
	struct client_completion completion;

	for (uint32_t queue = 0; queue < QUEUES; queue++) {
		for (uint32_t i = 0; i < DEPTH; i++) {
			CHECK(client_wait(client, queue, &completion, 5000) ==
				      1,
			      "queue %u: request %u of %u never ended: %s",
			      queue, i, DEPTH, client->error);
			CHECK(completion.status == VIRTIO_BLK_S_OK,
			      "queue %u: status %u", queue, completion.status);
		}
	}
}

int main(void)
{
	struct client_options options = {
		.queue_count = QUEUES,
		.depth = DEPTH,
		.buffer_size = SIZE,
	};

	serve_init(60);
	backend_add(&backend, make_image("disk", 4u << 20), 0);
	backend.exports[0].shared = true;
	serve_start();
	options.socket_path = backend.exports[0].socket_path;
	for (uint32_t i = 0; i < CLIENTS; i++) {
		CHECK(client_open(&clients[i], &options) == 0, "open: %s",
		      clients[i].error);
		DO(&clients[i], client_start(&clients[i]));
	}
	for (uint32_t round = 0; round < ROUNDS; round++) {
		for (uint32_t i = 0; i < CLIENTS; i++)
			submit_all(&clients[i], round);
		for (uint32_t i = 0; i < CLIENTS; i++)
			wait_all(&clients[i]);
	}
	for (uint32_t i = 0; i < CLIENTS; i++)
		client_close(&clients[i]);
	return serve_end();
}
