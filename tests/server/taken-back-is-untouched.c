/* SPDX-License-Identifier: MIT */
/*
 * G9: when a polite revocation is acknowledged, not one byte more is written
 * into that memory, and the acknowledgement comes in bounded time.
 *
 * Reads are in flight at full depth; the region they read into is taken back
 * (REM_MEM_REG), or the ring is stopped (GET_VRING_BASE).  From the answer on
 * the client fills the memory with its own bytes, and watches them.
 */
#include "serve.h"

#include <poll.h>

#define ROUNDS	 60
#define DEPTH	 32u
#define SIZE	 65536u
#define WATCH_MS 8
#define LIMIT_MS 10000
#define OWN	 0xa5

static const char *file;

static void load(struct client *client, uint64_t *random)
{
	uint64_t blocks = client->capacity * CLIENT_SECTOR / SIZE;
	uint32_t i;

	for (i = 0; i < DEPTH; i++)
		DO(client, client_submit(client, 0, i, VIRTIO_BLK_T_IN,
					 hostile_random(random) % blocks *
						 (SIZE / CLIENT_SECTOR),
					 SIZE));
	DO(client, client_kick(client, 0));
}

static size_t first_change(const struct client_region *region)
{
	size_t i;

	/* Each byte like the next, and the first one ours. */
	if (region->host[0] == OWN &&
	    !memcmp(region->host, region->host + 1, region->size - 1))
		return region->size;
	for (i = 0; i < region->size && region->host[i] == OWN; i++)
		continue;
	return i;
}

static void watch(struct client *client, uint32_t first, uint32_t end,
		  const char *what)
{
	uint32_t i;

	for (i = first; i < end; i++)
		memset(client->regions[i].host, OWN, client->regions[i].size);
	/* That nothing happens is no event: the only thing to do is to wait. */
	poll(NULL, 0, WATCH_MS);
	for (i = first; i < end; i++) {
		size_t at = first_change(&client->regions[i]);

		CHECK(at == client->regions[i].size,
		      "after %s: byte %zu of region %u was written", what, at,
		      i);
	}
}

/* The ring still runs, and its requests name what is no longer lent. */
static void ask_for_more(struct client *client)
{
	struct client_completion completion;

	/* Some of these named the region when it was lent no more. */
	while (client->queues[0].busy)
		CHECK(client_wait(client, 0, &completion, LIMIT_MS) == 1,
		      "a request is not answered: %s", client->error);
	DO(client, client_submit(client, 0, 0, VIRTIO_BLK_T_IN, 0, SIZE));
	DO(client, client_kick(client, 0));
	CHECK(client_wait(client, 0, &completion, LIMIT_MS) == 1,
	      "a request for what was taken back is not answered: %s",
	      client->error);
	CHECK(completion.status == VIRTIO_BLK_S_IOERR,
	      "status %d in memory that was taken back", completion.status);
}

static void take_back(uint32_t export, uint64_t *random)
{
	struct client_options options = {
		.socket_path = backend.exports[export].socket_path,
		.region_count = 3,
		.depth = DEPTH,
		.buffer_size = SIZE,
	};
	struct client client;
	uint64_t begin;
	int i;

	CHECK(client_open(&client, &options) == 0, "open: %s", client.error);
	DO(&client, client_start(&client));
	load(&client, random);
	for (i = (int)(hostile_random(random) % 3000); i > 0; i--)
		__asm__ volatile("pause");
	begin = client_now_ns();
	DO(&client, client_take_back(&client, 2));
	CHECK(client_now_ns() - begin < LIMIT_MS * 1000000ull,
	      "taking back took longer than %d ms", LIMIT_MS);
	watch(&client, 2, 3, "REM_MEM_REG");
	ask_for_more(&client);
	watch(&client, 2, 3, "a request for what was taken back");
	client_close(&client);
}

static void stop(uint32_t export, uint64_t *random)
{
	struct client_options options = {
		.socket_path = backend.exports[export].socket_path,
		.region_count = 3,
		.depth = DEPTH,
		.buffer_size = SIZE,
		.indirect = true,
	};
	struct client client;
	uint64_t begin;

	CHECK(client_open(&client, &options) == 0, "open: %s", client.error);
	DO(&client, client_start(&client));
	load(&client, random);
	begin = client_now_ns();
	DO(&client, client_stop(&client));
	CHECK(client_now_ns() - begin < LIMIT_MS * 1000000ull,
	      "stopping took longer than %d ms", LIMIT_MS);
	watch(&client, 0, 3, "GET_VRING_BASE");
	client_close(&client);
}

int main(void)
{
	uint64_t random = 11;
	char pattern[65536];
	int i, fd;

	serve_init(60);
	file = make_image("disk", 64u << 20);
	fd = open(file, O_WRONLY | O_CLOEXEC);
	client_pattern(pattern, sizeof(pattern), 1, 0);
	for (i = 0; i < 1024; i++)
		CHECK(write(fd, pattern, sizeof(pattern)) == sizeof(pattern),
		      "write");
	close(fd);
	backend_add(&backend, file, 0);
	backend.exports[0].direct = true;
	backend_add(&backend, NULL, 64u << 20);
	serve_start();
	for (i = 0; i < ROUNDS; i++) {
		take_back(i % 4 == 3, &random);
		stop(i % 4 == 3, &random);
	}
	return serve_end();
}
