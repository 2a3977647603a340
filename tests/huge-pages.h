/* SPDX-License-Identifier: MIT */
/* The system's pool of huge pages, which a test that may do so makes larger. */
#ifndef PRECARIUM_TESTS_HUGE_PAGES_H
#define PRECARIUM_TESTS_HUGE_PAGES_H

#include <stdbool.h>
#include <stdio.h>

#define HUGE_POOL "/proc/sys/vm/nr_hugepages"

/* In pages; -1: not known. */
static inline long huge_pool_size(void)
{
	FILE *file = fopen(HUGE_POOL, "re");
	long size = -1;

	if (!file || fscanf(file, "%ld", &size) != 1)
		size = -1;
	if (file)
		fclose(file);
	return size;
}

/* Is it that large now? */
static inline bool huge_pool_set(long size)
{
	FILE *file = fopen(HUGE_POOL, "we");
	bool good = file && fprintf(file, "%ld", size) > 0;

	if (file && fclose(file) != 0)
		good = false;
	return good && huge_pool_size() == size;
}

#endif
