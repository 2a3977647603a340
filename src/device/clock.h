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

#endif
