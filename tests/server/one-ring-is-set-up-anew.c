/* SPDX-License-Identifier: MIT */
/*
 * VIRTIO 1.2, 2.6.1, as vhost-user carries it: one ring is stopped
 * (SET_VRING_ENABLE, GET_VRING_BASE), and is not looked at any more; set up
 * anew it begins at its new base; and the other rings of the client never stop.
 */
#include "serve.h"

#include "client/protocol.h"

#define SIZE 4096u

static struct client client;

static void works(uint32_t queue)
{
	CHECK(client_io(&client, queue, VIRTIO_BLK_T_IN, 0, SIZE) == 0,
	      "queue %u: %s", queue, client.error);
}

static void set(uint32_t request, uint32_t number)
{
	struct vhost_user_vring_state state = { 1, number };

	DO(&client, client_tell(&client, request, &state, sizeof(state), -1));
}

/* Where it ended. */
static uint32_t stop(void)
{
	struct vhost_user_vring_state state = { 1, 0 }, answer;

	set(VHOST_USER_SET_VRING_ENABLE, 0);
	DO(&client, client_ask(&client, VHOST_USER_GET_VRING_BASE, &state,
			       sizeof(state), &answer, sizeof(answer)));
	return answer.number;
}

static void start(void)
{
	client_queue_reset(&client, 1);
	DO(&client, client_set_up_queue(&client, 1));
	set(VHOST_USER_SET_VRING_ENABLE, 1);
}

int main(void)
{
	struct client_options options = {
		.queue_count = 2,
		.queue_size = 16,
		.buffer_size = SIZE,
	};
	struct client_completion completion;

	serve_init(30);
	backend_add(&backend, make_image("disk", 1u << 20), 0);
	backend.exports[0].queue_count = 2;
	serve_start();
	options.socket_path = backend.exports[0].socket_path;
	CHECK(client_open(&client, &options) == 0, "open: %s", client.error);
	DO(&client, client_start(&client));
	for (uint32_t i = 1; i < 40; i++) {
		for (uint32_t j = 0; j < i; j++)
			works(1);
		CHECK(stop() == i, "round %u: it ended elsewhere", i);
		works(0);
		/* What is offered now is not taken: when the other ring, which
		 * the same thread serves, has answered, it had its chance. */
		DO(&client,
		   client_submit(&client, 1, 0, VIRTIO_BLK_T_IN, 0, SIZE));
		DO(&client, client_kick(&client, 1));
		works(0);
		CHECK(client_wait(&client, 1, &completion, 0) == 0,
		      "round %u: a stopped ring was served", i);
		start();
		works(0);
	}
	works(1);
	client_close(&client);
	return serve_end();
}
