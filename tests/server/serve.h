/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TESTS_SERVER_SERVE_H
#define PRECARIUM_TESTS_SERVER_SERVE_H

/* What the tests that run a server share: a verdict, and a server that is
 * gone, with its files, however the test ends. */
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/client.h"
#include "client/backend.h"
#include "client/hostile.h"

#define SKIP 77

static struct backend backend;

/* What must go before the server can, if the test ends badly. */
static void (*let_go)(void);

static void __attribute__((unused)) show_log(void)
{
	char path[100], line[300];
	FILE *log;
	int count = 0;

	snprintf(path, sizeof(path), "%s/log", backend.directory);
	log = fopen(path, "re");
	while (log && count++ < 40 && fgets(line, sizeof(line), log))
		fprintf(stderr, "server: %s", line);
	if (log)
		fclose(log);
}

__attribute__((noreturn, format(printf, 3, 4))) static void
fail_at(const char *file, int line, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s:%d: ", file, line);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	if (let_go)
		let_go();
	if (backend.directory[0]) {
		if (!backend_alive(&backend))
			fprintf(stderr, "the server %s\n",
				backend_fate(&backend));
		show_log();
		backend_free(&backend);
	}
	exit(1);
}

#define FAIL(...) fail_at(__FILE__, __LINE__, __VA_ARGS__)
#define CHECK(condition, ...)                                                  \
	do {                                                                   \
		if (!(condition))                                              \
			FAIL(__VA_ARGS__);                                     \
	} while (0)

/* For calls on a client: its own words say what went wrong. */
#define DO(client, call) CHECK((call) == 0, "%s: %s", #call, (client)->error)

/* The end of the time: nothing may be left behind.  Should the clean-up get
 * stuck in what was interrupted, the next alarm ends it. */
static void out_of_time(int sig)
{
	static const char words[] = "the test ran out of time\n";

	signal(SIGALRM, SIG_DFL);
	alarm(5);
	if (write(2, words, sizeof(words) - 1) > 0 && sig == SIGALRM)
		show_log();
	if (let_go)
		let_go();
	backend_free(&backend);
	_exit(1);
}

/* Init, with a deadline for the whole test: a hang is a failure too. */
static void __attribute__((unused)) serve_init(unsigned int seconds)
{
	signal(SIGPIPE, SIG_IGN);
	signal(SIGALRM, out_of_time);
	signal(SIGTERM, out_of_time);
	alarm(seconds);
	CHECK(backend_init(&backend) == 0, "%s", backend.error);
}

static void __attribute__((unused)) serve_start(void)
{
	CHECK(backend_start(&backend) == 0, "%s", backend.error);
}

/* Everything the server does is in its list of system calls. */
static void check_refused(void)
{
	char path[100], line[300];
	FILE *log;

	snprintf(path, sizeof(path), "%s/log", backend.directory);
	log = fopen(path, "re");
	while (log && fgets(line, sizeof(line), log))
		CHECK(!strstr(line, "system call refused"), "%s", line);
	if (log)
		fclose(log);
}

/* The server lived to the end, and ends well when asked. */
static int __attribute__((unused)) serve_end(void)
{
	check_refused();
	CHECK(backend_stop(&backend) == 0, "%s", backend.error);
	backend_free(&backend);
	return 0;
}

/* A file of zeroes in the server's directory. */
__attribute__((unused)) static char *make_image(const char *name, uint64_t size)
{
	char *path;
	int fd;

	CHECK(asprintf(&path, "%s/%s", backend.directory, name) > 0, "memory");
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && ftruncate(fd, (off_t)size) == 0, "%s: no image", path);
	close(fd);
	return path;
}

#endif
