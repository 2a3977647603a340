/* SPDX-License-Identifier: MIT */
/*
 * Nobody sleeps for ever: neither a server that was not kicked nor a client
 * that was not called, with EVENT_IDX and without.
 *
 * Bursts of requests on a store that answers at once, so that both sides are
 * for ever about to sleep when the other has something for them.  A wake-up
 * that is lost is a request that does not end.  And with EVENT_IDX the wishes
 * are heeded: there are fewer kicks than bursts, and fewer calls than requests.
 */
#include "serve.h"

#include <pthread.h>

#define DEPTH	32u
#define SECONDS 1

struct load {
	pthread_t thread;
	struct client client;
	uint64_t random;
	uint64_t requests;
	uint64_t bursts;
	bool failed;
};

static uint32_t find_free(struct client *client)
{
	uint32_t i;

	for (i = 0; i < client->options.depth; i++)
		if (!client->queues[0].slots[i].busy)
			return i;
	return DEPTH;
}

/* From nothing to what a server needs to wake, to serve and to fall asleep. */
static void pause_for_a_while(struct load *load)
{
	uint64_t random = hostile_random(&load->random);
	uint32_t count = (uint32_t)(random >> 8) & ((1u << (random & 15)) - 1);

	while (count--)
		__asm__ volatile("");
}

/* A kick after each request: while the server looks for more is when it may
 * miss one. */
static int submit_one_by_one(struct load *load, uint32_t count)
{
	struct client *client = &load->client;

	while (count-- && client->queues[0].busy < client->options.depth) {
		if (client_submit(client, 0, find_free(client), VIRTIO_BLK_T_IN,
				  hostile_random(&load->random) % 1024, 512) ||
		    client_kick(client, 0))
			return -1;
		load->requests++;
		load->bursts++;
		pause_for_a_while(load);
	}
	return 0;
}

static int submit_burst(struct load *load, uint32_t count)
{
	struct client *client = &load->client;

	while (count-- && client->queues[0].busy < client->options.depth) {
		if (client_submit(client, 0, find_free(client), VIRTIO_BLK_T_IN,
				  hostile_random(&load->random) % 1024, 512))
			return -1;
		load->requests++;
	}
	load->bursts++;
	return client_kick(client, 0);
}

/* Take until at most so many are in flight. */
static int take_down_to(struct client *client, uint32_t left)
{
	struct client_completion completion;
	int found;

	while (client->queues[0].busy > left) {
		found = client_wait(client, 0, &completion, 3000);
		if (found < 0)
			return -1;
		if (found == 0)
			return client_fail(client, "%u requests never ended",
					   client->queues[0].busy);
		if (completion.status != VIRTIO_BLK_S_OK)
			return client_fail(client, "status %u",
					   completion.status);
	}
	return 0;
}

static int submit_id(struct load *load, uint32_t slot)
{
	load->requests++;
	load->bursts++;
	if (client_submit(&load->client, 0, slot, VIRTIO_BLK_T_GET_ID, 0, 20))
		return -1;
	return client_kick(&load->client, 0);
}

/* Pairs of requests that are answered at once, so that no end of a transfer
 * makes the server look again.  The first wakes it; the second comes some time
 * later, and now and then just when it finds nothing more and goes to sleep. */
static void *run_closely(void *argument)
{
	struct load *load = argument;
	uint64_t end = client_now_ns() + SECONDS * 1000000000ull;

	while (!load->failed && client_now_ns() < end) {
		uint32_t pause = (uint32_t)hostile_random(&load->random);

		load->failed = submit_id(load, 0) != 0;
		for (pause &= 0xffff; pause; pause--)
			__asm__ volatile("");
		load->failed |=
			submit_id(load, 1) || take_down_to(&load->client, 0);
	}
	return NULL;
}

