// SPDX-License-Identifier: MIT
/*
 * A program with -fsanitize=safe-stack has a second stack.  Ten thousand
 * abandons of code that has an array there, on two threads, leave it where it
 * was.
 */
#include <pthread.h>

#include "lender.h"

static struct lender lender;

__attribute__((noinline)) static void use(volatile char *array)
{
	__asm__ volatile("" ::"r"(array) : "memory");
}

UNWATCHED
static void with_array(struct prec_transaction *t, void *argument)
{
	volatile char array[16384];

	(void)argument;
	array[0] = 1;
	use(array);
	t->cursor = 1;
	array[7] = (char)*bytes_of(&lender.region);
	t->cursor = 2;
	use(array);
}

/* Nothing of this function is on the second stack, or it would put that back
 * itself. */
static void *abandons(void *argument)
{
	static struct prec_region *const regions[] = { &lender.region };
	static __thread struct prec_transaction t;
	int i;

	(void)argument;
	t.regions = regions;
	t.region_count = 1;
	for (i = 0; i < 5000; i++) {
		EXPECT(prec_transaction_run(&t, with_array, NULL) == PREC_GONE);
		EXPECT(t.cursor == 1);
	}
	return NULL;
}

int main(void)
{
	pthread_t thread;

	lend(&lender, PAGE, PREC_READ);
	set_size(&lender, 0);
	abandons(NULL);
	MUST(pthread_create(&thread, NULL, abandons, NULL) == 0);
	pthread_join(thread, NULL);
	end_lending(&lender);
	return expect_end();
}
