// SPDX-License-Identifier: MIT
#include "vhost/usable.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * The least of what the machine has, what the memory cgroup of this process
 * allows, and what the groups above it allow; in version 1 and version 2 of the
 * hierarchy.
 */

/* Lowers *least to the number in DIRECTORY/FILE. */
static void lower(uint64_t *least, const char *directory, const char *file)
{
	char path[4400], text[32], *end = text;
	unsigned long long bytes = 0;
	FILE *in;

	snprintf(path, sizeof(path), "%s/%s", directory, file);
	in = fopen(path, "re");
	if (!in)
		return;
	/* "max" is no number, and no limit. */
	if (fgets(text, sizeof(text), in))
		bytes = strtoull(text, &end, 10);
	if (end != text && bytes < *least)
		*least = bytes;
	fclose(in);
}

/* The limit of a group, and of all above it up to the root. */
static void lower_by_group(uint64_t *least, const char *root, const char *group,
			   const char *file)
{
	char directory[4300];
	size_t shortest = strlen(root);
	char *slash;

	snprintf(directory, sizeof(directory), "%s%s", root, group);
	for (;;) {
		lower(least, directory, file);
		slash = strrchr(directory, '/');
		if (!slash || (size_t)(slash - directory) < shortest)
			break;
		*slash = 0;
	}
}

static bool has_memory(const char *controllers)
{
	const char *at = strstr(controllers, "memory");

	return at && (at == controllers || at[-1] == ',') &&
	       (at[6] == 0 || at[6] == ',');
}

uint64_t vhost_usable_memory(void)
{
	uint64_t least = (uint64_t)sysconf(_SC_PHYS_PAGES) *
			 (uint64_t)sysconf(_SC_PAGESIZE);
	FILE *groups = fopen("/proc/self/cgroup", "re");
	char line[4200];

	/* HIERARCHY:CONTROLLERS:PATH; version 2 has no controllers here. */
	while (groups && fgets(line, sizeof(line), groups)) {
		char *controllers = strchr(line, ':');
		char *path = controllers ? strchr(controllers + 1, ':') : NULL;

		if (!path)
			continue;
		*path++ = 0;
		path[strcspn(path, "\n")] = 0;
		if (controllers[1] == 0)
			lower_by_group(&least, "/sys/fs/cgroup", path,
				       "memory.max");
		else if (has_memory(controllers + 1))
			lower_by_group(&least, "/sys/fs/cgroup/memory", path,
				       "memory.limit_in_bytes");
	}
	if (groups)
		fclose(groups);
	return least;
}
