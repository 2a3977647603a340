/* SPDX-License-Identifier: MIT */
/*
 * An honest client that gives pages up and uses them again, as a balloon does:
 * what a read then finds in its memory.
 *
 *     punched SOCKET
 *
 * Prints "right" or "wrong", for the bytes of a read that is said to have
 * succeeded; the exit status is 0 then.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "client/client.h"

#define SIZE 16384u
#define SEED 23

static int fail(const char *what, const struct client *client)
{
	fprintf(stderr, "%s: %s\n", what, client->error);
	return 1;
}

/* The region of the data, which lies alone in it. */
static int give_up_and_use(struct client *client)
{
	const struct client_region *region = &client->regions[2];

	if (fallocate(region->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
		      (off_t)region->size))
		return -1;
	memset(region->host, 0, region->size);
	return 0;
}

int main(int argc, char **argv)
{
	struct client_options options = {
		.region_count = 3,
		.buffer_size = SIZE,
		.timeout_ms = 30000,
		.polling = true,
		.uncalled = true,
	};
	struct client client;
	uint8_t *data;

	if (argc != 2) {
		fprintf(stderr, "usage: punched SOCKET\n");
		return 2;
	}
	options.socket_path = argv[1];
	if (client_open(&client, &options) || client_start(&client))
		return fail("start", &client);
	data = client_data(&client, 0, 0);
	client_pattern(data, SIZE, SEED, 0);
	if (client_io(&client, 0, VIRTIO_BLK_T_OUT, 0, SIZE))
		return fail("a write", &client);
	if (give_up_and_use(&client))
		return fail("fallocate", &client);
	if (client_io(&client, 0, VIRTIO_BLK_T_IN, 0, SIZE))
		return fail("a read", &client);
	puts(client_verify(data, SIZE, SEED, 0) == SIZE ? "right" : "wrong");
	client_close(&client);
	return 0;
}
