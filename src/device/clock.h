/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_CLOCK_H
#define PRECARIUM_DEVICE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* The monotonic clock, for how long to poll. */
static inline uint64_t clock_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Likewise, in microseconds, for rates and for what is measured. */
static inline int64_t clock_now_us(void)
{
	return (int64_t)(clock_now_ns() / 1000);
}

/* Likewise, in milliseconds, for deadlines and limits. */
static inline int64_t clock_now_ms(void)
{
	return (int64_t)(clock_now_ns() / 1000000);
}

#endif
