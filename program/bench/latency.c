// SPDX-License-Identifier: MIT
#include "program/bench/bench.h"

/*
 * Rows of 64 places: the first has the values below 64, each further one the
 * values of one more bit, of which it looks at the highest six after the first.
 */
static uint32_t place_of(uint64_t ns)
{
	uint32_t shift;

	if (ns < LATENCY_STEPS)
		return (uint32_t)ns;
	shift = 63 - (uint32_t)__builtin_clzll(ns) - 6;
	return (shift + 1) * LATENCY_STEPS +
	       (uint32_t)(ns >> shift) % LATENCY_STEPS;
}

/* The largest value that is counted in this place. */
static uint64_t value_at(uint32_t place)
{
	uint32_t row = place / LATENCY_STEPS, column = place % LATENCY_STEPS;

	if (row == 0)
		return column;
	return ((uint64_t)(LATENCY_STEPS + column + 1) << (row - 1)) - 1;
}

void latency_add(struct latencies *latencies, uint64_t ns)
{
	latencies->counts[place_of(ns)]++;
	latencies->count++;
	latencies->sum_ns += ns;
	if (ns > latencies->max_ns)
		latencies->max_ns = ns;
}

uint64_t latency_at(const struct latencies *latencies, uint32_t part,
		    uint32_t of)
{
	uint64_t wanted = (latencies->count * part + of - 1) / of, seen = 0;
	uint32_t place;

	for (place = 0; place < LATENCY_STEPS * LATENCY_ROUNDS; place++) {
		seen += latencies->counts[place];
		if (seen >= wanted && seen > 0)
			break;
	}
	/* The range of the place may end above the largest latency. */
	return value_at(place) < latencies->max_ns ? value_at(place)
						   : latencies->max_ns;
}
