// SPDX-License-Identifier: MIT
/*
 * One thread meets the loss; every thread that had a transaction open on the
 * region is told at its end, although it met nothing.  So is each later one.
 */
#include <pthread.h>

#include "lender.h"

#define THREADS 6

static struct lender lender;
static pthread_barrier_t inside, lost;
static enum prec_status status[THREADS];
static struct prec_transaction transaction[THREADS];
static enum prec_policy policy;
static bool by_revoke;

UNWATCHED
static void body(struct prec_transaction *t, void *argument)
{
	bool meets = *(int *)argument == 0;

	(void)bytes_of(&lender.region)[0];
	pthread_barrier_wait(&inside);
	if (meets) {
		if (by_revoke)
			MUST(prec_region_revoke(&lender.region) == PREC_OK);
		else
			set_size(&lender, PAGE);
	}
	if (meets && !by_revoke) {
		t->cursor = 1;
		(void)bytes_of(&lender.region)[PAGE];
		t->cursor = 2;
	}
	pthread_barrier_wait(&lost);
	t->cursor = 3;
}

static void *thread(void *argument)
{
	int *number = argument;

	status[*number] = run_on(&lender.region, policy, body, number,
				 &transaction[*number]);
	/* Its thread was thrown out before the second barrier. */
	if (*number == 0 && policy == PREC_ABANDON && !by_revoke)
		pthread_barrier_wait(&lost);
	return NULL;
}

UNWATCHED
static void nothing(struct prec_transaction *t, void *argument)
{
	(void)argument;
	t->cursor = 1;
}

static void one(void)
{
	enum prec_status told = policy == PREC_SUBSTITUTE && !by_revoke
					? PREC_DISTURBED
					: PREC_GONE;
	int i, number[THREADS];
	pthread_t threads[THREADS];
	struct prec_transaction later;

	lend_pattern(&lender, 2 * PAGE);
	for (i = 0; i < THREADS; i++) {
		number[i] = i;
		MUST(pthread_create(&threads[i], NULL, thread, &number[i]) ==
		     0);
	}
	for (i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		EXPECT(status[i] == told);
		EXPECT(transaction[i].cursor ==
		       (i == 0 && policy == PREC_ABANDON && !by_revoke ? 1
								       : 3));
		EXPECT(transaction[i].note.substituted ==
		       (told == PREC_DISTURBED));
		EXPECT(transaction[i].note.faults == (i == 0 && !by_revoke));
	}
	told = run_on(&lender.region, policy, nothing, NULL, &later);
	if (by_revoke)
		EXPECT(told == PREC_REFUSED && later.cursor == 0);
	else if (policy == PREC_SUBSTITUTE)
		EXPECT(told == PREC_DISTURBED && later.note.substituted);
	else
		EXPECT(told == PREC_OK); /* and finds the loss if it looks */
	end_lending(&lender);
}

int main(void)
{
	int i;

	pthread_barrier_init(&inside, NULL, THREADS);
	pthread_barrier_init(&lost, NULL, THREADS);
	for (i = 0; i < 200; i++) {
		policy = i & 1 ? PREC_SUBSTITUTE : PREC_ABANDON;
		by_revoke = i & 2;
		one();
	}
	return expect_end();
}
