/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_FETCH_H
#define PRECARIUM_DEVICE_FETCH_H

#include "device/queue.h"

/* Fetch requests from the ring and begin them, as many as are left of the turn
 * of its part.  The queue, which was taken out of line, returns to it if it
 * may have more. */
void queue_serve(struct queue *queue);

#endif
