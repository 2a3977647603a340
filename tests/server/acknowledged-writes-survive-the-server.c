/* SPDX-License-Identifier: MIT */
/*
 * G10: the server is killed at random moments (kill -9) and started again; the
 * client connects again, and every acknowledged write is there.  A write that
 * was in flight may have happened or not, sector by sector.  Where the server
 * offers an in-flight log, it ends those requests itself.
 */
#include "serve.h"

#define BLOCK  16384u
#define BLOCKS 256u
#define DEPTH  16u
#define ROUNDS 8

static struct {
	uint32_t last;	       /* generation given out */
	uint32_t acknowledged; /* 0: not known */
	uint32_t pending;      /* 0: none in flight */
} blocks[BLOCKS];
static uint32_t block_of_slot[DEPTH];
static uint64_t acknowledged;

static uint64_t sector_of(uint32_t block)
{
	return block * (uint64_t)(BLOCK / CLIENT_SECTOR);
}

static uint64_t seed_of(uint32_t block, uint32_t generation)
{
	return (uint64_t)block << 32 | generation;
}

static void complete(const struct client_completion *completion)
{
	uint32_t block = block_of_slot[completion->slot];

	CHECK(completion->status == VIRTIO_BLK_S_OK, "write: status %u",
	      completion->status);
	blocks[block].acknowledged = blocks[block].pending;
	blocks[block].pending = 0;
	acknowledged++;
}

/* Write until the server is gone. */
static void write_on(struct client *client, uint64_t *random)
{
	struct client_completion completion;
	uint32_t slot;
	int found;

	for (;;) {
		for (slot = 0; slot < DEPTH; slot++) {
			uint32_t block =
				(uint32_t)(hostile_random(random) % BLOCKS);

			if (client->queues[0].slots[slot].busy ||
			    blocks[block].pending)
				continue;
			blocks[block].pending = ++blocks[block].last;
			block_of_slot[slot] = block;
			client_pattern(client_data(client, 0, slot), BLOCK,
				       seed_of(block, blocks[block].pending),
				       sector_of(block));
			DO(client,
			   client_submit(client, 0, slot, VIRTIO_BLK_T_OUT,
					 sector_of(block), BLOCK));
		}
		DO(client, client_kick(client, 0));
		found = client_wait(client, 0, &completion, 5000);
		if (found < 0 && client->lost)
			return;
		CHECK(found == 1, "wait: %s",
		      found ? client->error : "no answer");
		complete(&completion);
	}
}

static pid_t kill_soon(uint64_t *random)
{
	unsigned int delay =
		20000 + (unsigned int)(hostile_random(random) % 200000);
	pid_t child = fork();

	CHECK(child >= 0, "fork");
	if (child == 0) {
		usleep(delay);
		kill(backend.pid, SIGKILL);
		_exit(0);
	}
	return child;
}

/* A block holds its acknowledged generation or, by sectors, a pending one. */
static void check_block(struct client *client, uint32_t block)
{
	uint8_t *data = client_data(client, 0, 0);
	uint64_t sector = sector_of(block);
	uint32_t i;
	int status;

	status = client_io(client, 0, VIRTIO_BLK_T_IN, sector, BLOCK);
	CHECK(status == 0, "read: status %d %s", status, client->error);
	for (i = 0; i < BLOCK / CLIENT_SECTOR; i++) {
		const uint8_t *at = data + i * CLIENT_SECTOR;
		uint32_t old = blocks[block].acknowledged;
		uint32_t new = blocks[block].pending;

		if (old && client_verify(at, CLIENT_SECTOR, seed_of(block, old),
					 sector + i) == CLIENT_SECTOR)
			continue;
		if (new &&client_verify(at, CLIENT_SECTOR, seed_of(block, new),
					sector + i) == CLIENT_SECTOR)
			continue;
		CHECK(!old,
		      "block %u, sector %u: write %u was acknowledged "
		      "and is not there",
		      block, i, old);
	}
	if (blocks[block].pending)
		blocks[block].acknowledged = 0;
	blocks[block].pending = 0;
}

/* With a log in flight, the next server ends what the last one began. */
static void end_inflight(struct client *client)
{
	struct client_completion completion;
	int found;

	DO(client, client_kick(client, 0));
	while (client->queues[0].busy) {
		found = client_wait(client, 0, &completion, 5000);
		CHECK(found == 1, "%u requests of the last server: %s",
		      client->queues[0].busy,
		      found ? client->error : "no answer");
		complete(&completion);
	}
}

static void run(bool inflight)
{
	struct client_options options = {
		.socket_path = backend.exports[0].socket_path,
		.region_count = 3,
		.depth = DEPTH,
		.buffer_size = BLOCK,
		.inflight = inflight,
	};
	uint64_t random = 23 + inflight;
	struct client client;
	uint32_t round, i;
	pid_t killer;

	serve_start();
	CHECK(client_open(&client, &options) == 0, "open: %s", client.error);
	DO(&client, client_start(&client));
	if (inflight && client.inflight_fd < 0)
		printf("the server offers no in-flight log\n");
	for (round = 0; round < ROUNDS; round++) {
		killer = kill_soon(&random);
		write_on(&client, &random);
		waitpid(killer, NULL, 0);
		backend_kill(&backend);
		serve_start();
		DO(&client, client_reopen(&client));
		DO(&client, client_start(&client));
		if (client.inflight_fd >= 0)
			end_inflight(&client);
		for (i = 0; i < BLOCKS; i++)
			check_block(&client, i);
	}
	client_close(&client);
	CHECK(backend_stop(&backend) == 0, "%s", backend.error);
}

int main(void)
{
	serve_init(60);
	backend_add(&backend, make_image("disk", BLOCK * BLOCKS), 0);
	run(false);
	run(true);
	printf("%llu acknowledged writes, %d deaths of the server\n",
	       (unsigned long long)acknowledged, 2 * ROUNDS);
	backend_free(&backend);
	return 0;
}
