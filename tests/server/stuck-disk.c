/* SPDX-License-Identifier: MIT */
/*
 * G9: taking memory back completes in bounded time, even if the disk does not
 * answer: acknowledged if its requests end, or can be ended, before a deadline;
 * else never, and the client is ended.  Whoever uses another disk of the same
 * worker is served all the time.
 */
#include "serve.h"

#include <poll.h>
#include <pthread.h>

#include <linux/virtio_config.h>

#include "client/neighbour.h"
#include "client/protocol.h"

#include "on-held-disk.h"
#include "statistics.h"

#define DEPTH	 48u
#define SIZE	 32768u
#define DISK	 (16u << 20)
#define DRAIN_MS 800
#define SLACK_MS 20000 /* on a machine that has other things to do */
#define OWN	 0xa5

/* The good client, in a thread, on a disk that answers. */
static struct {
	pthread_t thread;
	struct client client;
	struct neighbour_counts counts;
	bool stop;
	bool failed;
} good;

static void *be_good(void *argument)
{
	struct neighbour *neighbour = argument;
	bool failed = false;

	while (!__atomic_load_n(&good.stop, __ATOMIC_ACQUIRE) && !failed)
		failed = neighbour_step(neighbour) != 0;
	if (!failed)
		failed = neighbour_sweep(neighbour) != 0;
	__atomic_store_n(&good.failed, failed, __ATOMIC_RELEASE);
	return NULL;
}

static void good_start(struct neighbour *neighbour)
{
	const struct client_options options = {
		.socket_path = backend.exports[1].socket_path,
		.region_count = 3,
		.depth = 8,
		.buffer_size = 16384,
	};

	memset(&good, 0, sizeof(good));
	CHECK(client_open(&good.client, &options) == 0, "good: %s",
	      good.client.error);
	DO(&good.client, client_start(&good.client));
	CHECK(neighbour_init(neighbour, &good.client, &good.counts, 3, 0,
			     512) == 0,
	      "good: %s", good.client.error);
	CHECK(pthread_create(&good.thread, NULL, be_good, neighbour) == 0,
	      "thread");
}

static uint64_t good_verified(void)
{
	return __atomic_load_n(&good.counts.verified, __ATOMIC_RELAXED);
}

/* Something new was verified, and in time. */
static void good_goes_on(const char *when)
{
	uint64_t before = good_verified();
	uint64_t end = client_now_ns() + SLACK_MS * 1000000ull;

	while (good_verified() < before + (1u << 20)) {
		CHECK(!__atomic_load_n(&good.failed, __ATOMIC_ACQUIRE),
		      "%s: the good client: %s", when, good.client.error);
		CHECK(client_now_ns() < end,
		      "%s: the good client was not served", when);
		poll(NULL, 0, 5);
	}
}

static void good_end(struct neighbour *neighbour)
{
	__atomic_store_n(&good.stop, true, __ATOMIC_RELEASE);
	pthread_join(good.thread, NULL);
	CHECK(!good.failed, "the good client: %s", good.client.error);
	CHECK(good.counts.slowest_ns < SLACK_MS * 1000000ull,
	      "the good client waited %llu ms",
	      (unsigned long long)good.counts.slowest_ns / 1000000);
	DO(&good.client, client_stop(&good.client));
	neighbour_free(neighbour);
	client_close(&good.client);
}

/* Reads, and every fourth something else: all of which the server has taken,
 * in as many turns as it needs, and the disk holds. */
static void load(struct client *client, uint32_t other)
{
	uint32_t i;

	held_disk_hold();
	for (i = 0; i < DEPTH; i++) {
		uint32_t type = i % 4 == 3 ? other : VIRTIO_BLK_T_IN;
		bool flush = type == VIRTIO_BLK_T_FLUSH;

		DO(client, client_submit(client, 0, i, type,
					 flush ? 0 : i * (SIZE / CLIENT_SECTOR),
					 flush ? 0 : SIZE));
	}
	DO(client, client_kick(client, 0));
	await("requests-in-flight", DEPTH);
}

static void open_bad(struct client *client)
{
	const struct client_options options = {
		.socket_path = backend.exports[0].socket_path,
		.region_count = 3,
		.depth = DEPTH,
		.buffer_size = SIZE,
		.timeout_ms = 20 * DRAIN_MS,
	};

	CHECK(client_open(client, &options) == 0, "open: %s", client->error);
	DO(client, client_start(client));
}

/* Ask for the base of ring 0, and wait for nothing. */
static void ask(struct client *client)
{
	struct vhost_user_vring_state state = { .index = 0 };

	DO(client, client_send(client, VHOST_USER_GET_VRING_BASE, 0, &state,
			       sizeof(state), NULL, 0));
}

static bool answered(struct client *client, int timeout_ms)
{
	struct pollfd poller = { .fd = client->socket, .events = POLLIN };

	return poll(&poller, 1, timeout_ms) == 1;
}

/* A look before the deadline, unless this test comes late itself. */
static bool answered_early(struct client *client)
{
	uint64_t begin = client_now_ns();

	return answered(client, DRAIN_MS / 4) &&
	       client_now_ns() - begin < DRAIN_MS / 2 * 1000000ull;
}

static void take_answer(struct client *client)
{
	struct vhost_user_vring_state state;

	DO(client, client_receive(client, VHOST_USER_GET_VRING_BASE, &state,
				  sizeof(state), NULL));
}

static size_t first_change(const struct client_region *region)
{
	size_t i;

	for (i = 0; i < region->size && region->host[i] == OWN; i++)
		continue;
	return i;
}

