/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_LOAD_H
#define PRECARIUM_DEVICE_LOAD_H

#include <stdint.h>

/*
 * How much of its time a loop serves requests, of late.  Polling in vain does
 * not count.  Its thread writes, any thread may read: what it reads may be of
 * two moments, and is good enough to choose by.
 */
struct load {
	uint64_t since_ns; /* the span began that is not over yet */
	uint64_t busy_ns;  /* of it */
	uint32_t last;	   /* of the span before */
};

/* Spans are at least so long. */
#define LOAD_SPAN_NS 1000000000u
#define LOAD_FULL    1000u

/* A turn that served requests went from here to there, by the monotonic
 * clock. */
void load_add(struct load *load, uint64_t from_ns, uint64_t to_ns);

/* 0 to LOAD_FULL. */
uint32_t load_now(const struct load *load, uint64_t now_ns);

#endif
