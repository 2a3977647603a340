// SPDX-License-Identifier: MIT
/*
 * G11: what a client lets a device pin is counted, holds too, before it is
 * pinned and until it is unpinned: over its quota nothing is pinned, what could
 * not be pinned costs nothing, and what is held for ever is never given back.
 */
#include "plain.h"

static const struct sim_manner good = { .slow = 1 };

static void over_the_quota(bool hold)
{
	uint64_t cost = (hold ? 8 : 4) * PLAIN_PAGE;
	uint32_t loan, other;

	plain_begin(&good, hold, cost);
	EXPECT(plain_lend(3, 0x100000, 5, &loan) == PREC_REFUSED);
	loan = plain_has(3, 0x100000, 4);
	EXPECT(plain.ledger.held[3] == cost);
	EXPECT(plain_pinned == cost / PLAIN_PAGE);
	EXPECT(plain_lend(3, 0x200000, 1, &other) == PREC_REFUSED);
	/* Another client has its own. */
	other = plain_has(4, 0x200000, 4);
	/* Freed when it is unpinned, not when it is taken back. */
	iommu_take_back(&plain, loan, plain_now);
	EXPECT(plain.ledger.held[3] == cost);
	EXPECT(plain_lend(3, 0x300000, 1, &other) == PREC_REFUSED);
	plain_tick(4, true);
	EXPECT(plain_hears(loan, IOMMU_LEFT));
	EXPECT(plain.ledger.held[3] == 0);
	EXPECT(plain_pinned == cost / PLAIN_PAGE);
	plain_has(3, 0x300000, 4);
}

static void could_not_be_pinned(bool hold)
{
	uint32_t loan;

	for (uint32_t failing = 1; failing <= (hold ? 2 : 1); failing++) {
		plain_begin(&good, hold, 1 << 20);
		plain_sim.failing = failing;
		MUST(plain_lend(3, 0x100000, 4, &loan) == PREC_OK);
		plain_tick(4, true);
		EXPECT(plain_hears(loan, IOMMU_REFUSED));
		EXPECT(plain.ledger.held[3] == 0 && plain_pinned == 0);
		EXPECT(plain.windows.count == 0 && plain_iova.count == 0);
		plain_has(3, 0x100000, 4);
	}
}

static void could_not_be_unmapped(void)
{
	uint32_t loan;

	plain_begin(&good, false, 1 << 20);
	loan = plain_has(3, 0x100000, 4);
	plain_sim.failing = plain_sim.calls + 1;
	iommu_take_back(&plain, loan, plain_now);
	plain_tick(4, true);
	EXPECT(plain_hears(loan, IOMMU_HELD));
	EXPECT(plain.ledger.held[3] == 4 * PLAIN_PAGE && plain_pinned == 4);
	EXPECT(plain_lend(4, 0x200000, 1, &loan) == PREC_REFUSED);
}

static void is_whole_pages(void)
{
	struct prec_span span = { .host = 0x100800,
				  .size = PLAIN_PAGE,
				  .rights = PREC_READ };
	uint32_t loan;

	plain_begin(&good, false, 1 << 20);
	EXPECT(iommu_lend(&plain, 0, &span, NULL, &loan) == PREC_INVALID);
	span.host = 0x100000;
	span.size = PLAIN_PAGE + 1;
	EXPECT(iommu_lend(&plain, 0, &span, NULL, &loan) == PREC_INVALID);
	span.size = 0;
	EXPECT(iommu_lend(&plain, 0, &span, NULL, &loan) == PREC_INVALID);
	span.size = UINT64_MAX / PLAIN_PAGE * PLAIN_PAGE;
	EXPECT(iommu_lend(&plain, 0, &span, NULL, &loan) == PREC_INVALID);
	EXPECT(plain_iova.count == 0 && plain.moving == 0);
}

/* The device may do what the client granted, and no more. */
static void narrows_rights(void)
{
	const struct prec_span span = { .host = 0x100000,
					.size = PLAIN_PAGE,
					.rights = PREC_READ };
	struct sim_request request;
	struct iommu_outcome outcome;
	struct prec_pages pages;
	uint32_t loan, slot;

	plain_begin(&good, false, 1 << 20);
	MUST(iommu_lend(&plain, 0, &span, NULL, &loan) == PREC_OK);
	plain_tick(1, true);
	EXPECT(plain_hears(loan, IOMMU_LIVE));
	EXPECT(plain_put(&request, 0, 0, loan, &slot) == PREC_RIGHTS);
	prec_pages_begin(&pages, PREC_READ);
	MUST(prec_pages_add(&pages, &plain.windows, span.host, PLAIN_PAGE) ==
	     PREC_OK);
	/* Nobody else's commands use it. */
	EXPECT(iommu_put(&plain, 0, 1, &pages, &request, &slot) == PREC_RIGHTS);
	/* A read into it, which no list can say, fails in the IOMMU. */
	request = (struct sim_request){ .into_memory = true };
	sim_aim(&request, &pages);
	MUST(iommu_put(&plain, 0, 0, &pages, &request, &slot) == PREC_OK);
	plain_tick(5, true);
	EXPECT(iommu_ended(&plain, &outcome) && outcome.status != 0);
	/* A command without lent memory needs no loan. */
	request = (struct sim_request){ .into_memory = true };
	MUST(iommu_put(&plain, 0, 0, NULL, &request, &slot) == PREC_OK);
	plain_tick(5, true);
	EXPECT(iommu_ended(&plain, &outcome) && outcome.completed &&
	       outcome.believed && outcome.status == 0);
}

int main(void)
{
	over_the_quota(false);
	over_the_quota(true);
	could_not_be_pinned(false);
	could_not_be_pinned(true);
	could_not_be_unmapped();
	is_whole_pages();
	narrows_rights();
	return expect_end();
}
