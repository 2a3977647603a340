// SPDX-License-Identifier: MIT
#include "device/device.h"

#include <stdlib.h>
#include <string.h>

#include "device/feature.h"
#include "device/loan.h"
#include "device/parts.h"
#include "device/probe.h"
#include "device/queue.h"
#include "device/request.h"
#include "device/setup.h"
#include "device/start.h"

const char *device_open(struct device *device, struct loop *loop,
			const struct device_policy *policy,
			struct client_record *client)
{
	struct store_error error;

	memset(device, 0, sizeof(*device));
	device->policy = policy;
	device->client = client;
	parts_open(device, loop);
	device_note_size(device);
	device->inflight.fd = -1;
	device->inflight.releases = policy->releases;
	device->dirty.call_fd = -1;
	device->dirty.releases = policy->releases;
	TAILQ_INIT(&device->queues);
	device->memory = calloc(1, sizeof(*device->memory));
	device->queue_table =
		calloc(policy->queues_max, sizeof(struct queue *));
	if (!device->memory || !device->queue_table)
		return "out of memory";
	device->memory->regions = policy->regions;
	device->memory->releases = policy->releases;
	device->admission = policy->admission;
	if (policy->sparse && !sparse_take(policy->sparse, &device->sparse))
		return "out of memory";
	if (device->sparse)
		device->admission.budget = &device->sparse->budget;
	device->queue_count = policy->queues_max;
	device->home.refused_seen = sparse_refused(device->sparse);
	device->home.lane = lane_get(loop, policy->store, &error);
	if (!device->home.lane) {
		client_log(client, "store: %s", error.text);
		return "the store could not be opened for it";
	}
	device->home.lane->rates = policy->rates;
	if (!loan_take_owner(device))
		return "the store takes memory of 64 clients of a worker; "
		       "expected fewer, or more workers";
	return NULL;
}

void device_close(struct device *device)
{
	struct queue *queue;

	while ((queue = TAILQ_FIRST(&device->queues))) {
		TAILQ_REMOVE(&device->queues, queue, entry);
		TAILQ_REMOVE(&queue->part->queues, queue, sibling);
		queue_close(queue);
		free(queue);
	}
	free(device->queue_table);
	start_close(device);
	inflight_close(&device->inflight);
	device_call_log(device, -1);
	dirty_close(&device->dirty);
	parts_leave(device);
	iotlb_free(device->iotlb);
	memory_free(device->memory);
	memory_free(device->next_memory);
	if (device->sparse)
		sparse_put(device->policy->sparse, device->sparse);
	loan_give_owner(device);
	if (device->home.lane)
		lane_put(device->home.loop, device->home.lane);
}

static void abort_part(void *argument)
{
	struct device_part *part = argument;
	struct queue *queue;

	TAILQ_FOREACH(queue, &part->queues, sibling)
	queue_abort(queue);
}

static void cancel_part(void *argument)
{
	struct device_part *part = argument;
	struct queue *queue;

	TAILQ_FOREACH(queue, &part->queues, sibling)
	queue_cancel(queue);
}

static void insist_part(void *argument)
{
	struct device_part *part = argument;
	struct queue *queue;

	TAILQ_FOREACH(queue, &part->queues, sibling)
	queue_insist(queue);
}

/* What is cancelled is reaped in another turn, without waiting for events. */
void device_abort(struct device *device)
{
	device->home.loop->settling = true;
	claim_set_gone(&device->claim);
	parts_run(device, abort_part);
	loan_take_back_all(device, device->memory);
	loan_take_back_all(device, device->next_memory);
	start_cancel(device);
}

bool part_is_slow_to_notify(const struct device_part *part)
{
	const struct queue *queue;

	TAILQ_FOREACH(queue, &part->queues, sibling)
	{
		if (queue->call_cost.too_slow)
			return true;
	}
	return part->notify_cost.too_slow;
}

bool device_is_slow_to_notify(const struct device *device)
{
	const struct device_part *part;

	for (part = &device->home; part; part = part->other) {
		if (part_is_slow_to_notify(part))
			return true;
	}
	return false;
}

bool device_has_ended(struct device *device)
{
	return device_in_flight(device) == 0 &&
	       loan_all_have_left(device->memory) &&
	       loan_all_have_left(device->next_memory) && start_end(device);
}

void device_cancel(struct device *device)
{
	device->cancelled = true;
	parts_run(device, cancel_part);
	start_cancel(device);
}

bool device_insist(struct device *device)
{
	struct store_lane *lane = device->home.lane->lane;

	if (!lane->store->ops->insist)
		return false;
	device->insisted = true;
	if (device->errand_busy)
		lane->store->ops->insist(lane, &device->errand);
	parts_run(device, insist_part);
	return true;
}

