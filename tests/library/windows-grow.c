// SPDX-License-Identifier: MIT
/*
 * Regions of any number of bytes, and windows that reach beyond the end of the
 * file: what the client adds later is lent without moving, and what it took and
 * gave again can be put back.
 */
#include <pthread.h>

#include "lender.h"

#define PAGES 16u
#define SIZE  (PAGES * PAGE)

static struct lender lender;

static void lend_window(uint64_t size, uint64_t window, uint32_t options)
{
	struct prec_lending lending = { .rights = PREC_READ,
					.size = size,
					.window = window,
					.options = options };

	lending.fd = lender.fd = new_file(size, MFD_ALLOW_SEALING);
	write_pattern(lender.fd, size);
	MUST(prec_region_map(&lender.region, &lending, NULL) == PREC_OK);
}

static uint64_t bytes_in(uint64_t from, uint64_t size)
{
	static unsigned char bytes[SIZE + 1];
	struct prec_result r =
		prec_copy_in(bytes, lender.region.span, from, size);
	uint64_t i;

	for (i = 0; i < r.done; i++)
		EXPECT(bytes[i] == pattern(from + i));
	return r.status == PREC_RANGE ? 99999999 : r.done;
}

/* One byte is gone, the last of `size`. */
static void part_is_checked(uint64_t size)
{
	uint64_t epoch = prec_region_epoch(&lender.region);

	if (size > 1)
		EXPECT(prec_region_check_part(&lender.region, 0, size - 1) ==
		       PREC_OK);
	EXPECT(prec_region_epoch(&lender.region) == epoch);
	EXPECT(prec_region_check_part(&lender.region, size - 1, 1) ==
	       PREC_GONE);
	EXPECT(prec_region_epoch(&lender.region) == epoch + 1);
	EXPECT(prec_region_check_part(&lender.region, 1, size) == PREC_RANGE);
	EXPECT(prec_region_check_part(&lender.region, size, 1) == PREC_RANGE);
	EXPECT(prec_region_check_part(&lender.region, 0, 0) == PREC_RANGE);
}

static void any_size(void)
{
	const uint64_t sizes[] = { 1,	     100,      PAGE - 1, PAGE,
				   PAGE + 1, SIZE - 1, SIZE };
	uint32_t value;
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint64_t size = sizes[i];

		lend_window(size, 0, 0);
		EXPECT(lender.region.span.size == size);
		EXPECT(bytes_in(0, size) == size);
		EXPECT(bytes_in(0, size + 1) == 99999999);
		EXPECT(prec_load32(lender.region.span, size, &value) ==
		       PREC_RANGE);
		EXPECT(prec_region_check(&lender.region) == PREC_OK);
		/* The rest of its last page is ours as well. */
		EXPECT(prec_region_at(lender.region.span.host +
				      (size - 1) / PAGE * PAGE + PAGE - 1) ==
		       &lender.region);
		set_size(&lender, size - 1);
		part_is_checked(size);
		EXPECT(prec_region_check(&lender.region) == PREC_GONE);
		end_lending(&lender);
	}
}

/* One map for a log that grows by lines. */
static void log_grows(void)
{
	uint64_t size = 100, host;

	lend_window(size, SIZE, 0);
	host = lender.region.span.host;
	for (; size + 777 <= SIZE; size += 777) {
		EXPECT(prec_region_grow(&lender.region, size + 777) ==
		       PREC_GONE);
		set_size(&lender, size + 777);
		write_pattern(lender.fd, size + 777);
		EXPECT(prec_region_grow(&lender.region, size + 777) == PREC_OK);
		EXPECT(lender.region.span.size == size + 777);
		EXPECT(bytes_in(size, 777) == 777);
	}
	EXPECT(lender.region.span.host == host);
	EXPECT(prec_region_grow(&lender.region, SIZE + 1) == PREC_RANGE);
	EXPECT(prec_region_grow(&lender.region, 0) == PREC_INVALID);
	EXPECT(lender.region.span.size == size);
	EXPECT(prec_region_grow(&lender.region, 10) == PREC_OK);
	EXPECT(bytes_in(0, 11) == 99999999 && bytes_in(0, 10) == 10);
	end_lending(&lender);
	EXPECT(prec_region_grow(&lender.region, 10) == PREC_INVALID);
}

