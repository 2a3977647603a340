/* SPDX-License-Identifier: MIT */
/*
 * User-Mode Linux gives each ring the base 0, also a packed one, whose counters
 * begin at 1, and DPDK's front-end 0x8000, which is the available half of a
 * base only: their drivers' first requests are served all the same.  So is a
 * ring that does resume at the start of a round with counters of 0, and one
 * that resumes by the available half of its base.
 */
#include "serve.h"

#include <poll.h>

#include "client/protocol.h"

#define SIZE 4096u

static void open_client(struct client *client, bool asleep)
{
	const struct client_options options = {
		.socket_path = backend.exports[0].socket_path,
		.buffer_size = SIZE,
		.queue_size = 4,
		.packed = true,
		.asleep = asleep,
	};

	CHECK(client_open(client, &options) == 0, "open: %s", client->error);
	DO(client, client_start(client));
}

static void reads(struct client *client, uint32_t count, const char *when)
{
	for (uint32_t i = 0; i < count; i++) {
		int status = client_io(client, 0, VIRTIO_BLK_T_IN, 0, SIZE);

		CHECK(status == 0, "%s: request %u: status %d %s", when, i,
		      status, client->error);
	}
}

static void set(struct client *client, uint32_t request, uint32_t number)
{
	const struct vhost_user_vring_state state = { 0, number };

	DO(client, client_tell(client, request, &state, sizeof(state), -1));
}

static void begins(uint32_t base)
{
	struct pollfd call = { .events = POLLIN };
	struct client client;

	open_client(&client, true);
	set(&client, VHOST_USER_SET_VRING_BASE, base);
	set(&client, VHOST_USER_SET_VRING_ENABLE, 1);
	/* The server has looked at the ring when it says so. */
	call.fd = client.queues[0].call_fd;
	CHECK(poll(&call, 1, 5000) == 1, "it is not looked at");
	reads(&client, 10, "a ring that begins");
	client_close(&client);
}

/* Four requests of three slots are three rounds of four. */
static void resumes(void)
{
	const struct vhost_user_vring_state ring = { 0, 0 };
	struct vhost_user_vring_state base;
	struct client client;

	open_client(&client, false);
	reads(&client, 4, "three rounds");
	DO(&client, client_ask(&client, VHOST_USER_GET_VRING_BASE, &ring,
			       sizeof(ring), &base, sizeof(base)));
	CHECK(base.number == 0, "it stopped at %x", base.number);
	DO(&client, client_start(&client));
	reads(&client, 10, "a ring that resumes");
	client_close(&client);
}

/* Three requests of three slots are two rounds of four and a slot. */
static void resumes_by_half(void)
{
	const uint64_t number = 0;
	struct client client;

	open_client(&client, false);
	reads(&client, 3, "two rounds and a slot");
	DO(&client, client_stop(&client));
	/* Before the kick, which was signalled before and starts the ring. */
	set(&client, VHOST_USER_SET_VRING_BASE, 0x8001);
	DO(&client, client_tell(&client, VHOST_USER_SET_VRING_KICK, &number,
				sizeof(number), client.queues[0].lent_kick_fd));
	set(&client, VHOST_USER_SET_VRING_ENABLE, 1);
	reads(&client, 10, "a ring that resumes by half of its base");
	client_close(&client);
}

int main(void)
{
	serve_init(60);
	backend_add(&backend, NULL, 1 << 20);
	serve_start();
	begins(0);
	begins(0x8000);
	resumes();
	resumes_by_half();
	return serve_end();
}
