// SPDX-License-Identifier: MIT
/*
 * Unmapping a region while a transaction is open on it, in this thread or in
 * another, is answered with PREC_BUSY and changes nothing for any thread.  What
 * is not mapped is not unmapped, and nothing else in its place.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "lender.h"

static struct lender lender, other;
static pthread_barrier_t barrier;

UNWATCHED
static void stay(struct prec_transaction *t, void *argument)
{
	uint64_t i;

	(void)argument;
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	for (i = 0; i < 4 * PAGE; i++)
		EXPECT(bytes_of(&lender.region)[i] == pattern(i));
	t->cursor = 1;
}

static void *hold(void *argument)
{
	struct prec_transaction t;

	EXPECT(run_on(&lender.region, PREC_ABANDON, stay, argument, &t) ==
	       PREC_OK);
	EXPECT(t.cursor == 1);
	return NULL;
}

UNWATCHED
static void try_it(struct prec_transaction *t, void *argument)
{
	(void)t;
	(void)argument;
	EXPECT(prec_region_unmap(&lender.region) == PREC_BUSY);
	EXPECT(bytes_of(&lender.region)[5] == pattern(5));
}

UNWATCHED
static void nested(struct prec_transaction *t, void *argument)
{
	struct prec_transaction inner;

	(void)t;
	(void)argument;
	EXPECT(run_on(&other.region, PREC_ABANDON, try_it, NULL, &inner) ==
	       PREC_OK);
}

static void by_another_thread(void)
{
	struct prec_region before;
	pthread_t thread;
	int i;

	MUST(pthread_create(&thread, NULL, hold, NULL) == 0);
	pthread_barrier_wait(&barrier);
	before = lender.region;
	for (i = 0; i < 1000; i++)
		EXPECT(prec_region_unmap(&lender.region) == PREC_BUSY);
	EXPECT(memcmp(&before, &lender.region, sizeof(before)) == 0);
	EXPECT(prec_region_at(lender.region.span.host + PAGE) ==
	       &lender.region);
	pthread_barrier_wait(&barrier);
	pthread_join(thread, NULL);
}

/* Transactions of a thread while others keep the region open and unmap it. */
UNWATCHED
static void pass(struct prec_transaction *t, void *argument)
{
	(void)argument;
	t->cursor = bytes_of(&lender.region)[0];
}

static bool over;

static void *come_and_go(void *argument)
{
	struct prec_transaction t;
	uint64_t *count = argument;

	while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
		if (!EXPECT(run_on(&lender.region, PREC_ABANDON, pass, NULL,
				   &t) == PREC_OK))
			break;
		__atomic_add_fetch(count, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void others_are_not_disturbed(void)
{
	pthread_t thread, passer;
	uint64_t count = 0;
	int i;

	MUST(pthread_create(&thread, NULL, hold, NULL) == 0);
	pthread_barrier_wait(&barrier);
	MUST(pthread_create(&passer, NULL, come_and_go, &count) == 0);
	for (i = 0; i < 20000 ||
		    (__atomic_load_n(&count, __ATOMIC_RELAXED) < 20000 &&
		     __atomic_load_n(&points_failed, __ATOMIC_RELAXED) == 0);
	     i++)
		EXPECT(prec_region_unmap(&lender.region) == PREC_BUSY);
	__atomic_store_n(&over, true, __ATOMIC_RELAXED);
	pthread_join(passer, NULL);
	pthread_barrier_wait(&barrier);
	pthread_join(thread, NULL);
}

/* Nobody keeps it open: whoever comes first wins, and after an OK nobody gets
 * in. */
static void *until_gone(void *argument)
{
	struct prec_transaction t;
	enum prec_status status;

	(void)argument;
	pthread_barrier_wait(&barrier);
	do
		status = run_on(&lender.region, PREC_ABANDON, pass, NULL, &t);
	while (status == PREC_OK);
	EXPECT(status == PREC_REFUSED && t.note.faults == 0);
	return NULL;
}

static void one_of_two_wins(void)
{
	enum prec_status status;
	pthread_t thread;
	int i;

	for (i = 0; i < 200; i++) {
		lend_pattern(&lender, PAGE);
		MUST(pthread_create(&thread, NULL, until_gone, NULL) == 0);
		pthread_barrier_wait(&barrier);
		do
			status = prec_region_unmap(&lender.region);
		while (status == PREC_BUSY);
		EXPECT(status == PREC_OK);
		pthread_join(thread, NULL);
		close(lender.fd);
	}
}

static void not_twice(void)
{
	struct lender three[3], fresh;
	uint64_t value;
	size_t i;

	for (i = 0; i < 3; i++)
		lend_pattern(&three[i], PAGE);
	MUST(prec_region_unmap(&three[1].region) == PREC_OK);
	lend_pattern(&fresh, PAGE);
	EXPECT(prec_region_unmap(&three[1].region) == PREC_INVALID);
	EXPECT(prec_region_revoke(&three[1].region) == PREC_INVALID);
	close(three[1].fd);
	set_size(&three[0], 0);
	set_size(&three[2], 0);
	set_size(&fresh, 0);
	EXPECT(prec_load64(three[0].region.span, 0, &value) == PREC_GONE);
	EXPECT(prec_load64(three[2].region.span, 0, &value) == PREC_GONE);
	EXPECT(prec_load64(fresh.region.span, 0, &value) == PREC_GONE);
	end_lending(&three[0]);
	end_lending(&three[2]);
	end_lending(&fresh);
}

static int without_the_barrier(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]),
				      filter };
	struct prec_transaction t;

	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
	EXPECT(prec_region_unmap(&lender.region) == PREC_SYSTEM &&
	       errno == EPERM);
	EXPECT(run_on(&lender.region, PREC_ABANDON, pass, NULL, &t) == PREC_OK);
	return points_failed ? 1 : 31;
}

static void barrier_refused(void)
{
	int status;
	pid_t pid = fork();

	MUST(pid >= 0);
	if (pid == 0) {
		lend_pattern(&lender, PAGE);
		_exit(without_the_barrier());
	}
	MUST(waitpid(pid, &status, 0) == pid);
	EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 31);
}

int main(void)
{
	struct prec_transaction t;
	uint64_t host;

	pthread_barrier_init(&barrier, NULL, 2);
	lend_pattern(&lender, 4 * PAGE);
	lend_pattern(&other, PAGE);
	by_another_thread();
	EXPECT(run_on(&lender.region, PREC_ABANDON, try_it, NULL, &t) ==
	       PREC_OK);
	EXPECT(run_on(&lender.region, PREC_ABANDON, nested, NULL, &t) ==
	       PREC_OK);
	host = lender.region.span.host;
	others_are_not_disturbed();
	end_lending(&lender);
	EXPECT(prec_region_at(host) == NULL);
	end_lending(&other);
	one_of_two_wins();
	not_twice();
	barrier_refused();
	return expect_end();
}
