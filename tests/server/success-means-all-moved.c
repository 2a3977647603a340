/* SPDX-License-Identifier: MIT */
/*
 * G5: success only when all bytes of the request really moved between the
 * client's pages and the store.
 *
 * Cut: the last pages of the data are gone before the server hears of the
 * request; every cut, reads and writes, file and null store, direct and
 * indirect.  It must end, and not with success.
 * Race: the pages go while writes are under way.  What was reported as
 * written is then read through another client, to the last byte.
 */
#include "serve.h"

#define SIZE   65536u
#define PAGE   4096u
#define ROUNDS 150
#define DEPTH  16u

static const struct client_options lending = {
	.region_count = 3,
	.buffer_size = SIZE,
};

static void open_client(struct client *client, uint32_t number, bool indirect,
			uint32_t depth)
{
	struct client_options options = lending;

	options.socket_path = backend.exports[number].socket_path;
	options.indirect = indirect;
	options.depth = depth;
	CHECK(client_open(client, &options) == 0, "open: %s", client->error);
	DO(client, client_start(client));
}

static void cut(uint32_t number, uint32_t type, bool indirect)
{
	struct client_completion completion;
	struct client client;
	uint64_t start;
	uint32_t left;

	for (left = 0; left < SIZE / PAGE; left += left < 4 ? 1 : 3) {
		open_client(&client, number, indirect, 1);
		start = client.queues[0].slots[0].data.offset;
		DO(&client, client_prepare(&client, 0, 0, type, left, SIZE));
		DO(&client, hostile_truncate(&client, 2, start + left * PAGE));
		client_publish(&client, 0, 0);
		DO(&client, client_kick(&client, 0));
		CHECK(client_wait(&client, 0, &completion, 3000) == 1,
		      "type %u with %u pages left: no answer", type, left);
		CHECK(completion.status != VIRTIO_BLK_S_OK,
		      "type %u with %u of %u pages left: success", type, left,
		      SIZE / PAGE);
		CHECK(completion.status == VIRTIO_BLK_S_IOERR,
		      "type %u with %u pages left: status %u", type, left,
		      completion.status);
		CHECK(completion.length <= left * PAGE + 1,
		      "used length %u with %u pages left", completion.length,
		      left);
		client_close(&client);
	}
}

/* One batch of writes into which memory goes; a bit for each success. */
static uint32_t write_and_lose(uint64_t seed, uint64_t *random)
{
	struct client_completion completion;
	uint32_t good = 0, i;
	struct client client;

	open_client(&client, 0, seed & 1, DEPTH);
	for (i = 0; i < DEPTH; i++) {
		uint64_t sector = i * (SIZE / CLIENT_SECTOR);

		client_pattern(client_data(&client, 0, i), SIZE, seed, sector);
		DO(&client, client_submit(&client, 0, i, VIRTIO_BLK_T_OUT,
					  sector, SIZE));
	}
	DO(&client, client_kick(&client, 0));
	/* From at once to after some hundred microseconds. */
	for (i = hostile_random(random) % 4000; i > 0; i--)
		__asm__ volatile("pause");
	DO(&client,
	   hostile_truncate(&client, 2, hostile_random(random) % DEPTH * SIZE));
	while (client.queues[0].busy) {
		CHECK(client_wait(&client, 0, &completion, 3000) == 1,
		      "a request never ended");
		if (completion.status == VIRTIO_BLK_S_OK)
			good |= 1u << completion.slot;
	}
	client_close(&client);
	return good;
}

static void race(void)
{
	uint32_t successes = 0, failures = 0, round, good, i;
	uint64_t random = 5;
	struct client reader;

	open_client(&reader, 2, false, 1);
	for (round = 0; round < ROUNDS; round++) {
		good = write_and_lose(round + 1, &random);
		successes += (uint32_t)__builtin_popcount(good);
		failures += DEPTH - (uint32_t)__builtin_popcount(good);
		for (i = 0; i < DEPTH; i++) {
			uint64_t sector = i * (SIZE / CLIENT_SECTOR);
			size_t same;
			int status;

			if (!(good >> i & 1))
				continue;
			status = client_io(&reader, 0, VIRTIO_BLK_T_IN, sector,
					   SIZE);
			CHECK(status == 0, "read: status %d %s", status,
			      reader.error);
			same = client_verify(client_data(&reader, 0, 0), SIZE,
					     round + 1, sector);
			CHECK(same == SIZE,
			      "round %u: write %u had success, and byte %zu "
			      "is not there",
			      round, i, same);
		}
	}
	client_close(&reader);
	printf("races: %u writes with success, %u without\n", successes,
	       failures);
	/* Else nothing was tried. */
	CHECK(failures > 0, "no write ever lost its memory");
}

int main(void)
{
	char *disk;
	int i;

	serve_init(60);
	disk = make_image("disk", 8u << 20);
	backend_add(&backend, disk, 0);
	backend_add(&backend, NULL, 8u << 20);
	/* To read beside who writes. */
	backend_add(&backend, disk, 0);
	backend.exports[2].read_only = true;
	serve_start();
	for (i = 0; i < 2; i++) {
		cut(0, VIRTIO_BLK_T_IN, i);
		cut(0, VIRTIO_BLK_T_OUT, i);
		cut(1, VIRTIO_BLK_T_IN, i);
	}
	race();
	return serve_end();
}
