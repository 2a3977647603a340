/* SPDX-License-Identifier: MIT */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stdint.h>

/*
 * Fair comparison on a noisy machine: both sides run in turns, a few hundred
 * microseconds each, and the ratio is taken turn by turn.  Shown are medians
 * and the spread from the first to the third quartile.
 */
struct measure_side {
	void (*run)(void *argument, uint64_t times);
	void *argument;
};

struct measure_result {
	double ours_ns, peer_ns; /* median per operation */
	double ratio, low, high; /* ours / peer: median and quartiles */
};

struct measure_result measure(struct measure_side ours,
			      struct measure_side peer);

#endif
