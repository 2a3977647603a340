/* SPDX-License-Identifier: MIT */
/*
 * The file system of the demo: made with mke2fs from a small tree, written and
 * read through the server by the good clients, and at the end checked by
 * e2fsck and compared file by file with the tree.
 */
#include "demo/demo.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/client.h"

#define WHY	  300
#define TOOL_MS	  30000
#define FILE_STEP 6997u /* bytes by which each file is larger */
#define FOLDERS	  4u

static bool say(char *why, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static bool say(char *why, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, WHY, format, args);
	va_end(args);
	return false;
}

void demo_image_path(const struct demo *demo, char *path, uint32_t size)
{
	snprintf(path, size, "%s/image", demo->backend.directory);
}

void demo_copy_path(const struct demo *demo, uint32_t number, char *path,
		    uint32_t size)
{
	snprintf(path, size, "%s/copy-%u", demo->backend.directory, number);
}

static void file_path(const char *top, uint32_t number, char *path,
		      uint32_t size)
{
	snprintf(path, size, "%s/folder-%u/file-%u", top, number % FOLDERS,
		 number);
}

static size_t file_size(uint32_t number)
{
	return (size_t)number * FILE_STEP % (256u << 10) / 8 * 8;
}

static bool write_file(const char *path, uint32_t number, char *why)
{
	size_t size = file_size(number);
	char *bytes = malloc(size + 1);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	bool good;

	if (bytes)
		client_pattern(bytes, size, number, 0);
	good = fd >= 0 && bytes && write(fd, bytes, size) == (ssize_t)size;
	if (fd >= 0)
		close(fd);
	free(bytes);
	return good || say(why, "%s: %s", path, strerror(errno));
}

static bool make_tree(const char *top, char *why)
{
	char path[200];
	uint32_t i;

	if (mkdir(top, 0755))
		return say(why, "%s: %s", top, strerror(errno));
	for (i = 0; i < FOLDERS; i++) {
		snprintf(path, sizeof(path), "%s/folder-%u", top, i);
		if (mkdir(path, 0755))
			return say(why, "%s: %s", path, strerror(errno));
	}
	for (i = 0; i < DEMO_FILES; i++) {
		file_path(top, i, path, sizeof(path));
		if (!write_file(path, i, why))
			return false;
	}
	return true;
}

static void become_tool(const char *const *arguments, const char *log)
{
	int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	int in = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || in < 0 || dup2(in, 0) < 0 || dup2(fd, 1) < 0 ||
	    dup2(fd, 2) < 0)
		_exit(126);
	/* It takes pointers to char for old times' sake; changes nothing. */
	execvp(arguments[0], (char *const *)(uintptr_t)arguments);
	_exit(errno == ENOENT ? 127 : 126);
}

/* Run a program to its end, in bounded time.  Its exit status; -1: none. */
static int run_tool(const struct demo *demo, const char *const *arguments)
{
	struct pollfd poller = { .events = POLLIN };
	char log[100];
	int status;
	pid_t pid;

	snprintf(log, sizeof(log), "%s/tools.log", demo->backend.directory);
	pid = fork();
	if (pid == 0)
		become_tool(arguments, log);
	if (pid < 0)
		return -1;
	poller.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (poller.fd < 0 || poll(&poller, 1, TOOL_MS) <= 0)
		kill(pid, SIGKILL);
	if (poller.fd >= 0)
		close(poller.fd);
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

bool demo_image_make(struct demo *demo, char *why)
{
	char tree[100], image[100], size[20];
	const char *make[] = { "mke2fs", "-q", "-F", "-t",  "ext4", "-b",
			       "4096",	 "-d", tree, image, size,   NULL };
	int status;

	snprintf(tree, sizeof(tree), "%s/tree", demo->backend.directory);
	snprintf(size, sizeof(size), "%uk", DEMO_IMAGE_SIZE >> 10);
	demo_image_path(demo, image, sizeof(image));
	if (!make_tree(tree, why))
		return false;
	status = run_tool(demo, make);
	if (status == 127)
		return say(why, "mke2fs is not there: install e2fsprogs");
	return status == 0 || say(why, "mke2fs ended with status %d", status);
}

static bool compare_file(const char *path, uint32_t number, char *why)
{
	size_t size = file_size(number);
	char *bytes = malloc(size + 1);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool good;

	/* One byte more than it should have would be wrong too. */
	good = fd >= 0 && bytes && read(fd, bytes, size + 1) == (ssize_t)size &&
	       client_verify(bytes, size, number, 0) == size;
	if (fd >= 0)
		close(fd);
	free(bytes);
	return good || say(why, "file-%u is not what was written", number);
}

bool demo_image_check(struct demo *demo, uint32_t number, char *why)
{
	char copy[100], out[100], command[140], path[200];
	const char *check[] = { "e2fsck", "-f", "-n", copy, NULL };
	const char *dump[] = { "debugfs", "-R", command, copy, NULL };
	int status;
	uint32_t i;

	demo_copy_path(demo, number, copy, sizeof(copy));
	status = run_tool(demo, check);
	if (status != 0)
		return say(why, "e2fsck -fn is not content: status %d", status);
	snprintf(out, sizeof(out), "%s/out-%u", demo->backend.directory,
		 number);
	if (mkdir(out, 0755))
		return say(why, "%s: %s", out, strerror(errno));
	snprintf(command, sizeof(command), "rdump / %s", out);
	status = run_tool(demo, dump);
	if (status != 0)
		return say(why, "debugfs ended with status %d", status);
	for (i = 0; i < DEMO_FILES; i++) {
		file_path(out, i, path, sizeof(path));
		if (!compare_file(path, i, why))
			return false;
	}
	return true;
}
