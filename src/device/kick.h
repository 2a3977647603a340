/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_KICK_H
#define PRECARIUM_DEVICE_KICK_H

#include <stdint.h>

#include "device/loop.h"

struct release_account;

/*
 * Kicks of rings whose client lent no eventfd for them.  The ring gets one of
 * ours, which is signalled in its place, until the loop no longer watches it.
 * Threads: that of the loop.
 */

/* Signalled when something comes through the pipe `fd`, which this takes over
 * unless it fails.  `descriptors` counts what it has open beside the one that
 * it returns, and outlives that.  -1: errno. */
int kick_by_pipe(struct loop *loop, struct release_account *account, int fd,
		 uint32_t *descriptors);

/* Signalled at once, and then each KICK_CLOCK_MS: the ring has no kick, and is
 * looked at unasked.  -1: errno. */
int kick_by_clock(struct loop *loop);

#define KICK_CLOCK_MS 1

#endif
