/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_CLOCK_H
#define PRECARIUM_DEVICE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* The monotonic clock, for deadlines and limits. */
static inline int64_t clock_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Likewise, in microseconds, for what is measured. */
static inline uint64_t clock_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Likewise, in nanoseconds, for how long to poll. */
static inline uint64_t clock_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

#endif
