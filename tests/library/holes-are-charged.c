// SPDX-License-Identifier: MIT
/*
 * Holes of memory that was lent with a budget: each way to touch one makes the
 * page and charges it, none makes one past the budget, and what the client
 * gives back is credited.  What was made is counted by the file's own blocks,
 * which nobody can get wrong.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <precarium/access_x86_64.h>

#include "lender.h"
#include "tests/huge-pages.h"

#define PAGES 64u
#define SIZE  (PAGES * PAGE)

static struct prec_budget all, budget;

static void allow(uint64_t pages, uint64_t pages_of_all)
{
	prec_budget_end(&budget);
	memset(&all, 0, sizeof(all));
	memset(&budget, 0, sizeof(budget));
	all.max = pages_of_all * PAGE;
	budget.max = pages * PAGE;
	budget.all = &all;
}

static void lend_holes(struct lender *lender, int fd, uint64_t size,
		       uint32_t rights)
{
	const struct prec_lending lending = {
		.fd = fd,
		.rights = rights,
		.size = size,
		.budget = &budget,
	};

	lender->fd = fd;
	MUST(prec_region_map(&lender->region, &lending, NULL) == PREC_OK);
}

/* Pages that the file has. */
static uint64_t there(int fd)
{
	struct stat file;

	MUST(fstat(fd, &file) == 0);
	return (uint64_t)file.st_blocks * 512 / PAGE;
}

static bool charged(uint64_t pages)
{
	return prec_budget_used(&budget) == pages * PAGE &&
	       prec_budget_used(&all) == pages * PAGE;
}

static void punch(int fd, uint64_t first, uint64_t count)
{
	MUST(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		       (off_t)(first * PAGE), (off_t)(count * PAGE)) == 0);
}

static enum prec_status fill_page(const struct lender *lender, uint64_t page)
{
	return prec_fill(lender->region.span, page * PAGE, 7, PAGE).status;
}

static void by_copies(void)
{
	unsigned char bytes[2 * PAGE];
	struct lender lender;
	struct prec_result r;

	allow(PAGES, PAGES);
	lend_holes(&lender, new_file(SIZE, 0), SIZE, PREC_READ | PREC_WRITE);
	EXPECT(charged(0));
	memset(bytes, 1, sizeof(bytes));
	r = prec_copy_in(bytes, lender.region.span, 100, sizeof(bytes));
	EXPECT(r.status == PREC_OK && r.done == sizeof(bytes));
	EXPECT(bytes[0] == 0 && bytes[sizeof(bytes) - 1] == 0);
	EXPECT(charged(3) && there(lender.fd) == 3);
	EXPECT(fill_page(&lender, 2) == PREC_OK && charged(3));
	EXPECT(fill_page(&lender, 9) == PREC_OK && charged(4));
	EXPECT(pread(lender.fd, bytes, 1, 9 * PAGE) == 1 && bytes[0] == 7);
	EXPECT(prec_region_epoch(&lender.region) == 0);
	end_lending(&lender);
}

static void what_is_there_is_free(void)
{
	struct lender lender;

	allow(0, 0);
	lender.fd = new_file(SIZE, 0);
	write_pattern(lender.fd, SIZE);
	lend_holes(&lender, lender.fd, SIZE, PREC_READ | PREC_WRITE);
	for (uint64_t page = 0; page < PAGES; page++)
		EXPECT(fill_page(&lender, page) == PREC_OK);
	EXPECT(charged(0) && prec_budget_refused(&budget) == 0);
	end_lending(&lender);
}

