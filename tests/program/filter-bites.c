// SPDX-License-Identifier: MIT
/* The filter of system calls: what the server has no need of is refused, in
 * every thread there is, with a line that names it, and the process goes on. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "program/serve/sandbox.h"

static int wrong;
static pthread_barrier_t filtered;

#define REFUSED(call)                                                          \
	do {                                                                   \
		errno = 0;                                                     \
		if ((long)(call) != -1 || errno != EPERM) {                    \
			fprintf(stderr, "%s: not refused: %s\n", #call,        \
				strerror(errno));                              \
			wrong = 1;                                             \
		}                                                              \
	} while (0)

static void *another_thread(void *argument)
{
	pthread_barrier_wait(&filtered);
	REFUSED(syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0));
	return argument;
}

static void *a_new_thread(void *argument)
{
	REFUSED(syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0));
	return argument;
}

static void try_what_is_not_needed(void)
{
	char *const nothing[] = { NULL };

	REFUSED(execve("/bin/true", nothing, nothing));
	REFUSED(syscall(SYS_fork));
	REFUSED(socket(AF_INET, SOCK_STREAM, 0));
	REFUSED(mmap(NULL, 4096, PROT_READ | PROT_EXEC,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	REFUSED(mprotect((void *)((unsigned long)&wrong & ~4095ul), 4096,
			 PROT_READ | PROT_WRITE | PROT_EXEC));
	REFUSED(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
	REFUSED(syscall(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, 0, 0, 0,
			0));
	REFUSED(syscall(SYS_setuid, 0));
	REFUSED(syscall(SYS_bpf, 0, NULL, 0));
	/* Told of once already. */
	REFUSED(syscall(SYS_fork));
}

/* What the refusals wrote to standard error. */
static void check_lines(int from)
{
	static const char *const calls[] = { "execve", "fork",	 "socket",
					     "mmap",   "ptrace", "bpf" };
	static char text[4000];
	ssize_t size = read(from, text, sizeof(text) - 1);
	const char *fork;

	text[size > 0 ? size : 0] = 0;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		char line[80];

		snprintf(line, sizeof(line),
			 "precarium: system call refused: %s\n", calls[i]);
		if (strstr(text, line))
			continue;
		printf("not told: %s", line);
		wrong = 1;
	}
	fork = strstr(text, ": fork\n");
	if (fork && strstr(fork + 1, ": fork\n")) {
		printf("told twice: fork\n");
		wrong = 1;
	}
	if (wrong)
		printf("told:\n%s", text);
}

int main(void)
{
	struct vhost_error error;
	pthread_t thread;
	int lines[2];

	if (!sandbox_has_filter) {
		puts("skipped: built without the filter");
		return 77;
	}
	pthread_barrier_init(&filtered, NULL, 2);
	if (pthread_create(&thread, NULL, another_thread, NULL) != 0 ||
	    pipe2(lines, O_NONBLOCK) < 0 || dup2(lines[1], 2) < 0)
		return 1;
	if (!sandbox_filter(&error)) {
		puts(error.text);
		return 1;
	}
	pthread_barrier_wait(&filtered);
	pthread_join(thread, NULL);
	/* A thread that hangs can be replaced. */
	if (pthread_create(&thread, NULL, a_new_thread, NULL) != 0) {
		fprintf(stderr, "no thread: %s\n", strerror(errno));
		wrong = 1;
	} else {
		pthread_join(thread, NULL);
	}
	try_what_is_not_needed();
	check_lines(lines[0]);
	return wrong;
}
