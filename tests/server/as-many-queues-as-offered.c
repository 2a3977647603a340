/* SPDX-License-Identifier: MIT */
/*
 * A device has 64 queues unless it is told otherwise, for machines of so many
 * processors, and each of them serves; whichever is used first, and also where
 * none of those below it is.
 */
#include "serve.h"

#include "client/protocol.h"

#define QUEUES 64u
#define SIZE   4096u

static void open_client(struct client *client)
{
	const struct client_options options = {
		.socket_path = backend.exports[0].socket_path,
		.buffer_size = SIZE,
		.queue_count = QUEUES,
		.region_size = 4u << 20,
	};

	CHECK(client_open(client, &options) == 0, "open: %s", client->error);
}

static void serves(struct client *client, uint32_t queue)
{
	uint64_t sector = (uint64_t)queue * (SIZE / CLIENT_SECTOR);
	uint8_t *data = client_data(client, queue, 0);
	int status;

	client_pattern(data, SIZE, queue, sector);
	status = client_io(client, queue, VIRTIO_BLK_T_OUT, sector, SIZE);
	CHECK(status == 0, "queue %u writes: status %d %s", queue, status,
	      client->error);
	memset(data, 0, SIZE);
	status = client_io(client, queue, VIRTIO_BLK_T_IN, sector, SIZE);
	CHECK(status == 0 && client_verify(data, SIZE, queue, sector) == SIZE,
	      "queue %u reads: status %d %s", queue, status, client->error);
}

int main(void)
{
	struct client client;
	char *disk;

	serve_init(60);
	disk = make_image("disk", 1u << 20);
	backend_add(&backend, disk, 0);
	serve_start();
	open_client(&client);
	CHECK(client.queue_limit == QUEUES, "%u queues are offered",
	      client.queue_limit);
	DO(&client, client_start(&client));
	for (uint32_t i = QUEUES; i-- > 0;)
		serves(&client, i);
	DO(&client, client_stop(&client));
	/* Of a machine that uses none of those below it. */
	client_ring_reset(&client);
	DO(&client, client_start(&client));
	serves(&client, QUEUES - 1);
	client_close(&client);
	return serve_end();
}
