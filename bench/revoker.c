// SPDX-License-Identifier: MIT
/*
 * The neighbour of a good client: so many times a second it asks for a handful
 * of reads, and, if told to, takes the memory for them away first and gives it
 * back when they have failed.  Ends at the end of its input, and prints how
 * many rounds there were a second, and how many requests failed.
 *
 *     bench-revoker SOCKET RATE calm|revoke
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/client.h"
#include "client/hostile.h"

#define DATA	2u /* the region after rings and headers */
#define HANDFUL 4u

static struct client client;

static int die(void)
{
	fprintf(stderr, "bench-revoker: %s\n", client.error);
	return 1;
}

/* Failures of a handful, or -1. */
static int ask(void)
{
	struct client_completion done;
	int failed = 0;
	uint32_t i;

	for (i = 0; i < HANDFUL; i++)
		if (client_submit(&client, 0, i, VIRTIO_BLK_T_IN, i * 8, 4096))
			return -1;
	if (client_kick(&client, 0))
		return -1;
	for (i = 0; i < HANDFUL; i++) {
		if (client_wait(&client, 0, &done, 10000) != 1)
			return -1;
		failed += done.status != VIRTIO_BLK_S_OK;
	}
	return failed;
}

static int one_round(bool revoke)
{
	int failed;

	if (revoke && hostile_truncate(&client, DATA, 0))
		return -1;
	failed = ask();
	if (revoke && failed >= 0 && hostile_restore(&client, DATA))
		return -1;
	return failed;
}

/* If there is time: a round that was late is not waited for. */
static bool sleep_until(uint64_t ns)
{
	struct timespec at = { .tv_sec = (time_t)(ns / 1000000000u),
			       .tv_nsec = (long)(ns % 1000000000u) };
	struct pollfd input = { .fd = 0, .events = POLLIN };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
	return poll(&input, 1, 0) == 0;
}

int main(int argc, char **argv)
{
	struct client_options options = { .region_count = 3, .depth = HANDFUL };
	uint64_t start, rounds = 0, failures = 0, each;
	bool revoke = argc == 4 && strcmp(argv[3], "revoke") == 0;
	int failed;

	if (argc != 4 || atoi(argv[2]) < 1) {
		fputs("usage: bench-revoker SOCKET RATE calm|revoke\n", stderr);
		return 2;
	}
	each = 1000000000u / (uint64_t)atoi(argv[2]);
	options.socket_path = argv[1];
	if (client_open(&client, &options) || client_start(&client))
		return die();
	start = client_now_ns();
	do {
		failed = one_round(revoke);
		if (failed < 0)
			return die();
		failures += (uint64_t)failed;
		rounds++;
	} while (sleep_until(start + rounds * each));
	printf("{\"rounds_a_second\": %.0f, \"failures\": %llu}\n",
	       (double)rounds * 1e9 / (double)(client_now_ns() - start),
	       (unsigned long long)failures);
	client_close(&client);
	return 0;
}
