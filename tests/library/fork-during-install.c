// SPDX-License-Identifier: MIT
/*
 * A process forks while another thread of it installs the handler for the first
 * time.  The child maps, and meets a loss.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

#include "lender.h"

static bool watched, inside, forked;

static bool main_thread_sleeps(void)
{
	char path[64], text[256];
	ssize_t size;
	char *end;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", getpid());
	fd = open(path, O_RDONLY);
	MUST(fd >= 0);
	size = read(fd, text, sizeof(text) - 1);
	close(fd);
	MUST(size > 0);
	text[size] = 0;
	end = strrchr(text, ')');
	return end && end[2] == 'S';
}

/* In place of the C library's: whoever installs stays in here until the other
 * thread has forked, or waits. */
int sigaction(int sig, const struct sigaction *action, struct sigaction *before)
{
	int (*real)(int, const struct sigaction *, struct sigaction *);

	*(void **)&real = dlsym(RTLD_NEXT, "sigaction");
	if (__atomic_load_n(&watched, __ATOMIC_ACQUIRE)) {
		__atomic_store_n(&inside, true, __ATOMIC_RELEASE);
		while (!__atomic_load_n(&forked, __ATOMIC_ACQUIRE) &&
		       !main_thread_sleeps())
			sched_yield();
	}
	return real(sig, action, before);
}

static void *install(void *argument)
{
	EXPECT(prec_fault_install() == PREC_OK);
	return argument;
}

static int child(void)
{
	struct lender lender;
	uint64_t value;

	watched = false;
	alarm(20);
	lend_pattern(&lender, PAGE);
	set_size(&lender, 0);
	EXPECT(prec_load64(lender.region.span, 0, &value) == PREC_GONE);
	end_lending(&lender);
	return points_failed ? 1 : 31;
}

int main(void)
{
	pthread_t thread;
	int status;
	pid_t pid;

	if (UNDER_SANITIZER)
		skip_all("sanitizers replace sigaction");
	__atomic_store_n(&watched, true, __ATOMIC_RELEASE);
	MUST(pthread_create(&thread, NULL, install, NULL) == 0);
	while (!__atomic_load_n(&inside, __ATOMIC_ACQUIRE))
		sched_yield();
	pid = fork();
	MUST(pid >= 0);
	if (pid == 0)
		_exit(child());
	__atomic_store_n(&forked, true, __ATOMIC_RELEASE);
	MUST(waitpid(pid, &status, 0) == pid);
	EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 31);
	pthread_join(thread, NULL);
	return expect_end();
}
