/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_FETCH_H
#define PRECARIUM_DEVICE_FETCH_H

#include "device/queue.h"

/* Fetch requests from the ring and begin them, as many as the client may in
 * one turn of its worker.  The queue returns to the line if it has more. */
void queue_serve(struct queue *queue);

#endif
