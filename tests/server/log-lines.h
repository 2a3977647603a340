/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TESTS_SERVER_LOG_LINES_H
#define PRECARIUM_TESTS_SERVER_LOG_LINES_H

#include <dirent.h>
#include <poll.h>

#include "serve.h"

/* Does a thread of that name sleep? */
static inline bool sleeps(const char *folder, const char *thread,
			  const char *name)
{
	char path[400], line[400] = "";
	const char *state;
	FILE *in;

	snprintf(path, sizeof(path), "%s/%s/stat", folder, thread);
	in = fopen(path, "re");
	if (in && !fgets(line, sizeof(line), in))
		line[0] = 0;
	if (in)
		fclose(in);
	state = strrchr(line, ')');
	snprintf(path, sizeof(path), "(%s)", name);
	return strstr(line, path) && state && state[1] && state[2] == 'S';
}

/* The server's thread that writes the log sleeps when all lines that were given
 * to it are written.  Seen twice, it does not only wait for a lock. */
static inline void await_log(void)
{
	uint64_t end = client_now_ns() + 10000000000ull;
	uint32_t asleep = 0;
	char folder[40];

	snprintf(folder, sizeof(folder), "/proc/%d/task", backend.pid);
	while (asleep < 2 && client_now_ns() < end) {
		DIR *tasks = opendir(folder);
		struct dirent *entry;
		bool found = false;

		while (tasks && (entry = readdir(tasks)))
			found |= sleeps(folder, entry->d_name, "log");
		if (tasks)
			closedir(tasks);
		asleep = found ? asleep + 1 : 0;
		poll(NULL, 0, 1);
	}
}

/* How many lines of the server's log have these words, of all that it had to
 * say by now. */
static inline uint32_t lines_in_log(const char *words)
{
	char path[100], line[700];
	uint32_t count = 0;
	FILE *log;

	await_log();
	snprintf(path, sizeof(path), "%s/log", backend.directory);
	log = fopen(path, "re");
	while (log && fgets(line, sizeof(line), log))
		count += strstr(line, words) != NULL;
	if (log)
		fclose(log);
	return count;
}

#endif
