// SPDX-License-Identifier: MIT
/*
 * Scopes: substitution between two calls.  They nest with transactions, end in
 * order, and hold their regions as transactions do.
 */
#include <pthread.h>

#include "lender.h"

#define SIZE (8 * PAGE)

static struct lender lender, other;

static struct prec_transaction scope_on(struct prec_region *const *regions,
					uint32_t count)
{
	struct prec_transaction scope = { .regions = regions,
					  .region_count = count,
					  .policy = PREC_SUBSTITUTE };

	return scope;
}

static struct prec_region *const one[] = { &lender.region };
static struct prec_region *const both[] = { &lender.region, &other.region };

static void lost_and_not(void)
{
	struct prec_transaction scope = scope_on(one, 1);
	volatile unsigned char *bytes;
	int i;

	lend_pattern(&lender, SIZE);
	bytes = bytes_of(&lender.region);
	for (i = 0; i < 100; i++) {
		EXPECT(prec_scope_begin(&scope) == PREC_OK);
		EXPECT(prec_transaction_current() == &scope);
		EXPECT(bytes[i] == pattern((uint64_t)i));
		EXPECT(prec_scope_end(&scope) == PREC_OK);
		EXPECT(prec_transaction_current() == NULL);
	}
	EXPECT(prec_scope_begin(&scope) == PREC_OK);
	EXPECT(prec_region_unmap(&lender.region) == PREC_BUSY);
	set_size(&lender, PAGE);
	EXPECT(bytes[PAGE] == 0 && bytes[0] == pattern(0));
	EXPECT(scope.note.substituted && scope.note.faults == 1);
	EXPECT(scope.note.lost_size == SIZE - PAGE);
	EXPECT(prec_scope_end(&scope) == PREC_DISTURBED);
	EXPECT(prec_scope_begin(&scope) == PREC_OK);
	EXPECT(prec_region_revoke(&lender.region) == PREC_OK);
	EXPECT(bytes[0] == 0);
	EXPECT(prec_scope_end(&scope) == PREC_DISTURBED);
	EXPECT(prec_scope_begin(&scope) == PREC_REFUSED);
	EXPECT(prec_transaction_current() == NULL);
	end_lending(&lender);
}

static void misuse(void)
{
	struct prec_transaction scope, inner, abandons, none;
	struct prec_region *many[33];
	int i;

	lend_pattern(&lender, SIZE);
	lend_pattern(&other, SIZE);
	scope = inner = abandons = scope_on(one, 1);
	none = scope_on(one, 0);
	abandons.policy = PREC_ABANDON;
	EXPECT(prec_scope_end(&scope) == PREC_INVALID);
	EXPECT(prec_scope_begin(&abandons) == PREC_INVALID);
	EXPECT(prec_scope_begin(&none) == PREC_INVALID);
	abandons.policy = (enum prec_policy)77;
	EXPECT(prec_scope_begin(&abandons) == PREC_INVALID);
	for (i = 0; i < 33; i++)
		many[i] = &lender.region;
	none = scope_on(many, 33);
	EXPECT(prec_scope_begin(&none) == PREC_FULL);
	EXPECT(prec_scope_begin(&scope) == PREC_OK);
	EXPECT(prec_scope_begin(&scope) == PREC_INVALID);
	inner = scope_on(both, 2);
	EXPECT(prec_scope_begin(&inner) == PREC_OK);
	EXPECT(prec_scope_end(&scope) == PREC_INVALID); /* not the last */
	EXPECT(prec_transaction_current() == &inner);
	set_size(&other, 0);
	EXPECT(bytes_of(&other.region)[0] == 0);
	EXPECT(prec_scope_end(&inner) == PREC_DISTURBED);
	EXPECT(prec_scope_end(&scope) == PREC_OK);
	EXPECT(prec_scope_end(&scope) == PREC_INVALID);
	end_lending(&other);
	end_lending(&lender);
}

/* --- scopes in transactions, and the other way round --- */

static struct prec_transaction inside;

UNWATCHED
static void leaves_it_open(struct prec_transaction *t, void *loses)
{
	t->cursor = 1;
	inside = scope_on(one, 1);
	MUST(prec_scope_begin(&inside) == PREC_OK);
	if (loses) {
		set_size(&other, 0);
		(void)*bytes_of(&other.region);
	}
	t->cursor = 2;
}

static void ended_by_their_transaction(void)
{
	struct prec_transaction t;
	int loses;

	for (loses = 0; loses < 2; loses++) {
		lend_pattern(&lender, SIZE);
		lend_pattern(&other, SIZE);
		EXPECT(run_on(&other.region, PREC_ABANDON, leaves_it_open,
			      loses ? &loses : NULL,
			      &t) == (loses ? PREC_GONE : PREC_OK));
		EXPECT(t.cursor == (loses ? 1 : 2));
		EXPECT(prec_transaction_current() == NULL);
		EXPECT(prec_scope_end(&inside) == PREC_INVALID);
		end_lending(&other);
		end_lending(&lender);
	}
}

UNWATCHED
static void touches_end(struct prec_transaction *t, void *argument)
{
	(void)argument;
	t->cursor = 1;
	(void)bytes_of(&lender.region)[SIZE - 1];
	t->cursor = 2;
}

/* The innermost that names the region has the fault. */
static void around_a_transaction(void)
{
	struct prec_transaction scope = scope_on(one, 1), t;

	lend_pattern(&lender, SIZE);
	MUST(prec_scope_begin(&scope) == PREC_OK);
	set_size(&lender, PAGE);
	EXPECT(run_on(&lender.region, PREC_ABANDON, touches_end, NULL, &t) ==
	       PREC_GONE);
	EXPECT(t.cursor == 1 && !scope.note.substituted);
	EXPECT(prec_transaction_current() == &scope);
	EXPECT(bytes_of(&lender.region)[SIZE - 1] == 0);
	EXPECT(prec_scope_end(&scope) == PREC_DISTURBED);
	end_lending(&lender);
}

/* A thread that ends with a scope open holds nothing any more. */
static void *ends_inside(void *argument)
{
	static struct prec_transaction scope;

	(void)argument;
	scope = scope_on(one, 1);
	MUST(prec_thread_prepare() == PREC_OK);
	MUST(prec_thread_prepare() == PREC_OK);
	MUST(prec_scope_begin(&scope) == PREC_OK);
	return NULL;
}

static void thread_ends(void)
{
	pthread_t thread;

	lend_pattern(&lender, SIZE);
	MUST(pthread_create(&thread, NULL, ends_inside, NULL) == 0);
	pthread_join(thread, NULL);
	end_lending(&lender);
}

int main(void)
{
	lost_and_not();
	misuse();
	ended_by_their_transaction();
	around_a_transaction();
	thread_ends();
	return expect_end();
}
