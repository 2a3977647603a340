// SPDX-License-Identifier: MIT
/*
 * A child has the handler, and the regions only if that was asked.  Where one
 * is absent, touching it is a mistake of the child's own, passed on.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "lender.h"

static struct lender kept, left, also_left, withdrawn, fresh;
static bool over;

static void host(int sig, siginfo_t *info, void *context)
{
	(void)context;
	_exit(sig == SIGSEGV && info->si_code == SEGV_MAPERR ? 21 : 22);
}

UNWATCHED
static void touch(struct prec_transaction *t, void *argument)
{
	t->cursor = 1;
	(void)*bytes_of(argument);
	t->cursor = 2;
}

/* A child works on: what was kept, and what it maps itself. */
static int works(void)
{
	struct prec_transaction t;
	uint64_t value = 0;

	EXPECT(prec_load64(kept.region.span, 0, &value) == PREC_OK);
	EXPECT(value != 0);
	set_size(&kept, 0);
	EXPECT(prec_load64(kept.region.span, 0, &value) == PREC_GONE);
	EXPECT(run_on(&kept.region, PREC_ABANDON, touch, &kept.region, &t) ==
	       PREC_GONE);
	lend_pattern(&fresh, PAGE);
	set_size(&fresh, 0);
	EXPECT(run_on(&fresh.region, PREC_SUBSTITUTE, touch, &fresh.region,
		      &t) == PREC_DISTURBED);
	EXPECT(prec_fault_health() == 0);
	end_lending(&fresh);
	set_size(&kept, PAGE);
	write_pattern(kept.fd, PAGE);
	return points_failed ? 1 : 23;
}

static int loads_what_was_left(void)
{
	uint64_t value;

	return prec_load64(left.region.span, 0, &value) ? 1 : 0;
}

static int touches_what_was_left(void)
{
	struct prec_transaction t;

	return run_on(&left.region, PREC_SUBSTITUTE, touch, &left.region, &t)
		       ? 1
		       : 0;
}

/* The ranges become the child's own, first as memory, then as a region. */
static int maps_in_its_place(void)
{
	struct lender *const both[] = { &left, &also_left };
	struct prec_region *region;
	unsigned char *own;
	size_t i;

	for (i = 0; i < 2; i++) {
		region = &both[i]->region;
		own = mmap(prec_plain(prec_lent(region)), PAGE,
			   PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
			   -1, 0);
		MUST(own != MAP_FAILED);
		*own = 77;
		EXPECT(prec_region_at(region->span.host) == NULL);
		EXPECT(prec_region_check(region) == PREC_GONE);
		if (i == 0) {
			EXPECT(prec_region_revoke(region) == PREC_OK);
			EXPECT(prec_region_revoked(region));
			EXPECT(*own == 77);
		}
		EXPECT(prec_region_unmap(region) == PREC_OK);
		EXPECT(*own == 77);
		EXPECT(prec_region_unmap(region) == PREC_INVALID);
		EXPECT(prec_region_revoke(region) == PREC_INVALID);
	}
	return points_failed ? 1 : 23;
}

/* What was kept is so after it was revoked, too. */
static int has_the_withdrawn(void)
{
	uint64_t value;

	EXPECT(prec_load64(withdrawn.region.span, 0, &value) == PREC_GONE);
	EXPECT(prec_region_unmap(&withdrawn.region) == PREC_OK);
	return points_failed ? 1 : 23;
}

static int child_of(int (*what)(void))
{
	int status;
	pid_t pid = fork();

	MUST(pid >= 0);
	if (pid == 0)
		_exit(what());
	MUST(waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

UNWATCHED
static void fork_inside(struct prec_transaction *t, void *argument)
{
	int status;
	pid_t pid;

	(void)argument;
	pid = fork();
	MUST(pid >= 0);
	if (pid == 0) {
		set_size(&kept, 0);
		(void)*bytes_of(&kept.region);
		_exit(1); /* the child was to be abandoned */
	}
	MUST(waitpid(pid, &status, 0) == pid);
	t->cursor = (uint64_t)status;
}

/* Other threads do not follow, whatever they were at: inside a transaction, or
 * looking through the table of regions. */
static void *fault_on(void *argument)
{
	struct prec_transaction t;
	struct lender mine;
	int i;

	lend_pattern(&mine, PAGE);
	set_size(&mine, 0);
	while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
		EXPECT(run_on(&mine.region, PREC_ABANDON, touch, &mine.region,
			      &t) == PREC_GONE);
		for (i = 0; i < 100; i++)
			if (!prec_region_at(mine.region.span.host))
				EXPECT(false);
	}
	end_lending(&mine);
	return argument;
}

int main(void)
{
	struct sigaction action = { .sa_sigaction = host,
				    .sa_flags = SA_SIGINFO };
	struct prec_transaction t;
	enum prec_status status;
	pthread_t thread;
	pid_t self = getpid();
	int i;

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	lend_pattern(&left, PAGE);
	kept.fd = new_file(PAGE, 0);
	write_pattern(kept.fd, PAGE);
	MUST(try_lend(&kept, PAGE, PREC_READ | PREC_WRITE, PREC_KEEP_ON_FORK,
		      NULL) == PREC_OK);
	lend_pattern(&also_left, PAGE);
	withdrawn.fd = new_file(PAGE, 0);
	MUST(try_lend(&withdrawn, PAGE, PREC_READ, PREC_KEEP_ON_FORK, NULL) ==
	     PREC_OK);
	MUST(prec_region_revoke(&withdrawn.region) == PREC_OK);
	EXPECT(child_of(works) == 23);
	EXPECT(child_of(maps_in_its_place) == 23);
	EXPECT(child_of(has_the_withdrawn) == 23);
	EXPECT(child_of(loads_what_was_left) == 21);
	EXPECT(child_of(touches_what_was_left) == 21);
	status = run_on(&kept.region, PREC_ABANDON, fork_inside, NULL, &t);
	if (getpid() != self)
		_exit(status == PREC_GONE ? 24 : 1);
	EXPECT(status == PREC_OK && t.cursor == 24 << 8);
	set_size(&kept, PAGE);
	write_pattern(kept.fd, PAGE);
	if (UNDER_TSAN) {
		skip_part("fork with threads", "TSan does not follow it");
		return expect_end();
	}
	MUST(pthread_create(&thread, NULL, fault_on, NULL) == 0);
	for (i = 0; i < 200; i++)
		EXPECT(child_of(works) == 23);
	__atomic_store_n(&over, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	return expect_end();
}
