// SPDX-License-Identifier: MIT
#include "device/turn.h"

#include "device/calls.h"
#include "device/fetch.h"
#include "device/request.h"

/* Requests that are begun before finished ones are reaped.  With more of them,
 * many clients' requests would have left the processor's caches. */
#define BEGUN_A_TURN 128u

/* Serve at most as many queues as were in line when the turn began: queues that
 * return to the line are behind those. */
static void serve_queues(struct loop *loop)
{
	struct queue *queue;
	uint32_t count = 0;

	TAILQ_FOREACH(queue, &loop->ready, ready)
	count++;
	loop->turn++;
	loop->begun = 0;
	loop->again = NULL;
	while (count-- && loop->begun < BEGUN_A_TURN &&
	       (queue = TAILQ_FIRST(&loop->ready)) && queue != loop->again) {
		TAILQ_REMOVE(&loop->ready, queue, ready);
		queue_serve(queue);
	}
}

/* Begin what was added, reap what has ended. */
static enum store_left serve_lane(struct lane *lane)
{
	const struct store_ops *ops;
	struct store_io *io;

	if (lane->in_flight == 0)
		return STORE_NOTHING;
	ops = lane->lane->store->ops;
	ops->start(lane->lane);
	while ((io = ops->reap(lane->lane)))
		request_finish(io);
	request_resume(lane);
	/* Reaping may have left the rest of a transfer to begin. */
	return ops->start(lane->lane);
}

/* Returns what the lanes have left, the most urgent. */
static enum store_left serve_lanes(struct loop *loop)
{
	enum store_left most = STORE_NOTHING;
	struct lane *lane;

	LIST_FOREACH(lane, &loop->lanes, entry)
	{
		enum store_left left = serve_lane(lane);

		most = left > most ? left : most;
	}
	return most;
}

enum store_left turn_serve(struct loop *loop)
{
	enum store_left left;

	serve_queues(loop);
	left = serve_lanes(loop);
	queue_notify_served(loop);
	return left;
}
