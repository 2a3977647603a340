/* SPDX-License-Identifier: MIT */
/*
 * VIRTIO 1.2, 2.6.1, as vhost-user carries it, in mid flight: a ring is stopped
 * by GET_VRING_BASE while the disk has a request of it.  The answer waits for
 * that request; the other rings of the client are served meanwhile; nothing
 * that is offered on the stopped ring is taken; and set up anew it begins at
 * its new base.
 */
#include "serve.h"

#include <poll.h>

#include "client/protocol.h"
#include "on-held-disk.h"

#define SIZE	4096u
#define ROUNDS	5u
#define SLACK_S 20u

static struct client client;

static void works(uint32_t queue)
{
	CHECK(client_io(&client, queue, VIRTIO_BLK_T_IN, 0, SIZE) == 0,
	      "queue %u: %s", queue, client.error);
}

static void submit(uint32_t slot, uint32_t type)
{
	DO(&client, client_submit(&client, 1, slot, type, 0, SIZE));
	DO(&client, client_kick(&client, 1));
}

/* A write that the disk has, and does not answer. */
static void hold_one(void)
{
	held_disk_hold_writes(1);
	submit(0, VIRTIO_BLK_T_OUT);
	while (held_disk_waiting() == 0)
		poll(NULL, 0, 1);
}

/* Is there anything to read? */
static bool is_answered(void)
{
	struct pollfd poller = { .fd = client.socket, .events = POLLIN };

	return poll(&poller, 1, 0) > 0;
}

/* Where it ended. */
static uint32_t stop_in_flight(void)
{
	struct vhost_user_vring_state state = { 1, 0 }, answer = { 0, 0 };
	struct client_completion completion;

	DO(&client, client_send(&client, VHOST_USER_GET_VRING_BASE, 0, &state,
				sizeof(state), NULL, 0));
	works(0);
	submit(1, VIRTIO_BLK_T_IN);
	works(0);
	works(0);
	CHECK(!is_answered(), "the ring is not quiet, and its base is told");
	CHECK(client_wait(&client, 1, &completion, 0) == 0,
	      "a stopped ring was served");
	held_disk_release();
	DO(&client, client_receive(&client, VHOST_USER_GET_VRING_BASE, &answer,
				   sizeof(answer), NULL));
	CHECK(client_wait(&client, 1, &completion, 0) == 1 &&
		      completion.slot == 0 &&
		      completion.status == VIRTIO_BLK_S_OK,
	      "what was in flight was not completed before the answer");
	return answer.number;
}

static void start(void)
{
	client_queue_reset(&client, 1);
	DO(&client, client_set_up_queue(&client, 1));
}

int main(void)
{
	struct client_options options = {
		.queue_count = 2,
		.queue_size = 16,
		.depth = 2,
		.buffer_size = SIZE,
		.timeout_ms = SLACK_S * 1000,
	};

	(void)begin_on_held_disk(1u << 20, NULL);
	backend.exports[0].queue_count = 2;
	/* So each turn of its thread begins with what has come: also the
	 * message, before the kicks that follow it. */
	backend.polling = "never";
	serve_start();
	options.socket_path = backend.exports[0].socket_path;
	CHECK(client_open(&client, &options) == 0, "open: %s", client.error);
	DO(&client, client_start(&client));
	for (uint32_t i = 0; i < ROUNDS; i++) {
		works(1);
		hold_one();
		CHECK(stop_in_flight() == 2, "round %u: it ended elsewhere", i);
		start();
		works(0);
	}
	works(1);
	DO(&client, client_stop(&client));
	client_close(&client);
	held_disk_stop();
	return serve_end();
}
