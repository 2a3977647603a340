/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TESTS_SERVER_LOG_LINES_H
#define PRECARIUM_TESTS_SERVER_LOG_LINES_H

#include "serve.h"

/* How many lines of the server's log have these words. */
static inline uint32_t lines_in_log(const char *words)
{
	char path[100], line[700];
	uint32_t count = 0;
	FILE *log;

	snprintf(path, sizeof(path), "%s/log", backend.directory);
	log = fopen(path, "re");
	while (log && fgets(line, sizeof(line), log))
		count += strstr(line, words) != NULL;
	if (log)
		fclose(log);
	return count;
}

#endif
