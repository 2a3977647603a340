// SPDX-License-Identifier: MIT
#include "device/line.h"

#include "device/clock.h"

static void lane_leave(struct loop *loop, struct lane *lane)
{
	if (!lane->in_line || !TAILQ_EMPTY(&lane->line))
		return;
	TAILQ_REMOVE(&loop->line, lane, next);
	lane->in_line = false;
}

static void part_leave(struct device_part *part)
{
	struct lane *lane = part->lane;

	if (!part->in_line || !TAILQ_EMPTY(&part->line))
		return;
	TAILQ_REMOVE(&lane->line, part, next);
	part->in_line = false;
	lane_leave(part->loop, lane);
}

void line_join(struct queue *queue)
{
	struct device_part *part = queue->part;

	queue->is_ready = true;
	TAILQ_INSERT_TAIL(&part->line, queue, ready);
	line_return_part(part->lane, part);
	line_return_lane(part->loop, part->lane);
}

void line_leave(struct queue *queue)
{
	if (!queue->is_ready)
		return;
	TAILQ_REMOVE(&queue->part->line, queue, ready);
	queue->is_ready = false;
	part_leave(queue->part);
}

struct lane *line_next_lane(struct loop *loop)
{
	struct lane *lane = TAILQ_FIRST(&loop->line);

	if (!lane)
		return NULL;
	TAILQ_REMOVE(&loop->line, lane, next);
	lane->in_line = false;
	return lane;
}

struct device_part *line_next_part(struct lane *lane)
{
	struct device_part *part = TAILQ_FIRST(&lane->line);

	if (!part)
		return NULL;
	TAILQ_REMOVE(&lane->line, part, next);
	part->in_line = false;
	return part;
}

struct queue *line_next_queue(struct device_part *part)
{
	struct queue *queue = TAILQ_FIRST(&part->line);

	if (!queue)
		return NULL;
	TAILQ_REMOVE(&part->line, queue, ready);
	queue->is_ready = false;
	return queue;
}

void line_return_lane(struct loop *loop, struct lane *lane)
{
	if (lane->in_line || lane->throttled || TAILQ_EMPTY(&lane->line))
		return;
	lane->in_line = true;
	TAILQ_INSERT_TAIL(&loop->line, lane, next);
}

void line_return_part(struct lane *lane, struct device_part *part)
{
	if (part->in_line || TAILQ_EMPTY(&part->line))
		return;
	part->in_line = true;
	TAILQ_INSERT_TAIL(&lane->line, part, next);
}

void line_throttle(struct loop *loop, struct lane *lane, uint32_t wait_us)
{
	if (lane->in_line)
		TAILQ_REMOVE(&loop->line, lane, next);
	lane->in_line = false;
	lane->throttled = true;
	lane->throttled_us = clock_now_us();
	lane->due_us = lane->throttled_us + wait_us;
	TAILQ_INSERT_TAIL(&loop->throttled, lane, next);
}

void line_release(struct loop *loop, struct lane *lane)
{
	TAILQ_REMOVE(&loop->throttled, lane, next);
	lane->throttled = false;
	rates_add_wait(lane->rates,
		       (uint64_t)(clock_now_us() - lane->throttled_us));
	line_return_lane(loop, lane);
}

void line_release_due(struct loop *loop)
{
	struct lane *lane = TAILQ_FIRST(&loop->throttled), *following;
	int64_t now = lane ? clock_now_us() : 0;

	for (; lane; lane = following) {
		following = TAILQ_NEXT(lane, next);
		if (now >= lane->due_us)
			line_release(loop, lane);
	}
}

int line_due_ms(const struct loop *loop)
{
	int64_t next = INT64_MAX, now;
	const struct lane *lane;

	if (TAILQ_EMPTY(&loop->throttled))
		return -1;
	TAILQ_FOREACH(lane, &loop->throttled, next)
	next = lane->due_us < next ? lane->due_us : next;
	now = clock_now_us();
	/* At most as long as rates.h lets one wait. */
	return next > now ? (int)((next - now + 999) / 1000) : 0;
}
