/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_BENCH_INSTRUCTIONS_H
#define PRECARIUM_BENCH_INSTRUCTIONS_H

#include <stdint.h>

struct path {
	const char *name;
	void (*run)(void *argument, uint64_t times);
	void *argument;
	uint64_t times;	      /* N */
	uint64_t at_once;     /* operations each of these times is */
	uint64_t string_size; /* bytes moved by one string instruction */
};

void count(const struct path *path);

/* Requests to the driver (requests.c). */
void count_driver(void);

#endif
