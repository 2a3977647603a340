/* SPDX-License-Identifier: MIT */
/*
 * G5, G10: a driver is killed (kill -9) and started again, and the client, which
 * holds the log of requests in flight, submits nothing again: each request ends
 * exactly once, and what was acknowledged stays.
 *
 * First at any moment, again and again, under load past the page cache.  Then
 * at each moment between two stores of the procedure that vhost-user.rst
 * prescribes: rings and log are made as a driver leaves them that is killed
 * there.
 */
#include "serve.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include <protocol.h>

#define QUEUES 2u
#define DEPTH  16u
#define SIZE   4096u
#define DEATHS 30

#define LOOK_MS 20

/* Of each slot: its own block of the disk, written and read in turn. */
static struct {
	uint32_t generation;
	bool written; /* and acknowledged: it is read next */
} blocks[QUEUES][DEPTH];
static uint64_t completions;

static uint64_t sector_of(uint32_t queue, uint32_t slot)
{
	return (queue * (uint64_t)DEPTH + slot) * (SIZE / CLIENT_SECTOR);
}

static uint64_t seed_of(uint32_t queue, uint32_t slot)
{
	return (uint64_t)blocks[queue][slot].generation << 16 | queue << 8 |
	       slot;
}

static void submit(struct client *client, uint32_t queue, uint32_t slot)
{
	uint8_t *data = client_data(client, queue, slot);
	uint64_t sector = sector_of(queue, slot);
	bool reads = blocks[queue][slot].written;

	if (reads) {
		memset(data, 0, SIZE);
	} else {
		blocks[queue][slot].generation++;
		client_pattern(data, SIZE, seed_of(queue, slot), sector);
	}
	DO(client, client_submit(client, queue, slot,
				 reads ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_OUT,
				 sector, SIZE));
}

static void complete(struct client *client, uint32_t queue,
		     const struct client_completion *completion)
{
	uint32_t slot = completion->slot;
	size_t good;

	completions++;
	CHECK(completion->status == VIRTIO_BLK_S_OK, "status %u",
	      completion->status);
	blocks[queue][slot].written = completion->type == VIRTIO_BLK_T_OUT;
	if (blocks[queue][slot].written)
		return;
	good = client_verify(client_data(client, queue, slot), SIZE,
			     seed_of(queue, slot), sector_of(queue, slot));
	CHECK(good == SIZE,
	      "queue %u, slot %u: byte %zu is not what was "
	      "acknowledged",
	      queue, slot, good);
}

static void fill(struct client *client)
{
	for (uint32_t queue = 0; queue < QUEUES; queue++) {
		for (uint32_t slot = 0; slot < DEPTH; slot++)
			if (!client->queues[queue].slots[slot].busy)
				submit(client, queue, slot);
		DO(client, client_kick(client, queue));
	}
}

static void take_one(struct client *client, uint32_t queue)
{
	struct client_completion completion;
	int found = client_wait(client, queue, &completion, 10000);

	CHECK(found == 1, "queue %u, %u in flight: %s", queue,
	      client->queues[queue].busy,
	      found ? client->error : "a request does not end");
	complete(client, queue, &completion);
}

static void live_on(struct client *client)
{
	driver_kill(&driver);
	serve_start();
	DO(client, client_reopen(client));
	DO(client, client_start(client));
}

static void at_any_moment(bool plain)
{
	struct client_options options = {
		.socket_path = driver.exports[0].socket_path,
		.region_count = 3,
		.queue_count = QUEUES,
		.depth = DEPTH,
		.buffer_size = SIZE,
		.inflight = true,
		.event_idx = !plain,
		.indirect = !plain,
	};
	uint64_t random = 5 + plain;
	struct client client;

	serve_start();
	CHECK(client_open(&client, &options) == 0, "open: %s", client.error);
	DO(&client, client_start(&client));
	CHECK(client.inflight_fd >= 0, "no log of requests in flight");
	for (int death = 0; death < DEATHS / 2; death++) {
		for (uint64_t i = hostile_random(&random) % 200; i > 0; i--) {
			fill(&client);
			take_one(&client, (uint32_t)(i % QUEUES));
		}
		fill(&client);
		for (uint64_t i = hostile_random(&random) % 20000; i > 0; i--)
			__asm__ volatile("pause");
		live_on(&client);
	}
	for (uint32_t queue = 0; queue < QUEUES; queue++)
		while (client.queues[queue].busy)
			take_one(&client, queue);
	DO(&client, client_stop(&client));
	for (uint32_t queue = 0; queue < QUEUES; queue++)
		CHECK(client.queues[queue].ring.used->idx ==
			      client.queues[queue].avail_index,
		      "queue %u: %u requests, %u completions", queue,
		      client.queues[queue].avail_index,
		      client.queues[queue].ring.used->idx);
	client_close(&client);
	CHECK(driver_stop(&driver) == 0, "%s", driver.error);
}

/* Where a driver dies that has one request in hand, and another in flight. */
enum moment {
	TAKEN,	    /* from the available ring, and told nobody */
	COUNTED,    /* its number is in the log */
	MARKED,	    /* in flight; carried out or not */
	LINKED,	    /* the head of the last batch */
	IN_ELEMENT, /* in the used ring, whose index does not say so */
	PUBLISHED,  /* the client may have seen it */
	UNMARKED,   /* not in flight any more */
	COMPLETED,  /* and the log agrees with the ring */
	MOMENTS,
};

static struct vhost_user_log *map_log(struct client *client, uint32_t queue)
{
	struct vhost_user_log *log;
	uint8_t *at = mmap(NULL, client->inflight_size, PROT_READ | PROT_WRITE,
			   MAP_SHARED, client->inflight_fd, 0);

