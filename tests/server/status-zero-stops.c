/* SPDX-License-Identifier: MIT */
/*
 * G9: the status of the device is what the client made it; 0 stops all rings:
 * when it is acknowledged, not one byte more is written.  Where they stopped
 * can be asked afterwards.
 */
#include "serve.h"

#include <poll.h>

#include "client/protocol.h"

#define DEPTH  32u
#define SIZE   65536u
#define ROUNDS 20
#define OWN    0xa5

enum {
	ACKNOWLEDGE = 1,
	DRIVER = 2,
	DRIVER_OK = 4,
	FEATURES_OK = 8,
	NEEDS_RESET = 64
};

static uint64_t status_of(struct client *client)
{
	uint64_t status = ~0ull;

	DO(client, client_ask(client, VHOST_USER_GET_STATUS, NULL, 0, &status,
			      sizeof(status)));
	return status;
}

static int set(struct client *client, uint64_t status)
{
	return client_tell(client, VHOST_USER_SET_STATUS, &status,
			   sizeof(status), -1);
}

static void open_client(struct client *client)
{
	const struct client_options options = {
		.socket_path = backend.exports[0].socket_path,
		.region_count = 3,
		.depth = DEPTH,
		.buffer_size = SIZE,
	};

	CHECK(client_open(client, &options) == 0, "open: %s", client->error);
}

static void bits(void)
{
	struct client client;

	open_client(&client);
	CHECK(status_of(&client) == 0, "a status from the beginning");
	DO(&client, set(&client, ACKNOWLEDGE));
	DO(&client, set(&client, ACKNOWLEDGE | DRIVER));
	DO(&client, set(&client, ACKNOWLEDGE | DRIVER | FEATURES_OK));
	CHECK(status_of(&client) == (ACKNOWLEDGE | DRIVER),
	      "FEATURES_OK without features");
	CHECK(set(&client, DRIVER) != 0, "a bit was taken away");
	CHECK(set(&client, 256) != 0 && set(&client, ~0ull) != 0,
	      "a status of more than a byte");
	DO(&client, client_start(&client));
	DO(&client, set(&client, ACKNOWLEDGE | DRIVER | FEATURES_OK));
	DO(&client,
	   set(&client, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK));
	CHECK(status_of(&client) ==
		      (ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK),
	      "status %llx", (unsigned long long)status_of(&client));
	CHECK(client_io(&client, 0, VIRTIO_BLK_T_IN, 0, SIZE) == 0, "%s",
	      client.error);
	/* A head that there is not. */
	client.queues[0].ring.avail->ring[1] = 0xffff;
	client.queues[0].ring.avail->idx = 2;
	client.queues[0].fresh = true;
	DO(&client, client_kick(&client, 0));
	while (!(status_of(&client) & NEEDS_RESET))
		poll(NULL, 0, 1);
	DO(&client, client_tell(&client, VHOST_USER_RESET_DEVICE, NULL, 0, -1));
	CHECK(status_of(&client) == 0, "a status after RESET_DEVICE");
	client_close(&client);
}

static void zero(void)
{
	struct vhost_user_vring_state state = { 0, 0 }, answer;
	struct client_completion completion;
	struct client client;
	uint64_t done;

	open_client(&client);
	DO(&client, client_start(&client));
	DO(&client, set(&client, ACKNOWLEDGE));
	for (uint32_t i = 0; i < DEPTH; i++)
		DO(&client, client_submit(&client, 0, i, VIRTIO_BLK_T_IN,
					  i * (SIZE / CLIENT_SECTOR), SIZE));
	DO(&client, client_kick(&client, 0));
	/* The first has ended, so others are under way. */
	CHECK(client_wait(&client, 0, &completion, 5000) == 1, "%s",
	      client.error);
	DO(&client, set(&client, 0));
	done = client.queues[0].ring.used->idx;
	for (uint32_t i = 0; i < 3; i++)
		memset(client.regions[i].host, OWN, client.regions[i].size);
	CHECK(status_of(&client) == 0, "a status after 0");
	/* That nothing happens is no event: the only thing to do is to wait. */
	poll(NULL, 0, 8);
	for (uint32_t i = 0; i < 3; i++)
		CHECK(client.regions[i].host[0] == OWN &&
			      !memcmp(client.regions[i].host,
				      client.regions[i].host + 1,
				      client.regions[i].size - 1),
		      "region %u was written after the reset", i);
	DO(&client, client_ask(&client, VHOST_USER_GET_VRING_BASE, &state,
			       sizeof(state), &answer, sizeof(answer)));
	CHECK(answer.number == done, "base %u, %llu were completed",
	      answer.number, (unsigned long long)done);
	client_close(&client);
}

/* Holes would be read at once. */
static const char *full_image(void)
{
	static char bytes[DEPTH * SIZE];
	const char *file = make_image("disk", sizeof(bytes));
	int fd = open(file, O_WRONLY | O_CLOEXEC);

	client_pattern(bytes, sizeof(bytes), 1, 0);
	CHECK(write(fd, bytes, sizeof(bytes)) == sizeof(bytes), "write");
	close(fd);
	return file;
}

int main(void)
{
	serve_init(60);
	backend_add(&backend, full_image(), 0);
	backend.exports[0].direct = true;
	serve_start();
	bits();
	for (int i = 0; i < ROUNDS; i++)
		zero();
	return serve_end();
}
