// SPDX-License-Identifier: MIT
#include "device/turn.h"

#include "device/calls.h"
#include "device/fetch.h"
#include "device/hint.h"
#include "device/line.h"
#include "device/loan.h"
#include "device/request.h"
#include "device/room.h"
#include "device/start.h"

/* Requests that are begun before finished ones are reaped.  With more of them,
 * many clients' requests would have left the processor's caches. */
#define BEGUN_A_TURN 128u

/* What a client may fetch in one turn, over all its queues: so many requests,
 * or so many bytes; fewer requests where other clients wait for the turn to
 * end.  An export gets as much, over all its clients, where others have
 * something to serve. */
#define REQUESTS_A_TURN	       64u
#define REQUESTS_BESIDE_OTHERS 32u
#define BYTES_A_TURN	       (1ull << 20)

/* Of what one client may have in flight, the share of the part. */
static uint32_t part_weight_max(const struct device_part *part)
{
	uint32_t most = rates_client(part->device->policy->rates);
	uint32_t parts = part->device->part_count;

	return parts == 1 ? most : (most + parts - 1) / parts;
}

/* Each queue that was in line once, as far as the turn goes. */
static void serve_part(struct lane *lane, struct device_part *part,
		       const struct device_turn *most)
{
	struct device_turn *turn = &part->turn;
	struct queue *queue;
	uint32_t count = 0;

	*turn = *most;
	part->weight_max = part_weight_max(part);
	TAILQ_FOREACH(queue, &part->line, ready)
	count++;
	while (count-- && !device_turn_is_over(turn) &&
	       (queue = line_next_queue(part)))
		queue_serve(queue);
	lane->requests += most->requests - turn->requests;
	lane->bytes += most->bytes - turn->bytes;
}

/* As serve_part, as far as the limits of its export go. */
static void serve_limited(struct lane *lane, struct device_part *part,
			  const struct rates_grant *grant)
{
	const struct device_turn most = { grant->bytes, grant->requests };

	lane->limited = true;
	lane->counts = grant->in_flight;
	lane->counted = 0;
	lane->limited_bytes = 0;
	serve_part(lane, part, &most);
	lane->limited = false;
	rates_settle(lane->rates, grant, most.requests - part->turn.requests,
		     lane->limited_bytes, lane->counted);
}

/* Devices that are in line now may be served in this turn, each once. */
static void begin_turn(struct lane *lane, uint64_t turn)
{
	const struct device_part *part;

	lane->turn = turn;
	lane->devices = 0;
	lane->requests = 0;
	lane->bytes = 0;
	TAILQ_FOREACH(part, &lane->line, next)
	lane->devices++;
}

/* What a lane gets beside others that have as much to serve. */
static bool share_is_used(const struct lane *lane)
{
	return lane->requests >= REQUESTS_BESIDE_OTHERS ||
	       lane->bytes >= BYTES_A_TURN;
}

/* The lane, which was taken out of line and has a device in its own, serves
 * that, unless its export has to wait: false. */
static bool serve_next(struct loop *loop, struct lane *lane)
{
	const struct device_turn most = {
		.bytes = BYTES_A_TURN,
		.requests = is_shared(loop) ? REQUESTS_BESIDE_OTHERS
					    : REQUESTS_A_TURN,
	};
	struct rates_grant grant;
	struct device_part *part;
	bool limited = rates_are_limited(lane->rates);

	if (limited) {
		grant = rates_take(lane->rates, most.requests, most.bytes,
				   lane->devices + 1);
		if (grant.requests == 0) {
			line_throttle(loop, lane, grant.wait_us);
			return false;
		}
	}
	part = line_next_part(lane);
	hint_line(lane);
	if (limited)
		serve_limited(lane, part, &grant);
	else
		serve_part(lane, part, &most);
	line_return_part(lane, part);
	return true;
}

/* The lane, which was taken out of line, serves its next device.  False: it has
 * had its turn, or, unless it is alone, its share. */
