// SPDX-License-Identifier: MIT
/*
 * Four threads map and unmap thousands of regions while two others meet lost
 * memory all the time: each fault is still found to be in the right region.
 * And the table has an end, which is said.
 */
#include <pthread.h>
#include <sys/resource.h>

#include "lender.h"

#define MAPPERS 4
#define HELD	300
#define ROUNDS	(UNDER_SANITIZER ? 2 : 5)

static bool over;
static int shared;

static struct prec_region *region_of(const struct lender *lender)
{
	return prec_region_at(lender->region.span.host + PAGE);
}

static void *mapper(void *argument)
{
	static struct lender all[MAPPERS][HELD];
	struct lender *mine = all[*(int *)argument];
	int round, i;

	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < HELD; i++) {
			mine[i].fd = shared;
			MUST(try_lend(&mine[i], 2 * PAGE, PREC_READ, 0, NULL) ==
			     PREC_OK);
		}
		for (i = 0; i < HELD; i++)
			EXPECT(region_of(&mine[i]) == &mine[i].region);
		for (i = 0; i < HELD; i++) {
			uint64_t host = mine[i].region.span.host;

			MUST(prec_region_unmap(&mine[i].region) == PREC_OK);
			EXPECT(prec_region_at(host) != &mine[i].region);
		}
	}
	return NULL;
}

UNWATCHED
static void touch(struct prec_transaction *t, void *argument)
{
	(void)t;
	(void)*bytes_of(argument);
}

static void *faulter(void *argument)
{
	struct prec_transaction t;
	struct lender mine;
	uint64_t value;
	int i;

	lend(&mine, PAGE, PREC_READ);
	set_size(&mine, 0);
	while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
		EXPECT(prec_load64(mine.region.span, 0, &value) == PREC_GONE);
		EXPECT(run_on(&mine.region, PREC_ABANDON, touch, &mine.region,
			      &t) == PREC_GONE);
		for (i = 0; i < 300; i++)
			if (prec_region_at(mine.region.span.host + 1) !=
			    &mine.region)
				EXPECT(false);
	}
	end_lending(&mine);
	return argument;
}

static void to_the_end_of_the_table(void)
{
	static struct lender all[PREC_REGION_MAX + 1];
	struct rlimit files = { 20000, 20000 };
	enum prec_status status = PREC_OK;
	uint32_t count = 0;

	if (UNDER_SANITIZER || setrlimit(RLIMIT_NOFILE, &files) != 0) {
		skip_part("the end of the table", "needs 20,000 descriptors");
		return;
	}
	while (count <= PREC_REGION_MAX) {
		all[count].fd = shared;
		status = try_lend(&all[count], PAGE, PREC_READ, 0, NULL);
		if (status != PREC_OK)
			break;
		count++;
	}
	EXPECT(status == PREC_FULL && count == PREC_REGION_MAX);
	while (count-- > 0)
		MUST(prec_region_unmap(&all[count].region) == PREC_OK);
	MUST(try_lend(&all[0], PAGE, PREC_READ, 0, NULL) == PREC_OK);
	MUST(prec_region_unmap(&all[0].region) == PREC_OK);
}

int main(void)
{
	pthread_t mappers[MAPPERS], faulters[2];
	int number[MAPPERS], i;
	struct rlimit files;

	MUST(getrlimit(RLIMIT_NOFILE, &files) == 0);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	if (files.rlim_cur < MAPPERS * HELD + 50)
		skip_all("needs more descriptors");
	shared = new_file(2 * PAGE, 0);
	for (i = 0; i < 2; i++)
		MUST(pthread_create(&faulters[i], NULL, faulter, NULL) == 0);
	for (i = 0; i < MAPPERS; i++) {
		number[i] = i;
		MUST(pthread_create(&mappers[i], NULL, mapper, &number[i]) ==
		     0);
	}
	for (i = 0; i < MAPPERS; i++)
		pthread_join(mappers[i], NULL);
	__atomic_store_n(&over, true, __ATOMIC_RELAXED);
	for (i = 0; i < 2; i++)
		pthread_join(faulters[i], NULL);
	to_the_end_of_the_table();
	return expect_end();
}
