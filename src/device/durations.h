/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_DURATIONS_H
#define PRECARIUM_DEVICE_DURATIONS_H

#include <stdint.h>

#include "device/counters.h"

/*
 * How long the transfers of a client took: of each kind, how many ended within
 * a bound.  From the turn of the worker in which a request was taken to the one
 * in which its answer was stored, so what is shorter than a turn counts as
 * nothing.  Time that it waited in the ring, for limits or for its turn, does
 * not count.
 */
#define DURATION_FIRST	 13u /* the first bound is 2^13 ns, each other twice */
#define DURATION_BUCKETS 21u /* the last one has no bound */

/* In the order of enum store_io_kind. */
enum duration_kind {
	DURATION_READ,
	DURATION_WRITE,
	DURATION_FLUSH,
	DURATION_DISCARD,
	DURATION_WRITE_ZEROES,
	DURATION_KINDS
};

/* For statistics. */
extern const char *const duration_names[DURATION_KINDS];

/* Written by one thread, read by any. */
struct durations {
	uint64_t ended[DURATION_KINDS][DURATION_BUCKETS];
	uint64_t sum_ns[DURATION_KINDS];
};

/* The bound of a bucket that has one. */
static inline uint64_t duration_bound_ns(uint32_t bucket)
{
	return 1ull << (DURATION_FIRST + bucket);
}

/* The writer's. */
static inline void durations_count(struct durations *durations,
				   enum duration_kind kind, uint64_t ns)
{
	uint32_t bits = 64u - (uint32_t)__builtin_clzll(ns | 1);
	uint32_t bucket = bits <= DURATION_FIRST ? 0 : bits - DURATION_FIRST;

	if (bucket >= DURATION_BUCKETS)
		bucket = DURATION_BUCKETS - 1;
	counter_add(&durations->ended[kind][bucket], 1);
	counter_add(&durations->sum_ns[kind], ns);
}

void durations_add(struct durations *sum, const struct durations *more);

#endif
