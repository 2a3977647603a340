// SPDX-License-Identifier: MIT
#include "device/share.h"

#include <assert.h>

void share_pool_init(struct share_pool *pool)
{
	pthread_mutex_init(&pool->lock, NULL);
	pool->total = 0;
	pool->place = 0;
	LIST_INIT(&pool->shares);
}

void share_pool_set(struct share_pool *pool, uint64_t total, uint64_t place)
{
	pthread_mutex_lock(&pool->lock);
	pool->total = total;
	pool->place = place;
	pthread_mutex_unlock(&pool->lock);
}

void share_pool_destroy(struct share_pool *pool)
{
	assert(LIST_EMPTY(&pool->shares));
	pthread_mutex_destroy(&pool->lock);
}

void share_open(struct share *share, struct share_pool *pool)
{
	share->pool = pool;
	share->used = 0;
	pthread_mutex_lock(&pool->lock);
	LIST_INSERT_HEAD(&pool->shares, share, entry);
	pthread_mutex_unlock(&pool->lock);
}

void share_close(struct share *share)
{
	assert(share->used == 0);
	pthread_mutex_lock(&share->pool->lock);
	LIST_REMOVE(share, entry);
	pthread_mutex_unlock(&share->pool->lock);
}

/* At most half of all are kept for places. */
static uint64_t place_of(const struct share_pool *pool)
{
	const struct share *share;
	uint64_t owners = 0;

	LIST_FOREACH(share, &pool->shares, entry)
	owners++;
	return owners * pool->place <= pool->total / 2
		       ? pool->place
		       : pool->total / 2 / owners;
}

/* What is used, or kept for who has not used it; `apart`: without this one. */
static uint64_t not_free(const struct share_pool *pool,
			 const struct share *apart)
{
	const struct share *share;
	uint64_t place = place_of(pool), sum = 0;

	LIST_FOREACH(share, &pool->shares, entry)
	{
		if (share != apart)
			sum += share->used > place ? share->used : place;
	}
	return sum;
}

bool share_take(struct share *share, uint64_t count, bool greedy)
{
	struct share_pool *pool = share->pool;
	uint64_t wanted = count, others, most;
	bool good;

	pthread_mutex_lock(&pool->lock);
	/* Others may have added more than they could have taken; that does not
	 * take the place of this one. */
	others = not_free(pool, share);
	most = pool->total - place_of(pool);
	others = others < most ? others : most;
	wanted += share->used + others + (greedy ? pool->total / 4 : 0);
	good = wanted <= pool->total;
	if (good)
		share->used += count;
	pthread_mutex_unlock(&pool->lock);
	return good;
}

void share_give(struct share *share, uint64_t count)
{
	pthread_mutex_lock(&share->pool->lock);
	assert(share->used >= count);
	share->used -= count;
	pthread_mutex_unlock(&share->pool->lock);
}

void share_add(struct share *share, uint64_t count)
{
	pthread_mutex_lock(&share->pool->lock);
	share->used += count;
	pthread_mutex_unlock(&share->pool->lock);
}
