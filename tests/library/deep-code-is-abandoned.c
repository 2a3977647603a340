// SPDX-License-Identifier: MIT
/*
 * Code that is deep on its stack when memory is lost is abandoned, also on the
 * first thread of a process that may open no file: the stack is found without
 * /proc, and what only looks like a signal frame there does not count.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "lender.h"

static struct lender lender;

UNWATCHED
static __attribute__((noinline)) int deeper(int levels)
{
	volatile char room[4096];

	room[0] = (char)levels;
	if (levels == 0)
		return *bytes_of(&lender.region);
	return deeper(levels - 1) + room[0];
}

/* sigaction() leaves on the stack what begins like a signal frame. */
static __attribute__((noinline)) int litter(int levels)
{
	volatile char room[512];
	struct sigaction action = { .sa_handler = SIG_IGN };
	int i;

	room[0] = (char)levels;
	for (i = 0; i < 2; i++)
		MUST(sigaction(SIGUSR1, &action, NULL) == 0);
	return levels == 0 ? 0 : litter(levels - 1) + room[0];
}

UNWATCHED
static void deep(struct prec_transaction *t, void *levels)
{
	t->cursor = 1;
	(void)deeper(*(int *)levels);
	t->cursor = 2;
}

static void no_files(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOENT),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]),
				      filter };

	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

static void *abandons(void *argument)
{
	const int depths[] = { 0, 3, 5, 40, 400 };
	struct prec_transaction t;
	sigset_t some;
	size_t i;

	(void)argument;
	sigemptyset(&some);
	sigaddset(&some, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &some, NULL);
	(void)litter(1000);
	MUST(prec_thread_prepare() == PREC_OK);
	EXPECT(prec_fault_health() == 0);
	for (i = 0; i < sizeof(depths) / sizeof(depths[0]); i++) {
		int levels = depths[i];

		EXPECT(run_on(&lender.region, PREC_ABANDON, deep, &levels,
			      &t) == PREC_GONE);
		EXPECT(t.cursor == 1 && t.note.abandoned &&
		       !t.note.substituted);
	}
	return NULL;
}

static int child(bool first_thread)
{
	pthread_t thread;

	lend(&lender, PAGE, PREC_READ);
	set_size(&lender, 0);
	no_files();
	if (first_thread) {
		abandons(NULL);
	} else {
		MUST(pthread_create(&thread, NULL, abandons, NULL) == 0);
		pthread_join(thread, NULL);
	}
	return points_failed ? 1 : 31;
}

int main(void)
{
	int first_thread;

	if (UNDER_SANITIZER)
		skip_all("frames of a sanitizer are larger");
	for (first_thread = 0; first_thread < 2; first_thread++) {
		int status;
		pid_t pid = fork();

		MUST(pid >= 0);
		if (pid == 0)
			_exit(child(first_thread));
		MUST(waitpid(pid, &status, 0) == pid);
		EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 31);
	}
	return expect_end();
}
