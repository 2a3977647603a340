// SPDX-License-Identifier: MIT
#include "device/claim.h"

#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* All claims of the process, in the order in which they were taken. */
static TAILQ_HEAD(, claim) line = TAILQ_HEAD_INITIALIZER(line);

static bool may_be_granted(const struct claim *claim)
{
	const struct claim *other;

	TAILQ_FOREACH(other, &line, entry)
	{
		if (other == claim)
			break;
		if (other->image == claim->image &&
		    (other->gone || !claim->shared))
			return false;
	}
	return true;
}

static void enter(struct claim *claim)
{
	if (!claim->in_line) {
		TAILQ_INSERT_TAIL(&line, claim, entry);
		claim->in_line = true;
		claim->granted = may_be_granted(claim);
	}
}

bool claim_take(struct claim *claim, const struct store *store,
		struct loop *loop)
{
	bool granted;

	if (!store->image || store->read_only)
		return true;
	pthread_mutex_lock(&lock);
	claim->image = store->image;
	claim->shared = store->shared;
	claim->loop = loop;
	enter(claim);
	granted = claim->granted;
	pthread_mutex_unlock(&lock);
	return granted;
}

void claim_set_gone(struct claim *claim)
{
	pthread_mutex_lock(&lock);
	claim->gone = true;
	pthread_mutex_unlock(&lock);
}

static void grant_others(const void *image)
{
	struct claim *claim;

	TAILQ_FOREACH(claim, &line, entry)
	{
		if (claim->image != image || claim->granted ||
		    !may_be_granted(claim))
			continue;
		claim->granted = true;
		loop_wake(claim->loop);
	}
}

void claim_drop(struct claim *claim)
{
	pthread_mutex_lock(&lock);
	if (claim->in_line) {
		TAILQ_REMOVE(&line, claim, entry);
		claim->in_line = false;
		claim->granted = false;
		grant_others(claim->image);
	}
	pthread_mutex_unlock(&lock);
}
