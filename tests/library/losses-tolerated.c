// SPDX-License-Identifier: MIT
/*
 * A region that tolerates losses: plain accesses of any thread, outside all
 * transactions, find empty pages where the client took its own, and the epoch
 * says so.  What returns a status in other regions returns the same here.
 */
#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "lender.h"

#define PAGES	32u
#define SIZE	(PAGES * PAGE)
#define THREADS 3

static struct lender lender;

static void lend_tolerated(uint64_t size)
{
	lender.fd = new_file(size, MFD_ALLOW_SEALING);
	write_pattern(lender.fd, size);
	MUST(try_lend(&lender, size, PREC_READ | PREC_WRITE, PREC_TOLERATE,
		      NULL) == PREC_OK);
}

static uint64_t epoch(void)
{
	return prec_region_epoch(&lender.region);
}

static void found_empty(void)
{
	volatile unsigned char *bytes;
	uint64_t before, i;

	lend_tolerated(SIZE);
	bytes = bytes_of(&lender.region);
	before = epoch();
	EXPECT(bytes[SIZE - 1] == pattern(SIZE - 1) && epoch() == before);
	set_size(&lender, SIZE / 2);
	EXPECT(bytes[SIZE / 2] == 0);
	EXPECT(epoch() != before);
	bytes[SIZE - 1] = 7; /* for nobody */
	for (i = 0; i < SIZE; i += 512)
		EXPECT(bytes[i] == (i < SIZE / 2 ? pattern(i) : 0));
	EXPECT(bytes[SIZE - 1] == 7);
	EXPECT(prec_region_check(&lender.region) == PREC_GONE);
	end_lending(&lender);
}

static void found_revoked(void)
{
	volatile unsigned char *bytes;
	uint64_t before;

	lend_tolerated(SIZE);
	bytes = bytes_of(&lender.region);
	EXPECT(prec_region_revoke(&lender.region) == PREC_OK);
	before = epoch();
	EXPECT(bytes[PAGE] == 0 && bytes[0] == 0);
	EXPECT(epoch() != before);
	end_lending(&lender);
}

UNWATCHED
static void touch_last(struct prec_transaction *t, void *argument)
{
	(void)argument;
	t->cursor = 1;
	(void)bytes_of(&lender.region)[SIZE - 1];
	t->cursor = 2;
}

static void statuses_stay(void)
{
	unsigned char bytes[2 * PAGE];
	struct prec_transaction t;
	uint32_t value = 1;

	lend_tolerated(SIZE);
	set_size(&lender, SIZE / 2);
	EXPECT(prec_load32(lender.region.span, SIZE / 2, &value) == PREC_GONE);
	EXPECT(prec_copy_in(bytes, lender.region.span, SIZE / 2 - 9, 20).done ==
	       9);
	EXPECT(run_on(&lender.region, PREC_ABANDON, touch_last, NULL, &t) ==
		       PREC_GONE &&
	       t.cursor == 1 && t.note.abandoned);
	EXPECT(run_on(&lender.region, PREC_SUBSTITUTE, touch_last, NULL, &t) ==
		       PREC_DISTURBED &&
	       t.cursor == 2 && t.note.substituted);
	end_lending(&lender);
}

/* --- threads --- */

static bool over;

/* As clients' memory is, it is written to from everywhere. */
UNWATCHED
static void *work(void *argument)
{
	volatile unsigned char *bytes = bytes_of(&lender.region);
	uint64_t i, n = *(uint64_t *)argument, wrong = 0;

	for (i = n; !__atomic_load_n(&over, __ATOMIC_RELAXED); i += 509) {
		uint64_t at = i % (SIZE / 2);
		unsigned char found = bytes[at];

		wrong += found != pattern(at) && found != 0;
		bytes[SIZE / 2 + at] = 1;
	}
	EXPECT(wrong == 0);
	return NULL;
}

/* The client shrinks and grows its file, and the region is healed, while all
 * work on it. */
