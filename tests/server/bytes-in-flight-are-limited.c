// SPDX-License-Identifier: MIT
/*
 * G11: no more bytes of a client are in flight than the limit, and what waits
 * for that is served later, with a line that tells; a request larger than the
 * limit is served alone.  Beside another client of its worker that has
 * requests, too, it is less, whatever the limit; beside one that is idle it is
 * not.  The statistics that are asked for meanwhile tell what is in flight, and
 * afterwards what was done.
 */
#include "serve.h"

#include "on-held-disk.h"
#include "statistics.h"
#include "log-lines.h"

#include <poll.h>

#define DISK	(4u << 20)
#define SIZE	16384u
#define LIMIT	65536u
#define DEPTH	12u
#define SLACK_S 20u
#define BESIDE	(2u << 20)

static void expect(const char *key, uint64_t value)
{
	uint64_t found = statistic(key);

	CHECK(found == value, "%s: %llu, expected %llu", key,
	      (unsigned long long)found, (unsigned long long)value);
}

static void wait_for(struct client *client, uint32_t queue, uint32_t count)
{
	struct client_completion completion;

	while (count--) {
		CHECK(client_wait(client, queue, &completion, SLACK_S * 1000) ==
			      1,
		      "a request never ended: %s", client->error);
		CHECK(completion.status == VIRTIO_BLK_S_OK, "status %u",
		      completion.status);
	}
}

/* On two queues: the one that waits is woken by an end on the other. */
static void submit(struct client *client, uint32_t size)
{
	for (uint32_t queue = 0; queue < 2; queue++) {
		for (uint32_t i = 0; i < DEPTH; i++)
			DO(client,
			   client_submit(client, queue, i, VIRTIO_BLK_T_IN,
					 i * 32, size));
		DO(client, client_kick(client, queue));
	}
}

static void run(struct client *client)
{
	uint64_t requests = 2 * DEPTH;

	held_disk_hold();
	submit(client, SIZE);
	await("bytes-in-flight", LIMIT);
	expect("requests-in-flight", LIMIT / SIZE);
	expect("requests", 0);
	held_disk_release();
	wait_for(client, 0, DEPTH);
	wait_for(client, 1, DEPTH);
	await("bytes-in-flight", 0);
	expect("requests", requests);
	expect("bytes-read", requests * SIZE);
	expect("requests-in-flight", 0);
	CHECK(statistic("throttled") > 0, "nothing waited");
	CHECK(lines_in_log("65536 bytes are in flight, the limit is 65536") ==
		      1,
	      "the limit was told of %u times",
	      lines_in_log("bytes are in flight"));
	/* Larger than the limit. */
	CHECK(client_io(client, 0, VIRTIO_BLK_T_IN, 0, 2 * LIMIT) ==
		      VIRTIO_BLK_S_OK,
	      "a large request: %s", client->error);
	expect("bytes-read", requests * SIZE + 2 * LIMIT);
}

/* A request that is about many bytes, and moves none of the client's. */
static void zeroes_do_not_count(struct client *client)
{
	const struct {
		uint64_t sector;
		uint32_t sectors;
		uint32_t flags;
	} all = { 0, DISK / CLIENT_SECTOR, 0 };
	uint64_t throttled = statistic("throttled");

	held_disk_hold();
	memcpy(client_data(client, 0, 0), &all, sizeof(all));
	DO(client, client_submit(client, 0, 0, VIRTIO_BLK_T_WRITE_ZEROES, 0,
				 sizeof(all)));
	DO(client, client_kick(client, 0));
	await("requests-in-flight", 1);
	expect("bytes-in-flight", 0);
	for (uint32_t i = 0; i < 2; i++)
		DO(client,
		   client_submit(client, 1, i, VIRTIO_BLK_T_IN, i * 32, SIZE));
	DO(client, client_kick(client, 1));
	await("requests-in-flight", 3);
	expect("bytes-in-flight", 2 * SIZE);
	expect("throttled", throttled);
	held_disk_release();
	wait_for(client, 0, 1);
	wait_for(client, 1, 2);
	await("bytes-in-flight", 0);
}

static void open_one(struct client *client, uint32_t depth, bool asleep)
{
	const struct client_options options = {
		.socket_path = backend.exports[0].socket_path,
		.queue_count = 2,
		.depth = depth,
		.buffer_size = 2 * LIMIT,
		.timeout_ms = SLACK_S * 1000,
		.asleep = asleep,
	};

	CHECK(client_open(client, &options) == 0, "open: %s", client->error);
	DO(client, client_start(client));
}

static void close_one(struct client *client)
{
	DO(client, client_stop(client));
	client_close(client);
}

static void finish(struct client *client)
{
	held_disk_release();
	wait_for(client, 0, DEPTH);
	wait_for(client, 1, DEPTH);
	await("bytes-in-flight", 0);
}

static void run_beside_idle(struct client *client)
{
	held_disk_hold();
	submit(client, 2 * LIMIT);
	await("bytes-in-flight", 2ull * DEPTH * 2 * LIMIT);
	finish(client);
}

static void run_beside_busy(struct client *busy, struct client *client)
{
	held_disk_hold();
	DO(busy, client_submit(busy, 0, 0, VIRTIO_BLK_T_IN, 0, SIZE));
	DO(busy, client_kick(busy, 0));
	/* The disk has it; the statistics are of the other. */
	while (held_disk_waiting() == 0)
		poll(NULL, 0, 1);
	submit(client, 2 * LIMIT);
	await("bytes-in-flight", BESIDE);
	finish(client);
	wait_for(busy, 0, 1);
	/* As by the first server, whose limit was the operator's. */
	CHECK(lines_in_log("bytes are in flight") == 1,
	      "what is not the operator's limit was told as such");
}

static void limited(void)
{
	struct client client;

	backend.max_in_flight = LIMIT;
	serve_start();
	open_one(&client, DEPTH, false);
	run(&client);
	zeroes_do_not_count(&client);
	close_one(&client);
	CHECK(backend_stop(&backend) == 0, "%s", backend.error);
}

static void beside_another(void)
{
	struct client other, client;

	backend.max_in_flight = 0;
	backend.exports[0].shared = true;
	serve_start();
	open_one(&other, 1, false);
	open_one(&client, DEPTH, false);
	CHECK(client_io(&client, 0, VIRTIO_BLK_T_IN, 0, SIZE) == 0, "%s",
	      client.error);
	run_beside_idle(&client);
	CHECK(client_io(&other, 0, VIRTIO_BLK_T_IN, 0, SIZE) == 0, "%s",
	      other.error);
	run_beside_busy(&other, &client);
	close_one(&client);
	close_one(&other);
	CHECK(backend_stop(&backend) == 0, "%s", backend.error);
}

int main(void)
{
	(void)begin_on_held_disk(DISK, NULL);
	backend.workers = 1;
	limited();
	beside_another();
	held_disk_stop();
	backend_free(&backend);
	return 0;
}