static bool serve_one(struct loop *loop, struct lane *lane, bool alone)
{
	if (lane->turn != loop->turn)
		begin_turn(lane, loop->turn);
	if (lane->devices == 0 || TAILQ_EMPTY(&lane->line) ||
	    (!alone && share_is_used(lane)))
		return false;
	lane->devices--;
	return serve_next(loop, lane);
}

/* Each lane in line once.  False: none has anything left in this turn. */
static bool serve_round(struct loop *loop, bool alone)
{
	uint32_t count = 0;
	bool any = false;
	struct lane *lane;

	TAILQ_FOREACH(lane, &loop->line, next)
	count++;
	while (count-- && loop->begun < BEGUN_A_TURN &&
	       (lane = line_next_lane(loop))) {
		any |= serve_one(loop, lane, alone);
		line_return_lane(loop, lane);
	}
	return any;
}

/* Has at most one lane in line used up its share?  The others have nothing, or
 * little. */
static bool one_is_left(const struct loop *loop)
{
	const struct lane *lane;
	uint32_t count = 0;

	TAILQ_FOREACH(lane, &loop->line, next)
	count += lane->turn == loop->turn && share_is_used(lane);
	return count <= 1;
}

/* First each lane its share; then the one that has more, if it is one. */
static void share_turn(struct loop *loop)
{
	while (loop->begun < BEGUN_A_TURN && serve_round(loop, false))
		continue;
	if (!one_is_left(loop))
		return;
	while (loop->begun < BEGUN_A_TURN && serve_round(loop, true))
		continue;
}

/* The same, if there is but one, in fewer instructions. */
static void serve_alone(struct loop *loop)
{
	struct lane *lane = line_next_lane(loop);

	begin_turn(lane, loop->turn);
	while (loop->begun < BEGUN_A_TURN && lane->devices > 0 &&
	       !TAILQ_EMPTY(&lane->line)) {
		lane->devices--;
		if (!serve_next(loop, lane))
			break;
	}
	line_return_lane(loop, lane);
}

static void serve_queues(struct loop *loop)
{
	const struct lane *first;

	loop->turn++;
	loop->begun = 0;
	if (!TAILQ_EMPTY(&loop->throttled))
		line_release_due(loop);
	first = TAILQ_FIRST(&loop->line);
	if (first && TAILQ_NEXT(first, next))
		share_turn(loop);
	else if (first)
		serve_alone(loop);
}

/* Its hardware may change the size of a store.  Then clients are told. */
static void look_at_size(struct lane *lane)
{
	uint64_t capacity = store_capacity(lane->store);

	if (lane->capacity == capacity)
		return;
	lane->capacity = capacity;
	lane->loop->settling = true;
}

/* Begin what was added, reap what has ended.  A lane that has nothing is left
 * alone, unless its descriptor may be what woke the loop: only the store makes
 * that unreadable. */
static enum store_left serve_lane(struct lane *lane, bool woken)
{
	const struct store_ops *ops;
	struct store_io *io;

	if (lane->in_flight == 0 && lane->moving == 0 && !woken)
		return STORE_NOTHING;
	if (woken)
		look_at_size(lane);
	ops = lane->lane->store->ops;
	ops->start(lane->lane);
	while ((io = ops->reap(lane->lane))) {
		if (io->errand)
			start_errand_ended(io);
		else
			request_finish(io);
	}
	if (lane->moving > 0)
		loan_take_news(lane);
	request_resume(lane);
	/* Reaping may have left the rest of a transfer to begin. */
	return ops->start(lane->lane);
}

/* Returns what the lanes have left, the most urgent. */
static enum store_left serve_lanes(struct loop *loop)
{
	enum store_left most = STORE_NOTHING;
	bool woken = loop->completed;
	struct lane *lane;

	loop->completed = false;
	LIST_FOREACH(lane, &loop->lanes, entry)
	{
		enum store_left left = serve_lane(lane, woken);

		most = left > most ? left : most;
	}
	return most;
}

enum store_left turn_serve(struct loop *loop)
{
	enum store_left left;

	start_waiting(loop);
	serve_queues(loop);
	left = serve_lanes(loop);
	queue_notify_served(loop);
	return left;
}
