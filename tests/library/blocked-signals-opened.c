// SPDX-License-Identifier: MIT
/*
 * A server that reads its signals from a descriptor blocks them all in each
 * thread.  A thread's first transaction opens the two that faults need; for
 * accessors there is a call.  And the health query shows each trouble.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/wait.h>

#include "lender.h"

static struct lender lender;

static void block_all(void)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
}

static bool is_blocked(int sig)
{
	sigset_t now;

	pthread_sigmask(SIG_SETMASK, NULL, &now);
	return sigismember(&now, sig) == 1;
}

UNWATCHED
static void touch(struct prec_transaction *t, void *argument)
{
	(void)argument;
	t->cursor = 1;
	(void)*bytes_of(&lender.region);
	t->cursor = 2;
}

static void *transacts(void *argument)
{
	struct prec_transaction t;

	(void)argument;
	block_all();
	EXPECT(prec_fault_health() ==
	       (PREC_HEALTH_BUS_BLOCKED | PREC_HEALTH_SEGV_BLOCKED));
	EXPECT(run_on(&lender.region, PREC_ABANDON, touch, NULL, &t) ==
	       PREC_GONE);
	EXPECT(t.cursor == 1);
	EXPECT(prec_fault_health() == 0);
	EXPECT(is_blocked(SIGUSR1) && is_blocked(SIGTERM));
	return NULL;
}

static void *accesses(void *argument)
{
	uint64_t value;

	(void)argument;
	block_all();
	prec_fault_unblock();
	EXPECT(prec_fault_health() == 0);
	EXPECT(prec_load64(lender.region.span, 0, &value) == PREC_GONE);
	EXPECT(is_blocked(SIGUSR1) && is_blocked(SIGTERM));
	return NULL;
}

/* What the documentation warns of is true: without either, death. */
static bool dies_blocked(void)
{
	struct lender mine;
	uint64_t value;
	int status;
	pid_t pid = fork();

	MUST(pid >= 0);
	if (pid == 0) {
		lend_pattern(&mine, PAGE);
		set_size(&mine, 0);
		block_all();
		_exit(prec_load64(mine.region.span, 0, &value));
	}
	MUST(waitpid(pid, &status, 0) == pid);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS;
}

static unsigned int health_with(void (*trouble)(void))
{
	int status;
	pid_t pid = fork();

	MUST(pid >= 0);
	if (pid == 0) {
		MUST(prec_fault_install() == PREC_OK);
		trouble();
		_exit((int)prec_fault_health());
	}
	MUST(waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? (unsigned int)WEXITSTATUS(status) : 1000;
}

static void somebody(int sig)
{
	(void)sig;
}

static void bus_replaced(void)
{
	signal(SIGBUS, somebody);
}

static void segv_replaced(void)
{
	signal(SIGSEGV, SIG_DFL);
}

static void bus_blocked(void)
{
	sigset_t one;

	sigemptyset(&one);
	sigaddset(&one, SIGBUS);
	pthread_sigmask(SIG_BLOCK, &one, NULL);
}

static void segv_blocked(void)
{
	sigset_t one;

	sigemptyset(&one);
	sigaddset(&one, SIGSEGV);
	pthread_sigmask(SIG_BLOCK, &one, NULL);
}

static void alternate(size_t size)
{
	stack_t stack = { .ss_sp = malloc(size), .ss_size = size };

	MUST(sigaltstack(&stack, NULL) == 0);
}

/* Without AVX-512 frames need less than the kernel takes at all. */
#define KERNEL_LEAST 2048u

static void stack_small(void)
{
	size_t least = getauxval(AT_MINSIGSTKSZ);

	alternate((least > KERNEL_LEAST ? least : KERNEL_LEAST) + 100);
}

static void stack_large(void)
{
	alternate(getauxval(AT_MINSIGSTKSZ) + 65536);
}

static void no_trouble(void)
{
}

int main(void)
{
	pthread_t thread;
	unsigned int bit;

	EXPECT(prec_fault_health() & PREC_HEALTH_NOT_INSTALLED);
	EXPECT(health_with(bus_replaced) == PREC_HEALTH_BUS_REPLACED);
	EXPECT(health_with(segv_replaced) == PREC_HEALTH_SEGV_REPLACED);
	EXPECT(health_with(bus_blocked) == PREC_HEALTH_BUS_BLOCKED);
	EXPECT(health_with(segv_blocked) == PREC_HEALTH_SEGV_BLOCKED);
	EXPECT(health_with(stack_small) == PREC_HEALTH_STACK_SMALL);
	EXPECT(health_with(stack_large) == 0);
	EXPECT(health_with(no_trouble) == 0);
	for (bit = 0; bit <= PREC_HEALTH_STACK_SMALL; bit = bit ? 2 * bit : 1)
		EXPECT(prec_fault_health_text(bit)[0] != '\0');
	if (!UNDER_SANITIZER)
		EXPECT(dies_blocked());
	lend_pattern(&lender, PAGE);
	set_size(&lender, 0);
	EXPECT(prec_fault_health() == 0);
	MUST(pthread_create(&thread, NULL, transacts, NULL) == 0);
	pthread_join(thread, NULL);
	MUST(pthread_create(&thread, NULL, accesses, NULL) == 0);
	pthread_join(thread, NULL);
	end_lending(&lender);
	return expect_end();
}
