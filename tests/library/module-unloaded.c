// SPDX-License-Identifier: MIT
/*
 * A module with accessors of its own comes and goes while other threads meet
 * lost memory.  Its accessors work while it is there, and nobody looks into its
 * table once it has gone.
 */
#include <dlfcn.h>
#include <pthread.h>

#include "lender.h"

#define THREADS 3

typedef enum prec_status load_fn(struct prec_span span, uint64_t *value);

static struct lender lender;
static bool over;

UNWATCHED
static void touch(struct prec_transaction *t, void *argument)
{
	(void)t;
	(void)argument;
	(void)*bytes_of(&lender.region);
}

/* Plain code is in no table, so all tables are looked through. */
static void *worker(void *argument)
{
	struct prec_transaction t;
	uint64_t *met = argument;

	while (!__atomic_load_n(&over, __ATOMIC_RELAXED))
		if (EXPECT(run_on(&lender.region, PREC_ABANDON, touch, NULL,
				  &t) == PREC_GONE))
			++*met;
	return NULL;
}

int main(int count, char **arguments)
{
	uint64_t met[THREADS] = { 0 }, value = 3;
	pthread_t threads[THREADS];
	int i;

	MUST(count == 2);
	lend_pattern(&lender, PAGE);
	set_size(&lender, 0);
	for (i = 0; i < THREADS; i++)
		MUST(pthread_create(&threads[i], NULL, worker, &met[i]) == 0);
	for (i = 0; i < 300; i++) {
		void *module = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
		load_fn *load;

		if (!module)
			fprintf(stderr, "%s\n", dlerror());
		MUST(module != NULL);
		*(void **)&load = dlsym(module, "module_load");
		MUST(load != NULL);
		EXPECT(load(lender.region.span, &value) == PREC_GONE);
		EXPECT(value == 3);
		MUST(dlclose(module) == 0);
		/* Really gone, or this says nothing. */
		MUST(!dlopen(arguments[1], RTLD_NOW | RTLD_NOLOAD));
	}
	__atomic_store_n(&over, true, __ATOMIC_RELAXED);
	for (i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		EXPECT(met[i] > 0);
	}
	end_lending(&lender);
	return expect_end();
}
