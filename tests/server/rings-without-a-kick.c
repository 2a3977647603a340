/* SPDX-License-Identifier: MIT */
/*
 * A ring for which its client lends no kick is looked at unasked, where workers
 * poll; where they never do it is refused, and the client can lend one.
 */
#include "serve.h"
#include "log-lines.h"

#include "client/protocol.h"

#define SIZE 4096u

static int open_on(struct client *client, bool unkicked)
{
	const struct client_options options = {
		.socket_path = backend.exports[0].socket_path,
		.buffer_size = SIZE,
		.queue_count = 2,
		.unkicked = unkicked,
	};

	CHECK(client_open(client, &options) == 0, "open: %s", client->error);
	return client_start(client);
}

static void serves(struct client *client, uint32_t count, const char *when)
{
	for (uint32_t i = 0; i < count; i++) {
		int status = client_io(client, i % 2, VIRTIO_BLK_T_IN, 0, SIZE);

		CHECK(status == 0, "%s: status %d %s", when, status,
		      client->error);
	}
}

static void polled(const char *mode)
{
	struct client client, other;

	DO(&client, open_on(&client, true));
	serves(&client, 50, mode);
	/* Beside one that kicks. */
	DO(&other, open_on(&other, false));
	serves(&other, 10, mode);
	serves(&client, 10, mode);
	DO(&client, client_stop(&client));
	client_ring_reset(&client);
	DO(&client, client_start(&client));
	serves(&client, 10, mode);
	client_close(&client);
	serves(&other, 10, mode);
	client_close(&other);
}

static void never(void)
{
	struct client client;

	CHECK(open_on(&client, true) != 0 && !client.lost,
	      "a ring without a kick is taken");
	CHECK(lines_in_log("--polling=never rules out; expected an eventfd") ==
		      1,
	      "no line says why");
	client_stop(&client);
	client.options.unkicked = false;
	client_ring_reset(&client);
	DO(&client, client_start(&client));
	serves(&client, 10, "with kicks");
	client_close(&client);
}

int main(int argc, char **argv)
{
	CHECK(argc == 2, "usage: %s POLLING", argv[0]);
	serve_init(60);
	backend.workers = 1;
	backend.polling = argv[1];
	backend_add(&backend, NULL, 1 << 20);
	serve_start();
	if (strcmp(argv[1], "never") == 0)
		never();
	else
		polled(argv[1]);
	return serve_end();
}
