// SPDX-License-Identifier: MIT
/*
 * Memory in huge pages, lost by truncation and by an empty pool.  Pages are
 * replaced whole, the edge is a huge page's, and what was written to a page
 * that was replaced alone stays when more is lost around it.
 */
#include <fcntl.h>

#include "lender.h"
#include "tests/huge-pages.h"

#define HUGE (2ull << 20)

static int huge_file(uint64_t size)
{
	/* 2^21 bytes each */
	int fd = memfd_create("huge", MFD_CLOEXEC | MFD_HUGETLB | 21u << 26);

	MUST(fd >= 0);
	MUST(ftruncate(fd, (off_t)size) == 0);
	return fd;
}

static void lend_huge(struct lender *lender, uint64_t size)
{
	lender->fd = huge_file(size);
	MUST(try_lend(lender, size, PREC_READ | PREC_WRITE, 0, NULL) ==
	     PREC_OK);
	MUST(lender->region.page_size == HUGE);
}

struct range {
	struct lender *lender;
	uint64_t from, to;
};

UNWATCHED
static void write_range(struct prec_transaction *t, void *argument)
{
	struct range *range = argument;
	uint64_t i;

	for (i = range->from; i < range->to; i += PAGE) {
		t->cursor = i;
		bytes_of(&range->lender->region)[i] = 0x77;
	}
	t->cursor = range->to;
}

static void truncated(void)
{
	struct prec_transaction t;
	struct lender lender;
	struct range range = { &lender, 0, 3 * HUGE };
	unsigned char bytes[64];

	lend_huge(&lender, 3 * HUGE);
	set_size(&lender, HUGE);
	EXPECT(prec_copy_in(bytes, lender.region.span, HUGE - 5, 64).done == 5);
	EXPECT(prec_fill(lender.region.span, HUGE - 3000, 1, 70000).done ==
	       3000);
	EXPECT(run_on(&lender.region, PREC_ABANDON, write_range, &range, &t) ==
	       PREC_GONE);
	EXPECT(t.cursor == HUGE &&
	       t.note.address == lender.region.span.host + HUGE);
	EXPECT(run_on(&lender.region, PREC_SUBSTITUTE, write_range, &range,
		      &t) == PREC_DISTURBED);
	EXPECT(t.note.lost_host == lender.region.span.host + HUGE &&
	       t.note.lost_size == 2 * HUGE && t.note.faults == 1);
	EXPECT(bytes_of(&lender.region)[2 * HUGE] == 0x77);
	end_lending(&lender);
}

/* The client punches a page out and something else takes the last one. */
static void pool_is_empty(void)
{
	struct prec_transaction t;
	struct lender lender;
	struct range range = { &lender, HUGE + PAGE, HUGE + 2 * PAGE };
	int eater = huge_file(HUGE), i;
	uint8_t value = 0;
	void *eaten;

	lend_huge(&lender, 3 * HUGE);
	for (i = 0; i < 3; i++)
		bytes_of(&lender.region)[(uint64_t)i * HUGE] = 1;
	MUST(fallocate(lender.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		       (off_t)HUGE, (off_t)HUGE) == 0);
	MUST(huge_pool_set(3));
	eaten = mmap(NULL, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED, eater, 0);
	MUST(eaten != MAP_FAILED);
	*(volatile char *)eaten = 1;
	EXPECT(prec_load8(lender.region.span, HUGE, &value) == PREC_GONE);
	EXPECT(run_on(&lender.region, PREC_ABANDON, write_range, &range, &t) ==
	       PREC_GONE);
	EXPECT(run_on(&lender.region, PREC_SUBSTITUTE, write_range, &range,
		      &t) == PREC_DISTURBED);
	EXPECT(t.note.lost_host == lender.region.span.host + HUGE &&
	       t.note.lost_size == HUGE);
	EXPECT(bytes_of(&lender.region)[2 * HUGE] == 1);
	/* Now the tail goes too: the page that was replaced keeps its store. */
	set_size(&lender, HUGE);
	range.from = 2 * HUGE;
	range.to = 2 * HUGE + PAGE;
	EXPECT(run_on(&lender.region, PREC_SUBSTITUTE, write_range, &range,
		      &t) == PREC_DISTURBED);
	EXPECT(prec_load8(lender.region.span, HUGE + PAGE, &value) == PREC_OK);
	EXPECT(value == 0x77);
	EXPECT(prec_load8(lender.region.span, 2 * HUGE, &value) == PREC_OK);
	EXPECT(value == 0x77);
	munmap(eaten, HUGE);
	close(eater);
	end_lending(&lender);
}

int main(void)
{
	long before = huge_pool_size();

	if (before != 0 || !huge_pool_set(4)) {
		huge_pool_set(before);
		skip_all("needs to set vm.nr_hugepages, and a pool not in use");
	}
	truncated();
	pool_is_empty();
	if (!huge_pool_set(before))
		printf("nr_hugepages is not what it was: %ld\n", before);
	return expect_end();
}
