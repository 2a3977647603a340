// SPDX-License-Identifier: MIT
/*
 * Threads that fault on the same lost pages at the same time: one of them puts
 * the empty page there, and no store of any of them is wiped by a second.
 */
#include <pthread.h>
#include <sched.h>

#include "lender.h"

#define THREADS 4
#define PAGES	16u
#define ROUNDS	(UNDER_SANITIZER ? 150 : 1500)

static struct lender lender;
static pthread_barrier_t barrier;
static uint64_t wiped;
static uint32_t arrived;

/* A barrier wakes one after the other; the faults are to come at once. */
static void start_together(void)
{
	uint32_t turn = __atomic_fetch_add(&arrived, 1, __ATOMIC_ACQ_REL);
	uint32_t all = turn / THREADS * THREADS + THREADS;
	int patience = 20000;

	while (__atomic_load_n(&arrived, __ATOMIC_ACQUIRE) < all)
		if (--patience < 0)
			sched_yield();
}

UNWATCHED
static void write_own(struct prec_transaction *t, void *argument)
{
	unsigned int number = *(unsigned int *)argument, page;

	pthread_barrier_wait(&barrier);
	start_together();
	for (page = PAGES; page-- > 0;)
		bytes_of(&lender.region)[page * PAGE + number] =
			(unsigned char)(number + 1);
	for (page = 0; page < PAGES; page++)
		if (bytes_of(&lender.region)[page * PAGE + number] !=
		    number + 1)
			__atomic_add_fetch(&wiped, 1, __ATOMIC_RELAXED);
	t->cursor = 1;
}

static void *thread(void *argument)
{
	struct prec_transaction t;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		pthread_barrier_wait(&barrier);
		EXPECT(run_on(&lender.region, PREC_SUBSTITUTE, write_own,
			      argument, &t) == PREC_DISTURBED);
		EXPECT(t.cursor == 1 && t.note.substituted);
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

/* What the four see afterwards is what the four wrote. */
static void look(void)
{
	unsigned int number, page;
	uint64_t value = 1;

	for (page = 0; page < PAGES; page++)
		for (number = 0; number < THREADS; number++) {
			uint8_t byte = 0;

			EXPECT(prec_load8(lender.region.span,
					  page * PAGE + number,
					  &byte) == PREC_OK);
			EXPECT(byte == number + 1);
		}
	EXPECT(prec_load64(lender.region.span, 8, &value) == PREC_OK);
	EXPECT(value == 0);
}

int main(void)
{
	unsigned int number[THREADS];
	struct prec_fault_counts counts;
	pthread_t threads[THREADS];
	unsigned int i;
	int round;

	pthread_barrier_init(&barrier, NULL, THREADS + 1);
	for (i = 0; i < THREADS; i++) {
		number[i] = i;
		MUST(pthread_create(&threads[i], NULL, thread, &number[i]) ==
		     0);
	}
	for (round = 0; round < ROUNDS; round++) {
		lend_pattern(&lender, PAGES * PAGE);
		set_size(&lender, 0);
		pthread_barrier_wait(&barrier); /* lent */
		pthread_barrier_wait(&barrier); /* all inside */
		pthread_barrier_wait(&barrier); /* all out */
		look();
		end_lending(&lender);
	}
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	EXPECT(wiped == 0);
	prec_fault_read_counts(&counts);
	printf("%lu faults found already dealt with\n", counts.retried);
	EXPECT(counts.substituted == ROUNDS);
	return expect_end();
}
