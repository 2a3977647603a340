/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_AHEAD_H
#define PRECARIUM_DEVICE_AHEAD_H

#include "device/queue.h"

/*
 * Looking ahead: is all that the next request names translated (iotlb.h)?
 *
 * What is read here decides nothing but what is asked for.  The request is then
 * taken, and each byte that decides anything fetched, as if nobody had looked:
 * a client that rewrites it in between finds it refused for what is not
 * translated.
 */
enum ahead {
	AHEAD_READY,   /* take it */
	AHEAD_EMPTY,   /* the ring has no request */
	AHEAD_WAITING, /* until the client has translated something */
};

/* The queue is attached. */
enum ahead ahead_look(struct queue *queue);

/* The areas of its rings, which need not be attached, are translated. */
bool ahead_rings(struct queue *queue);

#endif
