/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_CHORE_H
#define PRECARIUM_DEVICE_CHORE_H

#include "device/release.h"

/*
 * Something that has to be done now and then, for one client, and may take as
 * long as the client likes: it is done on the threads of release.h, by one of
 * them at a time.  Embedded in what it is about.  One thread owns it.
 */
struct chore {
	struct release release;
	struct release_account *account;
	uint32_t state; /* atomic */
	/* Does it.  On a thread of release.h. */
	void (*run)(struct chore *chore);
	/* Frees it, and what it is embedded in.  Likewise. */
	void (*end)(struct chore *chore);
};

/* The rest is the caller's to set. */
static inline void chore_init(struct chore *chore,
			      struct release_account *account)
{
	chore->account = account;
	chore->release.descriptors = 1;
	chore->state = 0;
}

/* Have it done once from now on, however often this is called meanwhile.  The
 * owner, or `run`; never blocks. */
void chore_due(struct chore *chore);

/* Have it done if it is due, and then ended.  The owner lets go of it. */
void chore_end(struct chore *chore);

#endif
