/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_TURN_H
#define PRECARIUM_DEVICE_TURN_H

#include "device/loop.h"

/*
 * One turn of a loop, after its events were taken: let each client that has
 * ready queues fetch a bounded number of requests; begin and reap transfers;
 * notify the clients.  A queue that has more goes to the end of the line, so
 * that no client can keep the others waiting.
 *
 * Returns what the stores have left to do, the most urgent.
 */
enum store_left turn_serve(struct loop *loop);

#endif