static void not_past_the_budget(void)
{
	struct lender lender;
	struct prec_result r;
	uint64_t made;

	allow(3, PAGES);
	lend_holes(&lender, new_file(SIZE, 0), SIZE, PREC_READ | PREC_WRITE);
	r = prec_fill(lender.region.span, 0, 7, 5 * PAGE);
	EXPECT(r.status == PREC_GONE && r.done == 3 * PAGE);
	EXPECT(charged(3) && there(lender.fd) == 3);
	EXPECT(prec_budget_refused(&budget) == 1);
	EXPECT(prec_budget_short(&budget) == &budget);
	EXPECT(prec_region_epoch(&lender.region) == 0);
	EXPECT(prec_region_check(&lender.region) == PREC_OK);
	EXPECT(prec_span_provide(lender.region.span, 0, 4 * PAGE, &made) ==
		       PREC_FULL &&
	       made == 0);
	EXPECT(fill_page(&lender, 2) == PREC_OK);

	/* What is gone is gone, budget or not. */
	set_size(&lender, 2 * PAGE);
	EXPECT(fill_page(&lender, 2) == PREC_GONE);
	EXPECT(prec_region_epoch(&lender.region) != 0);
	EXPECT(prec_budget_refused(&budget) == 2);
	EXPECT(prec_span_provide(lender.region.span, 2 * PAGE, PAGE, &made) ==
	       PREC_GONE);
	end_lending(&lender);

	allow(PAGES, 2);
	lend_holes(&lender, new_file(SIZE, 0), SIZE, PREC_READ | PREC_WRITE);
	r = prec_fill(lender.region.span, 0, 7, 5 * PAGE);
	EXPECT(r.status == PREC_GONE && r.done == 2 * PAGE && charged(2));
	EXPECT(prec_budget_short(&budget) == &all);
	end_lending(&lender);
}

/* The kernel is told that it cannot reach a hole, and makes nothing. */
static void by_the_kernel(void)
{
	int from = new_file(SIZE, 0);
	struct lender lender;
	struct iovec vector;
	uint64_t made;

	write_pattern(from, SIZE);
	allow(4, PAGES);
	lend_holes(&lender, new_file(SIZE, 0), SIZE, PREC_READ | PREC_WRITE);
	vector.iov_base = (void *)(uintptr_t)lender.region.span.host;
	vector.iov_len = 3 * PAGE;
	EXPECT(preadv(from, &vector, 1, 0) < 0 && errno == EFAULT);
	EXPECT(pwritev(from, &vector, 1, 0) < 0 && errno == EFAULT);
	EXPECT(charged(0) && there(lender.fd) == 0);
	EXPECT(prec_span_provide(lender.region.span, 0, PAGE + 1, &made) ==
		       PREC_OK &&
	       made == 2);
	EXPECT(preadv(from, &vector, 1, 0) == 2 * PAGE);
	EXPECT(charged(2) && there(lender.fd) == 2);
	EXPECT(prec_span_provide(lender.region.span, 0, 4 * PAGE, &made) ==
		       PREC_OK &&
	       made == 2);
	EXPECT(preadv(from, &vector, 1, 0) == 3 * PAGE);
	EXPECT(prec_span_provide(lender.region.span, 0, 5 * PAGE, &made) ==
	       PREC_FULL);
	EXPECT(prec_span_provide(lender.region.span, SIZE, 1, &made) ==
	       PREC_RANGE);
	EXPECT(there(lender.fd) == 4);
	end_lending(&lender);
	close(from);
}

static void touch_two(struct prec_transaction *t, void *argument)
{
	const struct lender *lender = argument;
	volatile unsigned char *bytes = bytes_of(&lender->region);

	bytes[0] = 1;
	t->cursor = 1;
	bytes[5 * PAGE] = 2;
	t->cursor = 2;
}

static void in_transactions(void)
{
	struct prec_transaction t;
	struct lender lender;

	for (int policy = PREC_ABANDON; policy <= PREC_SUBSTITUTE; policy++) {
		allow(PAGES, PAGES);
		lend_holes(&lender, new_file(SIZE, 0), SIZE,
			   PREC_READ | PREC_WRITE);
		EXPECT(run_on(&lender.region, policy, touch_two, &lender, &t) ==
		       PREC_OK);
		EXPECT(t.cursor == 2 && charged(2) && there(lender.fd) == 2);
		punch(lender.fd, 0, 1);
		EXPECT(run_on(&lender.region, policy, touch_two, &lender, &t) ==
		       PREC_OK);
		EXPECT(charged(2) && there(lender.fd) == 2);
		end_lending(&lender);

		allow(1, PAGES);
		lend_holes(&lender, new_file(SIZE, 0), SIZE,
			   PREC_READ | PREC_WRITE);
		EXPECT(run_on(&lender.region, policy, touch_two, &lender, &t) ==
		       (policy == PREC_ABANDON ? PREC_GONE : PREC_DISTURBED));
		EXPECT(t.cursor == (policy == PREC_ABANDON ? 1 : 2));
		EXPECT(charged(1) && there(lender.fd) == 1);
		end_lending(&lender);
	}
}