static void fill(struct client *client)
{
	uint32_t i;

	for (i = 0; i < client->options.region_count; i++)
		memset(client->regions[i].host, OWN, client->regions[i].size);
}

static void check_untouched(struct client *client, const char *after)
{
	uint32_t i;

	/* That nothing happens is no event: the only thing to do is to wait. */
	poll(NULL, 0, 50);
	for (i = 0; i < client->options.region_count; i++) {
		size_t at = first_change(&client->regions[i]);

		CHECK(at == client->regions[i].size,
		      "after %s: byte %zu of region %u was written", after, at,
		      i);
	}
}

/* Every request ended, well with the right data or with an error. */
static uint32_t count_failed(struct client *client)
{
	struct client_completion done;
	uint32_t failed = 0;

	while (client->queues[0].busy) {
		CHECK(client_wait(client, 0, &done, 0) == 1,
		      "%u requests never ended", client->queues[0].busy);
		failed += done.status != VIRTIO_BLK_S_OK;
		if (done.type != VIRTIO_BLK_T_IN ||
		    done.status != VIRTIO_BLK_S_OK)
			continue;
		CHECK(client_verify(client_data(client, 0, done.slot), SIZE,
				    HELD_DISK_SEED,
				    done.slot * (SIZE / CLIENT_SECTOR)) == SIZE,
		      "success with the wrong data");
	}
	return failed;
}

/* The disk answers late, but before the deadline: all is well. */
static void answers_in_time(void)
{
	struct client client;

	open_bad(&client);
	load(&client, VIRTIO_BLK_T_OUT);
	ask(&client);
	CHECK(!answered_early(&client), "acknowledged with requests in flight");
	held_disk_release();
	CHECK(answered(&client, SLACK_MS), "not acknowledged");
	take_answer(&client);
	CHECK(count_failed(&client) == 0, "requests were failed in time");
	fill(&client);
	check_untouched(&client, "an answer in time");
	client_close(&client);
}

/* It never answers, but lets go what is cancelled: requests fail at the
 * deadline, and then the client is acknowledged. */
static void lets_go_at_the_deadline(void)
{
	struct client client;

	open_bad(&client);
	load(&client, VIRTIO_BLK_T_OUT);
	held_disk_yield(true);
	ask(&client);
	CHECK(!answered_early(&client), "acknowledged with requests in flight");
	CHECK(answered(&client, DRAIN_MS + SLACK_MS), "not acknowledged");
	take_answer(&client);
	CHECK(count_failed(&client) == DEPTH, "success that nobody had");
	fill(&client);
	check_untouched(&client, "cancelled requests");
	held_disk_yield(false);
	client_close(&client);
}

/* It answers after the deadline, when its client was not yet given up. */
static void answers_late(void)
{
	struct client client;

	open_bad(&client);
	load(&client, VIRTIO_BLK_T_FLUSH);
	ask(&client);
	CHECK(!answered(&client, DRAIN_MS + DRAIN_MS / 4),
	      "acknowledged with requests in flight");
	held_disk_release();
	CHECK(answered(&client, SLACK_MS), "not acknowledged");
	take_answer(&client);
	count_failed(&client);
	fill(&client);
	check_untouched(&client, "a late answer");
	client_close(&client);
}

static bool log_has(const char *words)
{
	char path[100], line[400];
	bool found = false;
	FILE *log;

	snprintf(path, sizeof(path), "%s/log", backend.directory);
	log = fopen(path, "re");
	CHECK(log, "%s: no log", path);
	while (!found && fgets(line, sizeof(line), log))
		found = strstr(line, words) != NULL;
	fclose(log);
	return found;
}

static void wait_for_log(const char *words, int timeout_ms)
{
	uint64_t end = client_now_ns() + (uint64_t)timeout_ms * 1000000u;

	while (!log_has(words)) {
		CHECK(client_now_ns() < end, "not told: %s", words);
		poll(NULL, 0, 10);
	}
}

/* It never answers, until the server is asked to end. */
static void never_answers(struct neighbour *neighbour)
{
	struct client client;

	open_bad(&client);
	load(&client, VIRTIO_BLK_T_FLUSH);
	ask(&client);
	good_goes_on("before the deadline");
	wait_for_log("stuck in the store", 2 * DRAIN_MS + SLACK_MS);
	good_goes_on("when a client was ended");
	CHECK(!answered(&client, 100),
	      "an answer, or an end, while the store holds the memory");
	good_end(neighbour);
	kill(backend.pid, SIGTERM);
	poll(NULL, 0, DRAIN_MS);
	CHECK(backend_alive(&backend),
	      "the server left while the store held a client's memory");
	fill(&client);
	check_untouched(&client, "the client was ended, by a held disk");
	held_disk_release();
	/* Only now: the end of the connection. */
	CHECK(answered(&client, SLACK_MS), "not let go");
	client_close(&client);
}

int main(void)
{
	struct neighbour neighbour;
	(void)begin_on_held_disk(DISK, NULL);
	backend_add(&backend, make_image("good", DISK), 0);
	backend.workers = 1; /* the same one for both */
	backend.drain_timeout_ms = SLACK_MS;
	serve_start();
	answers_in_time();
	CHECK(backend_stop(&backend) == 0, "%s", backend.error);
	backend.drain_timeout_ms = DRAIN_MS;
	serve_start();
	good_start(&neighbour);
	lets_go_at_the_deadline();
	answers_late();
	never_answers(&neighbour);
	CHECK(backend_end(&backend, SLACK_MS) == 0, "%s", backend.error);
	held_disk_stop();
	backend_free(&backend);
	return 0;
}
