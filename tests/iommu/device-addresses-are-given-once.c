// SPDX-License-Identifier: MIT
/*
 * G8: device addresses lie in what the IOMMU translates, outside the window of
 * interrupts; no two are the same; and none is used again before the loan that
 * had it has left.
 */
#include "plain.h"

#define LIVE 40u

static const struct iova_range pc[] = { { 0, 0xfedfffff },
					{ 0xfef00000, 0x7fffffffff } };

static uint32_t state = 7;

static uint32_t any(uint32_t below)
{
	state = state * 1664525u + 1013904223u;
	return (state >> 8) % below;
}

static bool is_translated(uint64_t at, uint64_t size)
{
	return (at >= 0x100000 && at + size <= 0xfee00000) ||
	       (at >= 0xfef00000 && at + size <= 0x8000000000);
}

/* Against a list, in any order of taking and giving. */
static void random_histories(void)
{
	static struct iova iova;
	uint64_t at[LIVE] = { 0 }, size[LIVE];

	EXPECT(iova_init(&iova, pc, 2));
	for (uint32_t i = 0; i < 100000; i++) {
		uint32_t k = any(LIVE);
		uint64_t host = (uint64_t)any(1u << 20) * 4096;
		bool apart = true;

		if (at[k]) {
			iova_give(&iova, at[k]);
			at[k] = 0;
			continue;
		}
		size[k] = (1 + (uint64_t)any(any(2) ? 8 : 1u << 18)) * 4096;
		if (!iova_take(&iova, size[k], host, &at[k])) {
			EXPECT(false);
			continue;
		}
		for (uint32_t m = 0; m < LIVE; m++)
			apart &= m == k || !at[m] || at[m] + size[m] <= at[k] ||
				 at[k] + size[k] <= at[m];
		EXPECT(apart && is_translated(at[k], size[k]));
		EXPECT(at[k] % 4096 == 0);
		EXPECT(size[k] < IOVA_HUGE_PAGE ||
		       at[k] % IOVA_HUGE_PAGE == host % IOVA_HUGE_PAGE);
	}
}

/* First fit: the lowest place, also the one before a hole. */
static void places_are_found(void)
{
	static struct iova iova;
	uint64_t a, b, c, d;

	EXPECT(iova_init(&iova, pc, 2));
	EXPECT(iova_take(&iova, 4096, 0, &a) && a == 0x100000);
	EXPECT(iova_take(&iova, 8192, 0, &b) && b == 0x101000);
	EXPECT(iova_take(&iova, 4096, 0, &c) && c == 0x103000);
	iova_give(&iova, b);
	EXPECT(iova_take(&iova, 8192, 0, &d) && d == b);
	/* Larger than what is below the hole. */
	EXPECT(iova_take(&iova, 0xfee00000, 0, &d) && d >= 0xfef00000);
	EXPECT(!iova_take(&iova, 1ull << 39, 0, &d));
	EXPECT(!iova_take(&iova, 0, 0, &d));
	EXPECT(!iova_take(&iova, UINT64_MAX, 0, &d));
}

static void ranges_are_checked(void)
{
	static struct iova iova;
	const struct iova_range first = { 0, 0xfffff };
	const struct iova_range odd = { 0x200001, 0x202001 };
	const struct iova_range all = { 0, UINT64_MAX };
	const struct iova_range back = { 9000, 8000 };
	uint64_t at;

	EXPECT(!iova_init(&iova, &first, 1));
	EXPECT(!iova_init(&iova, &back, 1));
	EXPECT(!iova_init(&iova, NULL, 0));
	EXPECT(!iova_init(&iova, pc, IOVA_RANGES_MAX + 1));
	EXPECT(iova_init(&iova, &odd, 1));
	EXPECT(iova_take(&iova, 4096, 0, &at) && at == 0x201000);
	EXPECT(!iova_take(&iova, 4096, 0, &at));
	EXPECT(iova_init(&iova, &all, 1));
	EXPECT(iova_take(&iova, 1ull << 55, 0, &at) &&
	       at + (1ull << 55) <= PREC_ADDRESS_MAX);
}

/* While a loan drains, is held, or was not yet reported, its address is its
 * own. */
static void used_late(void)
{
	const struct sim_manner manner = { .slow = 1,
					   .hangs = SIM_NEVER,
					   .no_queue = true,
					   .no_disable = true,
					   .no_reset = true };
	struct sim_request request;
	uint32_t first, other, slot;
	uint64_t at;

	plain_begin(&manner, false, 1 << 20);
	first = plain_has(1, 0x100000, 1);
	at = plain.loan[first].first.mapping.iova;
	MUST(plain_put(&request, 0, 1, first, &slot) == PREC_OK);
	plain_tick(3, true);
	iommu_take_back(&plain, first, plain_now);
	other = plain_has(2, 0x200000, 1);
	EXPECT(plain.loan[other].first.mapping.iova != at);
	iommu_take_back(&plain, other, plain_now);
	plain_tick(1, false);
	/* It has left, but that was not heard yet. */
	MUST(plain_lend(2, 0x300000, 1, &slot) == PREC_OK);
	EXPECT(plain.loan[other].state == IOMMU_LEFT);
	EXPECT(plain.loan[slot].first.mapping.iova !=
	       plain.loan[other].first.mapping.iova);
	at = plain.loan[other].first.mapping.iova;
	EXPECT(plain_hears(other, IOMMU_LEFT));
	MUST(plain_lend(2, 0x400000, 1, &slot) == PREC_OK);
	EXPECT(plain.loan[slot].first.mapping.iova == at);
}

int main(void)
{
	random_histories();
	places_are_found();
	ranges_are_checked();
	used_late();
	return expect_end();
}
