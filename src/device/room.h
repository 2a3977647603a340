/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_ROOM_H
#define PRECARIUM_DEVICE_ROOM_H

#include "device/device.h"
#include "device/queue.h"

/*
 * Whether a queue may fetch another request.  For the files that serve queues
 * only, and inline because each request asks.
 */

/* Bytes in flight of one client that shares its worker. */
#define BYTES_BESIDE_OTHERS (2ull << 20)

/* Requests in flight of one client, over all its queues: all clients of a store
 * share the room in its lane. */
#define IN_FLIGHT_MAX 96

static inline bool is_shared(const struct loop *loop)
{
	return loop_devices(loop) > 1;
}

static inline bool may_serve(const struct queue *queue)
{
	return queue->device->state == DEVICE_SERVING && queue->enabled &&
	       queue->started && !queue->broken && queue->has_addr &&
	       !queue->stalled;
}

/* Other clients of the worker wait behind what this one has submitted: disks
 * and the kernel serve in order. */
static inline uint64_t bytes_in_flight_max(const struct device *device)
{
	uint64_t bytes = device->policy->bytes_in_flight_max;

	return is_shared(device->loop) && bytes > BYTES_BESIDE_OTHERS
		       ? BYTES_BESIDE_OTHERS
		       : bytes;
}

/* A request that is larger than the limit is carried out alone. */
static inline bool has_room(const struct device *device)
{
	return device->in_flight < IN_FLIGHT_MAX &&
	       device->bytes_in_flight < bytes_in_flight_max(device);
}

#endif
