/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_BENCH_MEASURE_H
#define PRECARIUM_BENCH_MEASURE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Fair comparison on a noisy machine: both sides run in turns, a few hundred
 * microseconds each, and the ratio is taken turn by turn.  Shown are medians
 * and the spread from the first to the third quartile.
 */
struct measure_side {
	void (*run)(void *argument, uint64_t times);
	void *argument;
	/* Before each operation, and not in its time; or NULL. */
	void (*prepare)(void *argument);
};

struct measure_spread {
	double low, median, high; /* quartiles */
};

struct measure_result {
	double ours_ns, peer_ns;     /* median per operation */
	struct measure_spread ratio; /* ours / peer */
	struct measure_spread extra; /* ours - peer, nanoseconds */
};

struct measure_result measure(struct measure_side ours,
			      struct measure_side peer);

/* A line for people, or, where that was asked, one of JSON. */
void measure_head(bool json);
void measure_print(const char *what, const char *peer, struct measure_side ours,
		   struct measure_side against);

#endif
