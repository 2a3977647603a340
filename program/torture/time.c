// SPDX-License-Identifier: MIT
/* Clients that do nothing wrong and use all that they may.  The report says
 * what that costs the neighbour. */
#include "program/torture/case.h"

#include <poll.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define GROUP	"time"
#define LONG_NS 2000000000ull

struct appetite {
	const char *name;
	struct client_options options;
	uint32_t type;
	bool all_queues;
};

static const struct appetite appetites[] = {
	{ "huge-reads",
	  { .depth = 32, .buffer_size = 1 << 20, .segments = 16 },
	  VIRTIO_BLK_T_IN,
	  false },
	{ "huge-writes",
	  { .depth = 32, .buffer_size = 1 << 20, .segments = 16 },
	  VIRTIO_BLK_T_OUT,
	  false },
	{ "huge-reads-on-all-queues",
	  { .depth = 8, .buffer_size = 1 << 20 },
	  VIRTIO_BLK_T_IN,
	  true },
	{ "small-reads",
	  { .depth = 256, .buffer_size = 512 },
	  VIRTIO_BLK_T_IN,
	  false },
	{ "small-writes-on-all-queues",
	  { .depth = 64, .buffer_size = 512 },
	  VIRTIO_BLK_T_OUT,
	  true },
	{ "flushes",
	  { .depth = 64, .buffer_size = 512 },
	  VIRTIO_BLK_T_FLUSH,
	  false },
	{ "scattered-reads",
	  { .depth = 16, .buffer_size = 65536, .segments = 16 },
	  VIRTIO_BLK_T_IN,
	  false },
};

static uint32_t queues_of(struct attack *attack)
{
	uint32_t count;

	if (attack_open(attack, (struct client_options){ .depth = 1 }))
		return 0;
	count = attack->client.queue_limit;
	client_close(&attack->client);
	return count > CLIENT_QUEUES_MAX ? CLIENT_QUEUES_MAX : count;
}

static int fill_queue(struct attack *attack, uint32_t queue,
		      const struct appetite *appetite)
{
	struct client *client = &attack->client;
	uint32_t size = client->options.buffer_size, i;
	uint64_t room = client->capacity * CLIENT_SECTOR / size;

	if (room == 0)
		return -1;
	for (i = 0; i < client->options.depth; i++) {
		uint64_t block = hostile_random(&attack->random) % room;
		bool flush = appetite->type == VIRTIO_BLK_T_FLUSH;

		if (!client->queues[queue].slots[i].busy &&
		    client_submit(client, queue, i, appetite->type,
				  flush ? 0 : block * (size / CLIENT_SECTOR),
				  flush ? 0 : size))
			return -1;
	}
	return client_kick(client, queue);
}

static void run_appetite(struct attack *attack, const struct torture_case *self)
{
	const struct appetite *appetite = self->row;
	struct client_options options = appetite->options;
	uint64_t end;
	uint32_t i;

	options.timeout_ms = attack->options->case_ms;
	if (appetite->all_queues)
		options.queue_count = queues_of(attack);
	if (attack_start(attack, options))
		return;
	end = client_now_ns() + LONG_NS;
	while (client_now_ns() < end) {
		for (i = 0; i < attack->client.options.queue_count; i++) {
			struct client_completion completion;

			if (fill_queue(attack, i, appetite))
				return;
			while (client_wait(&attack->client, i, &completion, 0) >
			       0)
				continue;
		}
	}
}

/* Messages that are answered, as fast as they can be. */
static void questions(struct attack *attack, const struct torture_case *self)
{
	uint64_t end, answer;

	(void)self;
	if (attack_start(attack, (struct client_options){ .depth = 1 }))
		return;
	end = client_now_ns() + LONG_NS;
	while (client_now_ns() < end)
		if (client_ask(&attack->client, VHOST_USER_GET_FEATURES, NULL,
			       0, &answer, sizeof(answer)))
			return;
}

/* The table is full and changes all the time. */
static void remapping(struct attack *attack, const struct torture_case *self)
{
	uint64_t end;

	(void)self;
	if (attack_start(attack,
			 (struct client_options){ .mem_table = true,
						  .region_count = 8,
						  .region_size = 64 << 20 }))
		return;
	end = client_now_ns() + LONG_NS;
	while (client_now_ns() < end)
		if (client_lend_all(&attack->client))
			return;
}

static void spin_until(uint64_t end)
{
	while (client_now_ns() < end)
		continue;
}

/* Two threads that do not use the server, as busy as an attacker and its server
 * would be: what the neighbour loses beside them is not the server's fault. */
static void elsewhere(struct attack *attack, const struct torture_case *self)
{
	uint64_t end = client_now_ns() + LONG_NS;
	pid_t other = fork();

	(void)self;
	(void)attack;
	spin_until(end);
	if (other == 0)
		_exit(0);
	if (other > 0)
		waitpid(other, NULL, 0);
}

void cases_add_time(struct case_list *list)
{
	struct torture_case *new;
	uint32_t i;

	for (i = 0; i < sizeof(appetites) / sizeof(appetites[0]); i++) {
		new = add_case(list, GROUP, run_appetite, appetites[i].name,
			       "");
		new->row = &appetites[i];
		new->slow = true;
	}
	add_case(list, GROUP, questions, "questions", "")->slow = true;
	add_case(list, GROUP, remapping, "remapping", "")->slow = true;
	add_case(list, GROUP, elsewhere, "elsewhere", "")->slow = true;
}
