// SPDX-License-Identifier: MIT
#include "device/wakeup.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "device/clock.h"
#include "device/event.h"
#include "device/thread.h"

/* Other load makes some of them longer, and none shorter: the quickest quarter
 * tells what the machine takes. */
#define ROUNDS	16
#define QUARTER 4

/* Long enough for a processor to become idle. */
#define REST_NS 100000L

/* A machine that takes longer is at the upper limit already. */
#define TIME_NS 50000000u

/* How much a single observation counts. */
#define WEIGHT 4

/* Asks the other thread to end. */
#define ENOUGH 2

static pthread_once_t once = PTHREAD_ONCE_INIT;
static uint64_t price_ns = WAKEUP_MAX_NS;

struct pair {
	int ask_fd;
	int answer_fd;
};

static uint64_t limited(uint64_t ns)
{
	if (ns < WAKEUP_MIN_NS)
		return WAKEUP_MIN_NS;
	return ns < WAKEUP_MAX_NS ? ns : WAKEUP_MAX_NS;
}

/* Sleeps until it is signalled.  Returns by how much. */
static eventfd_t await_signal(int fd)
{
	eventfd_t count = 0;

	while (eventfd_read(fd, &count) < 0 && errno == EINTR)
		continue;
	return count;
}

/* The other thread. */
static void *answer(void *argument)
{
	const struct pair *pair = argument;

	thread_name("wakeup");
	while (await_signal(pair->ask_fd) < ENOUGH)
		event_signal(pair->answer_fd);
	return NULL;
}

static uint64_t one_round(const struct pair *pair)
{
	const struct timespec rest = { .tv_nsec = REST_NS };
	uint64_t before;

	nanosleep(&rest, NULL);
	before = clock_now_ns();
	event_signal(pair->ask_fd);
	await_signal(pair->answer_fd);
	return clock_now_ns() - before;
}

static int by_size(const void *a, const void *b)
{
	const uint64_t *one = a, *other = b;

	return (*one > *other) - (*one < *other);
}

static void try_rounds(const struct pair *pair)
{
	uint64_t began = clock_now_ns(), took[ROUNDS];
	size_t count = 0;

	do
		took[count++] = one_round(pair);
	while (count < ROUNDS && clock_now_ns() - began < TIME_NS);
	qsort(took, count, sizeof(took[0]), by_size);
	price_ns = limited(took[count / QUARTER]);
}

static void measure(void)
{
	struct pair pair = { eventfd(0, EFD_CLOEXEC), eventfd(0, EFD_CLOEXEC) };
	pthread_t thread;

	if (pair.ask_fd >= 0 && pair.answer_fd >= 0 &&
	    thread_start(&thread, answer, &pair) == 0) {
		try_rounds(&pair);
		eventfd_write(pair.ask_fd, ENOUGH);
		pthread_join(thread, NULL);
	}
	if (pair.ask_fd >= 0)
		close(pair.ask_fd);
	if (pair.answer_fd >= 0)
		close(pair.answer_fd);
}

uint64_t wakeup_price_ns(void)
{
	pthread_once(&once, measure);
	return price_ns;
}

uint64_t wakeup_corrected_ns(uint64_t price, uint64_t took_ns)
{
	uint64_t seen = limited(2 * took_ns);

	return limited(price - price / WEIGHT + seen / WEIGHT);
}
