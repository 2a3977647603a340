// SPDX-License-Identifier: MIT
/*
 * The queues of one client are served by several workers.  Whatever message
 * comes while requests of all queues are in flight (memory comes and goes,
 * rings are stopped and started again, set up anew, and notified by another
 * descriptor), each request ends once, with the right data.  Memory that is
 * gone, a client that is, and the end of the server are met by all of its
 * workers, and disturb no neighbour.  Statistics have the sum.
 */
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "client/protocol.h"
#include "statistics.h"

#define WORKERS 3u
#define QUEUES	5u
#define DEPTH	4u
#define SIZE	8192u
#define REGIONS 4u
#define ROUNDS	120u
#define SPARE	65536u

enum { OURS, FAILING, ENDING, EXPORTS };

static struct client ours;
static uint64_t ended; /* requests of ours */

/* Of each slot: its own block, written and read in turn. */
static struct {
	uint32_t generation;
	bool reads;
} blocks[QUEUES][DEPTH];

/* Memory that comes and goes. */
static struct {
	int fd;
	uint8_t *host;
	bool lent;
} spare;

static void open_client(struct client *client, uint32_t export)
{
	const struct client_options options = {
		.socket_path = backend.exports[export].socket_path,
		.region_count = REGIONS,
		.queue_count = QUEUES,
		.depth = DEPTH,
		.buffer_size = SIZE,
		.segments = 2,
		.event_idx = true,
	};

	CHECK(client_open(client, &options) == 0, "open: %s", client->error);
	DO(client, client_start(client));
}

static uint64_t sector_of(uint32_t queue, uint32_t slot)
{
	return (queue * (uint64_t)DEPTH + slot) * (SIZE / CLIENT_SECTOR);
}

static uint64_t seed_of(uint32_t queue, uint32_t slot)
{
	return (uint64_t)blocks[queue][slot].generation << 16 | queue << 8 |
	       slot;
}

static void kick_all(struct client *client)
{
	for (uint32_t queue = 0; queue < QUEUES; queue++)
		DO(client, client_kick(client, queue));
}

static void submit_all(void)
{
	for (uint32_t queue = 0; queue < QUEUES; queue++)
		for (uint32_t slot = 0; slot < DEPTH; slot++) {
			uint8_t *data = client_data(&ours, queue, slot);
			uint64_t sector = sector_of(queue, slot);
			bool reads = blocks[queue][slot].reads;

			if (reads)
				memset(data, 0, SIZE);
			else
				blocks[queue][slot].generation++;
			if (!reads)
				client_pattern(data, SIZE, seed_of(queue, slot),
					       sector);
			DO(&ours, client_submit(&ours, queue, slot,
						reads ? VIRTIO_BLK_T_IN
						      : VIRTIO_BLK_T_OUT,
						sector, SIZE));
		}
	kick_all(&ours);
}

static void complete(uint32_t queue, const struct client_completion *one)
{
	uint32_t slot = one->slot;

	ended++;
	CHECK(one->status == VIRTIO_BLK_S_OK, "queue %u: status %u", queue,
	      one->status);
	CHECK(!blocks[queue][slot].reads ||
		      client_verify(client_data(&ours, queue, slot), SIZE,
				    seed_of(queue, slot),
				    sector_of(queue, slot)) == SIZE,
	      "queue %u, slot %u: other data was read than written", queue,
	      slot);
	blocks[queue][slot].reads = !blocks[queue][slot].reads;
}

static void end_all(void)
{
	struct client_completion one;

	for (uint32_t queue = 0; queue < QUEUES; queue++)
		while (ours.queues[queue].busy) {
			int found = client_wait(&ours, queue, &one, 10000);

			CHECK(found == 1, "queue %u, %u in flight: %s", queue,
			      ours.queues[queue].busy,
			      found ? ours.error : "a request does not end");
			complete(queue, &one);
		}
}

static void set(uint32_t request, uint32_t queue, uint32_t number)
{
	struct vhost_user_vring_state state = { queue, number };

	DO(&ours, client_tell(&ours, request, &state, sizeof(state), -1));
}

static void set_address(uint32_t index)
{
	const struct client_queue *queue = &ours.queues[index];
	struct vhost_user_vring_address address = {
		.index = index,
		.descriptors = (uintptr_t)queue->ring.desc,
		.available = (uintptr_t)queue->ring.avail,
		.used = (uintptr_t)queue->ring.used,
	};

	DO(&ours, client_tell(&ours, VHOST_USER_SET_VRING_ADDR, &address,
			      sizeof(address), -1));
}

static void set_fd(uint32_t request, uint64_t index, int fd)
{
	DO(&ours, client_tell(&ours, request, &index, sizeof(index), fd));
}

/* What was in flight has ended by then, and what was not taken is after. */
static void restart(uint32_t index)
{
	struct client_queue *queue = &ours.queues[index];
	struct vhost_user_vring_state state = { index, 0 }, answer;

	DO(&ours, client_ask(&ours, VHOST_USER_GET_VRING_BASE, &state,
			     sizeof(state), &answer, sizeof(answer)));
	CHECK((uint16_t)answer.number == queue->ring.used->idx,
	      "queue %u stopped at %u with completions up to %u", index,
	      answer.number, queue->ring.used->idx);
	set(VHOST_USER_SET_VRING_NUM, index, queue->ring.num);
	set(VHOST_USER_SET_VRING_BASE, index, answer.number);
	set_address(index);
	set_fd(VHOST_USER_SET_VRING_CALL, index, queue->call_fd);
	set_fd(VHOST_USER_SET_VRING_KICK, index, queue->kick_fd);
	set(VHOST_USER_SET_VRING_ENABLE, index, 1);
}

