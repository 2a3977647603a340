// SPDX-License-Identifier: MIT
/*
 * A ring that starts is looked at without a kick, whichever message comes last,
 * and so is one that gets another kick descriptor: requests that wait there may
 * be of before a machine was saved, or of another server.  And its client is
 * notified once without a completion, as one may have been stored by a server
 * that ended before its notification.
 */
#include <poll.h>
#include <sys/eventfd.h>

#include "serve.h"

#include "client/protocol.h"

#define SIZE	4096u
#define WAITING 3u

static struct client client;

enum order { KICK_LAST, ENABLE_LAST, ADDRESS_LAST, ORDERS };

static void set(uint32_t request, uint32_t number)
{
	struct vhost_user_vring_state state = { 0, number };

	DO(&client, client_tell(&client, request, &state, sizeof(state), -1));
}

static void set_address(void)
{
	const struct vring *ring = &client.queues[0].ring;
	struct vhost_user_vring_address address = {
		.descriptors = (uintptr_t)ring->desc,
		.available = (uintptr_t)ring->avail,
		.used = (uintptr_t)ring->used,
	};

	DO(&client, client_tell(&client, VHOST_USER_SET_VRING_ADDR, &address,
				sizeof(address), -1));
}

/* A descriptor that was never signalled takes the place of the old one. */
static void set_fresh(uint32_t request, int *fd)
{
	uint64_t number = 0;

	close(*fd);
	*fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	CHECK(*fd >= 0, "no eventfd");
	DO(&client,
	   client_tell(&client, request, &number, sizeof(number), *fd));
}

static uint32_t stop(void)
{
	struct vhost_user_vring_state state = { 0, 0 }, answer;

	set(VHOST_USER_SET_VRING_ENABLE, 0);
	DO(&client, client_ask(&client, VHOST_USER_GET_VRING_BASE, &state,
			       sizeof(state), &answer, sizeof(answer)));
	return answer.number;
}

static void start(enum order order, uint32_t base)
{
	struct client_queue *queue = &client.queues[0];

	set_fresh(VHOST_USER_SET_VRING_CALL, &queue->call_fd);
	set(VHOST_USER_SET_VRING_NUM, queue->ring.num);
	set(VHOST_USER_SET_VRING_BASE, base);
	if (order != ADDRESS_LAST)
		set_address();
	if (order != KICK_LAST)
		set_fresh(VHOST_USER_SET_VRING_KICK, &queue->kick_fd);
	if (order != ENABLE_LAST)
		set(VHOST_USER_SET_VRING_ENABLE, 1);
	if (order == KICK_LAST)
		set_fresh(VHOST_USER_SET_VRING_KICK, &queue->kick_fd);
	else if (order == ENABLE_LAST)
		set(VHOST_USER_SET_VRING_ENABLE, 1);
	else
		set_address();
}

static void submit(void)
{
	for (uint32_t i = 0; i < WAITING; i++)
		DO(&client,
		   client_submit(&client, 0, i, VIRTIO_BLK_T_IN, i, SIZE));
}

static void await(const char *what, enum order order)
{
	struct client_completion completion;

	for (uint32_t i = 0; i < WAITING; i++)
		CHECK(client_wait(&client, 0, &completion, 5000) == 1 &&
			      completion.status == VIRTIO_BLK_S_OK,
		      "%s, order %d: request %u was not served: %s", what,
		      order, i, client.error);
}

static void await_call(const char *what, enum order order)
{
	struct pollfd poller = { client.queues[0].call_fd, POLLIN, 0 };

	CHECK(poll(&poller, 1, 5000) == 1, "%s, order %d: no notification",
	      what, order);
}

static void all_orders(void)
{
	for (enum order order = 0; order < ORDERS; order++) {
		uint32_t base = stop();

		start(order, base);
		await_call("an empty ring", order);
		base = stop();
		submit();
		start(order, base);
		await("a ring that starts", order);
		submit();
		set_fresh(VHOST_USER_SET_VRING_KICK, &client.queues[0].kick_fd);
		await("another kick descriptor", order);
		set_fresh(VHOST_USER_SET_VRING_CALL, &client.queues[0].call_fd);
		await_call("another call descriptor", order);
	}
}

static void serve_layout(bool packed, bool event_idx)
{
	const struct client_options options = {
		.socket_path = backend.exports[0].socket_path,
		.depth = WAITING,
		.buffer_size = SIZE,
		.event_idx = event_idx,
		.packed = packed,
	};

	CHECK(client_open(&client, &options) == 0, "open: %s", client.error);
	DO(&client, client_start(&client));
	all_orders();
	client_close(&client);
}

int main(void)
{
	serve_init(60);
	backend_add(&backend, make_image("disk", 1u << 20), 0);
	serve_start();
	serve_layout(false, false);
	serve_layout(false, true);
	serve_layout(true, false);
	serve_layout(true, true);
	return serve_end();
}