/* A client that lends what it may only read itself, or lets us only read. */
static void read_only(void)
{
	unsigned char bytes[2 * PAGE];
	int fd = new_file(SIZE, 0), only;
	struct lender lender;
	char path[40];
	uint64_t made;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	only = open(path, O_RDONLY | O_CLOEXEC);
	MUST(only >= 0);
	allow(2, PAGES);
	lend_holes(&lender, only, SIZE, PREC_READ);
	EXPECT(prec_copy_in(bytes, lender.region.span, 0, PAGE).status ==
	       PREC_OK);
	EXPECT(charged(1) && there(fd) == 1);
	MUST(pwrite(fd, "x", 1, 0) == 1 && pwrite(fd, "y", 1, PAGE) == 1);
	EXPECT(prec_copy_in(bytes, lender.region.span, 0, PAGE).status ==
		       PREC_OK &&
	       bytes[0] == 'x');
	EXPECT(prec_copy_in(bytes, lender.region.span, PAGE, PAGE).status ==
		       PREC_OK &&
	       bytes[0] == 'y' && charged(1));
	EXPECT(prec_span_provide(lender.region.span, 2 * PAGE, PAGE, &made) ==
		       PREC_OK &&
	       made == 1);
	EXPECT(prec_copy_in(bytes, lender.region.span, 3 * PAGE, PAGE).status ==
	       PREC_GONE);
	EXPECT(charged(2) && there(fd) == 3);
	MUST(ftruncate(fd, PAGE) == 0);
	EXPECT(prec_copy_in(bytes, lender.region.span, 0, 2 * PAGE).done ==
	       PAGE);
	EXPECT(prec_region_check(&lender.region) == PREC_GONE);
	end_lending(&lender);
	close(fd);
}

static void on_huge_pages(void)
{
	const uint64_t huge = 2 << 20;
	int fd = memfd_create("client", MFD_CLOEXEC | MFD_HUGETLB | 21u << 26);
	long before = huge_pool_size();
	struct lender lender;
	uint64_t made;

	if (before == 0)
		huge_pool_set(2);
	if (fd < 0 || ftruncate(fd, 4 * huge) != 0 ||
	    fallocate(fd, 0, 0, 2 * huge) != 0) {
		skip_part("huge pages", "needs two of 2 MiB");
		if (before == 0)
			huge_pool_set(0);
		return;
	}
	punch(fd, 0, 1024);
	allow(2 * huge / PAGE, PAGES * huge);
	lend_holes(&lender, fd, 4 * huge, PREC_READ | PREC_WRITE);
	EXPECT(prec_fill(lender.region.span, huge + 5, 7, 1).status == PREC_OK);
	EXPECT(charged(huge / PAGE));
	EXPECT(prec_span_provide(lender.region.span, 0, 1, &made) == PREC_OK &&
	       made == 1);
	EXPECT(charged(2 * huge / PAGE));
	EXPECT(prec_fill(lender.region.span, 2 * huge, 7, 1).status ==
	       PREC_GONE);
	EXPECT(prec_budget_refused(&budget) == 1);
	punch(fd, 0, 512);
	usleep(10000);
	EXPECT(prec_fill(lender.region.span, 0, 7, 1).status == PREC_OK);
	EXPECT(charged(2 * huge / PAGE));
	end_lending(&lender);
	if (before == 0)
		huge_pool_set(0);
}

/* Until the budget has been looked through. */
static bool fills_in_time(const struct lender *lender, uint64_t page)
{
	for (int i = 0; i < 10000; i++) {
		if (fill_page(lender, page) == PREC_OK)
			return true;
		usleep(1000);
	}
	return false;
}

