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
 * do, or this part of what it may have when they have not, if that is more. */
#define BYTES_BESIDE_OTHERS	 (2ull << 20)
#define BYTES_PART_BESIDE_OTHERS 32u

/* … and this part of the requests. */
#define PART_BESIDE_OTHERS 4u

/* For so long after its last request a client is expected to come again. */
#define EXPECTED_NS 100000000ull

static inline bool is_shared(const struct loop *loop)
{
	return loop_devices(loop) > 1;
}

static inline bool may_serve(const struct queue *queue)
{
	return device_state(queue->device) == DEVICE_SERVING &&
	       queue->enabled && queue->started && !queue->broken &&
	       queue->has_addr && !queue->stalled;
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

/* Is as much in flight, over all its queues, as its export allows? */
static inline bool is_full(const struct device_part *part)
{
	return part->weight >= part->weight_max ||
	       part->bytes_in_flight >= part->bytes_max;
}

/* Would others wait long behind what it has in flight?  Disks and the kernel
 * serve in order. */
static inline bool is_much(const struct device_part *part)
{
	return part->weight * PART_BESIDE_OTHERS >= part->weight_max ||
	       (part->bytes_in_flight >= BYTES_BESIDE_OTHERS &&
		part->bytes_in_flight * BYTES_PART_BESIDE_OTHERS >=
			part->bytes_max);
}

/* Those that are idle do not wait.  A request that is larger than the limit is
 * carried out alone. */
static inline bool has_room(const struct device_part *part)
{
	return !is_full(part) && (!is_much(part) || !others_are_busy(part));
}

#endif
