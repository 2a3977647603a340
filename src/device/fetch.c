// SPDX-License-Identifier: MIT
#include "device/fetch.h"

#include <inttypes.h>

#include "device/layout.h"
#include "device/request.h"
#include "device/room.h"
#include "device/setup.h"

/* What a client may fetch in one turn, over all its queues: so many requests,
 * or so many bytes; fewer requests where other clients wait for the turn to
 * end. */
#define REQUESTS_A_TURN	       64
#define REQUESTS_BESIDE_OTHERS 32
#define BYTES_A_TURN	       (1ull << 20)

/* Take the next request that the previous server had taken.  False: no more. */
static bool retake(struct queue *queue, struct virtq_request *chain,
		   enum virtq_answer *answer)
{
	struct virtq *virtq = &queue->virtq;

	if (!inflight_is_left(&queue->inflight))
		return false;
	if (!layout_retake(virtq, &queue->device->memory->guest,
			   &queue->inflight, chain, answer))
		return false;
	if (*answer == VIRTQ_STOPPED && virtq->state == VIRTQ_BROKEN)
		queue_break(queue, "the log of requests in flight holds "
				   "entries that no server leaves");
	return true;
}

/* Requests that the previous server had taken come first.  Before an empty
 * queue is left alone, the client is asked for a kick, and then the ring is
 * checked once more: a request that was made available before the client saw
 * that comes without a kick (2.7.10.1). */
static enum virtq_answer next(struct queue *queue, struct virtq_request *chain)
{
	const struct prec_space *space = &queue->device->memory->guest;
	const struct polling *poll = &queue->device->loop->poll;
	enum virtq_answer answer;

	if (retake(queue, chain, &answer))
		return answer;
	answer = vring_next(&queue->virtq, space, chain);
	if (answer == VIRTQ_EMPTY) {
		queue->keep_polling = polling_continues(poll, queue->found_ns);
		if (!queue->keep_polling && queue_ask_for_kick(queue))
			answer = vring_next(&queue->virtq, space, chain);
	}
	if (answer == VIRTQ_TAKEN || answer == VIRTQ_MALFORMED ||
	    answer == VIRTQ_LOST)
		layout_log_taken(&queue->virtq, &queue->inflight,
				 (uint16_t)chain->head);
	return answer;
}

static bool take_one(struct queue *queue, uint64_t *bytes)
{
	struct virtq_request chain;

	switch (next(queue, &chain)) {
	case VIRTQ_TAKEN:
	case VIRTQ_MALFORMED: /* it may have a status byte */
		*bytes += request_begin(queue, &chain);
		return true;
	case VIRTQ_LOST:
		request_reject(queue, true);
		return true;
	case VIRTQ_GONE:
		/* It may come back: the next kick tries again. */
		queue_lost(queue, "the available ring is gone");
		return false;
	case VIRTQ_STOPPED:
		if (queue->virtq.state == VIRTQ_BROKEN)
			queue_break(queue, "the available ring holds entries "
					   "that no driver makes available");
		return false;
	case VIRTQ_EMPTY:
		return false;
	}
	return false;
}

/* What is left of the client's turn. */
static struct device_turn *turn_of(struct queue *queue)
{
	struct device *device = queue->device;
	const struct loop *loop = device->loop;

	if (device->turn.number != loop->turn)
		device->turn = (struct device_turn){
			.number = loop->turn,
			.requests = is_shared(loop) ? REQUESTS_BESIDE_OTHERS
						    : REQUESTS_A_TURN,
			.bytes = BYTES_A_TURN,
		};
	return &device->turn;
}

static bool is_over(const struct device_turn *turn)
{
	return turn->requests == 0 || turn->bytes == 0;
}

/* Its queues are ready again when a request has ended.  A client that keeps its
 * device busy is logged once. */
static void wait_for_room(struct device *device)
{
	uint64_t *throttled = &device->client->counters.throttled;

	device->waits_for_room = true;
	if (device->bytes_in_flight < device->policy->bytes_in_flight_max)
		return;
	if (*throttled == 0)
		client_log(device->client,
			   "%" PRIu64 " bytes are in flight, the limit "
			   "is %" PRIu64 ": throttled (logged once)",
			   device->bytes_in_flight,
			   device->policy->bytes_in_flight_max);
	counter_add(throttled, 1);
}

/* False: the queue has nothing more, or cannot continue now. */
static bool serve_turn(struct queue *queue, struct device_turn *turn)
{
	while (!is_over(turn)) {
		uint64_t bytes = 0;

		if (!has_room(queue->device)) {
			wait_for_room(queue->device);
			return false;
		}
		if (!may_serve(queue) || !take_one(queue, &bytes))
			return false;
		queue->found_ns = polling_found(&queue->device->loop->poll);
		queue->device->loop->begun++;
		turn->requests--;
		turn->bytes -= bytes < turn->bytes ? bytes : turn->bytes;
	}
	return true;
}

/* The client's turn was over before this queue was reached: put it before
 * the client's queues that were served, or the first queue would take every
 * turn. */
static void stay_in_line(struct queue *queue)
{
	struct loop *loop = queue->device->loop;

	queue->is_ready = true;
	if (loop->again)
		TAILQ_INSERT_BEFORE(loop->again, queue, ready);
	else
		TAILQ_INSERT_TAIL(&loop->ready, queue, ready);
}

void queue_serve(struct queue *queue)
{
	struct loop *loop = queue->device->loop;
	struct device_turn *turn = turn_of(queue);

	queue->is_ready = false;
	queue->keep_polling = false;
	if (!may_serve(queue))
		return;
	if (is_over(turn)) {
		stay_in_line(queue);
		return;
	}
	if (!queue->attached && !queue_attach(queue))
		return;
	queue_check_logs(queue);
	if (!serve_turn(queue, turn) && !queue->keep_polling)
		return;
	queue_ready(queue);
	if (queue->is_ready && !loop->again)
		loop->again = queue;
}
