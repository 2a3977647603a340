// SPDX-License-Identifier: MIT
#include "device/parts.h"

#include <assert.h>
#include <stdlib.h>

#include "device/loan.h"
#include "device/queue.h"

static void part_open(struct device_part *part, struct device *device,
		      struct loop *loop)
{
	part->device = device;
	part->loop = loop;
	part->bytes_max = device->policy->bytes_in_flight_max;
	TAILQ_INIT(&part->line);
	TAILQ_INIT(&part->queues);
}

void parts_open(struct device *device, struct loop *loop)
{
	struct client_record *client = device->client;

	part_open(&device->home, device, loop);
	device->home.counters = &client->counters;
	device->home.durations = &client->durations;
	device->part_count = 1;
}

/* What only the thread of another loop may do. */
struct visit {
	struct device_part *part;
	struct store_error error;
};

static void enter(void *argument)
{
	struct visit *visit = argument;
	struct device_part *part = visit->part;
	const struct device_policy *policy = part->device->policy;

	part->lane = lane_get(part->loop, policy->store, &visit->error);
	if (!part->lane)
		return;
	part->lane->rates = policy->rates;
	__atomic_fetch_add(&part->loop->devices, 1, __ATOMIC_RELAXED);
	TAILQ_INSERT_TAIL(&part->loop->guests, part, guest);
}

static void leave(void *argument)
{
	struct device_part *part = argument;

	TAILQ_REMOVE(&part->loop->guests, part, guest);
	__atomic_fetch_sub(&part->loop->devices, 1, __ATOMIC_RELAXED);
	lane_put(part->loop, part->lane);
}

static const char *add(struct device *device, struct loop *loop)
{
	struct device_part *part = &device->others[device->part_count - 1];
	struct visit visit = { .part = part };
	struct client_tally *tally = client_add_tally(device->client);

	if (!tally)
		return "out of memory";
	part_open(part, device, loop);
	part->counters = &tally->counters;
	part->durations = &tally->durations;
	part->refused_seen = device->home.refused_seen;
	gate_run(loop, enter, &visit);
	if (!part->lane) {
		client_log(device->client, "store: %s", visit.error.text);
		return "the store could not be opened for it";
	}
	part->other = device->home.other;
	device->home.other = part;
	device->part_count++;
	return NULL;
}

static void share_out(struct device *device)
{
	uint64_t bytes = device->policy->bytes_in_flight_max;
	struct device_part *part;

	for (part = &device->home; part; part = part->other)
		part->bytes_max = bytes / device->part_count;
}

const char *parts_spread(struct device *device, struct loop *const *loops,
			 uint32_t count)
{
	const char *why = NULL;

	assert(TAILQ_EMPTY(&device->queues));
	if (count == 0 || loan_is_wanted(device))
		return NULL;
	device->others = calloc(count, sizeof(*device->others));
	if (!device->others)
		return "out of memory";
	for (uint32_t i = 0; i < count && !why; i++)
		why = add(device, loops[i]);
	share_out(device);
	__atomic_fetch_add(&device->home.loop->post.gate->devices, 1,
			   __ATOMIC_RELAXED);
	return why;
}

void parts_leave(struct device *device)
{
	struct device_part *part;

	if (!device->others)
		return;
	__atomic_fetch_sub(&device->home.loop->post.gate->devices, 1,
			   __ATOMIC_RELAXED);
	while ((part = device->home.other)) {
		device->home.other = part->other;
		gate_run(part->loop, leave, part);
	}
	device->part_count = 1;
	free(device->others);
	device->others = NULL;
}

static bool is_idle(const struct device_part *part)
{
	const struct queue *queue;

	TAILQ_FOREACH(queue, &part->queues, sibling)
	{
		if (queue->started || queue->kick_fd >= 0 ||
		    !queue_is_quiet(queue))
			return false;
	}
	return part->in_flight == 0;
}

bool parts_others_are_idle(const struct device *device)
{
	const struct device_part *part;

	for (part = device->home.other; part; part = part->other) {
		if (!is_idle(part))
			return false;
	}
	return true;
}

/* The first one comes last: its thread has the messages, too. */
struct device_part *parts_for(struct device *device, uint32_t index)
{
	uint32_t number = (index + 1) % device->part_count;
	struct device_part *part = &device->home;

	while (number-- > 0)
		part = part->other;
	return part;
}

void parts_run(struct device *device, void (*task)(void *part))
{
	struct device_part *part;

	task(&device->home);
	for (part = device->home.other; part; part = part->other)
		gate_run(part->loop, task, part);
}
