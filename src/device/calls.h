/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_CALLS_H
#define PRECARIUM_DEVICE_CALLS_H

#include "device/queue.h"

/* A request of so many slots was completed: notify the client, now or at the
 * end of the turn, if it asks for that. */
void queue_served(struct queue *queue, uint32_t slots);

/* The turn ends: notify the clients of the queues that were served in it. */
void queue_notify_served(struct loop *loop);

#endif
