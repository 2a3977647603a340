/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_ROOM_H
#define PRECARIUM_DEVICE_ROOM_H

#include "device/device.h"
#include "device/queue.h"

/*
 * Whether a queue may fetch another request.  For the files that serve queues
 * only, and inline because each request asks.
 */

/* Bytes in flight of one client while others of its worker have something to
 * do. */
#define BYTES_BESIDE_OTHERS (2ull << 20)

/* For so long after its last request a client is expected to come again. */
#define EXPECTED_NS 100000000ull

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

/* A request of the part was begun. */
static inline void note_begun(const struct device_part *part)
{
	struct loop *loop = part->loop;

	if (loop->latest != part) {
		loop->other_ns = loop->latest_ns;
		loop->latest = part;
	}
	loop->latest_ns = loop->poll.now_ns;
}

/* Does another client of its worker have requests in flight, or had some of
 * late? */
static inline bool others_are_busy(const struct device_part *part)
{
	const struct loop *loop = part->loop;
	uint64_t other_ns =
		loop->latest == part ? loop->other_ns : loop->latest_ns;
	const struct lane *lane;
	uint32_t in_flight = 0;

	if (!is_shared(loop))
		return false;
	if (other_ns > 0 && loop->poll.now_ns - other_ns < EXPECTED_NS)
		return true;
	LIST_FOREACH(lane, &loop->lanes, entry)
	in_flight += lane->in_flight;
	return in_flight > part->in_flight;
}

/* Other clients of the worker wait behind what this one has submitted: disks
 * and the kernel serve in order.  Those that are idle do not wait. */
static inline bool has_room_for_bytes(const struct device_part *part)
{
	uint64_t bytes = part->bytes_in_flight;

	return bytes < part->bytes_max &&
	       (bytes < BYTES_BESIDE_OTHERS || !others_are_busy(part));
}

/* A request that is larger than the limit is carried out alone. */
static inline bool has_room(const struct device_part *part)
{
	return part->in_flight < IN_FLIGHT_MAX && has_room_for_bytes(part);
}

#endif