static void lend_spare(void)
{
	struct vhost_user_one_region one = {
		.region = { .guest_address = 1ull << 40,
			    .size = SPARE,
			    .user_address = (uintptr_t)spare.host },
	};

	DO(&ours, client_tell(&ours,
			      spare.lent ? VHOST_USER_REM_MEM_REG
					 : VHOST_USER_ADD_MEM_REG,
			      &one, sizeof(one), spare.lent ? -1 : spare.fd));
	spare.lent = !spare.lent;
}

static void say_something(uint64_t *random)
{
	uint32_t queue = (uint32_t)(hostile_random(random) % QUEUES);

	switch (hostile_random(random) % 7) {
	case 0:
	case 1:
		lend_spare();
		break;
	case 2:
		restart(queue);
		break;
	case 3:
		set(VHOST_USER_SET_VRING_ENABLE, queue, 0);
		set(VHOST_USER_SET_VRING_ENABLE, queue, 1);
		break;
	case 4:
		set_fd(VHOST_USER_SET_VRING_CALL, queue,
		       ours.queues[queue].call_fd);
		break;
	case 5:
		set_address(queue);
		set_fd(VHOST_USER_SET_VRING_KICK, queue,
		       ours.queues[queue].kick_fd);
		break;
	case 6:
		DO(&ours, client_read_config(&ours));
		break;
	}
}

static void is_served(void)
{
	submit_all();
	end_all();
}

static void messages_come_between(void)
{
	uint64_t random = 3;

	spare.fd = memfd_create("spare", MFD_CLOEXEC);
	CHECK(spare.fd >= 0 && fallocate(spare.fd, 0, 0, SPARE) == 0, "memfd");
	spare.host = mmap(NULL, SPARE, PROT_READ | PROT_WRITE, MAP_SHARED,
			  spare.fd, 0);
	CHECK(spare.host != MAP_FAILED, "mmap");
	for (uint32_t round = 0; round < ROUNDS; round++) {
		submit_all();
		for (uint64_t i = hostile_random(&random) % 3; i > 0; i--)
			say_something(&random);
		end_all();
	}
	munmap(spare.host, SPARE);
	close(spare.fd);
}

/* All workers have it, and nothing is counted twice. */
static void check_statistics(void)
{
	json_t *tree = statistics(), *workers, *worker;
	size_t i;

	workers = json_object_get(tree, "workers");
	CHECK(json_array_size(workers) == WORKERS, "%zu workers",
	      json_array_size(workers));
	json_array_foreach(workers, i, worker) CHECK(
		json_integer_value(json_object_get(worker, "clients")) == 1,
		"worker %zu does not serve the client", i);
	json_decref(tree);
	CHECK(statistic("requests") == ended, "%llu requests, not %llu",
	      (unsigned long long)statistic("requests"),
	      (unsigned long long)ended);
	CHECK(statistic("errors") == 0 && statistic("requests-in-flight") == 0,
	      "errors, or requests in flight");
}

static void fill(struct client *client)
{
	for (uint32_t queue = 0; queue < QUEUES; queue++)
		for (uint32_t slot = 0; slot < DEPTH; slot++)
			DO(client, client_submit(client, queue, slot,
						 slot % 2 ? VIRTIO_BLK_T_OUT
							  : VIRTIO_BLK_T_IN,
						 sector_of(queue, slot), SIZE));
}

static void lose(struct client *client, uint32_t region)
{
	fill(client);
	kick_all(client);
	DO(client, hostile_truncate(client, region, 0));
	/* Not by client_kick, which looks at the ring. */
	for (uint32_t queue = 0; queue < QUEUES; queue++)
		CHECK(eventfd_write(client->queues[queue].kick_fd, 1) == 0,
		      "kick");
}

static bool hung_up(const struct client *client)
{
	struct pollfd fd = { client->socket, POLLRDHUP, 0 };

	return poll(&fd, 1, 10000) == 1 && fd.revents & (POLLRDHUP | POLLHUP);
}

/* Rings, headers and status bytes, or data. */
static void memory_is_lost(void)
{
	for (uint32_t region = 0; region < REGIONS; region++) {
		struct client client;

		open_client(&client, FAILING);
		lose(&client, region);
		is_served();
		client_close(&client);
		open_client(&client, ENDING);
		lose(&client, region);
		/* What all had ended by then finds no loss. */
		if (region == 0)
			CHECK(hung_up(&client), "still connected");
		client_close(&client);
		is_served();
	}
}

/* A client goes with requests in flight, and the next one comes. */
static void clients_go(void)
{
	for (uint32_t i = 0; i < 12; i++) {
		struct client client;

		open_client(&client, FAILING);
		fill(&client);
		kick_all(&client);
		client_close(&client);
	}
	is_served();
}

int main(void)
{
	serve_init(60);
	backend.workers = WORKERS;
	for (uint32_t i = 0; i < EXPORTS; i++) {
		char name[] = { (char)('0' + i), 0 };

		backend_add(&backend, make_image(name, 1u << 20), 0);
	}
	backend.exports[OURS].keys = ",workers-per-client=3";
	backend.exports[FAILING].keys = ",workers-per-client=2";
	backend.exports[ENDING].keys = ",workers-per-client=8,on-loss=end";
	serve_start();
	open_client(&ours, OURS);
	messages_come_between();
	check_statistics();
	memory_is_lost();
	clients_go();
	/* The server stops with requests in flight. */
	submit_all();
	CHECK(backend_stop(&backend) == 0, "%s", backend.error);
	client_close(&ours);
	check_refused();
	backend_free(&backend);
	return 0;
}
