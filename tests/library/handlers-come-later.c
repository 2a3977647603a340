// SPDX-License-Identifier: MIT
/*
 * Handlers that something installs after ours, as toolkits and crash reporters
 * do.  prec_fault_reinstall puts ours on top; a fault that is not ours goes to
 * the newest of them, from there to the one before, whichever way it gives the
 * fault back, and ends where it would have ended.  Nothing goes in a circle.
 */
#include <setjmp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lender.h"

static struct sigaction before_newcomer;
static unsigned char *foreign; /* memory of ours that is gone, of no region */

/* What the child saw, for the parent. */
static struct seen {
	int newcomer, oldest;
	bool true_address;
} * seen;

static void look(int *who, const siginfo_t *info)
{
	seen->true_address = info->si_addr == foreign;
	if (++*who > 3)
		_exit(99); /* a circle */
}

/* --- what was there before us --- */

static void oldest(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	look(&seen->oldest, info);
	_exit(42);
}

/* --- newcomers, by how they give back what is not theirs --- */

/* As libwayland-server: restores what was there, and raises it again. */
static void raises(int sig, siginfo_t *info, void *context)
{
	(void)context;
	look(&seen->newcomer, info);
	MUST(sigaction(sig, &before_newcomer, NULL) == 0);
	raise(sig);
}

static void calls(int sig, siginfo_t *info, void *context)
{
	look(&seen->newcomer, info);
	before_newcomer.sa_sigaction(sig, info, context);
	seen->newcomer += 0; /* so that it is no jump */
}

static void jumps_to(int sig, siginfo_t *info, void *context)
{
	look(&seen->newcomer, info);
	before_newcomer.sa_sigaction(sig, info, context);
}

static const struct newcomer {
	void (*handler)(int sig, siginfo_t *info, void *context);
	int flags;
} newcomers[] = {
	{ raises, 0 }, { raises, SA_NODEFER }, /* as Python's faulthandler */
	{ calls, 0 },  { calls, SA_NODEFER },  { jumps_to, 0 },
};

#define NEWCOMERS (sizeof(newcomers) / sizeof(newcomers[0]))

static void act(int sig, void (*handler)(int, siginfo_t *, void *), int flags,
		struct sigaction *before)
{
	struct sigaction action = { .sa_sigaction = handler,
				    .sa_flags = SA_SIGINFO | flags };

	MUST(sigaction(sig, &action, before) == 0);
}

static void losses_are_ours(void)
{
	struct lender lender;
	uint32_t value;

	lend(&lender, 2 * PAGE, PREC_READ);
	set_size(&lender, 0);
	MUST(prec_load32(lender.region.span, PAGE, &value) == PREC_GONE);
	end_lending(&lender);
}

/* A fault that is nobody's but the program's. */
static void make_foreign(void)
{
	int fd = new_file(PAGE, 0);

	foreign = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	MUST(foreign != MAP_FAILED && ftruncate(fd, 0) == 0);
	close(fd);
}

static void one(const struct newcomer *newcomer, bool with_oldest)
{
	const struct rlimit none = { 0, 0 };

	MUST(setrlimit(RLIMIT_CORE, &none) == 0);
	if (with_oldest)
		act(SIGBUS, oldest, 0, NULL);
	MUST(prec_fault_install() == PREC_OK);
	act(SIGBUS, newcomer->handler, newcomer->flags, &before_newcomer);
	MUST(prec_fault_health() == PREC_HEALTH_BUS_REPLACED);
	MUST(prec_fault_reinstall() == PREC_OK);
	MUST(prec_fault_reinstall() == PREC_OK);
	MUST(prec_fault_health() == 0);
	losses_are_ours();
	make_foreign();
	(void)*(volatile unsigned char *)foreign;
	_exit(98);
}

static void each_in_turn(const struct newcomer *newcomer, bool with_oldest)
{
	int status;
	pid_t pid;

	memset(seen, 0, sizeof(*seen));
	pid = fork();
	MUST(pid >= 0);
	if (pid == 0)
		one(newcomer, with_oldest);
	MUST(waitpid(pid, &status, 0) == pid);
	EXPECT(seen->newcomer == 1);
	EXPECT(seen->oldest == (with_oldest ? 1 : 0));
	EXPECT(seen->true_address);
	if (with_oldest)
		EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 42);
	else
		EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
}

/* --- a handler that leaves by a jump has each fault anew --- */

static sigjmp_buf back;
static int jumped;

static void leaves(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	(void)context;
	jumped++;
	siglongjmp(back, 1);
}

static void leaves_each_time(void)
{
	int i;

	make_foreign();
	for (i = 0; i < 5; i++) {
		if (sigsetjmp(back, 1) == 0) {
			(void)*(volatile unsigned char *)foreign;
			MUST(false);
		}
		EXPECT(jumped == i + 1);
		if (i == 2) { /* from the only one to the newest of two */
			act(SIGBUS, leaves, SA_NODEFER, &before_newcomer);
			MUST(prec_fault_reinstall() == PREC_OK);
		}
	}
}

/* --- as many as there is room for --- */

#define NTH(n)                                                                 \
	static void nth##n(int sig, siginfo_t *info, void *context)            \
	{                                                                      \
		(void)sig;                                                     \
		(void)info;                                                    \
		(void)context;                                                 \
		_exit(n);                                                      \
	}

NTH(0)
NTH(1)
NTH(2)
NTH(3)
NTH(4)
NTH(5)
NTH(6)
NTH(7)
NTH(8)

static void no_room(void)
{
	void (*const nth[])(int, siginfo_t *, void *) = { nth0, nth1, nth2,
							  nth3, nth4, nth5,
							  nth6, nth7, nth8 };
	int i, round;

	for (round = 0; round < 2; round++)
		for (i = 0; i < 7; i++) {
			act(SIGSEGV, nth[i], 0, NULL);
			EXPECT(prec_fault_reinstall() == PREC_OK);
		}
	act(SIGSEGV, nth[7], 0, NULL);
	EXPECT(prec_fault_reinstall() == PREC_OK);
	act(SIGSEGV, nth[8], 0, NULL);
	act(SIGBUS, nth[8], 0, NULL);
	EXPECT(prec_fault_reinstall() == PREC_FULL);
	EXPECT(prec_fault_health() ==
	       (PREC_HEALTH_BUS_REPLACED | PREC_HEALTH_SEGV_REPLACED));
}

static void hosted(void)
{
	int status;
	pid_t pid = fork();

	MUST(pid >= 0);
	if (pid == 0)
		_exit(prec_fault_hosted() == PREC_OK &&
				      prec_fault_reinstall() == PREC_INVALID
			      ? 31
			      : 1);
	MUST(waitpid(pid, &status, 0) == pid);
	EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 31);
}

int main(void)
{
	size_t i;

	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	MUST(seen != MAP_FAILED);
	hosted();
	for (i = 0; i < NEWCOMERS; i++) {
		each_in_turn(&newcomers[i], true);
		if (!UNDER_SANITIZER) /* which has one, too */
			each_in_turn(&newcomers[i], false);
	}
	act(SIGBUS, leaves, 0, NULL);
	MUST(prec_fault_install() == PREC_OK);
	leaves_each_time();
	no_room();
	return expect_end();
}
