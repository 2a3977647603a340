// SPDX-License-Identifier: MIT
/*
 * Eight threads work on the same memory in every way while a client takes it
 * and gives it back without pause.  Nobody dies, and each outcome is one that
 * the policy allows.
 */
#include <pthread.h>

#include "lender.h"

#define THREADS 8
#define ROUNDS	(UNDER_SANITIZER ? 1000u : 10000u)
#define PAGES	8u

static struct lender lender;
static bool over;
static uint64_t abandoned, whole, gone_loads, disturbed;

UNWATCHED
static void scan(struct prec_transaction *t, void *argument)
{
	volatile unsigned char *bytes = bytes_of(argument);
	uint64_t i;

	for (i = 0; i < PAGES * PAGE; i += 512) {
		t->cursor = i;
		if (i & 1024)
			bytes[i] = (unsigned char)i;
		else
			(void)bytes[i];
	}
	t->cursor = PAGES * PAGE;
}

static void count(uint64_t *counter)
{
	__atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
}

static void by_abandoning(void)
{
	struct prec_transaction t;
	enum prec_status status =
		run_on(&lender.region, PREC_ABANDON, scan, &lender.region, &t);

	if (t.note.abandoned) {
		EXPECT(status == PREC_GONE && t.note.faults == 1);
		EXPECT(t.note.address == lender.region.span.host + t.cursor);
		EXPECT(t.cursor < PAGES * PAGE);
		count(&abandoned);
	} else {
		/* Another thread's fault moves the epoch under us. */
		EXPECT(status == PREC_OK || status == PREC_GONE);
		EXPECT(t.cursor == PAGES * PAGE && t.note.faults == 0);
		count(&whole);
	}
}

static void by_copying(uint32_t i)
{
	unsigned char bytes[3 * PAGE];
	uint64_t at = i * 97u % (PAGES * PAGE - sizeof(bytes));
	uint64_t size = i % 3 ? i % sizeof(bytes) : i % 200;
	struct prec_result r =
		prec_copy_in(bytes, lender.region.span, at, size);
	uint32_t value = 0;

	EXPECT(r.status == (r.done == size ? PREC_OK : PREC_GONE));
	EXPECT(r.done <= size);
	r = prec_copy_out(lender.region.span, at, bytes, size);
	EXPECT(r.status == (r.done == size ? PREC_OK : PREC_GONE));
	if (prec_load32(lender.region.span, 7 * PAGE, &value) == PREC_GONE)
		count(&gone_loads);
}

/* Each thread has lost memory of its own, to be replaced page by page. */
static void by_substituting(struct lender *mine)
{
	struct prec_transaction t;

	lend(mine, PAGES * PAGE, PREC_READ | PREC_WRITE);
	set_size(mine, PAGE * (mine->region.span.host / PAGE % PAGES));
	if (run_on(&mine->region, PREC_SUBSTITUTE, scan, &mine->region, &t) ==
	    PREC_DISTURBED)
		count(&disturbed);
	EXPECT(t.cursor == PAGES * PAGE && t.note.faults == 1);
	end_lending(mine);
}

static void *worker(void *argument)
{
	struct lender mine;
	uint32_t i;

	(void)argument;
	for (i = 0; i < ROUNDS; i++) {
		by_abandoning();
		by_copying(i);
		if (i % 8 == 0)
			by_substituting(&mine);
	}
	return NULL;
}

static void *client(void *argument)
{
	(void)argument;
	while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
		uint64_t page;

		for (page = 0; page < PAGES; page += 3) {
			set_size(&lender, page * PAGE);
			set_size(&lender, PAGES * PAGE);
		}
	}
	return NULL;
}

int main(void)
{
	pthread_t threads[THREADS], thief;
	int i;

	lend_pattern(&lender, PAGES * PAGE);
	MUST(pthread_create(&thief, NULL, client, NULL) == 0);
	for (i = 0; i < THREADS; i++)
		MUST(pthread_create(&threads[i], NULL, worker, NULL) == 0);
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	__atomic_store_n(&over, true, __ATOMIC_RELAXED);
	pthread_join(thief, NULL);
	EXPECT(disturbed == THREADS * ROUNDS / 8);
	EXPECT(abandoned > 0 && whole > 0);
	printf("%lu abandoned, %lu whole, %lu loads gone, %lu disturbed\n",
	       abandoned, whole, gone_loads, disturbed);
	end_lending(&lender);
	return expect_end();
}
