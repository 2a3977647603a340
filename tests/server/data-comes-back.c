/* SPDX-License-Identifier: MIT */
/*
 * What was written is read again, in every way in which a client may lend its
 * memory and lay out its requests.
 */
#include "serve.h"

#define SIZE  (64u << 20)
#define BLOCK (256u << 10) /* more than a file in memory moves at once */

static const struct variant {
	const char *name;
	struct client_options options;
} variants[] = {
	{ "one region, one request", { .depth = 1 } },
	{ "three regions", { .region_count = 3, .depth = 8 } },
	{ "memory table",
	  { .region_count = 4, .depth = 8, .mem_table = true } },
	{ "thirty regions", { .region_count = 30, .depth = 16 } },
	{ "sealed", { .region_count = 3, .depth = 8, .sealed = true } },
	{ "indirect", { .region_count = 3, .depth = 32, .indirect = true } },
	{ "event index", { .depth = 16, .indirect = true, .event_idx = true } },
	{ "polling", { .depth = 16, .polling = true } },
	{ "eight segments", { .depth = 8, .segments = 8 } },
	{ "eight segments, indirect",
	  { .depth = 8, .segments = 8, .indirect = true } },
	{ "packed", { .region_count = 3, .depth = 8, .packed = true } },
	{ "packed, event index",
	  { .depth = 16, .segments = 3, .event_idx = true, .packed = true } },
	{ "packed, of no power of 2",
	  { .queue_size = 37,
	    .depth = 7,
	    .segments = 3,
	    .event_idx = true,
	    .packed = true } },
	{ "packed, indirect",
	  { .queue_size = 100,
	    .depth = 32,
	    .indirect = true,
	    .event_idx = true,
	    .packed = true } },
	{ "packed, polling, indirect",
	  { .depth = 16, .polling = true, .indirect = true, .packed = true } },
	{ "packed, two queues",
	  { .queue_count = 2, .depth = 8, .segments = 8, .packed = true } },
	{ "two queues", { .queue_count = 2, .depth = 8, .segments = 4 } },
};

static uint32_t drain(struct client *client, uint32_t type, uint64_t seed)
{
	uint32_t count = client->options.queue_count, number, done = 0;
	struct client_completion completion;

	for (number = 0; number < count; number++) {
		while (client->queues[number].busy) {
			int found =
				client_wait(client, number, &completion, 5000);
			struct client_slot *slot;

			CHECK(found == 1, "wait: %s",
			      found ? client->error : "no answer in time");
			CHECK(completion.status == VIRTIO_BLK_S_OK, "status %u",
			      completion.status);
			slot = &client->queues[number].slots[completion.slot];
			CHECK(completion.length ==
				      (type == VIRTIO_BLK_T_IN) * BLOCK + 1,
			      "used length %u", completion.length);
			CHECK(type != VIRTIO_BLK_T_IN ||
				      client_verify(
					      client_data(client, number,
							  completion.slot),
					      BLOCK, seed,
					      slot->sector) == BLOCK,
			      "wrong data at sector %llu",
			      (unsigned long long)slot->sector);
			done++;
		}
	}
	return done;
}

/* Every block of the disk once, as many at a time as there are slots. */
static void sweep(struct client *client, uint32_t type, uint64_t seed)
{
	uint32_t queues = client->options.queue_count;
	uint32_t slots = queues * client->options.depth, i;
	uint64_t block = 0, blocks = client->capacity * CLIENT_SECTOR / BLOCK;

	while (block < blocks) {
		for (i = 0; i < slots && block < blocks; i++, block++) {
			uint64_t sector = block * (BLOCK / CLIENT_SECTOR);
			uint8_t *data =
				client_data(client, i % queues, i / queues);

			if (type == VIRTIO_BLK_T_OUT)
				client_pattern(data, BLOCK, seed, sector);
			else
				memset(data, 0x5a, BLOCK);
			DO(client, client_submit(client, i % queues, i / queues,
						 type, sector, BLOCK));
		}
		for (i = 0; i < queues; i++)
			DO(client, client_kick(client, i));
		drain(client, type, seed);
	}
}

static void run(const struct variant *variant, uint64_t seed)
{
	struct client_options options = variant->options;
	struct client client;
	int status;

	options.socket_path = backend.exports[0].socket_path;
	options.buffer_size = BLOCK;
	CHECK(client_open(&client, &options) == 0, "%s: %s", variant->name,
	      client.error);
	CHECK(client.capacity == SIZE / CLIENT_SECTOR, "capacity %llu",
	      (unsigned long long)client.capacity);
	DO(&client, client_start(&client));
	sweep(&client, VIRTIO_BLK_T_OUT, seed);
	status = client_io(&client, 0, VIRTIO_BLK_T_FLUSH, 0, 0);
	CHECK(status == VIRTIO_BLK_S_OK, "flush: status %d %s", status,
	      client.error);
	DO(&client, client_stop(&client));
	DO(&client, client_start(&client));
	sweep(&client, VIRTIO_BLK_T_IN, seed);
	status = client_io(&client, 0, VIRTIO_BLK_T_GET_ID, 0, 20);
	CHECK(status == VIRTIO_BLK_S_OK, "get id: status %d", status);
	DO(&client, client_stop(&client));
	client_close(&client);
	printf("%s: good\n", variant->name);
	fflush(stdout);
}

int main(void)
{
	size_t i;

	serve_init(60);
	backend_add(&backend, make_image("disk", SIZE), 0);
	backend.exports[0].queue_count = 2;
	serve_start();
	for (i = 0; i < sizeof(variants) / sizeof(variants[0]); i++)
		run(&variants[i], i + 1);
	return serve_end();
}
