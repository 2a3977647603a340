// SPDX-License-Identifier: MIT
/* Copies and accessors: what was lost is told to the byte. */
#include "scenario.h"

#define LOST 3u /* page */
#define EDGE (LOST * 4096ull)

static void set_buffer(uint8_t value, uint64_t size)
{
	for (uint64_t i = 0; i < size; i++)
		buffer[i] = value;
}

static void whole(struct prec_region *region)
{
	struct prec_result got =
		prec_copy_in(buffer, region->span, 0, region->span.size);

	EXPECT_EQ(got.status, PREC_OK);
	EXPECT_EQ(got.done, PAGES * 4096);
	EXPECT_EQ(buffer_wrong(0, got.done, 1), 0);
	for (uint64_t i = 0; i < sizeof(buffer); i++)
		buffer[i] = client_pattern(i, 2);
	got = prec_copy_out(region->span, 0, buffer, region->span.size);
	EXPECT_EQ(got.status, PREC_OK);
	EXPECT_EQ(client_ask(CLIENT_COUNT_WRONG, 0, PAGES * 4096, 2), 0);
}

/* Nobody has looked at the page, so only a question finds out. */
static void unseen_until_asked(struct prec_region *region)
{
	uint64_t epoch = prec_region_epoch(region);

	EXPECT_EQ(prec_region_check(region), PREC_OK);
	EXPECT_EQ(client_ask(CLIENT_REVOKE, LOST, 0, 0), 0);
	EXPECT_EQ(prec_region_epoch(region), epoch);
	EXPECT_EQ(prec_region_check_part(region, 0, EDGE), PREC_OK);
	EXPECT_EQ(prec_region_epoch(region), epoch);
	EXPECT_EQ(prec_region_check_part(region, EDGE - 1, 2), PREC_GONE);
	EXPECT_EQ(prec_region_check_part(region, EDGE + 4096, 1), PREC_OK);
	EXPECT_EQ(prec_region_check_part(region, region->span.size - 1, 2),
		  PREC_RANGE);
	EXPECT_EQ(prec_region_check_part(region, 0, 0), PREC_RANGE);
	EXPECT_EQ(prec_region_check(region), PREC_GONE);
	EXPECT(prec_region_epoch(region) > epoch);
}

/* Of each size around the edge. */
static void copy_in_at_the_edge(struct prec_region *region, uint64_t before,
				uint64_t after)
{
	struct prec_result got;

	set_buffer(0xaa, 512);
	got = prec_copy_in(buffer, region->span, EDGE - before, before + after);
	EXPECT_EQ(got.status, PREC_GONE);
	EXPECT_EQ(got.done, before);
	EXPECT_EQ(buffer_wrong(EDGE - before, before, 2), 0);
	EXPECT_EQ(buffer[before], 0xaa);
}

static void copy_out_at_the_edge(struct prec_region *region, uint64_t before)
{
	struct prec_result got;

	set_buffer(0x55, 512);
	got = prec_copy_out(region->span, EDGE - before, buffer, before + 100);
	EXPECT_EQ(got.status, PREC_GONE);
	EXPECT_EQ(got.done, before);
	got = prec_fill(region->span, EDGE - before, 0x66, before + 100);
	EXPECT_EQ(got.status, PREC_GONE);
	EXPECT_EQ(got.done, before);
}

static void accessors(struct prec_region *region)
{
	struct prec_fault_counts before = counts_now();
	uint64_t epoch = prec_region_epoch(region);
	uint32_t word = 77;
	uint64_t wide = 0;
	bool swapped = false;

	EXPECT_EQ(prec_load32(region->span, EDGE, &word), PREC_GONE);
	EXPECT_EQ(word, 77);
	EXPECT_EQ(prec_region_epoch(region), epoch + 1);
	EXPECT_EQ(prec_store8(region->span, EDGE + 9, 1), PREC_GONE);
	EXPECT_EQ(
		prec_compare_exchange64(region->span, EDGE, &wide, 1, &swapped),
		PREC_GONE);
	EXPECT_EQ(prec_or8(region->span, EDGE, 1), PREC_GONE);
	EXPECT_EQ(counts_now().fixed, before.fixed + 4);
	EXPECT_EQ(counts_now().passed, before.passed);
	EXPECT_EQ(prec_load64(region->span, EDGE + 4096, &wide), PREC_OK);
}

void copies_are_exact(void)
{
	struct prec_region region;
	struct prec_result got;
	uint64_t before, after;

	client_ask(CLIENT_FILL, 1, 0, 0);
	lend_all(&region);
	whole(&region);
	unseen_until_asked(&region);
	for (before = 0; before < 140; before++)
		for (after = 1; after < 140; after += 13)
			copy_in_at_the_edge(&region, before, after);
	for (before = 0; before < 140; before++)
		copy_out_at_the_edge(&region, before);
	got = prec_copy_in(buffer, region.span, 0, region.span.size);
	EXPECT_EQ(got.status, PREC_GONE);
	EXPECT_EQ(got.done, EDGE);
	got = prec_copy_in(buffer, region.span, EDGE + 4096, 4096);
	EXPECT_EQ(got.status, PREC_OK);
	accessors(&region);
	EXPECT_EQ(prec_region_unmap(&region), PREC_OK);
}
