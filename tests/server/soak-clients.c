// SPDX-License-Identifier: MIT
/*
 * The clients of soak.py, on a server that runs.  Until SIGTERM:
 *
 *	soak-clients good SOCKET	verify every byte; a line of JSON
 *						each second, and one at the end
 *	soak-clients hostile SOCKET SEED	each act of the repertoire, in
 *						turn; a line of JSON at the end
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "client/client.h"
#include "client/hostile.h"
#include "client/neighbour.h"

#define BLOCK	   16384u
#define BLOCKS	   1024u
#define PATIENT_MS 60000u /* nobody hurries under sanitizers */
#define PAUSE_MS   1	  /* the others shall get at it, too */

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

static void tell(const struct neighbour_counts *counts)
{
	printf("{\"requests\": %llu, \"verified\": %llu, \"p99-us\": %llu, "
	       "\"slowest-us\": %llu}\n",
	       (unsigned long long)counts->requests,
	       (unsigned long long)counts->verified,
	       (unsigned long long)neighbour_quantile_ns(counts, 0.99) / 1000,
	       (unsigned long long)counts->slowest_ns / 1000);
	fflush(stdout);
}

static int work(struct neighbour *neighbour)
{
	uint64_t next = 0;
	int result = 0;

	while (!stop && result == 0) {
		result = neighbour_step(neighbour);
		poll(NULL, 0, PAUSE_MS);
		if (client_now_ns() < next)
			continue;
		tell(neighbour->counts);
		next = client_now_ns() + 1000000000u;
	}
	if (result == 0)
		result = neighbour_sweep(neighbour);
	tell(neighbour->counts);
	return result;
}

static int be_good(const char *socket_path)
{
	static struct neighbour_counts counts;
	const struct client_options options = {
		.socket_path = socket_path,
		.region_count = 3,
		.depth = 8,
		.buffer_size = BLOCK,
		.timeout_ms = PATIENT_MS,
	};
	struct neighbour neighbour;
	struct client client;

	if (client_open(&client, &options) || client_start(&client) ||
	    neighbour_init(&neighbour, &client, &counts, 1, 0, BLOCKS) ||
	    work(&neighbour) || client_stop(&client)) {
		fprintf(stderr, "the good client: %s\n", client.error);
		return 1;
	}
	neighbour_free(&neighbour);
	client_close(&client);
	return 0;
}

static int be_hostile(const char *socket_path, uint64_t seed)
{
	uint64_t random = seed, done = 0, refused = 0;
	char error[200] = "";

	for (uint64_t round = seed; !stop; round++) {
		struct client_options options =
			hostile_lending(hostile_random(&random));
		const struct hostile_act *act =
			&hostile_acts[round % hostile_act_count];

		options.socket_path = socket_path;
		options.timeout_ms = 2000;
		if (hostile_round(&options, act, hostile_random(&random), false,
				  error) < 0)
			refused++;
		else
			done++;
	}
	printf("{\"rounds\": %llu, \"refused\": %llu}\n",
	       (unsigned long long)done, (unsigned long long)refused);
	return done > 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGTERM, &action, NULL);
	if (argc == 3 && strcmp(argv[1], "good") == 0)
		return be_good(argv[2]);
	if (argc == 4 && strcmp(argv[1], "hostile") == 0)
		return be_hostile(argv[2], strtoull(argv[3], NULL, 0));
	fprintf(stderr, "usage: %s good SOCKET | hostile SOCKET SEED\n",
		argv[0]);
	return 2;
}