/* Beyond the end of the file it is memory that is gone, for each kind of
 * access. */
UNWATCHED
static void touch_end(struct prec_transaction *t, void *argument)
{
	(void)argument;
	t->cursor = bytes_of(&lender.region)[SIZE - 1] + 1;
}

static void beyond_the_end(void)
{
	struct prec_transaction t;

	lend_window(100, SIZE, 0);
	EXPECT(run_on(&lender.region, PREC_ABANDON, touch_end, NULL, &t) ==
		       PREC_GONE &&
	       t.cursor == 0);
	EXPECT(run_on(&lender.region, PREC_SUBSTITUTE, touch_end, NULL, &t) ==
		       PREC_DISTURBED &&
	       t.cursor == 1);
	EXPECT(bytes_in(0, 100) == 100);
	/* The empty pages hide what the client adds, until it is healed. */
	set_size(&lender, SIZE);
	write_pattern(lender.fd, SIZE);
	EXPECT(prec_region_grow(&lender.region, SIZE) == PREC_OK);
	EXPECT(bytes_in(0, SIZE) == SIZE);
	EXPECT(run_on(&lender.region, PREC_SUBSTITUTE, touch_end, NULL, &t) ==
		       PREC_OK &&
	       t.cursor == pattern(SIZE - 1) + 1u);
	end_lending(&lender);
}

static void healed(void)
{
	volatile unsigned char *bytes;
	uint64_t before;

	lend_window(SIZE, 0, PREC_TOLERATE);
	bytes = bytes_of(&lender.region);
	set_size(&lender, PAGE);
	EXPECT(bytes[3 * PAGE] == 0);
	EXPECT(prec_region_grow(&lender.region, SIZE) == PREC_GONE);
	set_size(&lender, SIZE);
	write_pattern(lender.fd, SIZE);
	EXPECT(bytes[3 * PAGE] == 0);
	before = prec_region_epoch(&lender.region);
	EXPECT(prec_region_grow(&lender.region, SIZE) == PREC_OK);
	EXPECT(prec_region_epoch(&lender.region) != before);
	EXPECT(bytes[3 * PAGE] == pattern(3 * PAGE));
	EXPECT(prec_region_check(&lender.region) == PREC_OK);
	/* and lost once more */
	set_size(&lender, PAGE);
	EXPECT(bytes[3 * PAGE] == 0);
	end_lending(&lender);
}

static void refused(void)
{
	struct prec_lending lending = { .fd = new_file(PAGE, 0),
					.rights = PREC_READ,
					.size = PAGE,
					.window = PREC_ADDRESS_MAX };
	struct prec_region region;
	enum prec_refusal why;

	EXPECT(prec_region_map(&region, &lending, NULL) == PREC_INVALID);
	lending.window = 1ull << 50; /* more addresses than there are */
	EXPECT(prec_region_map(&region, &lending, NULL) == PREC_SYSTEM);
	close(lending.fd);
	lending.window = 4u << 20;
	lending.size = 2u << 20;
	lending.fd = memfd_create("huge", MFD_HUGETLB | 21u << 26);
	if (lending.fd < 0 || ftruncate(lending.fd, 2u << 20) != 0) {
		skip_part("huge pages", "the kernel does not offer them");
		return;
	}
	EXPECT(prec_region_map(&region, &lending, &why) == PREC_REFUSED &&
	       why == PREC_REFUSAL_PAGE_SIZE);
	close(lending.fd);
}

int main(void)
{
	any_size();
	log_grows();
	beyond_the_end();
	healed();
	refused();
	return expect_end();
}
