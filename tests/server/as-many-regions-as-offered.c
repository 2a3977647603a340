/* SPDX-License-Identifier: MIT */
/*
 * G4, G11: a client may lend as many regions as it was offered, 509, and work
 * in each; they come and go one by one.  Clients that take all they can get
 * leave the next one what it needs.
 */
#include "serve.h"

#include "client/protocol.h"

#define REGIONS 509u
#define QUEUES	2u
#define DEPTH	254u /* with two queues, a data region for each request */
#define SIZE	4096u
#define GREEDY	40u
#define USUAL	8u

static void open_client(struct client *client, uint32_t regions)
{
	const struct client_options options = {
		.socket_path = backend.exports[0].socket_path,
		.region_count = regions,
		.region_size = 256u << 10,
		.queue_count = regions > USUAL ? QUEUES : 1,
		.depth = regions > USUAL ? DEPTH : 4,
		.buffer_size = SIZE,
		.sparse = true,
		.timeout_ms = 20000,
	};

	CHECK(client_open(client, &options) == 0, "open: %s", client->error);
}

static uint64_t sector_of(uint32_t queue, uint32_t slot)
{
	return (queue * (uint64_t)DEPTH + slot) * (SIZE / CLIENT_SECTOR);
}

/* All at once; how many failed. */
static uint32_t all(struct client *client, uint32_t type)
{
	struct client_completion completion;
	uint32_t failed = 0;

	for (uint32_t queue = 0; queue < QUEUES; queue++) {
		for (uint32_t slot = 0; slot < DEPTH; slot++)
			DO(client, client_submit(client, queue, slot, type,
						 sector_of(queue, slot), SIZE));
		DO(client, client_kick(client, queue));
	}
	for (uint32_t queue = 0; queue < QUEUES; queue++) {
		while (client->queues[queue].busy) {
			CHECK(client_wait(client, queue, &completion, 20000) ==
				      1,
			      "no answer: %s", client->error);
			failed += completion.status != VIRTIO_BLK_S_OK;
		}
	}
	return failed;
}

static void write_and_read(struct client *client)
{
	for (uint32_t queue = 0; queue < QUEUES; queue++)
		for (uint32_t slot = 0; slot < DEPTH; slot++)
			client_pattern(client_data(client, queue, slot), SIZE,
				       7, sector_of(queue, slot));
	CHECK(all(client, VIRTIO_BLK_T_OUT) == 0, "a write failed");
	for (uint32_t queue = 0; queue < QUEUES; queue++)
		for (uint32_t slot = 0; slot < DEPTH; slot++)
			memset(client_data(client, queue, slot), 0, SIZE);
	CHECK(all(client, VIRTIO_BLK_T_IN) == 0, "a read failed");
	for (uint32_t queue = 0; queue < QUEUES; queue++)
		for (uint32_t slot = 0; slot < DEPTH; slot++)
			CHECK(client_verify(client_data(client, queue, slot),
					    SIZE, 7,
					    sector_of(queue, slot)) == SIZE,
			      "queue %u, slot %u: wrong", queue, slot);
}

static void come_and_go(void)
{
	static struct client client;
	struct client_region spare;
	uint64_t slots = 0;
	uint32_t i;

	open_client(&client, REGIONS);
	DO(&client, client_ask(&client, VHOST_USER_GET_MAX_MEM_SLOTS, NULL, 0,
			       &slots, sizeof(slots)));
	CHECK(slots == REGIONS, "%llu slots", (unsigned long long)slots);
	DO(&client, client_start(&client));
	write_and_read(&client);
	/* One more, in place of one that is there. */
	spare = client.regions[REGIONS - 1];
	client.regions[REGIONS - 1].address += 1ull << 50;
	CHECK(client_lend(&client, REGIONS - 1) != 0, "one more was taken");
	client.regions[REGIONS - 1] = spare;
	for (i = 2; i < REGIONS; i++)
		DO(&client, client_take_back(&client, i));
	CHECK(all(&client, VIRTIO_BLK_T_IN) == QUEUES * DEPTH,
	      "in memory that was taken back");
	/* In another order. */
	for (i = REGIONS - 1; i >= 2; i--)
		DO(&client, client_lend(&client, i));
	write_and_read(&client);
	client_close(&client);
}

static void greedy(void)
{
	static struct client clients[GREEDY], last;
	uint32_t lent = 0, i;

	for (i = 0; i < GREEDY; i++) {
		open_client(&clients[i], 2);
		clients[i].options.region_count = REGIONS;
		/* The same memory, under many names. */
		for (uint32_t r = 0; r < REGIONS; r++) {
			clients[i].regions[r] = clients[i].regions[0];
			clients[i].regions[r].address += (uint64_t)r << 32;
			clients[i].regions[r].host += (uint64_t)r << 32;
			if (client_lend(&clients[i], r))
				break;
			lent++;
		}
		CHECK(!clients[i].lost, "%s", clients[i].error);
	}
	CHECK(lent < GREEDY * REGIONS, "nobody was refused anything");
	open_client(&last, USUAL);
	DO(&last, client_start(&last));
	CHECK(client_io(&last, 0, VIRTIO_BLK_T_IN, 0, SIZE) == 0, "%s",
	      last.error);
	client_close(&last);
	for (i = 0; i < GREEDY; i++) {
		for (uint32_t r = 1; r < REGIONS; r++)
			memset(&clients[i].regions[r], 0,
			       sizeof(clients[i].regions[r]));
		client_close(&clients[i]);
	}
	printf("%u regions were taken\n", lent);
}

/* What clients lent is unmapped after they have gone, by a thread: until then
 * its places are not free. */
static void until_all_came_back(void)
{
	static struct client client;
	bool back;

	do {
		open_client(&client, REGIONS);
		back = client_start(&client) == 0;
		client_close(&client);
	} while (!back);
}

int main(void)
{
	serve_init(110);
	backend_add(&backend,
		    make_image("disk", (uint64_t)QUEUES * DEPTH * SIZE), 0);
	backend.clients = GREEDY + 2;
	serve_start();
	come_and_go();
	greedy();
	until_all_came_back();
	come_and_go();
	return serve_end();
}
