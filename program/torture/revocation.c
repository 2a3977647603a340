// SPDX-License-Identifier: MIT
/* Memory that is taken back: at once or in pieces, without notice or by
 * message, once or as often as a processor can. */
#include "program/torture/case.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define GROUP  "revocation"
#define ROUNDS 12u
#define OWN    0xa5

static const struct client_options ways[] = {
	{ .region_count = 3, .depth = 16, .buffer_size = 32768 },
	{ .region_count = 3,
	  .depth = 16,
	  .buffer_size = 32768,
	  .segments = 8,
	  .indirect = true },
};

/* An act of the storm, at other moments each time. */
static void run_act(struct attack *attack, const struct torture_case *self)
{
	const struct hostile_act *act = self->row;
	uint32_t i;

	for (i = 0; i < self->kind; i++) {
		if (attack_start(attack, ways[i % 2]))
			return;
		act->run(&attack->client, hostile_random(&attack->random));
		attack_linger(attack, (int)(i % 4));
		client_close(&attack->client);
	}
}

static bool all_own(const struct client_region *region)
{
	return region->host[0] == OWN &&
	       !memcmp(region->host, region->host + 1, region->size - 1);
}

/* After the acknowledgement the memory is ours: fill it, and watch for
 * writes. */
static void watch_own(struct attack *attack, uint32_t first, const char *when)
{
	struct client *client = &attack->client;
	uint32_t i;

	for (i = first; i < 3; i++)
		memset(client->regions[i].host, OWN, client->regions[i].size);
	poll(NULL, 0, 10);
	for (i = first; i < 3; i++)
		if (!all_own(&client->regions[i]))
			attack_found(attack, VERDICT_CORRUPTED,
				     "memory was written into after %s was "
				     "acknowledged",
				     when);
}

static void read_all_over(struct attack *attack)
{
	struct client *client = &attack->client;
	uint64_t room = client->capacity / 64;
	uint32_t i;

	for (i = 0; room > 0 && i < client->options.depth; i++)
		client_submit(client, 0, i, VIRTIO_BLK_T_IN,
			      hostile_random(&attack->random) % room * 64,
			      client->options.buffer_size);
	client_kick(client, 0);
	for (i = (uint32_t)(hostile_random(&attack->random) % 3000); i > 0; i--)
		__asm__ volatile("pause");
}

/* By message, with requests in flight, with an acknowledgement. */
static void taken_back(struct attack *attack, const struct torture_case *self)
{
	struct client_options way = { .depth = 32, .buffer_size = 32768 };
	uint32_t i;

	way.mem_table = self->kind == 2;
	for (i = 0; i < ROUNDS; i++) {
		if (attack_start(attack, way))
			return;
		if (attack_lacks_protocol(attack,
					  VHOST_USER_PROTOCOL_F_REPLY_ACK,
					  "REPLY_ACK") ||
		    (self->kind == 0 &&
		     attack_lacks_protocol(
			     attack, VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS,
			     "CONFIGURE_MEM_SLOTS")))
			return;
		read_all_over(attack);
		if (self->kind == 0 &&
		    client_take_back(&attack->client, 2) == 0)
			watch_own(attack, 2, "REM_MEM_REG");
		if (self->kind == 1 && client_stop(&attack->client) == 0)
			watch_own(attack, 0, "GET_VRING_BASE");
		if (self->kind == 2) {
			const struct vhost_user_table none = { .count = 0 };

			if (attack_tell(attack, VHOST_USER_SET_MEM_TABLE, &none,
					8, -1) == 0)
				watch_own(attack, 0, "an empty SET_MEM_TABLE");
		}
		client_close(&attack->client);
	}
}

/* A request on memory that is gone cannot succeed. */
static void gone_before(struct attack *attack, const struct torture_case *self)
{
	struct vring_desc list[3];

	if (attack_start(attack, (struct client_options){ .queue_size = 64 }))
		return;
	craft(attack, self->kind, 0, list);
	memcpy(attack->client.queues[0].ring.desc, list, sizeof(list));
	if (hostile_truncate(&attack->client, 2, 0))
		return;
	craft_available(attack, 0);
	craft_kick(attack);
	craft_expect_failure(attack, self->kind ? "a write from what is gone"
						: "a read into what is gone");
}

/* The middle of one request's data is the end of the file. */
static void cut_short(struct attack *attack, const struct torture_case *self)
{
	struct client *client = &attack->client;
	struct vring_desc list[3];

	if (attack_start(attack,
			 (struct client_options){ .queue_size = 64,
						  .buffer_size = 65536 }))
		return;
	craft(attack, self->kind, 0, list);
	list[1].len = 65536;
	if (hostile_truncate(client, 2,
			     client->queues[0].slots[0].data.offset + 8192))
		return;
	if (craft_submit(attack, list, 3, false) == 0)
		craft_expect_failure(attack, "a request with half of its data");
}

