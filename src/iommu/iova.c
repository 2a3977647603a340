// SPDX-License-Identifier: MIT
#include "iommu/iova.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <precarium/space.h>

/* Whole pages of it, without the lowest of all. */
static struct iova_range clip(const struct iova_range *range)
{
	struct iova_range in = *range;

	if (in.first < IOVA_LOWEST)
		in.first = IOVA_LOWEST;
	if (in.last >= PREC_ADDRESS_MAX)
		in.last = PREC_ADDRESS_MAX - 1;
	if (in.first > in.last)
		return (struct iova_range){ 1, 0 };
	in.first = (in.first + IOVA_PAGE - 1) / IOVA_PAGE * IOVA_PAGE;
	/* The last address of a page, or of the page before. */
	in.last = (in.last + 1) / IOVA_PAGE * IOVA_PAGE - 1;
	return in;
}

static void enter(struct iova *iova, struct iova_range range)
{
	uint32_t i = iova->range_count++;

	for (; i > 0 && iova->range[i - 1].first > range.first; i--)
		iova->range[i] = iova->range[i - 1];
	iova->range[i] = range;
}

bool iova_init(struct iova *iova, const struct iova_range *ranges,
	       uint32_t count)
{
	iova->range_count = 0;
	iova->count = 0;
	if (count > IOVA_RANGES_MAX)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		struct iova_range range = clip(&ranges[i]);

		if (range.first < range.last)
			enter(iova, range);
	}
	if (iova->range_count == 0)
		return false;
	pthread_mutex_init(&iova->lock, NULL);
	return true;
}

void iova_destroy(struct iova *iova)
{
	pthread_mutex_destroy(&iova->lock);
}

struct iova *iova_new(const struct iova_range *ranges, uint32_t count)
{
	struct iova *iova = calloc(1, sizeof(*iova));

	if (iova && iova_init(iova, ranges, count))
		return iova;
	free(iova);
	return NULL;
}

void iova_free(struct iova *iova)
{
	if (iova)
		iova_destroy(iova);
	free(iova);
}

/* The first address from `at` on that lies in its huge page as `host` does. */
static uint64_t congruent(uint64_t at, uint64_t host, uint64_t size)
{
	uint64_t unit = size < IOVA_HUGE_PAGE ? IOVA_PAGE : IOVA_HUGE_PAGE;

	return at + (host - at) % unit;
}

/* Is [at, at + size) inside the range?  It is at most 2^56, as is size. */
static bool ends_within(uint64_t at, uint64_t size,
			const struct iova_range *range)
{
	return at <= range->last && size - 1 <= range->last - at;
}

/* The lowest place in one range.  *next is the first of what is taken that
 * ends behind the place. */
static bool find_in(const struct iova *iova, const struct iova_range *range,
		    uint64_t size, uint64_t host, uint64_t *at, uint32_t *next)
{
	uint64_t here = congruent(range->first, host, size);
	uint32_t i;

	for (i = 0; i < iova->count && ends_within(here, size, range); i++) {
		uint64_t end = iova->start[i] + iova->size[i];

		if (end <= here)
			continue;
		if (here + size <= iova->start[i])
			break;
		here = congruent(end, host, size);
	}
	*at = here;
	*next = i;
	return ends_within(here, size, range);
}

static void insert(struct iova *iova, uint32_t at, uint64_t start,
		   uint64_t size)
{
	uint32_t behind = iova->count - at;

	memmove(&iova->start[at + 1], &iova->start[at],
		behind * sizeof(iova->start[0]));
	memmove(&iova->size[at + 1], &iova->size[at],
		behind * sizeof(iova->size[0]));
	iova->start[at] = start;
	iova->size[at] = size;
	iova->count++;
}

/* Under the lock. */
static bool take(struct iova *iova, uint64_t size, uint64_t host, uint64_t *at)
{
	uint32_t next;

	if (iova->count == IOVA_TAKEN_MAX || size == 0 ||
	    size > PREC_ADDRESS_MAX)
		return false;
	for (uint32_t i = 0; i < iova->range_count; i++) {
		if (!find_in(iova, &iova->range[i], size, host, at, &next))
			continue;
		insert(iova, next, *at, size);
		return true;
	}
	return false;
}

bool iova_take(struct iova *iova, uint64_t size, uint64_t host, uint64_t *at)
{
	bool taken;

	pthread_mutex_lock(&iova->lock);
	taken = take(iova, size, host, at);
	pthread_mutex_unlock(&iova->lock);
	return taken;
}

/* Under the lock. */
static void give(struct iova *iova, uint64_t at)
{
	uint32_t i = 0;

	while (i < iova->count && iova->start[i] != at)
		i++;
	assert(i < iova->count);
	iova->count--;
	memmove(&iova->start[i], &iova->start[i + 1],
		(iova->count - i) * sizeof(iova->start[0]));
	memmove(&iova->size[i], &iova->size[i + 1],
		(iova->count - i) * sizeof(iova->size[0]));
}

void iova_give(struct iova *iova, uint64_t at)
{
	pthread_mutex_lock(&iova->lock);
	give(iova, at);
	pthread_mutex_unlock(&iova->lock);
}
