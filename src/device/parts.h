/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_PARTS_H
#define PRECARIUM_DEVICE_PARTS_H

#include "device/device.h"

/*
 * The parts of a device, each of another thread.  Its first is that of the loop
 * for which it was opened.  Queues belong to parts in turn.
 */

/* It has one, without a lane. */
void parts_open(struct device *device, struct loop *loop);

/*
 * Let these loops serve some of its queues, too, before it has any.  They stand
 * at the gate, which the thread of its first part holds.  What it may have in
 * flight is divided among its parts.  A device whose store takes loans stays as
 * it is.  NULL; else why not, as device_open: it is to be ended.
 */
const char *parts_spread(struct device *device, struct loop *const *loops,
			 uint32_t count);
/* It has but the first again, and no queues any more. */
void parts_leave(struct device *device);

/* Have those after the first no ring that is watched, or served, and nothing in
 * flight?  Then they do nothing until a ring of theirs is set up. */
bool parts_others_are_idle(const struct device *device);

/* Whose is the queue of this index? */
struct device_part *parts_for(struct device *device, uint32_t index);

/* Have the thread of each part carry it out, one after the other. */
void parts_run(struct device *device, void (*task)(void *part));

#endif
