// SPDX-License-Identifier: MIT
/*
 * A host that owns SIGBUS and SIGSEGV and asks us first: told before, so that
 * we install nothing, or installed on top of us.  Revocations are dealt with,
 * everything else is its own.
 */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "lender.h"

static volatile sig_atomic_t asked, own;

static void host(int sig, siginfo_t *info, void *context)
{
	int error = errno;

	asked++;
	if (prec_fault_handle(sig, info, context)) {
		EXPECT(errno == error);
		return;
	}
	EXPECT(errno == error);
	own++;
}

static void install(void)
{
	struct sigaction action = { .sa_sigaction = host,
				    .sa_flags = SA_SIGINFO | SA_ONSTACK };

	MUST(sigaction(SIGBUS, &action, NULL) == 0);
	MUST(sigaction(SIGSEGV, &action, NULL) == 0);
}

UNWATCHED
static void read_all(struct prec_transaction *t, void *argument)
{
	const struct prec_region *region = argument;
	uint64_t i;

	for (i = 0; i < region->span.size; i += 64) {
		t->cursor = i;
		(void)bytes_of(region)[i];
	}
}

static int work(bool told)
{
	struct prec_fault_counts before, after;
	struct prec_transaction t;
	struct lender lender;
	uint64_t value = 5;

	prec_fault_read_counts(&before);
	if (told)
		MUST(prec_fault_hosted() == PREC_OK);
	else
		MUST(prec_fault_install() == PREC_OK);
	EXPECT(told || prec_fault_hosted() == PREC_BUSY);
	install();
	lend_pattern(&lender, 4 * PAGE);
	EXPECT((prec_fault_health() &
		(PREC_HEALTH_BUS_REPLACED | PREC_HEALTH_SEGV_REPLACED |
		 PREC_HEALTH_NOT_INSTALLED)) ==
	       (told ? 0
		     : PREC_HEALTH_BUS_REPLACED | PREC_HEALTH_SEGV_REPLACED));
	set_size(&lender, 2 * PAGE);
	EXPECT(prec_load64(lender.region.span, 3 * PAGE, &value) == PREC_GONE);
	EXPECT(value == 5 && asked == 1 && own == 0);
	EXPECT(run_on(&lender.region, PREC_ABANDON, read_all, &lender.region,
		      &t) == PREC_GONE);
	EXPECT(t.cursor == 2 * PAGE && asked == 2 && own == 0);
	EXPECT(run_on(&lender.region, PREC_SUBSTITUTE, read_all, &lender.region,
		      &t) == PREC_DISTURBED);
	EXPECT(asked == 3 && own == 0);
	raise(SIGSEGV);
	EXPECT(asked == 4 && own == 1);
	kill(getpid(), SIGBUS);
	EXPECT(asked == 5 && own == 2);
	prec_fault_read_counts(&after);
	EXPECT(after.fixed == before.fixed + 1);
	EXPECT(after.abandoned == before.abandoned + 1);
	EXPECT(after.substituted == before.substituted + 1);
	EXPECT(after.passed == before.passed + 2);
	end_lending(&lender);
	return expect_end();
}

int main(void)
{
	int status;
	pid_t pid = fork();

	MUST(pid >= 0);
	if (pid == 0)
		_exit(work(true));
	MUST(waitpid(pid, &status, 0) == pid);
	EXPECT(status == 0);
	return work(false);
}
