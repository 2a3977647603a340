/* SPDX-License-Identifier: MIT */
/*
 * A good client for as long as one likes, beside others on the same disk: it
 * has a part of it for itself, writes there, and verifies every byte.
 *
 *     good SOCKET SECONDS PART PARTS
 *
 * It says `begun` when it has.  A SIGTERM ends it as if its time were over.
 * The exit status is 0 if all was right, 3 if requests failed or the server was
 * gone, which it tells, and 1 if bytes were wrong.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/neighbour.h"

#define BUFFER 16384u
#define TRIES  600u
#define TRY_US 200000u

static volatile sig_atomic_t asked_to_end;

static void on_signal(int number)
{
	(void)number;
	asked_to_end = 1;
}

static int tell(const struct client *client)
{
	bool wrong = strcasestr(client->error, "wrong") != NULL;

	printf("%s\n", client->error);
	return wrong ? 1 : 3;
}

/* Connected, and served once.  A server takes no new client for a while after
 * one that cost it much, as any may on an emulated processor, this one too: so
 * it is tried again. */
static bool begin(struct client *client, struct neighbour *neighbour,
		  struct neighbour_counts *counts,
		  const struct client_options *options, uint64_t part,
		  uint64_t parts)
{
	uint64_t block = BUFFER / CLIENT_SECTOR, blocks;

	if (client_open(client, options))
		return false;
	blocks = client->capacity / parts / block;
	if (client_start(client) == 0 &&
	    neighbour_init(neighbour, client, counts, part + 1,
			   part * blocks * block, (uint32_t)blocks) == 0 &&
	    neighbour_step(neighbour) == 0)
		return true;
	client_close(client);
	return false;
}

static int work(struct neighbour *neighbour, uint64_t end)
{
	int failed = 0;

	puts("begun");
	fflush(stdout);
	while (failed == 0 && !asked_to_end && client_now_ns() < end)
		failed = neighbour_step(neighbour);
	if (failed == 0)
		failed = neighbour_drain(neighbour);
	return failed ? failed : neighbour_sweep(neighbour);
}

int main(int argc, char **argv)
{
	static struct neighbour_counts counts;
	struct client_options options = {
		.region_count = 3,
		.depth = 16,
		.buffer_size = BUFFER,
		.segments = 3,
		.event_idx = true,
		.timeout_ms = 30000,
		/* To signal or to answer it takes an emulated processor so long
		 * that the server would end it. */
		.polling = true,
		.uncalled = true,
		.unacknowledged = true,
	};
	const struct sigaction action = { .sa_handler = on_signal };
	struct neighbour neighbour;
	struct client client;
	uint32_t tries = 0;

	if (argc != 5) {
		fprintf(stderr, "usage: good SOCKET SECONDS PART PARTS\n");
		return 2;
	}
	sigaction(SIGTERM, &action, NULL);
	options.socket_path = argv[1];
	while (!begin(&client, &neighbour, &counts, &options,
		      strtoull(argv[3], NULL, 0), strtoull(argv[4], NULL, 0))) {
		if (++tries == TRIES)
			return tell(&client);
		usleep(TRY_US);
	}
	if (work(&neighbour,
		 client_now_ns() + strtoull(argv[2], NULL, 0) * 1000000000ull))
		return tell(&client);
	printf("%llu requests, %llu KiB verified\n",
	       (unsigned long long)counts.requests,
	       (unsigned long long)(counts.verified >> 10));
	client_close(&client);
	return counts.verified == 0;
}
