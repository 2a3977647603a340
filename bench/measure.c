// SPDX-License-Identifier: MIT
#include "measure.h"

#include <stdlib.h>
#include <time.h>

#define TURNS	101
#define TURN_NS 400000.0

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double time_of(struct measure_side side, uint64_t times)
{
	double start = now();

	side.run(side.argument, times);
	return (now() - start) / (double)times;
}

/* How many make a turn.  The first run pays for what is done once. */
static uint64_t calibrate(struct measure_side side)
{
	uint64_t times = 1;

	side.run(side.argument, 1);
	for (;;) {
		double each = time_of(side, times);

		if (each * (double)times > TURN_NS / 8) {
			times = (uint64_t)(TURN_NS / each);
			return times ? times : 1;
		}
		times *= 2;
	}
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double quantile(double *values, double part)
{
	qsort(values, TURNS, sizeof(*values), by_value);
	return values[(size_t)(part * (TURNS - 1))];
}

struct measure_result measure(struct measure_side ours,
			      struct measure_side peer)
{
	static double our_times[TURNS], peer_times[TURNS], ratios[TURNS];
	uint64_t our_count = calibrate(ours), peer_count = calibrate(peer);
	struct measure_result result;
	int i;

	for (i = 0; i < TURNS; i++) {
		/* Who goes first alternates. */
		if (i % 2)
			our_times[i] = time_of(ours, our_count);
		peer_times[i] = time_of(peer, peer_count);
		if (i % 2 == 0)
			our_times[i] = time_of(ours, our_count);
		ratios[i] = our_times[i] / peer_times[i];
	}
	result.ratio = quantile(ratios, 0.5);
	result.low = quantile(ratios, 0.25);
	result.high = quantile(ratios, 0.75);
	result.ours_ns = quantile(our_times, 0.5);
	result.peer_ns = quantile(peer_times, 0.5);
	return result;
}
