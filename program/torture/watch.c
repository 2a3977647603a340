// SPDX-License-Identifier: MIT
/* The neighbour: a good client of another socket of the same server. */
#include "program/torture/torture.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define BLOCK	 4096u
#define BLOCKS	 256u
#define DEPTH	 4ull
#define QUIET_MS 1000
#define PAUSE_US 500 /* its load must leave room for the attack */
#define PATIENCE 15000

static void tell(struct board *board, const struct client *client,
		 const char *when)
{
	enum verdict verdict = VERDICT_CORRUPTED;

	if (client->lost)
		verdict = VERDICT_DIED;
	else if (strstr(client->error, "no completion"))
		verdict = VERDICT_STALLED;
	board->finding.verdict = verdict;
	snprintf(board->finding.text, sizeof(board->finding.text),
		 "the neighbour%s: %.150s", when, client->error);
	__atomic_store_n(&board->failed, true, __ATOMIC_RELEASE);
}

static int open_neighbour(struct client *client,
			  const struct torture_options *torture)
{
	const struct client_options options = {
		.socket_path = torture->neighbour_path,
		.region_count = 3,
		.depth = DEPTH,
		.buffer_size = BLOCK,
		.timeout_ms = torture->stall_ms,
	};
	uint64_t end = client_now_ns() + torture->answer_ms * 1000000ull;

	while (client_open(client, &options)) {
		if (client_now_ns() > end)
			return -1;
		poll(NULL, 0, 5);
	}
	return client_start(client);
}

/* From then on it knows what every read must return. */
static bool all_written(const struct neighbour *neighbour)
{
	uint32_t i;

	for (i = 0; i < neighbour->block_count; i++)
		if (!neighbour->written[i])
			return false;
	return true;
}

static void be_neighbour(struct board *board,
			 const struct torture_options *options)
{
	struct neighbour neighbour;
	struct client client;
	int result = 0;

	/* Its latency must be the server's, and not that of waiting for a
	 * processor; without the right to ask for that, it is both. */
	setpriority(PRIO_PROCESS, 0, -20);
	if (open_neighbour(&client, options) ||
	    neighbour_init(&neighbour, &client, &board->counts, 1, 0, BLOCKS)) {
		tell(board, &client, " at its start");
		_exit(1);
	}
	while (result == 0) {
		result = neighbour_step(&neighbour);
		/* A pause with a request in flight would count as its
		 * latency. */
		if (result == 0 && board->ready) {
			result = neighbour_drain(&neighbour);
			usleep(PAUSE_US);
		} else if (result == 0 && all_written(&neighbour))
			__atomic_store_n(&board->ready, true, __ATOMIC_RELEASE);
	}
	tell(board, &client, "");
	_exit(1);
}

static bool failed(const struct board *board)
{
	return __atomic_load_n(&board->failed, __ATOMIC_ACQUIRE);
}

/* The counts since the mark. */
static struct neighbour_counts since(const struct watch *watch)
{
	struct neighbour_counts counts = watch->board->counts;
	uint32_t i;

	counts.requests -= watch->before.requests;
	for (i = 0; i < NEIGHBOUR_BUCKETS; i++)
		counts.latency[i] -= watch->before.latency[i];
	return counts;
}

static void measure_quiet(struct torture *torture)
{
	struct watch *watch = &torture->watch;
	struct neighbour_counts counts;

	watch_mark(torture);
	poll(NULL, 0, QUIET_MS);
	counts = since(watch);
	watch->quiet_median_ns = neighbour_quantile_ns(&counts, 0.5);
	watch->quiet_p99_ns = neighbour_quantile_ns(&counts, 0.99);
}

int watch_begin(struct torture *torture)
{
	uint64_t end = client_now_ns() + PATIENCE * 1000000ull;
	struct watch *watch = &torture->watch;

	if (!torture->options.neighbour_path)
		return 0;
	watch_end(torture);
	if (!watch->board)
		watch->board = mmap(NULL, sizeof(*watch->board),
				    PROT_READ | PROT_WRITE,
				    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memset(watch->board, 0, sizeof(*watch->board));
	watch->pid = fork();
	if (watch->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		be_neighbour(watch->board, &torture->options);
	}
	while (!__atomic_load_n(&watch->board->ready, __ATOMIC_ACQUIRE) &&
	       !failed(watch->board) && client_now_ns() < end)
		poll(NULL, 0, 2);
	if (failed(watch->board) || !watch->board->ready) {
		snprintf(torture->error, sizeof(torture->error), "%.190s",
			 failed(watch->board) ? watch->board->finding.text
					      : "the neighbour gets nothing "
						"done");
		watch_end(torture);
		return -1;
	}
	if (!watch->quiet_median_ns)
		measure_quiet(torture);
	watch_mark(torture);
	return 0;
}

void watch_end(struct torture *torture)
{
	if (torture->watch.pid <= 0)
		return;
	kill(torture->watch.pid, SIGKILL);
	waitpid(torture->watch.pid, NULL, 0);
	torture->watch.pid = 0;
}

void watch_mark(struct torture *torture)
{
	if (torture->watch.pid > 0)
		torture->watch.before = torture->watch.board->counts;
}

/* Its requests in flight were made before or during the attack; of those that
 * follow about half are reads. */
static bool goes_on(const struct watch *watch, uint32_t stall_ms)
{
	uint64_t enough = watch->board->counts.requests + 8 * DEPTH;
	uint64_t end = client_now_ns() + (stall_ms + 500) * 1000000ull;

	while (watch->board->counts.requests < enough) {
		if (failed(watch->board) || client_now_ns() > end)
			return false;
		poll(NULL, 0, 1);
	}
	return true;
}

bool watch_judge(struct torture *torture, struct result *result)
{
	uint32_t stall_ms = torture->options.stall_ms;
	struct watch *watch = &torture->watch;
	struct neighbour_counts counts;
	bool good;

	if (watch->pid <= 0)
		return true;
	counts = since(watch);
	result->median_ns = neighbour_quantile_ns(&counts, 0.5);
	result->p99_ns = neighbour_quantile_ns(&counts, 0.99);
	good = goes_on(watch, stall_ms);
	counts = since(watch);
	result->slowest_ns = neighbour_quantile_ns(&counts, 1);
	if (failed(watch->board)) {
		result->finding = watch->board->finding;
		return false;
	}
	if (good && result->slowest_ns < stall_ms * 1000000ull)
		return true;
	result->finding.verdict = VERDICT_STALLED;
	snprintf(result->finding.text, TORTURE_TEXT,
		 "a request of the neighbour took more than %u ms", stall_ms);
	return false;
}