bool device_park(struct device *device)
{
	enum device_state serving = DEVICE_SERVING;

	return __atomic_compare_exchange_n(&device->state, &serving,
					   DEVICE_PARKED, false,
					   __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

void device_resume(struct device *device)
{
	struct queue *queue;

	__atomic_store_n(&device->state, DEVICE_SERVING, __ATOMIC_RELAXED);
	device->cancelled = false;
	device->insisted = false;
	TAILQ_FOREACH(queue, &device->queues, entry)
	queue_ready(queue);
}

/* No queue runs.  From here on a client need not tell which translations end:
 * QEMU does not. */
static bool has_stopped(struct device *device)
{
	if (device_in_flight(device) > 0 || !start_end(device))
		return false;
	if (device->iotlb)
		iotlb_clear(device->iotlb);
	return true;
}

bool device_stop(struct device *device)
{
	struct queue *queue;
	bool quiet = true;

	TAILQ_FOREACH(queue, &device->queues, entry)
	quiet &= queue_stop(queue);
	return quiet && has_stopped(device);
}

bool device_stop_queue(struct device *device, struct queue *queue)
{
	if (!queue_stop(queue))
		return false;
	if (!device_is_stopped(device))
		return true;
	return has_stopped(device);
}

void device_reset(struct device *device)
{
	struct queue *queue;

	device->enables = false;
	TAILQ_FOREACH(queue, &device->queues, entry)
	queue_reset(queue);
	device_log_inflight(device, NULL, 0, 0);
}

bool device_is_stopped(const struct device *device)
{
	const struct queue *queue;

	TAILQ_FOREACH(queue, &device->queues, entry)
	{
		if (queue->started || !queue_is_quiet(queue))
			return false;
	}
	return true;
}

bool device_is_broken(const struct device *device)
{
	const struct queue *queue;

	TAILQ_FOREACH(queue, &device->queues, entry)
	{
		if (queue->broken)
			return true;
	}
	return false;
}

uint64_t device_bytes_in_store(const struct device *device)
{
	const struct queue *queue;
	const struct request *request;
	uint64_t bytes = 0;

	TAILQ_FOREACH(queue, &device->queues, entry)
	{
		LIST_FOREACH(request, &queue->requests, entry)
		bytes += request->io.size;
		if (queue->stalled)
			bytes += queue->stalled->io.size;
	}
	return bytes;
}

void device_set_features(struct device *device, uint64_t features)
{
	struct queue *queue;

	device->features = features;
	TAILQ_FOREACH(queue, &device->queues, entry)
	queue_features_changed(queue);
}

bool device_translate(struct device *device, bool translated)
{
	struct iotlb *iotlb = translated ? iotlb_new() : NULL;

	if (translated && !iotlb)
		return false;
	iotlb_free(device->iotlb);
	device->iotlb = iotlb;
	return true;
}

void device_retranslate(struct device *device)
{
	struct queue *queue;

	TAILQ_FOREACH(queue, &device->queues, entry)
	queue_retranslate(queue);
}

/* Spans of the rings name entries of the table. */
void device_memory_changed(struct device *device)
{
	struct queue *queue;

	if (device->iotlb) {
		iotlb_clear(device->iotlb);
		device_retranslate(device);
		return;
	}
	TAILQ_FOREACH(queue, &device->queues, entry)
	queue_memory_changed(queue);
}

void device_count_revoked(struct device *device, uint32_t regions)
{
	counter_add(&device->client->counters.revocations, regions);
	PROBE3(revocation, device->client, regions);
}

void device_set_memory(struct device *device, struct memory *memory)
{
	device_count_revoked(device, device->memory->guest.count);
	memory_free(device->memory);
	device->memory = memory;
	device_memory_changed(device);
}

/* It is to be signalled for the log no more. */
static void forget_log_call(struct device *device, int fd)
{
	struct device_part *part;

	for (part = &device->home; part; part = part->other)
		notifier_settle(&part->loop->notifier, fd);
}

bool device_may_call_log(struct device *device, int fd)
{
	struct device_part *part;

	for (part = &device->home; part; part = part->other) {
		if (notifier_takes(&part->loop->notifier, fd,
				   device->policy->releases, &device->pipe_fds))
			continue;
		forget_log_call(device, fd);
		return false;
	}
	return true;
}

void device_call_log(struct device *device, int fd)
{
	forget_log_call(device, device->dirty.call_fd);
	dirty_set_call(&device->dirty, fd);
}

/* The part of the log that is this queue's; the region was made to hold them
 * all. */
static void log_queue(const struct device *device, struct queue *queue)
{
	const struct memory_region *region = device->inflight.region;
	const struct device_log_shape *log = &device->log;
	uint64_t part = inflight_offset(log->packed, 1, log->entries);
	struct prec_span span = { .size = 0 };

	if (region && queue->index < log->queues &&
	    prec_span_part(
		    region->region.span,
		    inflight_offset(log->packed, queue->index, log->entries),
		    part, &span) != PREC_OK)
		span.size = 0;
	inflight_use(&queue->inflight, span);
}

void device_log_inflight(struct device *device, struct memory_region *region,
			 uint32_t queues, uint32_t entries)
{
	struct memory_region *old = device->inflight.region;
	struct queue *queue;

	device->inflight.region = region;
	device->log = (struct device_log_shape){
		.queues = queues,
		.entries = entries,
		.packed = device_packed(device),
	};
	TAILQ_FOREACH(queue, &device->queues, entry)
	log_queue(device, queue);
	if (old)
		memory_region_free(old, device->policy->releases);
}

struct queue *device_queue(struct device *device, uint32_t index)
{
	struct queue *queue = device->queue_table[index];

	if (queue)
		return queue;
	queue = calloc(1, sizeof(*queue));
	if (!queue)
		return NULL;
	queue_init(queue, parts_for(device, index), index);
	queue->enabled = device->enables;
	log_queue(device, queue);
	device->queue_table[index] = queue;
	TAILQ_INSERT_TAIL(&device->queues, queue, entry);
	TAILQ_INSERT_TAIL(&queue->part->queues, queue, sibling);
	return queue;
}

void device_enable(struct device *device)
{
	struct queue *queue;

	device->enables = true;
	TAILQ_FOREACH(queue, &device->queues, entry)
	queue_enable(queue, true);
}
