// SPDX-License-Identifier: MIT
/*
 * The neighbour of a good client: so many times a second it asks for a handful
 * of reads.  If told to revoke, it takes the memory for them away first, and
 * gives it back when they have failed; `elsewhere`, it does the same to memory
 * that it never lent, at the same price to its own processor.  Ends at the end
 * of its input, and prints how many rounds there were a second, and how many
 * requests failed.
 *
 *     bench-revoker SOCKET RATE calm|elsewhere|revoke
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "client/client.h"
#include "client/hostile.h"

#define DATA	2u /* the region after rings and headers */
#define HANDFUL 4u

enum manner { CALM, ELSEWHERE, REVOKE, MANNERS };

static const char *const names[MANNERS] = { "calm", "elsewhere", "revoke" };

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

static int own_fd; /* of memory that is not lent */

/* Gone, or back. */
static int set_there(enum manner manner, bool there)
{
	if (manner == CALM)
		return 0;
	if (manner == ELSEWHERE)
		return ftruncate(own_fd,
				 there ? (off_t)client.regions[DATA].size : 0);
	return there ? hostile_restore(&client, DATA)
		     : hostile_truncate(&client, DATA, 0);
}

static int one_round(enum manner manner)
{
	int failed;

	if (set_there(manner, false))
		return -1;
	failed = ask();
	if (failed >= 0 && set_there(manner, true))
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

static enum manner manner_of(const char *name)
{
	enum manner manner = CALM;

	while (manner < MANNERS && strcmp(names[manner], name))
		manner++;
	return manner;
}

int main(int argc, char **argv)
{
	struct client_options options = { .region_count = 3, .depth = HANDFUL };
	uint64_t start, rounds = 0, failures = 0, each;
	enum manner manner = argc == 4 ? manner_of(argv[3]) : MANNERS;
	int failed;

	if (manner == MANNERS || atoi(argv[2]) < 1) {
		fputs("usage: bench-revoker SOCKET RATE "
		      "calm|elsewhere|revoke\n",
		      stderr);
		return 2;
	}
	each = 1000000000u / (uint64_t)atoi(argv[2]);
	options.socket_path = argv[1];
	if (client_open(&client, &options) || client_start(&client))
		return die();
	own_fd = memfd_create("own", MFD_CLOEXEC);
	if (own_fd < 0) {
		perror("bench-revoker: memfd_create");
		return 1;
	}
	start = client_now_ns();
	do {
		failed = one_round(manner);
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
