/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_START_H
#define PRECARIUM_DEVICE_START_H

#include "device/device.h"

/*
 * Beginning to use an image, and ceasing to.
 *
 * A device whose rings start waits until it has its claim (claim.h).  If the
 * image is shared, what is cached of it is then dropped: another host may have
 * written to it.  When its rings have stopped, or its client has gone, what it
 * wrote to a shared image is made durable before that is said, or its claim
 * dropped: another host may be about to read it, or to write there, which pages
 * that are still to be written would undo.
 *
 * What that takes of the store is an errand: a transfer without a request.  It
 * counts as in flight.
 */

/* A queue of the part is to be served for the first time.  False: not yet; its
 * queues are put in line when they may be. */
bool start_begin(struct device_part *part);
/* Begin what another part wants, and put the queues of others in line: its
 * parts stand, if there are several. */
void start_settle(struct device *device);

/* Start those devices of the loop that were waiting and may be served now. */
void start_waiting(struct loop *loop);

/* All queues have stopped, or the client has gone, and nothing is in flight.
 * False: an errand is, now. */
bool start_end(struct device *device);

/* End its errand early, if that is possible. */
void start_cancel(struct device *device);

/* The device is to be closed, with nothing in flight. */
void start_close(struct device *device);

/* The store has finished with an errand. */
void start_errand_ended(struct store_io *io);

#endif
