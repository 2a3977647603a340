/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_CLAIM_H
#define PRECARIUM_DEVICE_CLAIM_H

#include <stdbool.h>
#include <sys/queue.h>

#include "device/loop.h"

/*
 * Whose turn it is to use an image.  A client whose rings start stands in line,
 * and leaves it when they have all stopped, or when it has gone and the last of
 * its requests has ended: a write of it that the storage still has could land
 * on what its successor has written and flushed.
 *
 * Of an image that is not shared the first in line is served, and the others
 * wait.  Of a shared one all are served, but those who start wait for the
 * requests of those who have gone.  Images that nobody writes have no line.
 *
 * The line is for all exports of an image, also for one that a reload has
 * replaced, and for all threads.
 */
struct claim {
	TAILQ_ENTRY(claim) entry;
	const void *image; /* see struct store */
	bool shared;	   /* … and here */
	bool in_line;
	bool granted;
	bool gone;	   /* its client is */
	struct loop *loop; /* woken when it is granted */
};

/* Stand in line, or nothing if it does already.  True: it may be served.  Else
 * loop_wake is called when it may. */
bool claim_take(struct claim *claim, const struct store *store,
		struct loop *loop);
/* Its client has gone, but may still have requests in the store. */
void claim_set_gone(struct claim *claim);
/* Leave the line.  It may be taken again; a claim that is not in line is left
 * alone. */
void claim_drop(struct claim *claim);

#endif