static void any_thread_any_time(void)
{
	uint64_t n[THREADS], i, at;
	pthread_t threads[THREADS];

	lend_tolerated(SIZE);
	for (i = 0; i < THREADS; i++) {
		n[i] = i * 1009;
		MUST(pthread_create(&threads[i], NULL, work, &n[i]) == 0);
	}
	for (i = 0; i < 200; i++) {
		set_size(&lender, i % 7 * PAGE);
		sched_yield();
		set_size(&lender, SIZE);
		write_pattern(lender.fd, SIZE / 2);
		EXPECT(prec_region_grow(&lender.region, SIZE) == PREC_OK);
		/* No empty page comes after the client's were put back. */
		for (at = 0; at < SIZE / 2; at += PAGE)
			EXPECT(bytes_of(&lender.region)[at] == pattern(at));
	}
	__atomic_store_n(&over, true, __ATOMIC_RELAXED);
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	EXPECT(prec_region_grow(&lender.region, SIZE) == PREC_OK);
	for (i = 0; i < SIZE / 2; i += 512)
		EXPECT(bytes_of(&lender.region)[i] == pattern(i));
	EXPECT(prec_region_check(&lender.region) == PREC_OK);
	end_lending(&lender);
}

/* --- single pages --- */

/* A budget of nothing makes each hole a single lost page. */
static void more_single_pages_than_places(void)
{
	struct prec_budget nothing = { .max = 0 };
	struct prec_lending lending = { .rights = PREC_READ | PREC_WRITE,
					.size = SIZE,
					.options = PREC_TOLERATE,
					.budget = &nothing };
	volatile unsigned char *bytes;
	uint64_t i;

	if (prec_budget_prepare() != PREC_OK) {
		skip_part("single pages", "holes cannot be watched here");
		return;
	}
	lender.fd = lending.fd = new_file(SIZE, 0);
	for (i = 0; i < PAGES; i += 2)
		MUST(pwrite(lender.fd, "x", 1, (off_t)(i * PAGE)) == 1);
	MUST(prec_region_map(&lender.region, &lending, NULL) == PREC_OK);
	bytes = bytes_of(&lender.region);
	for (i = 1; i < PAGES; i += 2) {
		EXPECT(bytes[i * PAGE] == 0);
		/* Eight one by one; the ninth with all that follows. */
		EXPECT(bytes[SIZE - 2 * PAGE] == (i < 17 ? 'x' : 0));
		EXPECT(bytes[0] == 'x');
	}
	for (i = 1; i < PAGES; i++)
		EXPECT(bytes[i * PAGE] == (i < 17 && i % 2 == 0 ? 'x' : 0));
	end_lending(&lender);
	prec_budget_end(&nothing);
}

/* --- no page to be had --- */

static void address_space_used_up(void)
{
	int prot = PROT_READ;

	while (mmap(NULL, PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
	       MAP_FAILED)
		prot ^= PROT_READ | PROT_WRITE;
}

static int dies(bool in_scope)
{
	struct prec_region *const regions[] = { &lender.region };
	struct prec_transaction scope = { .regions = regions,
					  .region_count = 1,
					  .policy = PREC_SUBSTITUTE };
	struct rlimit none = { 0, 0 };

	MUST(setrlimit(RLIMIT_CORE, &none) == 0);
	lender.fd = new_file(SIZE, 0);
	MUST(try_lend(&lender, SIZE, PREC_READ, in_scope ? 0 : PREC_TOLERATE,
		      NULL) == PREC_OK);
	set_size(&lender, PAGE);
	if (in_scope)
		MUST(prec_scope_begin(&scope) == PREC_OK);
	address_space_used_up();
	(void)bytes_of(&lender.region)[2 * PAGE];
	return 31;
}

/* Such a fault cannot be answered, and must not be hidden. */
static void no_page_is_deadly(bool in_scope)
{
	int status;
	pid_t pid = fork();

	MUST(pid >= 0);
	if (pid == 0)
		_exit(dies(in_scope));
	MUST(waitpid(pid, &status, 0) == pid);
	EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
}

int main(void)
{
	if (UNDER_SANITIZER)
		skip_part("no page", "sanitizers need memory of their own");
	else
		for (int i = 0; i < 2; i++)
			no_page_is_deadly(i);
	found_empty();
	found_revoked();
	statuses_stay();
	any_thread_any_time();
	more_single_pages_than_places();
	return expect_end();
}