static void given_back_is_credited(void)
{
	struct lender lender, other;

	allow(PAGES / 2, PAGES);
	lend_holes(&lender, new_file(SIZE, 0), SIZE, PREC_READ | PREC_WRITE);
	lend_holes(&other, new_file(SIZE, 0), SIZE, PREC_READ | PREC_WRITE);
	for (uint64_t page = 0; page < PAGES / 2; page++)
		EXPECT(fill_page(&lender, page) == PREC_OK);
	EXPECT(fill_page(&lender, PAGES - 1) == PREC_GONE);
	EXPECT(fill_page(&other, 0) == PREC_GONE);
	punch(lender.fd, 3, 2);
	EXPECT(fills_in_time(&other, 0) && fills_in_time(&other, 1));
	EXPECT(fill_page(&other, 2) == PREC_GONE && charged(PAGES / 2));
	set_size(&lender, 8 * PAGE);
	EXPECT(fills_in_time(&other, 2));
	EXPECT(charged(6 + 3));
	EXPECT(there(lender.fd) + there(other.fd) == 6 + 3);
	end_lending(&other);
	end_lending(&lender);
}

/* Pages cost us while the client has its file, lent or not. */
static void stays_while_the_file_does(void)
{
	struct lender lender;
	uint64_t made;
	int fd;

	allow(4, PAGES);
	fd = new_file(SIZE, 0);
	lend_holes(&lender, fd, SIZE, PREC_READ | PREC_WRITE);
	for (uint64_t page = 0; page < 3; page++)
		EXPECT(fill_page(&lender, page) == PREC_OK);
	MUST(prec_region_unmap(&lender.region) == PREC_OK);
	EXPECT(charged(3));

	/* Lent again, it goes on, and is looked at. */
	lend_holes(&lender, fd, SIZE, PREC_READ | PREC_WRITE);
	EXPECT(charged(3) && fill_page(&lender, 0) == PREC_OK && charged(3));
	punch(fd, 0, 2);
	EXPECT(fills_in_time(&lender, 8) && fills_in_time(&lender, 9));
	EXPECT(charged(3) && there(fd) == 3);
	MUST(prec_region_unmap(&lender.region) == PREC_OK);

	/* Another pays beside it, until the first has gone. */
	lend_holes(&lender, new_file(SIZE, 0), SIZE, PREC_READ | PREC_WRITE);
	EXPECT(charged(3));
	EXPECT(fill_page(&lender, 0) == PREC_OK && charged(4));
	EXPECT(fill_page(&lender, 1) == PREC_GONE);
	close(fd);
	EXPECT(prec_span_provide(lender.region.span, 0, 4 * PAGE, &made) ==
		       PREC_OK &&
	       made == 3 && charged(4));
	end_lending(&lender);
	prec_budget_end(&budget);
	EXPECT(charged(0));
}

/* The child has nothing of the parent's, and can lend for itself. */
static void after_fork(void)
{
	struct lender lender;
	pid_t child;
	int status;

	allow(PAGES, PAGES);
	lend_holes(&lender, new_file(SIZE, 0), SIZE, PREC_READ | PREC_WRITE);
	child = fork();
	MUST(child >= 0);
	if (child == 0) {
		struct lender mine;

		lend_holes(&mine, new_file(SIZE, 0), SIZE, PREC_WRITE);
		_exit(fill_page(&mine, 1) == PREC_OK && charged(1) &&
				      there(mine.fd) == 1
			      ? 0
			      : 1);
	}
	MUST(waitpid(child, &status, 0) == child);
	EXPECT(status == 0);
	EXPECT(fill_page(&lender, 1) == PREC_OK && charged(1));
	end_lending(&lender);
}

int main(void)
{
	if (prec_budget_prepare() != PREC_OK)
		skip_all("needs userfaultfd");
	by_copies();
	what_is_there_is_free();
	not_past_the_budget();
	by_the_kernel();
	in_transactions();
	read_only();
	on_huge_pages();
	given_back_is_credited();
	stays_while_the_file_does();
	after_fork();
	return expect_end();
}
