/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TESTS_SERVER_MEMORY_GROUP_H
#define PRECARIUM_TESTS_SERVER_MEMORY_GROUP_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

/*
 * A memory cgroup of a test, of version 1 or 2: the kernel's own word on who
 * pays.
 */
struct memory_group {
	char path[64];
	const char *usage; /* file of the bytes that it is charged */
};

static inline bool group_put(const struct memory_group *group, const char *name,
			     const char *text)
{
	char path[128];
	bool good;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", group->path, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	good = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return good;
}

static inline uint64_t group_usage(const struct memory_group *group)
{
	unsigned long long bytes = 0;
	char path[128];
	FILE *in;

	snprintf(path, sizeof(path), "%s/%s", group->path, group->usage);
	in = fopen(path, "re");
	if (!in || fscanf(in, "%llu", &bytes) != 1)
		bytes = 0;
	if (in)
		fclose(in);
	return bytes;
}

static inline bool group_make_in(struct memory_group *group, const char *root,
				 const char *usage)
{
	char path[128];

	snprintf(group->path, sizeof(group->path), "%s/precarium-test-XXXXXX",
		 root);
	group->usage = usage;
	if (!mkdtemp(group->path))
		return false;
	/* In a directory that is no group the file is not there. */
	snprintf(path, sizeof(path), "%s/%s", group->path, usage);
	if (access(path, R_OK) != 0) {
		rmdir(group->path);
		return false;
	}
	return true;
}

/* False: none can be had here. */
static inline bool group_make(struct memory_group *group)
{
	return group_make_in(group, "/sys/fs/cgroup/memory",
			     "memory.usage_in_bytes") ||
	       group_make_in(group, "/sys/fs/cgroup", "memory.current");
}

/* What it does from now on is charged to the group. */
static inline bool group_enter(const struct memory_group *group, pid_t pid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", (int)pid);
	return group_put(group, "cgroup.procs", text);
}

/* Nobody may be in it.  Pages that it is charged for may be left. */
static inline void group_remove(const struct memory_group *group)
{
	if (group->path[0])
		rmdir(group->path);
}

#endif
