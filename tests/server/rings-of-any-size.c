// SPDX-License-Identifier: MIT
/*
 * VIRTIO 1.2, 2.7, 2.8.10.1: a split ring may have any power of 2 of entries up
 * to 32768, and a packed one any number up to that.  All of them are used, and
 * come round; requests that a killed server had in flight are found in a log of
 * that many entries.  A chain may be as long as the ring, whatever seg_max
 * says: it is carried out, or its status byte says that it failed, and the ring
 * goes on.
 */
#include "serve.h"

#include "client/protocol.h"

#define SIZE  4096u
#define DEPTH 64u
#define WHOLE 262144u /* in so many pieces that each is a sector */

static struct client client;

static void join(const struct client_options *options)
{
	CHECK(client_open(&client, options) == 0, "%u entries: open: %s",
	      options->queue_size, client.error);
	DO(&client, client_start(&client));
}

static void submit(uint32_t slot, uint32_t type)
{
	uint64_t sector = slot * (SIZE / CLIENT_SECTOR);
	uint8_t *data = client_data(&client, 0, slot);

	if (type == VIRTIO_BLK_T_OUT)
		client_pattern(data, SIZE, slot, sector);
	else
		memset(data, 0xaa, SIZE);
	DO(&client, client_submit(&client, 0, slot, type, sector, SIZE));
}

/* All DEPTH of them, whose data was `written`, or is zeroes. */
static void take(bool written)
{
	struct client_completion completion;

	for (uint32_t i = 0; i < DEPTH; i++) {
		uint64_t sector;
		uint8_t *data;

		CHECK(client_wait(&client, 0, &completion, 10000) == 1 &&
			      completion.status == VIRTIO_BLK_S_OK,
		      "request %u: status %u %s", i, completion.status,
		      client.error);
		if (completion.type == VIRTIO_BLK_T_OUT)
			continue;
		sector = completion.slot * (SIZE / CLIENT_SECTOR);
		data = client_data(&client, 0, completion.slot);
		CHECK(written ? client_verify(data, SIZE, completion.slot,
					      sector) == SIZE
			      : data[0] == 0 && data[SIZE - 1] == 0,
		      "request %u: other bytes than there are", i);
	}
}

/* The ring comes round, and goes a bit further: a request takes one entry of a
 * split ring, and three slots of a packed one. */
static void go_round(bool packed, uint32_t size)
{
	const struct client_options options = {
		.socket_path = backend.exports[1].socket_path,
		.queue_size = size,
		.depth = DEPTH,
		.buffer_size = SIZE,
		.event_idx = true,
		.packed = packed,
	};
	uint32_t requests = (packed ? size / 3 : size) + 4 * DEPTH;

	join(&options);
	for (uint32_t i = 0; i < requests; i += DEPTH) {
		for (uint32_t slot = 0; slot < DEPTH; slot++)
			submit(slot, VIRTIO_BLK_T_IN);
		DO(&client, client_kick(&client, 0));
		take(false);
	}
	DO(&client, client_stop(&client));
	client_close(&client);
}

/* Requests that nobody kicks for wait in the ring of a server that dies; those
 * that it has taken are in the log. */
static void log_of_many(bool packed)
{
	const struct client_options options = {
		.socket_path = backend.exports[0].socket_path,
		.queue_size = 32768,
		.depth = DEPTH,
		.buffer_size = SIZE,
		.packed = packed,
		.inflight = true,
	};

	join(&options);
	for (uint32_t slot = 0; slot < DEPTH; slot++)
		submit(slot, VIRTIO_BLK_T_OUT);
	DO(&client, client_kick(&client, 0));
	take(true);
	for (uint32_t slot = 0; slot < DEPTH; slot++)
		submit(slot, VIRTIO_BLK_T_IN);
	DO(&client, client_kick(&client, 0));
	backend_kill(&backend);
	serve_start();
	DO(&client, client_reopen(&client));
	DO(&client, client_start(&client));
	take(true);
	DO(&client, client_stop(&client));
	client_close(&client);
}

/* A request of WHOLE bytes in so many pieces. */
static void long_chain(uint32_t segments, bool indirect, bool packed)
{
	const struct client_options options = {
		.socket_path = backend.exports[0].socket_path,
		.queue_size = 1024,
		.buffer_size = WHOLE,
		.segments = segments,
		.indirect = indirect,
		.packed = packed,
	};
	uint8_t *data;

	join(&options);
	data = client_data(&client, 0, 0);
	client_pattern(data, WHOLE, segments, 0);
	CHECK(client_io(&client, 0, VIRTIO_BLK_T_OUT, 0, WHOLE) == 0,
	      "a write of %u segments: %s", segments, client.error);
	memset(data, 0, WHOLE);
	CHECK(client_io(&client, 0, VIRTIO_BLK_T_IN, 0, WHOLE) == 0 &&
		      client_verify(data, WHOLE, segments, 0) == WHOLE,
	      "a read of %u segments: %s", segments, client.error);
	client_close(&client);
}

/* As long as the ring, which is longer than what is carried out. */
static void too_long(uint32_t size)
{
	const struct client_options options = {
		.socket_path = backend.exports[0].socket_path,
		.queue_size = size,
		.buffer_size = SIZE,
	};
	struct client_completion completion;
	struct client_queue *queue = &client.queues[0];
	struct vring_desc *desc;

	join(&options);
	desc = queue->ring.desc;
	DO(&client, client_prepare(&client, 0, 0, VIRTIO_BLK_T_OUT, 0, SIZE));
	for (uint32_t i = 3; i < size; i++) {
		desc[i] = desc[1];
		desc[i].len = 1;
		desc[i].next = (uint16_t)(i + 1);
	}
	desc[size - 1].next = 2;
	desc[1].next = 3;
	client_publish(&client, 0, 0);
	DO(&client, client_kick(&client, 0));
	CHECK(client_wait(&client, 0, &completion, 10000) == 1 &&
		      completion.status == VIRTIO_BLK_S_IOERR,
	      "a chain of %u was not told that it failed: %s", size,
	      client.error);
	CHECK(client_io(&client, 0, VIRTIO_BLK_T_IN, 0, SIZE) == 0,
	      "after a chain of %u: %s", size, client.error);
	client_close(&client);
}

int main(void)
{
	serve_init(60);
	backend_add(&backend, make_image("disk", 1u << 20), 0);
	backend_add(&backend, NULL, 1u << 20);
	serve_start();
	go_round(false, 2048);
	go_round(false, 32768);
	go_round(true, 2000);
	go_round(true, 32767);
	go_round(true, 32768);
	log_of_many(false);
	log_of_many(true);
	for (int way = 0; way < 4; way++) {
		long_chain(300, way & 1, way & 2);
		long_chain(511, way & 1, way & 2);
	}
	too_long(2048);
	too_long(32768);
	return serve_end();
}
