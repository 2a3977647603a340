// SPDX-License-Identifier: MIT
#include "linux.h"
#include "rules.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <precarium/access.h>

/*
 * Tries what a loss does in this process as it is: handlers that others have
 * installed, the program's own, the signal mask.  Whether those hand a fault on
 * to us can only be tried, and a fault that they do not hand on kills.  So a
 * child tries it.  It is made by the system call itself: the program's fork
 * handlers do not run, no signal tells the program of its end, and it takes no
 * lock, whose holder might be a thread that it does not have.
 */
#define SECONDS 10u

/* A handler may end the child with any status, most likely 0. */
#define ALL_TOLD 86

static void touch(struct prec_transaction *t, void *region)
{
	t->cursor = 1;
	(void)*(volatile unsigned char *)prec_plain(prec_lent(region));
	t->cursor = 2;
}

static bool runs(struct prec_region *region, enum prec_policy policy,
		 enum prec_status expected, uint64_t cursor)
{
	struct prec_region *const regions[] = { region };
	struct prec_transaction t = { .regions = regions,
				      .region_count = 1,
				      .policy = policy };

	return prec_transaction_run(&t, touch, region) == expected &&
	       t.cursor == cursor;
}

static bool all_told(struct prec_region *region)
{
	unsigned char bytes[64];
	uint64_t value;

	return prec_load64(region->span, 8, &value) == PREC_GONE &&
	       prec_copy_in(bytes, region->span, 0, sizeof(bytes)).status ==
		       PREC_GONE &&
	       runs(region, PREC_ABANDON, PREC_GONE, 1) &&
	       runs(region, PREC_SUBSTITUTE, PREC_DISTURBED, 2);
}

/* It leaves no core, and ends even if a handler goes round in a circle (within
 * two seconds of processor time) or waits. */
_Noreturn static void child(struct prec_region *region)
{
	const struct rlimit none = { 0, 0 }, little = { 1, 2 };
	struct sigaction end = { .sa_handler = SIG_DFL };
	sigset_t alarm_only;

	setrlimit(RLIMIT_CORE, &none);
	setrlimit(RLIMIT_CPU, &little);
	prctl(PR_SET_DUMPABLE, 0);
	sigaction(SIGALRM, &end, NULL);
	sigemptyset(&alarm_only);
	sigaddset(&alarm_only, SIGALRM);
	pthread_sigmask(SIG_UNBLOCK, &alarm_only, NULL);
	alarm(SECONDS);
	_exit(all_told(region) ? ALL_TOLD : 1);
}

static bool try_in_child(struct prec_region *region, unsigned int *health)
{
	pid_t pid = (pid_t)syscall(SYS_clone, 0, 0, 0, 0, 0);
	int status, got;

	if (pid < 0)
		return false;
	if (pid == 0)
		child(region);
	do
		got = waitpid(pid, &status, __WALL);
	while (got < 0 && errno == EINTR);
	if (got == pid && WIFEXITED(status) && WEXITSTATUS(status) == ALL_TOLD)
		return true;
	*health |= PREC_HEALTH_LOSS_KILLS;
	return false;
}

/* One page that is lost already, and that the child has, too. */
static enum prec_status lose_a_page(struct prec_region *region, int fd)
{
	struct prec_lending lending = { .fd = fd,
					.rights = PREC_READ,
					.size = 64,
					.options = PREC_KEEP_ON_FORK };
	enum prec_status status;

	if (ftruncate(fd, 64) != 0)
		return PREC_SYSTEM;
	status = prec_region_map(region, &lending, NULL);
	if (status == PREC_OK && ftruncate(fd, 0) != 0) {
		(void)!prec_region_unmap(region);
		return PREC_SYSTEM;
	}
	return status;
}

static enum prec_status try_on(int fd, unsigned int *health)
{
	struct prec_region region;
	enum prec_status status = lose_a_page(&region, fd);
	bool told;
	int saved;

	if (status)
		return PREC_SYSTEM;
	told = try_in_child(&region, health);
	saved = errno;
	status = prec_region_unmap(&region);
	errno = saved;
	return told ? status : PREC_SYSTEM;
}

enum prec_status prec_fault_selftest(unsigned int *health)
{
	enum prec_status status;
	int fd, saved;

	RULE_MAY_HOLD();
	status = prec_fault_install();
	*health = prec_fault_health();
	if (status == PREC_OK)
		status = prec_thread_prepare();
	if (status)
		return PREC_SYSTEM;
	fd = memfd_create("precarium-selftest", MFD_CLOEXEC);
	if (fd < 0)
		return PREC_SYSTEM;
	status = try_on(fd, health);
	saved = errno;
	close(fd);
	errno = saved;
	return status;
}
