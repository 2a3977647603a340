/* SPDX-License-Identifier: MIT */
/*
 * A server that is asked to end completes what it has begun, tells the clients,
 * and then ends: a front-end without a log of requests in flight would wait for
 * ever.  It does not wait for ever itself: after a deadline requests are left
 * to the next server, if the client logs them, or fail.
 *
 * The disk is a file system that answers late.
 */
#include "statistics.h"

#include "on-held-disk.h"

#define DISK	 (4u << 20)
#define SIZE	 4096u
#define DEPTH	 8u
#define DRAIN_MS 500
#define SLACK_MS 20000

static void open_client(struct client *client, bool logs)
{
	const struct client_options options = {
		.socket_path = backend.exports[0].socket_path,
		.depth = DEPTH,
		.buffer_size = SIZE,
		.inflight = logs,
		.timeout_ms = SLACK_MS,
	};

	CHECK(client_open(client, &options) == 0, "open: %s", client->error);
	DO(client, client_start(client));
}

/* Writes that the disk has, and a server that was asked to end since. */
static void ask_to_end(struct client *client)
{
	held_disk_hold();
	for (uint32_t i = 0; i < DEPTH; i++) {
		memset(client_data(client, 0, i), 0xc0 + (int)i, SIZE);
		DO(client, client_submit(client, 0, i, VIRTIO_BLK_T_OUT,
					 i * (SIZE / CLIENT_SECTOR), SIZE));
	}
	DO(client, client_kick(client, 0));
	await("requests-in-flight", DEPTH);
	kill(backend.pid, SIGTERM);
}

static bool hung_up(const struct client *client, int timeout_ms)
{
	struct pollfd fd = { client->socket, POLLRDHUP, 0 };

	return poll(&fd, 1, timeout_ms) == 1;
}

/* So many requests end, with this status, and no others. */
static void end_with(struct client *client, uint32_t count, uint8_t status)
{
	struct client_completion done;

	for (uint32_t i = 0; i < count; i++)
		CHECK(client_wait(client, 0, &done, SLACK_MS) == 1 &&
			      done.status == status,
		      "request %u of %u: status %u, expected %u: %s", i, count,
		      done.status, status, client->error);
	CHECK(client_wait(client, 0, &done, 0) != 1,
	      "a request has ended that should be the next server's");
}

static void has_ended(struct client *client)
{
	CHECK(hung_up(client, SLACK_MS), "the client is still connected");
	client_close(client);
	CHECK(backend_end(&backend, SLACK_MS) == 0, "%s", backend.error);
}

static void is_on_disk(int data)
{
	for (uint32_t i = 0; i < DEPTH; i++) {
		uint8_t byte;

		CHECK(pread(data, &byte, 1, i * SIZE) == 1 && byte == 0xc0 + i,
		      "write %u is not on the disk", i);
	}
}

static void the_disk_answers(int data, bool logs)
{
	struct client client;

	serve_start();
	open_client(&client, logs);
	ask_to_end(&client);
	CHECK(!hung_up(&client, DRAIN_MS / 5),
	      "ended with requests in flight, before the deadline");
	held_disk_release();
	end_with(&client, DEPTH, VIRTIO_BLK_S_OK);
	has_ended(&client);
	is_on_disk(data);
}

/* It never does, but lets go what is cancelled. */
static void the_disk_is_stuck(bool logs)
{
	struct client client;

	serve_start();
	open_client(&client, logs);
	held_disk_yield(true);
	ask_to_end(&client);
	end_with(&client, logs ? 0 : DEPTH, VIRTIO_BLK_S_IOERR);
	if (logs)
		CHECK(hung_up(&client, SLACK_MS),
		      "the client is still connected");
	end_with(&client, 0, 0);
	has_ended(&client);
	held_disk_yield(false);
	held_disk_release();
}

int main(void)
{
	int data;

	(void)begin_on_held_disk(DISK, &data);
	backend.drain_timeout_ms = DRAIN_MS;
	the_disk_is_stuck(false);
	the_disk_is_stuck(true);
	backend.drain_timeout_ms = SLACK_MS;
	the_disk_answers(data, false);
	the_disk_answers(data, true);
	held_disk_stop();
	backend_free(&backend);
	return 0;
}
