/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TESTS_EXPECT_H
#define PRECARIUM_TESTS_EXPECT_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/sanitizer.h"

/*
 * EXPECT counts a point and goes on when it fails; MUST is a step without which
 * the rest says nothing.  A test ends with `return expect_end()`, which prints
 * how many points were tried: none is a failure too.
 */
static unsigned long points_tried, points_failed;

static inline bool expect_at(bool holds, const char *what, const char *file,
			     int line)
{
	__atomic_add_fetch(&points_tried, 1, __ATOMIC_RELAXED);
	if (!holds &&
	    __atomic_add_fetch(&points_failed, 1, __ATOMIC_RELAXED) <= 20)
		fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
	return holds;
}

#define EXPECT(what) expect_at((what), #what, __FILE__, __LINE__)

#define MUST(what)                                                             \
	do {                                                                   \
		if (!(what)) {                                                 \
			fprintf(stderr, "%s:%d: cannot go on: ", __FILE__,     \
				__LINE__);                                     \
			perror(#what);                                         \
			exit(1);                                               \
		}                                                              \
	} while (0)

/* The whole test cannot be run here. */
static inline void skip_all(const char *reason)
{
	printf("skipped: %s\n", reason);
	exit(77);
}

/* One part of it cannot; the rest counts. */
static inline void skip_part(const char *part, const char *reason)
{
	printf("not tried: %s: %s\n", part, reason);
}

static inline int expect_end(void)
{
	printf("%lu points, %lu failed\n", points_tried, points_failed);
	return points_tried == 0 || points_failed != 0;
}

#endif
