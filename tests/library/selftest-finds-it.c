// SPDX-License-Identifier: MIT
/*
 * prec_fault_selftest tells whether losses reach the library, whatever stands
 * in between: it tries it, in a child, and does no harm if they do not.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lender.h"

static struct sigaction before[2];
static const int signals[2] = { SIGBUS, SIGSEGV };

static void act(void (*handler)(int, siginfo_t *, void *))
{
	struct sigaction action = { .sa_sigaction = handler,
				    .sa_flags = SA_SIGINFO };
	int i;

	for (i = 0; i < 2; i++)
		MUST(sigaction(signals[i], &action, &before[i]) == 0);
}

static void ends(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	(void)context;
	_exit(0); /* even if it looks well */
}

static void in_a_circle(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	(void)context;
}

static void hands_on(int sig, siginfo_t *info, void *context)
{
	before[sig == SIGSEGV].sa_sigaction(sig, info, context);
}

static void asks_first(int sig, siginfo_t *info, void *context)
{
	if (!prec_fault_handle(sig, info, context))
		_exit(1);
}

#define REPLACED                                                               \
	((unsigned)PREC_HEALTH_BUS_REPLACED | PREC_HEALTH_SEGV_REPLACED)
#define BLOCKED ((unsigned)PREC_HEALTH_BUS_BLOCKED | PREC_HEALTH_SEGV_BLOCKED)
#define KILLS	((unsigned)PREC_HEALTH_LOSS_KILLS)

static void good(void)
{
}

static void replaced(void)
{
	MUST(prec_fault_install() == PREC_OK);
	act(ends);
}

static void circled(void)
{
	MUST(prec_fault_install() == PREC_OK);
	act(in_a_circle);
}

static void chained(void)
{
	MUST(prec_fault_install() == PREC_OK);
	act(hands_on);
}

static void mended(void)
{
	replaced();
	MUST(prec_fault_reinstall() == PREC_OK);
}

static void blocked(void)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
}

static void host_forgets(void)
{
	MUST(prec_fault_hosted() == PREC_OK);
}

static void host_asks(void)
{
	act(asks_first);
	MUST(prec_fault_hosted() == PREC_OK);
}

static const struct state {
	const char *name;
	void (*make)(void);
	enum prec_status status;
	unsigned int health;
} states[] = {
	{ "nothing in between", good, PREC_OK, 0 },
	{ "replaced", replaced, PREC_SYSTEM, REPLACED | KILLS },
	{ "circled", circled, PREC_SYSTEM, REPLACED | KILLS },
	{ "chained", chained, PREC_OK, REPLACED },
	{ "mended", mended, PREC_OK, 0 },
	{ "blocked", blocked, PREC_OK, BLOCKED },
	{ "host forgets", host_forgets, PREC_SYSTEM, KILLS },
	{ "host asks", host_asks, PREC_OK, 0 },
};

static int descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	int count = 0;

	MUST(folder);
	while (readdir(folder))
		count++;
	closedir(folder);
	return count;
}

static int ended; /* SIGCHLD */

static void child_ended(int sig)
{
	(void)sig;
	ended++;
}

static void one(const struct state *state)
{
	struct sigaction action = { .sa_handler = child_ended };
	unsigned int health = 77;
	enum prec_status status;
	int before_it;

	MUST(sigaction(SIGCHLD, &action, NULL) == 0);
	state->make();
	before_it = descriptors();
	status = prec_fault_selftest(&health);
	if (health != state->health)
		fprintf(stderr, "%s: %#x\n", state->name, health);
	EXPECT(status == state->status);
	EXPECT(health == state->health);
	/* one that is kept for revoking */
	EXPECT(descriptors() <= before_it + 1);
	EXPECT(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
	EXPECT(ended == 0);
	_exit(points_failed ? 1 : 31);
}

int main(void)
{
	unsigned int health, bit;
	size_t i;

	for (i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		int status;
		pid_t pid = fork();

		MUST(pid >= 0);
		if (pid == 0)
			one(&states[i]);
		MUST(waitpid(pid, &status, 0) == pid);
		if (!EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 31))
			fprintf(stderr, "%s: %x\n", states[i].name, status);
	}
	EXPECT(prec_fault_selftest(&health) == PREC_OK);
	for (bit = 1; bit <= PREC_HEALTH_LOSS_KILLS; bit <<= 1)
		EXPECT(strcmp(prec_fault_health_text(bit),
			      prec_fault_health_text(1u << 31)) != 0);
	return expect_end();
}