	CHECK(at != MAP_FAILED, "the log cannot be mapped");
	log = (struct vhost_user_log
		       *)(at + queue * VHOST_USER_LOG_SIZE(
					       client->options.queue_size));
	CHECK(log->version == 1 && log->count == client->queues[queue].ring.num,
	      "log of version %u, %u entries", log->version, log->count);
	return log;
}

/* The stores of a driver, until it dies at `moment`. */
static void act(struct client *client, struct vhost_user_log *log,
		uint16_t head, enum moment moment)
{
	struct vring_used *used = client->queues[0].ring.used;
	uint8_t *status = client_at(client, client->queues[0].slots[1].status);

	if (moment >= COUNTED)
		log->states[head].counter = 77;
	if (moment >= MARKED)
		log->states[head].in_flight = 1;
	if (moment >= LINKED) {
		*status = VIRTIO_BLK_S_OK;
		log->states[head].next = log->last_batch_head;
		log->last_batch_head = head;
	}
	if (moment >= IN_ELEMENT)
		used->ring[used->idx % client->queues[0].ring.num] =
			(struct vring_used_elem){ head, 1 };
	if (moment >= PUBLISHED)
		used->idx++;
	if (moment >= UNMARKED)
		log->states[head].in_flight = 0;
	if (moment >= COMPLETED)
		log->used_index = used->idx;
}

static void at(enum moment moment, int before)
{
	struct client_options options = {
		.socket_path = driver.exports[0].socket_path,
		.depth = DEPTH,
		.buffer_size = SIZE,
		.inflight = true,
	};
	struct client_completion completion;
	struct vhost_user_log *log;
	struct client client;
	struct client_queue *queue = &client.queues[0];

	serve_start();
	CHECK(client_open(&client, &options) == 0, "open: %s", client.error);
	DO(&client, client_start(&client));
	for (int i = 0; i < before; i++)
		CHECK(client_io(&client, 0, VIRTIO_BLK_T_FLUSH, 0, 0) == 0,
		      "%s", client.error);
	log = map_log(&client, 0);
	driver_kill(&driver);
	/* Slot 0 was taken before slot 1, which comes first in the table. */
	DO(&client, client_submit(&client, 0, 3, VIRTIO_BLK_T_IN, 0, SIZE));
	log->states[queue->slots[3].first].counter = 76;
	log->states[queue->slots[3].first].in_flight = 1;
	DO(&client, client_submit(&client, 0, 1, VIRTIO_BLK_T_OUT, 0, SIZE));
	act(&client, log, queue->slots[1].first, moment);
	/* And one that the dead driver never saw. */
	DO(&client, client_submit(&client, 0, 2, VIRTIO_BLK_T_IN, 0, SIZE));
	live_on(&client);
	for (int i = 0; i < 3; i++) {
		CHECK(client_wait(&client, 0, &completion, 10000) == 1,
		      "killed at moment %d: %u in flight: %s", moment,
		      queue->busy, client.error);
		CHECK(completion.status == VIRTIO_BLK_S_OK,
		      "killed at moment %d: status %u", moment,
		      completion.status);
	}
	/* Any that comes twice has come when the rings are quiet. */
	DO(&client, client_stop(&client));
	CHECK(queue->ring.used->idx == queue->avail_index,
	      "killed at moment %d: %u requests, %u completions", moment,
	      queue->avail_index, queue->ring.used->idx);
	for (uint32_t i = 0; i < queue->ring.num; i++)
		CHECK(!log->states[i].in_flight,
		      "killed at moment %d: entry %u stays in flight", moment,
		      i);
	CHECK(log->used_index == queue->ring.used->idx, "the log is behind");
	client_close(&client);
	CHECK(driver_stop(&driver) == 0, "%s", driver.error);
}

/* It died between the used index and the call. */
static void told_again(void)
{
	struct client_options options = {
		.socket_path = driver.exports[0].socket_path,
		.depth = DEPTH,
		.buffer_size = SIZE,
		.inflight = true,
	};
	struct client_completion completion;
	struct pollfd call = { .events = POLLIN };
	struct vhost_user_log *log;
	struct client client;
	eventfd_t calls;

	serve_start();
	CHECK(client_open(&client, &options) == 0, "open: %s", client.error);
	DO(&client, client_start(&client));
	CHECK(client_io(&client, 0, VIRTIO_BLK_T_FLUSH, 0, 0) == 0, "%s",
	      client.error);
	log = map_log(&client, 0);
	driver_kill(&driver);
	eventfd_read(client.queues[0].call_fd, &calls);
	DO(&client, client_submit(&client, 0, 1, VIRTIO_BLK_T_OUT, 0, SIZE));
	act(&client, log, client.queues[0].slots[1].first, COMPLETED);
	live_on(&client);
	call.fd = client.queues[0].call_fd;
	CHECK(poll(&call, 1, 10000) == 1, "a completion is not told");
	CHECK(client_wait(&client, 0, &completion, 0) == 1, "%s", client.error);
	client_close(&client);
	CHECK(driver_stop(&driver) == 0, "%s", driver.error);
}

int main(void)
{
	serve_init(110);
	driver_add(&driver, make_image("disk", (uint64_t)QUEUES * DEPTH * SIZE),
		   0);
	driver.exports[0].direct = true;
	at_any_moment(true);
	memset(blocks, 0, sizeof(blocks));
	at_any_moment(false);
	for (int moment = TAKEN; moment < MOMENTS; moment++)
		for (int before = 1; before < 3; before++)
			at((enum moment)moment, before);
	told_again();
	printf("%llu completions, %d deaths of the driver\n",
	       (unsigned long long)completions, DEATHS + 2 * MOMENTS + 1);
	driver_free(&driver);
	return 0;
}
