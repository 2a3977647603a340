// SPDX-License-Identifier: MIT
/*
 * Two threads fault on the same lost page at the same time, for certain: the
 * test stands in for mmap and holds the first until the second has come.  One
 * page is put there, and neither's store is wiped.
 */
#include <dlfcn.h>
#include <pthread.h>

#include "lender.h"

#define THREADS 2
#define ROUNDS	50

static struct lender lender;
static uint32_t placed, stored;
static uint64_t retried_before;

void *mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset)
	__attribute__((visibility("default")));

static uint64_t retried(void)
{
	struct prec_fault_counts counts;

	prec_fault_read_counts(&counts);
	return counts.retried;
}

static uint32_t value_of(const uint32_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_ACQUIRE);
}

/* The first waits for another thread's fault; a second, if there should be
 * one, for the store that it would wipe. */
static void hold(uint32_t turn)
{
	if (turn == 1)
		while (retried() == retried_before && value_of(&placed) == 1)
			;
	else
		while (value_of(&stored) == 0)
			;
}

static void *(*real)(void *, size_t, int, int, int, off_t);

void *mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "mmap");
	if ((flags & MAP_FIXED) && (flags & MAP_ANONYMOUS))
		hold(__atomic_add_fetch(&placed, 1, __ATOMIC_ACQ_REL));
	return real(at, size, prot, flags, fd, offset);
}

UNWATCHED
static void store(struct prec_transaction *t, void *argument)
{
	unsigned int number = *(unsigned int *)argument;

	bytes_of(&lender.region)[number] = (unsigned char)(number + 1);
	__atomic_add_fetch(&stored, 1, __ATOMIC_ACQ_REL);
	t->cursor = 1;
}

static void *thread(void *argument)
{
	struct prec_transaction t;

	EXPECT(run_on(&lender.region, PREC_SUBSTITUTE, store, argument, &t) ==
	       PREC_DISTURBED);
	EXPECT(t.cursor == 1 && t.note.substituted);
	return NULL;
}

static void once(void)
{
	unsigned int number[THREADS] = { 0, 1 }, i;
	pthread_t threads[THREADS];

	lend_pattern(&lender, 4 * PAGE);
	set_size(&lender, 0);
	placed = 0;
	stored = 0;
	retried_before = retried();
	for (i = 0; i < THREADS; i++)
		MUST(pthread_create(&threads[i], NULL, thread, &number[i]) ==
		     0);
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	EXPECT(placed == 1);
	EXPECT(retried() > retried_before);
	EXPECT(bytes_of(&lender.region)[0] == 1);
	EXPECT(bytes_of(&lender.region)[1] == 2);
	end_lending(&lender);
}

int main(void)
{
	int i;

	if (UNDER_SANITIZER)
		skip_all("the sanitizer stands in for mmap itself");
	for (i = 0; i < ROUNDS; i++)
		once();
	return expect_end();
}
