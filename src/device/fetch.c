// SPDX-License-Identifier: MIT
#include "device/fetch.h"

#include <inttypes.h>

#include "device/ahead.h"
#include "device/feature.h"
#include "device/layout.h"
#include "device/probe.h"
#include "device/request.h"
#include "device/room.h"
#include "device/setup.h"
#include "device/start.h"
#include "virtio/blk_next.h"

/* A request that was taken, and what is to be done. */
struct taken {
	struct virtq_request *chain;
	struct vblk_request block;
	struct vblk_ranges ranges;
};

/* Take the next request that the previous server had taken.  False: no more. */
static bool retake(struct queue *queue, const struct vblk_device *kind,
		   struct taken *taken, enum virtq_answer *answer)
{
	const struct prec_space *space = device_space(queue->device);
	struct virtq *virtq = queue->virtq;

	if (!inflight_is_left(&queue->inflight))
		return false;
	if (!layout_retake(virtq, space, &queue->inflight, taken->chain,
			   answer))
		return false;
	if (*answer == VIRTQ_STOPPED && virtq->state == VIRTQ_BROKEN)
		queue_break(queue, "the log of requests in flight holds "
				   "entries that no server leaves");
	/* As vblk_next does: one that is malformed may have a status byte. */
	if (*answer == VIRTQ_TAKEN || *answer == VIRTQ_MALFORMED)
		*answer = vblk_decode(kind, virtq, space, taken->chain,
				      &taken->block, &taken->ranges);
	return true;
}

/* As `next` looks at a ring that is empty. */
static bool ask_for_kick(struct queue *queue)
{
	const struct polling *poll = &queue->part->loop->poll;

	queue->keep_polling =
		polling_continues(poll, &queue->part->look, queue->found_ns);
	return !queue->keep_polling && queue_ask_for_kick(queue);
}

/* Is there a request of which all is translated?  Of one that comes after the
 * look, that would not be known: it waits for its kick, or the next look. */
static bool is_translated(struct queue *queue)
{
	enum ahead found = ahead_look(queue);

	if (found == AHEAD_EMPTY && ask_for_kick(queue))
		found = ahead_look(queue);
	return found == AHEAD_READY;
}

/* From here on its spans are of the memory, as those of a client that does not
 * translate: the table may change while the request is in flight. */
static void leave_translations(const struct device *device, struct taken *taken)
{
	struct vblk_request *block = &taken->block;

	iotlb_to_memory(device->iotlb, device->memory, &block->status);
	for (uint32_t i = 0; i < block->count; i++)
		iotlb_to_memory(device->iotlb, device->memory,
				&taken->chain->segment[block->first + i]);
}

/* Requests that the previous server had taken come first.  Before an empty
 * queue is left alone, the client is asked for a kick, and then the ring is
 * checked once more: a request that was made available before the client saw
 * that comes without a kick (2.7.10.1). */
static enum virtq_answer next(struct queue *queue, struct taken *taken)
{
	const struct prec_space *space = device_space(queue->device);
	const struct vblk_device kind = device_of(queue->device);
	enum virtq_answer answer;

	if (queue->device->iotlb && !is_translated(queue))
		return VIRTQ_EMPTY;
	if (retake(queue, &kind, taken, &answer))
		return answer;
	answer = vblk_next(&kind, queue->virtq, space, taken->chain,
			   &taken->block, &taken->ranges);
	if (answer == VIRTQ_EMPTY && !queue->device->iotlb &&
	    ask_for_kick(queue))
		answer = vblk_next(&kind, queue->virtq, space, taken->chain,
				   &taken->block, &taken->ranges);
	if (answer == VIRTQ_TAKEN || answer == VIRTQ_MALFORMED ||
	    answer == VIRTQ_LOST)
		layout_log_taken(queue->virtq, &queue->inflight,
				 (uint16_t)taken->chain->head);
	return answer;
}

/* To follow a descriptor costs a turn as much as so many bytes. */
#define DESCRIPTOR_BYTES 256u

/* A chain may be as long as the ring, and a table as long as 1024 descriptors,
 * so that a client could keep the worker busy by chains that move nothing. */
static uint64_t walked(const struct queue *queue,
		       const struct virtq_request *chain)
{
	return DESCRIPTOR_BYTES *
	       ((uint64_t)chain->elements + queue->virtq->held[chain->head]);
}

static bool take_one(struct queue *queue, uint64_t *bytes)
{
	struct taken taken;

	taken.chain = queue->part->loop->chain;
	switch (next(queue, &taken)) {
	case VIRTQ_TAKEN:
		if (queue->device->iotlb)
			leave_translations(queue->device, &taken);
		*bytes += walked(queue, taken.chain);
		*bytes += request_begin(queue, taken.chain, &taken.block,
					&taken.ranges);
		return true;
	case VIRTQ_MALFORMED:
		*bytes += walked(queue, taken.chain);
		request_reject(queue, false);
		return true;
	case VIRTQ_LOST:
		request_reject(queue, true);
		return true;
	case VIRTQ_GONE:
		/* It may come back: the next kick tries again. */
		queue_lost(queue, "the available ring is gone");
		return false;
	case VIRTQ_STOPPED:
		if (queue->virtq->state == VIRTQ_BROKEN)
			queue_break(queue, "the available ring holds entries "
					   "that no driver makes available");
		return false;
	case VIRTQ_EMPTY:
		return false;
	}
	return false;
}

static void log_full(const struct device_part *part)
{
	struct client_record *client = part->device->client;

	if (part->bytes_in_flight >= part->bytes_max)
		client_log(client,
			   "%" PRIu64 " bytes are in flight, the limit "
			   "is %" PRIu64 ": throttled (logged once)",
			   part->bytes_in_flight, part->bytes_max);
	else
		client_log(client,
			   "%u requests are in flight, the limit is %u: "
			   "throttled (logged once)",
			   part->in_flight, part->weight_max);
}

/* Its queues are ready again when a request has ended.  A client that keeps its
 * device busy is logged once. */
static void wait_for_room(struct device_part *part)
{
	struct client_record *client = part->device->client;
	uint64_t *throttled = &part->counters->throttled;

	part->waits_for_room = true;
	if (!is_full(part))
		return;
	if (!__atomic_exchange_n(&part->device->full_logged, true,
				 __ATOMIC_RELAXED))
		log_full(part);
	counter_add(throttled, 1);
	PROBE(throttle, client);
}

/* False: the queue has nothing more, or cannot continue now. */
static bool serve_turn(struct queue *queue, struct device_turn *turn)
{
	while (!device_turn_is_over(turn)) {
		uint64_t bytes = 0;

		if (!has_room(queue->part)) {
			wait_for_room(queue->part);
			return false;
		}
		if (!may_serve(queue) || !take_one(queue, &bytes))
			return false;
		polling_found(&queue->part->loop->poll, &queue->part->look,
			      &queue->found_ns);
		queue->part->loop->begun++;
		note_begun(queue->part);
		turn->requests--;
		turn->bytes -= bytes < turn->bytes ? bytes : turn->bytes;
	}
	return true;
}

void queue_serve(struct queue *queue)
{
	queue->keep_polling = false;
	if (!may_serve(queue))
		return;
	if (!queue->attached &&
	    !(start_begin(queue->part) && queue_attach(queue)))
		return;
	queue_check_logs(queue);
	if (serve_turn(queue, &queue->part->turn) || queue->keep_polling)
		queue_ready(queue);
}