/* A process that does one thing to the region, over and over. */
static pid_t start_taker(struct attack *attack, uint32_t region, bool punch,
			 uint32_t pause_us)
{
	struct client *client = &attack->client;
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		if (punch)
			hostile_punch(client, region, 0,
				      client->regions[region].size);
		else
			hostile_shrink_and_grow(client, region);
		if (pause_us)
			usleep(pause_us);
	}
}

/* Requests go on while another process takes and returns the region.  This
 * process may fault on its own rings: then it starts again. */
static void ask_meanwhile(struct attack *attack, uint64_t end_ns,
			  uint32_t region)
{
	struct client *client = &attack->client;
	uint32_t i;

	if (region == 0) {
		/* Fill the rings only, without touching memory that may be
		 * gone. */
		for (i = 0; client_now_ns() < end_ns; i++) {
			craft_kick(attack);
			attack_linger(attack, 0);
		}
		return;
	}
	while (client_now_ns() < end_ns) {
		struct client_completion completion;

		if (hostile_load(client, attack->random++) ||
		    client_wait(client, 0, &completion, 1) < 0)
			break;
		while (client_wait(client, 0, &completion, 0) > 0)
			continue;
	}
}

struct storm {
	const char *name;
	uint32_t region;
	bool punch;
	uint32_t pause_us, ms;
};

static const struct storm storms[] = {
	{ "of-data", 2, false, 0, 300 },
	{ "of-rings", 0, false, 0, 300 },
	{ "of-data-by-holes", 2, true, 0, 300 },
	{ "of-rings-by-holes", 0, true, 0, 300 },
	{ "of-data-10000-a-second", 2, false, 40, 1500 },
	{ "of-rings-10000-a-second", 0, false, 40, 1500 },
};

static void run_storm(struct attack *attack, const struct torture_case *self)
{
	const struct storm *storm = self->row;
	uint64_t end = client_now_ns() + storm->ms * 1000000ull;

	while (client_now_ns() < end) {
		pid_t taker;

		if (attack_start(attack, ways[0]))
			return;
		hostile_load(&attack->client, attack->random);
		taker = start_taker(attack, storm->region, storm->punch,
				    storm->pause_us);
		ask_meanwhile(attack, end, storm->region);
		kill(taker, SIGKILL);
		client_close(&attack->client);
	}
}

/* Added, used and removed by message, without a pause. */
static void message_storm(struct attack *attack,
			  const struct torture_case *self)
{
	uint64_t end = client_now_ns() + self->kind * 1000000ull;
	struct client *client = &attack->client;

	if (attack_start(attack, ways[0]) ||
	    attack_lacks_protocol(attack,
				  VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS,
				  "CONFIGURE_MEM_SLOTS"))
		return;
	while (client_now_ns() < end && !client->lost) {
		struct client_completion completion;

		hostile_load(client, attack->random++);
		client_take_back(client, 2);
		client_lend(client, 2);
		while (client_wait(client, 0, &completion, 0) > 0)
			continue;
	}
}

void cases_add_revocation(struct case_list *list)
{
	static const char *const polite[] = { "REM_MEM_REG", "GET_VRING_BASE",
					      "SET_MEM_TABLE" };
	struct torture_case *new;
	uint32_t i;

	for (i = 0; i < hostile_act_count; i++) {
		if (!hostile_acts[i].revokes)
			continue;
		new = add_case(list, GROUP, run_act, hostile_acts[i].name, "");
		new->row = &hostile_acts[i];
		new->kind = ROUNDS;
		new = add_case(list, GROUP, run_act, hostile_acts[i].name,
			       "often");
		new->row = &hostile_acts[i];
		new->kind = 25 * ROUNDS;
		new->slow = true;
	}
	for (i = 0; i < 3; i++)
		add_case(list, GROUP, taken_back, "untouched-after", polite[i])
			->kind = i;
	for (i = 0; i < 2; i++) {
		add_case(list, GROUP, gone_before, "gone-before-a",
			 i ? "write" : "read")
			->kind = i;
		add_case(list, GROUP, cut_short, "cut-short-in-a",
			 i ? "write" : "read")
			->kind = i;
	}
	for (i = 0; i < sizeof(storms) / sizeof(storms[0]); i++) {
		new = add_case(list, GROUP, run_storm, "storm", storms[i].name);
		new->row = &storms[i];
		new->slow = storms[i].ms > 1000;
	}
	add_case(list, GROUP, message_storm, "storm-by-message", "")->kind =
		300;
}
