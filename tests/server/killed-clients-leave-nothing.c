/* SPDX-License-Identifier: MIT */
/*
 * G1, G2: clients die at random moments (kill -9), and the server keeps no
 * descriptor, no mapping and no memory of theirs.
 */
#include "tests/sanitizer.h"
#include "serve.h"

#include <poll.h>
#include <sys/prctl.h>

#define WARM_UP	 30
#define ROUNDS	 300
#define CHILDREN 3

static struct client_options options_of(uint32_t number)
{
	return (struct client_options){
		.socket_path = backend.exports[number].socket_path,
		.region_count = 4,
		.depth = 32,
		.buffer_size = 32768,
	};
}

/* What the server opens when it is first needed, and keeps, is open then: each
 * of its two workers has a client of the file at the same time. */
static void use_once(void)
{
	struct client_options options = options_of(0);
	struct client client, other;

	CHECK(client_open(&client, &options) == 0, "open: %s", client.error);
	CHECK(client_open(&other, &options) == 0, "open: %s", other.error);
	DO(&client, client_start(&client));
	CHECK(client_io(&client, 0, VIRTIO_BLK_T_OUT, 0, 4096) == 0, "%s",
	      client.error);
	client_close(&client);
	DO(&other, client_start(&other));
	CHECK(client_io(&other, 0, VIRTIO_BLK_T_IN, 0, 4096) == 0, "%s",
	      other.error);
	client_close(&other);
}

static void be_killed(uint32_t number, uint64_t random)
{
	struct client_options options = options_of(number);
	struct client_completion completion;
	struct client client;

	if (client_open(&client, &options) || client_start(&client))
		pause();
	for (;;) {
		uint32_t i;

		for (i = 0; i < options.depth; i++)
			if (!client.queues[0].slots[i].busy &&
			    client_submit(
				    &client, 0, i, hostile_random(&random) & 1,
				    hostile_random(&random) % 4096 & ~63ull,
				    options.buffer_size))
				pause();
		client_kick(&client, 0);
		while (client_wait(&client, 0, &completion, 1) > 0)
			continue;
	}
}

static void round_of_deaths(uint64_t *random)
{
	pid_t children[CHILDREN];
	uint32_t i;

	for (i = 0; i < CHILDREN; i++) {
		children[i] = fork();
		CHECK(children[i] >= 0, "fork");
		if (children[i] == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			be_killed(i, *random + i);
		}
	}
	/* The random moment. */
	usleep((unsigned int)(hostile_random(random) % 12000));
	for (i = 0; i < CHILDREN; i++) {
		kill(children[i], SIGKILL);
		waitpid(children[i], NULL, 0);
	}
	CHECK(backend_alive(&backend), "it died");
}

struct holdings {
	uint32_t descriptors, mappings;
	uint64_t resident_kib;
};

/* What it holds when it has noticed all deaths: the least seen in a second,
 * or at once when that is what is hoped for. */
static struct holdings settle(const struct holdings *hoped)
{
	struct holdings least = { UINT32_MAX, UINT32_MAX, UINT64_MAX };
	int tries;

	for (tries = 0; tries < 200; tries++) {
		uint32_t descriptors = backend_descriptors(&backend);
		uint32_t mappings = backend_mappings(&backend);

		if (descriptors < least.descriptors)
			least.descriptors = descriptors;
		if (mappings < least.mappings)
			least.mappings = mappings;
		least.resident_kib = backend_resident_kib(&backend);
		if (hoped && least.descriptors <= hoped->descriptors &&
		    least.mappings <= hoped->mappings)
			break;
		poll(NULL, 0, 5);
	}
	return least;
}

/* The thread sanitizer's shadow of the server's memory grows with the addresses
 * that it ever used: only descriptors can be counted. */
#define HAS_SHADOW UNDER_TSAN

/* A server built with the address sanitizer keeps what was freed for a while,
 * up to 256 MiB: that is not what is looked for. */
static void keep_little(void)
{
	const char *old = getenv("ASAN_OPTIONS");
	char options[300];

	snprintf(options, sizeof(options), "%s:quarantine_size_mb=1",
		 old ? old : "");
	setenv("ASAN_OPTIONS", options, 1);
}

int main(void)
{
	struct holdings before, after;
	uint64_t random = 17;
	uint32_t i;

	serve_init(60);
	keep_little();
	backend_add(&backend, make_image("disk", 4u << 20), 0);
	backend_add(&backend, NULL, 4u << 20);
	backend_add(&backend, NULL, 4u << 20);
	serve_start();
	use_once();
	for (i = 0; i < WARM_UP; i++)
		round_of_deaths(&random);
	before = settle(NULL);
	for (i = 0; i < ROUNDS; i++)
		round_of_deaths(&random);
	after = settle(&before);
	printf("%d deaths: descriptors %u -> %u, mappings %u -> %u, resident "
	       "%llu -> %llu KiB\n",
	       ROUNDS * CHILDREN, before.descriptors, after.descriptors,
	       before.mappings, after.mappings,
	       (unsigned long long)before.resident_kib,
	       (unsigned long long)after.resident_kib);
	CHECK(after.descriptors <= before.descriptors, "descriptors leak");
	if (HAS_SHADOW)
		return serve_end();
	/* A thread's first malloc may map an arena: not one per death. */
	CHECK(after.mappings <= before.mappings + 16, "mappings leak");
	CHECK(after.resident_kib <= before.resident_kib + 8192, "memory leaks");
	return serve_end();
}