static void *run(void *argument)
{
	struct load *load = argument;
	struct client *client = &load->client;
	uint64_t end = client_now_ns() + SECONDS * 1000000000ull;

	while (!load->failed && client_now_ns() < end) {
		uint64_t random = hostile_random(&load->random);
		uint32_t burst = 1 + (uint32_t)(random & 7);
		uint32_t left = random & 256 ? 0 : (uint32_t)(random >> 4 & 15);

		load->failed =
			(random & 1024 ? submit_burst(load, burst)
				       : submit_one_by_one(load, burst)) ||
			take_down_to(client, left);
		/* For the server to come to where it goes to sleep. */
		if (random & 512)
			pause_for_a_while(load);
	}
	if (!load->failed)
		load->failed = take_down_to(client, 0) != 0;
	return NULL;
}

static void start(struct load *load, uint32_t export, bool event_idx,
		  bool closely)
{
	const struct client_options options = {
		.socket_path = backend.exports[export].socket_path,
		.depth = DEPTH,
		.buffer_size = 512,
		.event_idx = event_idx,
		.polling = closely,
	};

	CHECK(client_open(&load->client, &options) == 0, "open: %s",
	      load->client.error);
	CHECK(client_has(&load->client, VIRTIO_RING_F_EVENT_IDX) == event_idx,
	      "EVENT_IDX is not offered");
	DO(&load->client, client_start(&load->client));
	load->random = 5 + export * 2 + event_idx;
	CHECK(pthread_create(&load->thread, NULL, closely ? run_closely : run,
			     load) == 0,
	      "thread");
}

/* After a stop in full flight the rings go on, and so do the kicks. */
static void start_again(struct load *load)
{
	struct client *client = &load->client;
	uint32_t i;

	for (i = 0; i < 50; i++) {
		DO(client, submit_burst(load, DEPTH));
		DO(client, take_down_to(client, DEPTH / 2));
		DO(client, take_down_to(client, 0));
		DO(client, client_stop(client));
		DO(client, client_start(client));
		DO(client, submit_burst(load, 1));
		DO(client, take_down_to(client, 0));
		/* The ring was started: from here on wishes count. */
		DO(client, submit_burst(load, 1));
		DO(client, take_down_to(client, 0));
	}
}

static void end(struct load *load, bool event_idx)
{
	struct client *client = &load->client;
	uint64_t kicks;

	pthread_join(load->thread, NULL);
	kicks = client->queues[0].kicks;
	CHECK(!load->failed, "%s: %s", event_idx ? "EVENT_IDX" : "flags",
	      client->error);
	printf("%s: %llu requests in %llu bursts, %llu kicks\n",
	       event_idx ? "EVENT_IDX" : "flags",
	       (unsigned long long)load->requests,
	       (unsigned long long)load->bursts, (unsigned long long)kicks);
	CHECK(!event_idx || client->options.polling || kicks < load->bursts,
	      "a kick for every burst: no wish is heeded");
	start_again(load);
	DO(client, client_stop(client));
	client_close(client);
}

/* How long a server looks before it sleeps is one more thing to get wrong. */
static void try(const char *polling)
{
	static struct load loads[5];
	char *disk, *other;
	uint32_t i;

	printf("polling: %s\n", polling);
	memset(loads, 0, sizeof(loads));
	serve_init(50);
	backend.polling = polling;
	backend.workers = 1;
	backend_add(&backend, NULL, 1u << 20);
	disk = make_image("disk", 1u << 20);
	other = make_image("other", 1u << 20);
	backend_add(&backend, disk, 0);
	backend_add(&backend, other, 0);
	serve_start();
	start(&loads[4], 0, true, true);
	end(&loads[4], true);
	for (i = 0; i < 4; i++)
		start(&loads[i], i % 2 ? 1 + i / 2 : 0, i < 2, false);
	for (i = 0; i < 4; i++)
		end(&loads[i], i < 2);
	serve_end();
	free(disk);
	free(other);
}

int main(void)
{
	try("never");
	try("adaptive");
	try("always");
	return 0;
}
