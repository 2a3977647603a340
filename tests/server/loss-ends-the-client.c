/* SPDX-License-Identifier: MIT */
/*
 * R10: whether lost memory is misbehaviour is a policy.  With on-loss=end the
 * client whose memory is gone is cut off, what it held is given back, and its
 * neighbour, on the same export, notices nothing.  Whatever is gone: the data,
 * the header, the rings.
 */
#include "serve.h"

#include <poll.h>
#include <sys/eventfd.h>

#define SIZE 16384u

static struct client good;

static void open_client(struct client *client)
{
	struct client_options options = {
		.socket_path = backend.exports[client == &good].socket_path,
		.region_count = 3,
		.buffer_size = SIZE,
	};

	CHECK(client_open(client, &options) == 0, "open: %s", client->error);
	DO(client, client_start(client));
}

static bool hung_up(const struct client *client)
{
	struct pollfd fd = { client->socket, POLLRDHUP, 0 };

	return poll(&fd, 1, 5000) == 1 && fd.revents & (POLLRDHUP | POLLHUP);
}

static void lose(uint32_t region, uint32_t type)
{
	struct client client;
	int status;

	open_client(&client);
	DO(&client, client_prepare(&client, 0, 0, type, 0, SIZE));
	DO(&client, hostile_truncate(&client, region, 0));
	if (region != 0) /* where the ring is */
		client_publish(&client, 0, 0);
	/* Not by client_kick, which looks at the ring. */
	CHECK(eventfd_write(client.queues[0].kick_fd, 1) == 0, "kick");
	CHECK(hung_up(&client), "type %u, region %u gone: still connected",
	      type, region);
	client_close(&client);
	status = client_io(&good, 0, type, 0, SIZE);
	CHECK(status == 0, "the neighbour: status %d %s", status, good.error);
}

/* The server tells why, in its statistics. */
static void check_statistics(void)
{
	char text[16384] = "";
	FILE *file = fopen(backend.stats_path, "re");

	CHECK(file && fread(text, 1, sizeof(text) - 1, file) > 0,
	      "no statistics in %s", backend.stats_path);
	fclose(file);
	CHECK(strstr(text, "its memory was gone"), "statistics: %s", text);
	CHECK(strstr(text, "\"losses\": 1"), "statistics: %s", text);
}

int main(void)
{
	char *disk, *with;

	serve_init(60);
	disk = make_image("disk", 1u << 20);
	CHECK(asprintf(&with, "%s,on-loss=end", disk) > 0, "memory");
	free(disk);
	backend_add(&backend, with, 0);
	/* Of the good client. */
	backend_add(&backend, make_image("good", 1u << 20), 0);
	serve_start();
	open_client(&good);
	for (uint32_t region = 0; region < 3; region++) {
		lose(region, VIRTIO_BLK_T_IN);
		lose(region, VIRTIO_BLK_T_OUT);
	}
	client_close(&good);
	CHECK(backend_stop(&backend) == 0, "%s", backend.error);
	check_statistics();
	backend_free(&backend);
	return 0;
}
