// SPDX-License-Identifier: MIT
/*
 * Lent memory in system calls: prec_pread and prec_pwrite say how far they came
 * and what stopped them, and prec_span_iovec gives only what is granted.
 */
#include <errno.h>
#include <fcntl.h>

#include "lender.h"

#define PAGES 8u
#define SIZE  (PAGES * PAGE)

static struct lender lender;
static int file;

static struct prec_result read_in(uint64_t offset, uint64_t size, uint64_t at)
{
	return prec_pread(file, lender.region.span, offset, size, at);
}

static struct prec_result write_from(uint64_t offset, uint64_t size,
				     uint64_t at)
{
	return prec_pwrite(file, lender.region.span, offset, size, at);
}

static bool is(struct prec_result r, enum prec_status status, uint64_t done)
{
	return r.status == status && r.done == done &&
	       (r.error != 0) == (status == PREC_SYSTEM);
}

static void whole(void)
{
	unsigned char bytes[100];
	int i;

	file = new_file(0, 0);
	write_pattern(file, SIZE);
	lend(&lender, SIZE, PREC_READ | PREC_WRITE);
	EXPECT(is(read_in(0, SIZE, 0), PREC_OK, SIZE));
	EXPECT(bytes_of(&lender.region)[SIZE - 1] == pattern(SIZE - 1));
	EXPECT(is(read_in(10, SIZE - 10, SIZE - 30), PREC_OK,
		  30)); /* its end */
	EXPECT(is(read_in(0, 5, SIZE), PREC_OK, 0));
	EXPECT(is(read_in(SIZE, 0, 0), PREC_OK, 0));
	EXPECT(is(write_from(10, 30, 2 * SIZE), PREC_OK, 30));
	EXPECT(pread(file, bytes, 100, 2 * SIZE) == 30);
	for (i = 0; i < 30; i++)
		EXPECT(bytes[i] == pattern(SIZE - 30 + (uint64_t)i));
	end_lending(&lender);
	close(file);
}

static void lost(void)
{
	uint64_t before;

	file = new_file(0, 0);
	write_pattern(file, SIZE);
	lend(&lender, SIZE, PREC_READ | PREC_WRITE);
	set_size(&lender, 3 * PAGE);
	before = prec_region_epoch(&lender.region);
	EXPECT(is(read_in(5, SIZE - 5, 0), PREC_GONE, 3 * PAGE - 5));
	EXPECT(prec_region_epoch(&lender.region) != before);
	before = prec_region_epoch(&lender.region);
	EXPECT(is(write_from(PAGE, 6 * PAGE, 0), PREC_GONE, 2 * PAGE));
	EXPECT(prec_region_epoch(&lender.region) != before);
	MUST(prec_region_revoke(&lender.region) == PREC_OK);
	EXPECT(is(read_in(0, PAGE, 0), PREC_GONE, 0));
	end_lending(&lender);
	close(file);
}

static void refused(void)
{
	int ends[2];

	file = new_file(SIZE, 0);
	lend(&lender, SIZE, PREC_READ);
	EXPECT(is(read_in(0, 1, 0), PREC_RIGHTS, 0));
	EXPECT(is(write_from(0, SIZE + 1, 0), PREC_RANGE, 0));
	EXPECT(is(write_from(SIZE, 1, 0), PREC_RANGE, 0));
	EXPECT(is(write_from(~0ull, 2, 0), PREC_RANGE, 0));
	EXPECT(is(write_from(0, PAGE, 1ull << 63), PREC_SYSTEM, 0));
	close(file);
	EXPECT(write_from(0, 1, 0).error == EBADF);
	MUST(pipe(ends) == 0);
	file = ends[1];
	EXPECT(write_from(0, 1, 0).error == ESPIPE);
	close(ends[0]);
	close(ends[1]);
	end_lending(&lender);
}

static void vectors(void)
{
	struct iovec iov = { NULL, 7 };
	struct prec_span span;

	lend(&lender, SIZE, PREC_READ);
	span = lender.region.span;
	EXPECT(prec_span_iovec(span, 5, SIZE - 4, PREC_READ, &iov) ==
	       PREC_RANGE);
	EXPECT(prec_span_iovec(span, 0, 1, PREC_WRITE, &iov) == PREC_RIGHTS);
	EXPECT(iov.iov_base == NULL && iov.iov_len == 7);
	EXPECT(prec_span_iovec(span, 5, SIZE - 5, PREC_READ, &iov) == PREC_OK);
	EXPECT(iov.iov_base ==
		       (unsigned char *)prec_plain(prec_span_lent(span)) + 5 &&
	       iov.iov_len == SIZE - 5);
	end_lending(&lender);
}

/* Holes that a budget watches are made, as far as it goes. */
static void holes(void)
{
	struct prec_budget budget = { .max = 3 * PAGE };
	struct prec_lending lending = { .rights = PREC_READ | PREC_WRITE,
					.size = SIZE,
					.budget = &budget };
	uint64_t before;

	if (prec_budget_prepare() != PREC_OK) {
		skip_part("holes", "they cannot be watched here");
		return;
	}
	file = new_file(0, 0);
	write_pattern(file, SIZE);
	lending.fd = lender.fd = new_file(SIZE, 0);
	MUST(prec_region_map(&lender.region, &lending, NULL) == PREC_OK);
	before = prec_region_epoch(&lender.region);
	EXPECT(is(read_in(0, PAGE + 1, 0), PREC_OK, PAGE + 1));
	EXPECT(is(write_from(2 * PAGE, 1, 0), PREC_OK, 1));
	EXPECT(prec_budget_used(&budget) == 3 * PAGE);
	EXPECT(is(read_in(0, SIZE, 0), PREC_GONE, 3 * PAGE));
	EXPECT(prec_region_epoch(&lender.region) == before); /* not lost */
	end_lending(&lender);
	prec_budget_end(&budget);
	close(file);
}

int main(void)
{
	whole();
	lost();
	refused();
	vectors();
	holes();
	return expect_end();
}
