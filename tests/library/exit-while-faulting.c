// SPDX-License-Identifier: MIT
/*
 * The program ends while a thread of it still meets lost memory: the last
 * instructions of exit are no time to die of a client.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "lender.h"

static struct lender lender;
static uint64_t met;
static bool waits;

/* Runs after every other destructor of the program. */
__attribute__((destructor(101))) static void at_the_very_end(void)
{
	uint64_t now = __atomic_load_n(&met, __ATOMIC_RELAXED);

	while (waits && __atomic_load_n(&met, __ATOMIC_RELAXED) < now + 1000)
		;
}

static void *worker(void *argument)
{
	unsigned char bytes[100];
	uint64_t value = 0;

	for (;;)
		if (prec_load64(lender.region.span, 8, &value) == PREC_GONE &&
		    prec_copy_in(bytes, lender.region.span, 0, 100).done == 0)
			__atomic_add_fetch(&met, 1, __ATOMIC_RELAXED);
	return argument;
}

int main(void)
{
	int status, i;
	pid_t pid;

	for (i = 0; i < 5; i++) {
		pid = fork();
		MUST(pid >= 0);
		if (pid == 0) {
			pthread_t thread;

			waits = true;
			lend_pattern(&lender, PAGE);
			set_size(&lender, 0);
			MUST(pthread_create(&thread, NULL, worker, NULL) == 0);
			exit(5);
		}
		MUST(waitpid(pid, &status, 0) == pid);
		EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 5);
	}
	return expect_end();
}
