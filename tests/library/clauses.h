/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TESTS_LIBRARY_CLAUSES_H
#define PRECARIUM_TESTS_LIBRARY_CLAUSES_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* For tests that check contracts at run time, by the names of their clauses. */

/* A clause that does not hold ends the test: it names the seed to repeat. */
static uint64_t seed;
static unsigned long clauses;

static inline void clause(bool holds, const char *call, const char *name,
			  const char *what)
{
	clauses++;
	if (holds)
		return;
	printf("seed %llu: %s: %s: not so: %s\n", (unsigned long long)seed,
	       call, name, what);
	exit(1);
}

#define REQUIRES(call, name, what) clause(what, call, "requires " name, #what)
#define ENSURES(call, name, what)  clause(what, call, "ensures " name, #what)

/* Numbers that are the same for the same seed; a fuzzer brings its own. */
#ifdef CLAUSES_DRAW
static uint64_t draw(void);
#else
static uint64_t drawn;

static inline uint64_t draw(void)
{
	drawn ^= drawn << 13;
	drawn ^= drawn >> 7;
	drawn ^= drawn << 17;
	return drawn * 0x2545f4914f6cdd1dull;
}
#endif

static inline uint64_t below(uint64_t n)
{
	return (draw() >> 11) % n;
}

static inline bool chance(unsigned int percent)
{
	return below(100) < percent;
}

static unsigned int failing; /* per cent of accesses that find no memory */

static inline bool rights_grant(uint32_t lent, uint32_t asked)
{
	return (lent & asked) == asked;
}

#endif
