/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_SHARE_H
#define PRECARIUM_DEVICE_SHARE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

/*
 * What a process has so many of, such as descriptors, and several owners of
 * clients use up together: each owner, an export, has a share.  What is used is
 * counted, not reserved, apart from two things:
 *
 *	- each owner keeps a place: of what it has not used of that, nobody else
 *	  gets anything, however much the others ask for;
 *	- who asks for more than is usual leaves a quarter of all to those who
 *	  do not.
 *
 * All functions may be called on any thread.
 */
struct share_pool {
	pthread_mutex_t lock; /* of all below, and of what shares have used */
	uint64_t total;
	uint64_t place; /* wanted for each owner; less where there is less */
	LIST_HEAD(, share) shares;
};

struct share {
	struct share_pool *pool;
	LIST_ENTRY(share) entry;
	uint64_t used;
};

/* No share is open when it ends.  A pool has nothing until it is set; shares
 * may be open by then, and use something. */
void share_pool_init(struct share_pool *pool);
void share_pool_set(struct share_pool *pool, uint64_t total, uint64_t place);
void share_pool_destroy(struct share_pool *pool);

/* A share of this pool.  Nothing of it is in use when it is closed. */
void share_open(struct share *share, struct share_pool *pool);
void share_close(struct share *share);

/* Use `count` more; `greedy`: that is more than is usual.  False: there are not
 * so many, and nothing has changed. */
bool share_take(struct share *share, uint64_t count, bool greedy);
void share_give(struct share *share, uint64_t count);
/* So many more are in use already, whether there are so many or not. */
void share_add(struct share *share, uint64_t count);

#endif
