// SPDX-License-Identifier: MIT
/*
 * A time is counted in the first bucket whose bound is above it, whatever it
 * is, and sums keep all that was counted.
 */
#include <string.h>

#include "device/durations.h"

#include "tests/expect.h"

static struct durations durations;

static uint32_t bucket_of(uint64_t ns)
{
	uint32_t found = DURATION_BUCKETS, i;

	memset(&durations, 0, sizeof(durations));
	durations_count(&durations, DURATION_FLUSH, ns);
	EXPECT(durations.sum_ns[DURATION_FLUSH] == ns);
	for (i = 0; i < DURATION_BUCKETS; i++) {
		EXPECT(durations.ended[DURATION_READ][i] == 0);
		if (durations.ended[DURATION_FLUSH][i] == 1)
			found = i;
	}
	return found;
}

int main(void)
{
	struct durations sum = { 0 };
	uint32_t i;

	EXPECT(bucket_of(0) == 0);
	for (i = 0; i < DURATION_BUCKETS - 1; i++) {
		EXPECT(bucket_of(duration_bound_ns(i) - 1) == i);
		EXPECT(bucket_of(duration_bound_ns(i)) == i + 1);
	}
	EXPECT(bucket_of(UINT64_MAX) == DURATION_BUCKETS - 1);
	durations_add(&sum, &durations);
	durations_count(&durations, DURATION_FLUSH, 3);
	durations_add(&sum, &durations);
	EXPECT(sum.ended[DURATION_FLUSH][DURATION_BUCKETS - 1] == 2);
	EXPECT(sum.ended[DURATION_FLUSH][0] == 1);
	return expect_end();
}
