// SPDX-License-Identifier: MIT
/*
 * Unmapping a region while a transaction is open on it, in this thread or in
 * another, is answered with PREC_BUSY and changes nothing.
 */
#include <pthread.h>

#include "lender.h"

static struct lender lender, other;
static pthread_barrier_t barrier;

UNWATCHED
static void stay(struct prec_transaction *t, void *argument)
{
	uint64_t i;

	(void)argument;
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	for (i = 0; i < 4 * PAGE; i++)
		EXPECT(bytes_of(&lender.region)[i] == pattern(i));
	t->cursor = 1;
}

static void *hold(void *argument)
{
	struct prec_transaction t;

	EXPECT(run_on(&lender.region, PREC_ABANDON, stay, argument, &t) ==
	       PREC_OK);
	EXPECT(t.cursor == 1);
	return NULL;
}

UNWATCHED
static void try_it(struct prec_transaction *t, void *argument)
{
	(void)t;
	(void)argument;
	EXPECT(prec_region_unmap(&lender.region) == PREC_BUSY);
	EXPECT(bytes_of(&lender.region)[5] == pattern(5));
}

UNWATCHED
static void nested(struct prec_transaction *t, void *argument)
{
	struct prec_transaction inner;

	(void)t;
	(void)argument;
	EXPECT(run_on(&other.region, PREC_ABANDON, try_it, NULL, &inner) ==
	       PREC_OK);
}

static void by_another_thread(void)
{
	struct prec_region before;
	pthread_t thread;
	int i;

	MUST(pthread_create(&thread, NULL, hold, NULL) == 0);
	pthread_barrier_wait(&barrier);
	before = lender.region;
	for (i = 0; i < 1000; i++)
		EXPECT(prec_region_unmap(&lender.region) == PREC_BUSY);
	EXPECT(memcmp(&before, &lender.region, sizeof(before)) == 0);
	EXPECT(prec_region_at(lender.region.span.host + PAGE) ==
	       &lender.region);
	pthread_barrier_wait(&barrier);
	pthread_join(thread, NULL);
}

int main(void)
{
	struct prec_transaction t;
	uint64_t host;

	pthread_barrier_init(&barrier, NULL, 2);
	lend_pattern(&lender, 4 * PAGE);
	lend_pattern(&other, PAGE);
	by_another_thread();
	EXPECT(run_on(&lender.region, PREC_ABANDON, try_it, NULL, &t) ==
	       PREC_OK);
	EXPECT(run_on(&lender.region, PREC_ABANDON, nested, NULL, &t) ==
	       PREC_OK);
	host = lender.region.span.host;
	end_lending(&lender);
	EXPECT(prec_region_at(host) == NULL);
	end_lending(&other);
	return expect_end();
}
