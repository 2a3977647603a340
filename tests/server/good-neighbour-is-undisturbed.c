/* SPDX-License-Identifier: MIT */
/*
 * G1: whatever clients do to their memory or their messages, and whenever, the
 * server keeps running and serves every other client.
 *
 * Hostile clients, processes of their own, go through every act of the
 * repertoire on null stores and on a file; beside them a good one verifies
 * every byte it reads.
 */
#include "serve.h"

#include <sys/mman.h>
#include <sys/prctl.h>

#include "client/neighbour.h"

#define HOSTILE	   5
#define ROUNDS	   4 /* of all acts, by each of them */
#define DISK	   (32u << 20)
#define SLOWEST_MS 20000

struct board {
	uint32_t left; /* hostile clients that are not done */
	uint64_t rounds[HOSTILE];
	uint64_t refused[HOSTILE];
	char error[HOSTILE][200];
};

static struct board *board;

static void be_hostile(uint32_t number)
{
	uint64_t random = number * 7919 + 1;
	uint32_t round = 0;

	while (round < ROUNDS * hostile_act_count) {
		struct client_options options =
			hostile_lending(hostile_random(&random));
		uint32_t act = (number + round++) % hostile_act_count;

		options.socket_path = backend.exports[number + 1].socket_path;
		options.timeout_ms = 2000;
		if (hostile_round(&options, &hostile_acts[act],
				  hostile_random(&random), false,
				  board->error[number]) < 0)
			board->refused[number]++;
		else
			board->rounds[number]++;
	}
	__atomic_sub_fetch(&board->left, 1, __ATOMIC_RELEASE);
}

static pid_t start_hostile(uint32_t number)
{
	pid_t child = fork();

	CHECK(child >= 0, "fork");
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		be_hostile(number);
		_exit(0);
	}
	return child;
}

static void be_good(struct neighbour_counts *counts)
{
	struct client_options options = {
		.socket_path = backend.exports[0].socket_path,
		.region_count = 3,
		.depth = 8,
		.buffer_size = 16384,
	};
	struct neighbour neighbour;
	struct client client;

	CHECK(client_open(&client, &options) == 0, "open: %s", client.error);
	DO(&client, client_start(&client));
	CHECK(neighbour_init(&neighbour, &client, counts, 1, 0, 2048) == 0,
	      "%s", client.error);
	while (__atomic_load_n(&board->left, __ATOMIC_ACQUIRE) ||
	       counts->verified <= DISK)
		DO(&client, neighbour_step(&neighbour));
	DO(&client, neighbour_sweep(&neighbour));
	DO(&client, client_stop(&client));
	neighbour_free(&neighbour);
	client_close(&client);
}

int main(void)
{
	static struct neighbour_counts counts;
	pid_t children[HOSTILE];
	uint32_t i;

	serve_init(60);
	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(board != MAP_FAILED, "mmap");
	backend_add(&backend, make_image("good", DISK), 0);
	for (i = 0; i < HOSTILE; i++)
		backend_add(&backend, i == 0 ? make_image("bad", DISK) : NULL,
			    1u << 30);
	serve_start();
	board->left = HOSTILE;
	for (i = 0; i < HOSTILE; i++)
		children[i] = start_hostile(i);
	be_good(&counts);
	for (i = 0; i < HOSTILE; i++) {
		int status;

		waitpid(children[i], &status, 0);
		printf("hostile %u: %llu rounds, %llu without connection\n", i,
		       (unsigned long long)board->rounds[i],
		       (unsigned long long)board->refused[i]);
		CHECK(WIFEXITED(status), "hostile client %u died itself", i);
		CHECK(board->rounds[i] >= hostile_act_count,
		      "hostile client %u was shut out: %s", i, board->error[i]);
	}
	printf("good: %llu requests, %llu MiB verified, p99 %llu us, "
	       "slowest %llu us\n",
	       (unsigned long long)counts.requests,
	       (unsigned long long)counts.verified >> 20,
	       (unsigned long long)neighbour_quantile_ns(&counts, 0.99) / 1000,
	       (unsigned long long)counts.slowest_ns / 1000);
	CHECK(counts.slowest_ns < SLOWEST_MS * 1000000ull,
	      "a request took %llu ms",
	      (unsigned long long)counts.slowest_ns / 1000000);
	return serve_end();
}
