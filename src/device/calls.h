/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_CALLS_H
#define PRECARIUM_DEVICE_CALLS_H

#include "device/queue.h"

/* Notify the client of a completed request, which took `slots` slots, if it
 * wants to be notified: now, or at the end of the turn. */
void queue_served(struct queue *queue, uint32_t slots);

/* The turn ends: notify the clients of the queues that were served in it. */
void queue_notify_served(struct loop *loop);

#endif
