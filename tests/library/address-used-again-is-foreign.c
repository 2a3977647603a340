// SPDX-License-Identifier: MIT
/*
 * After a region is unmapped its addresses belong to whoever maps there next.
 * Until then, also when revoked, they stay ours.
 */
#include <signal.h>
#include <sys/wait.h>

#include "lender.h"

static struct lender old, other;

UNWATCHED
static void touch(struct prec_transaction *t, void *argument)
{
	(void)t;
	(void)*(volatile char *)argument;
}

/* The faults that a foreign file at the same address makes are foreign, inside
 * a transaction and in an accessor; nothing is put there. */
static int on_old_address(bool by_accessor)
{
	struct prec_transaction t;
	struct prec_span stale;
	uint64_t value;
	void *at;
	int fd;

	lend_pattern(&old, 4 * PAGE);
	lend_pattern(&other, PAGE);
	stale = old.region.span;
	end_lending(&old);
	fd = new_file(4 * PAGE, 0);
	at = mmap((void *)(uintptr_t)stale.host, 4 * PAGE,
		  PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE, fd,
		  0);
	MUST(at != MAP_FAILED);
	MUST(ftruncate(fd, 0) == 0);
	if (by_accessor)
		return prec_load64(stale, 0, &value) ? 61 : 62;
	return run_on(&other.region, PREC_SUBSTITUTE, touch, at, &t) ? 61 : 62;
}

static bool dies_of_it(bool by_accessor)
{
	int status;
	pid_t pid = fork();

	MUST(pid >= 0);
	if (pid == 0)
		_exit(on_old_address(by_accessor));
	MUST(waitpid(pid, &status, 0) == pid);
	if (UNDER_SANITIZER) /* it reports, and exits */
		return WIFEXITED(status) && (WEXITSTATUS(status) & ~3) != 60;
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS;
}

static void stays_ours(void)
{
	uint64_t value, host;
	int i;

	lend_pattern(&old, 4 * PAGE);
	host = old.region.span.host;
	MUST(prec_region_revoke(&old.region) == PREC_OK);
	EXPECT(prec_region_revoke(&old.region) == PREC_OK);
	for (i = 0; i < 1000; i++) {
		void *at = mmap(NULL, 4 * PAGE, PROT_READ,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		EXPECT((uint64_t)(uintptr_t)at + 4 * PAGE <= host ||
		       (uint64_t)(uintptr_t)at >= host + 4 * PAGE);
	}
	EXPECT(mmap((void *)(uintptr_t)host, PAGE, PROT_READ,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		    0) == MAP_FAILED);
	EXPECT(prec_load64(old.region.span, 0, &value) == PREC_GONE);
	EXPECT(prec_region_at(host) == &old.region);
	end_lending(&old);
	EXPECT(prec_region_at(host) == NULL);
}

int main(void)
{
	EXPECT(dies_of_it(false));
	EXPECT(dies_of_it(true));
	stays_ours();
	return expect_end();
}
