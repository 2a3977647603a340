// SPDX-License-Identifier: MIT
/*
 * A transaction that names several regions answers for each of them, wherever
 * in its list it stands.
 */
#include "lender.h"

#define REGIONS 3u

static struct lender lenders[REGIONS];
static struct prec_region *regions[REGIONS];

/* `ran`: 1 if the function is to run, 0 if not. */
static enum prec_status run_on_all(prec_transaction_fn *fn, void *argument,
				   enum prec_policy policy, uint64_t ran)
{
	struct prec_transaction t;
	enum prec_status status;

	memset(&t, 0, sizeof(t));
	t.regions = regions;
	t.region_count = REGIONS;
	t.policy = policy;
	status = prec_transaction_run(&t, fn, argument);
	EXPECT(t.cursor == ran);
	return status;
}

UNWATCHED
static void touch(struct prec_transaction *t, void *argument)
{
	struct lender *lender = argument;

	t->cursor = 1;
	(void)*bytes_of(&lender->region);
}

static void unmap(struct prec_transaction *t, void *argument)
{
	struct lender *lender = argument;

	t->cursor = 1;
	EXPECT(prec_region_unmap(&lender->region) == PREC_BUSY);
}

static void take_back(struct prec_transaction *t, void *argument)
{
	struct lender *lender = argument;

	t->cursor = 1;
	EXPECT(prec_region_revoke(&lender->region) == PREC_OK);
}

/* What an accessor finds lost, though nobody else touches it. */
static void find_lost(struct prec_transaction *t, void *argument)
{
	struct lender *lender = argument;
	uint8_t byte;

	t->cursor = 1;
	set_size(lender, 0);
	EXPECT(prec_load8(lender->region.span, 0, &byte) == PREC_GONE);
}

static void nothing(struct prec_transaction *t, void *argument)
{
	(void)argument;
	t->cursor = 1;
}

static void begin(void)
{
	uint32_t i;

	for (i = 0; i < REGIONS; i++) {
		lend_pattern(&lenders[i], PAGE);
		regions[i] = &lenders[i].region;
	}
}

static void end(void)
{
	uint32_t i;

	for (i = 0; i < REGIONS; i++)
		end_lending(&lenders[i]);
}

static void watched(struct lender *one)
{
	begin();
	EXPECT(run_on_all(nothing, one, PREC_ABANDON, 1) == PREC_OK);
	EXPECT(run_on_all(unmap, one, PREC_ABANDON, 1) == PREC_OK);
	EXPECT(run_on_all(find_lost, one, PREC_ABANDON, 1) == PREC_GONE);
	EXPECT(run_on_all(touch, one, PREC_ABANDON, 1) == PREC_GONE);
	EXPECT(run_on_all(touch, one, PREC_SUBSTITUTE, 1) == PREC_DISTURBED);
	EXPECT(run_on_all(nothing, one, PREC_ABANDON, 1) == PREC_DISTURBED);
	end();
	begin();
	EXPECT(run_on_all(take_back, one, PREC_ABANDON, 1) == PREC_GONE);
	EXPECT(run_on_all(nothing, one, PREC_ABANDON, 0) == PREC_REFUSED);
	end();
}

int main(void)
{
	uint32_t i;

	for (i = 0; i < REGIONS; i++)
		watched(&lenders[i]);
	return expect_end();
}
