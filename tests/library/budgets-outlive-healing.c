// SPDX-License-Identifier: MIT
/*
 * A region with a budget is healed as others are: the client's pages are put
 * back, and its holes are watched and charged from the first instant on, also
 * while other threads are at work there.
 */
#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "lender.h"

#define PAGES 64u
#define SIZE  (PAGES * PAGE)
#define MOST  40u /* pages that the budget allows */

static struct prec_budget budget;
static struct lender lender;
static struct prec_span span; /* of all its pages */

static void lend_holes(uint32_t rights, uint64_t pages, uint32_t options)
{
	struct prec_lending lending = { .rights = rights,
					.size = SIZE,
					.options = PREC_TOLERATE | options,
					.budget = &budget };

	memset(&budget, 0, sizeof(budget));
	budget.max = pages * PAGE;
	lending.fd = lender.fd = new_file(SIZE, 0);
	MUST(prec_region_map(&lender.region, &lending, NULL) == PREC_OK);
	span = lender.region.span;
}

/* Pages that the file has: whoever made them. */
static uint64_t there(void)
{
	struct stat file;

	MUST(fstat(lender.fd, &file) == 0);
	return (uint64_t)file.st_blocks * 512 / PAGE;
}

static enum prec_status touch(uint64_t page)
{
	uint8_t byte;

	return prec_load8(span, page * PAGE, &byte);
}

UNWATCHED
static unsigned char read_plainly(uint64_t page)
{
	return bytes_of(&lender.region)[page * PAGE];
}

static void shrink_and_grow(uint64_t to)
{
	set_size(&lender, to);
	set_size(&lender, SIZE);
}

static void holes_are_watched(uint32_t rights)
{
	uint64_t page, allowed = 0;

	lend_holes(rights, MOST, 0);
	EXPECT(touch(0) == PREC_OK && touch(1) == PREC_OK);
	EXPECT(prec_budget_used(&budget) == 2 * PAGE && there() == 2);
	set_size(&lender, PAGE);
	EXPECT(bytes_of(&lender.region)[3 * PAGE] == 0);
	EXPECT(prec_region_check(&lender.region) == PREC_GONE);
	EXPECT(prec_region_grow(&lender.region, SIZE) == PREC_GONE);
	set_size(&lender, SIZE);
	EXPECT(prec_region_grow(&lender.region, SIZE) == PREC_OK);
	EXPECT(prec_region_check(&lender.region) == PREC_OK);
	EXPECT(there() == 1);
	/* What the client writes is seen, and holes are made and charged. */
	MUST(pwrite(lender.fd, "x", 1, 9 * PAGE) == 1);
	EXPECT(bytes_of(&lender.region)[9 * PAGE] == 'x');
	for (page = 0; page < PAGES; page++)
		allowed += touch(page) == PREC_OK;
	EXPECT(allowed < PAGES && prec_budget_refused(&budget) > 0);
	EXPECT(there() <= MOST + 1); /* one is the client's */
	EXPECT(prec_budget_used(&budget) <= MOST * PAGE);
	end_lending(&lender);
	prec_budget_end(&budget);
}

/* A child does not watch the regions that it keeps, but heals them as others
 * do. */
static void healed_in_a_child(void)
{
	int status;
	pid_t pid;

	lend_holes(PREC_READ | PREC_WRITE, MOST, PREC_KEEP_ON_FORK);
	pid = fork();
	MUST(pid >= 0);
	if (pid == 0) {
		set_size(&lender, PAGE);
		EXPECT(read_plainly(3) == 0);
		set_size(&lender, SIZE);
		EXPECT(prec_region_grow(&lender.region, SIZE) == PREC_OK);
		MUST(pwrite(lender.fd, "x", 1, 3 * PAGE) == 1);
		EXPECT(read_plainly(3) == 'x');
		_exit(points_failed ? 1 : 31);
	}
	MUST(waitpid(pid, &status, 0) == pid);
	EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 31);
	end_lending(&lender);
	prec_budget_end(&budget);
}

/* --- while others are at work --- */

static bool over;

static void *loads(void *argument)
{
	uint64_t page = (uint64_t)(uintptr_t)argument, lost = 0;

	while (!__atomic_load_n(&over, __ATOMIC_RELAXED))
		lost += touch(page++ % PAGES) != PREC_OK;
	return (void *)(uintptr_t)(lost > 0);
}

UNWATCHED
static void *touches(void *argument)
{
	uint64_t seed = (uint64_t)(uintptr_t)argument, lost = 0;

	while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		if (seed >> 63)
			lost += touch((seed >> 33) % PAGES) != PREC_OK;
		else
			lost += bytes_of(&lender.region)[(seed >> 33) % SIZE];
	}
	return (void *)(uintptr_t)(lost > 0);
}

static void heal_again_and_again(void *(*beside)(void *), uint64_t most)
{
	pthread_t threads[2];
	uint64_t i;

	over = false;
	for (i = 0; i < 2; i++)
		MUST(pthread_create(&threads[i], NULL, beside,
				    (void *)(uintptr_t)(i + 1)) == 0);
	for (i = 0; i < 300; i++) {
		shrink_and_grow(i % 7 * PAGE);
		/* A page of ours, so that there is something to heal. */
		(void)read_plainly(i % PAGES);
		EXPECT(prec_region_grow(&lender.region, SIZE) == PREC_OK);
		if (!EXPECT(there() <= most))
			break;
	}
	__atomic_store_n(&over, true, __ATOMIC_RELAXED);
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
}

/* Each page that there is would be one that nobody paid for. */
static void nothing_is_made_unseen(void)
{
	lend_holes(PREC_READ | PREC_WRITE, 0, 0);
	heal_again_and_again(loads, 0);
	EXPECT(there() == 0 && prec_budget_used(&budget) == 0);
	end_lending(&lender);
	prec_budget_end(&budget);
}

static void healed_beside_others(void)
{
	uint64_t i;

	lend_holes(PREC_READ | PREC_WRITE, MOST, 0);
	heal_again_and_again(touches, MOST);
	EXPECT(prec_region_grow(&lender.region, SIZE) == PREC_OK);
	for (i = 0; i < PAGES; i++)
		(void)!touch(i);
	EXPECT(there() <= MOST && there() * PAGE <= prec_budget_used(&budget));
	EXPECT(prec_budget_used(&budget) <= MOST * PAGE);
	end_lending(&lender);
	prec_budget_end(&budget);
}

int main(void)
{
	if (prec_budget_prepare() != PREC_OK)
		skip_all("holes cannot be watched here");
	holes_are_watched(PREC_READ | PREC_WRITE);
	holes_are_watched(PREC_READ);
	healed_in_a_child();
	nothing_is_made_unseen();
	healed_beside_others();
	return expect_end();
}
