// SPDX-License-Identifier: MIT
#include "measure.h"

#include <stdio.h>
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
	double start, sum = 0;
	uint64_t i;

	for (i = 0; side.prepare && i < times; i++) {
		side.prepare(side.argument);
		start = now();
		side.run(side.argument, 1);
		sum += now() - start;
	}
	if (side.prepare)
		return sum / (double)times;
	start = now();
	side.run(side.argument, times);
	return (now() - start) / (double)times;
}

/* How many make a turn.  The first run pays for what is done once. */
static uint64_t calibrate(struct measure_side side)
{
	uint64_t times = 1;

	time_of(side, 1);
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

static struct measure_spread spread(double *values)
{
	qsort(values, TURNS, sizeof(*values), by_value);
	return (struct measure_spread){ values[(TURNS - 1) / 4],
					values[(TURNS - 1) / 2],
					values[(TURNS - 1) / 4 * 3] };
}

struct measure_result measure(struct measure_side ours,
			      struct measure_side peer)
{
	static double our_times[TURNS], peer_times[TURNS], ratios[TURNS],
		extras[TURNS];
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
		extras[i] = our_times[i] - peer_times[i];
	}
	result.ratio = spread(ratios);
	result.extra = spread(extras);
	result.ours_ns = spread(our_times).median;
	result.peer_ns = spread(peer_times).median;
	return result;
}

static bool as_json;

void measure_head(bool json)
{
	as_json = json;
	if (!json)
		printf("%-34s %-22s %10s %10s %8s  %s\n", "", "against",
		       "ours, ns", "peer, ns", "ratio", "quartiles");
}

void measure_print(const char *what, const char *peer, struct measure_side ours,
		   struct measure_side against)
{
	struct measure_result r = measure(ours, against);

	if (as_json)
		printf("{\"row\": \"%s\", \"against\": \"%s\", \"ours_ns\": "
		       "%.3f, \"peer_ns\": %.3f, \"ratio\": [%.4f, %.4f, %.4f],"
		       " \"extra\": [%.3f, %.3f, %.3f]}\n",
		       what, peer, r.ours_ns, r.peer_ns, r.ratio.low,
		       r.ratio.median, r.ratio.high, r.extra.low,
		       r.extra.median, r.extra.high);
	else
		printf("%-34s %-22s %10.2f %10.2f %8.2f  %.2f..%.2f\n", what,
		       peer, r.ours_ns, r.peer_ns, r.ratio.median, r.ratio.low,
		       r.ratio.high);
	fflush(stdout);
}
