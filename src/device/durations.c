// SPDX-License-Identifier: MIT
#include "device/durations.h"

const char *const duration_names[DURATION_KINDS] = {
	[DURATION_READ] = "read",
	[DURATION_WRITE] = "write",
	[DURATION_FLUSH] = "flush",
	[DURATION_DISCARD] = "discard",
	[DURATION_WRITE_ZEROES] = "write-zeroes",
};

static void add(uint64_t *sum, const uint64_t *more)
{
	*sum += __atomic_load_n(more, __ATOMIC_RELAXED);
}

void durations_add(struct durations *sum, const struct durations *more)
{
	for (uint32_t i = 0; i < DURATION_KINDS; i++) {
		for (uint32_t j = 0; j < DURATION_BUCKETS; j++)
			add(&sum->ended[i][j], &more->ended[i][j]);
		add(&sum->sum_ns[i], &more->sum_ns[i]);
	}
}
