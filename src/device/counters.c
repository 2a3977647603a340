// SPDX-License-Identifier: MIT
#include "device/counters.h"

#define ROW(name, ...) { offsetof(struct counters, name), __VA_ARGS__ },

const struct counter counter_table[COUNTER_COUNT] = { COUNTERS(ROW) };

static uint64_t *member(struct counters *counters,
			const struct counter *counter)
{
	return (uint64_t *)((char *)counters + counter->offset);
}

void counters_add(struct counters *sum, const struct counters *more)
{
	for (size_t i = 0; i < COUNTER_COUNT; i++)
		*member(sum, &counter_table[i]) +=
			counter_read(more, &counter_table[i]);
}

struct counters counters_read(const struct counters *counters)
{
	struct counters copy = { 0 };

	counters_add(&copy, counters);
	return copy;
}
