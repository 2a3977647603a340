// SPDX-License-Identifier: MIT
#include "device/device.h"

#include <stdlib.h>
#include <string.h>

#include "device/feature.h"
#include "device/loan.h"
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
	device->loop = loop;
	device->policy = policy;
	device->client = client;
	device->inflight.fd = -1;
	device->inflight.releases = policy->releases;
	device->dirty.call_fd = -1;
	device->dirty.releases = policy->releases;
	TAILQ_INIT(&device->line);
	device->memory = calloc(1, sizeof(*device->memory));
	device->queues = calloc(policy->queues_max, sizeof(*device->queues));
	if (!device->memory || !device->queues)
		return "out of memory";
	device->memory->regions = policy->regions;
	device->memory->releases = policy->releases;
	device->admission = policy->admission;
	if (policy->sparse && !sparse_take(policy->sparse, &device->sparse))
		return "out of memory";
	if (device->sparse)
		device->admission.budget = &device->sparse->budget;
	device->queue_count = policy->queues_max;
	for (uint32_t i = 0; i < device->queue_count; i++)
		queue_init(&device->queues[i], device, i);
	device->lane = lane_get(loop, policy->store, &error);
	if (!device->lane) {
		client_log(client, "store: %s", error.text);
		return "the store could not be opened for it";
	}
	device->lane->rates = policy->rates;
	if (!loan_take_owner(device))
		return "the store takes memory of 64 clients of a worker; "
		       "expected fewer, or more workers";
	return NULL;
}

void device_close(struct device *device)
{
	for (uint32_t i = 0; i < device->queue_count; i++)
		queue_close(&device->queues[i]);
	free(device->queues);
	start_close(device);
	inflight_close(&device->inflight);
	dirty_close(&device->dirty, &device->loop->notifier);
	memory_free(device->memory);
	memory_free(device->next_memory);
	if (device->sparse)
		sparse_put(device->policy->sparse, device->sparse);
	loan_give_owner(device);
	if (device->lane)
		lane_put(device->loop, device->lane);
}

/* What is cancelled is reaped in another turn, without waiting for events. */
void device_abort(struct device *device)
{
	device->loop->settling = true;
	claim_set_gone(&device->claim);
	for (uint32_t i = 0; i < device->queue_count; i++)
		queue_abort(&device->queues[i]);
	loan_take_back_all(device, device->memory);
	loan_take_back_all(device, device->next_memory);
	start_cancel(device);
}

bool device_is_slow_to_notify(const struct device *device)
{
	for (uint32_t i = 0; i < device->queue_count; i++)
		if (device->queues[i].call_cost.too_slow)
			return true;
	return device->notify_cost.too_slow;
}

bool device_has_ended(struct device *device)
{
	return device->in_flight == 0 && loan_all_have_left(device->memory) &&
	       loan_all_have_left(device->next_memory) && start_end(device);
}

void device_cancel(struct device *device)
{
	device->cancelled = true;
	for (uint32_t i = 0; i < device->queue_count; i++)
		queue_cancel(&device->queues[i]);
	start_cancel(device);
}

bool device_insist(struct device *device)
{
	struct store_lane *lane = device->lane->lane;

	if (!lane->store->ops->insist)
		return false;
	device->insisted = true;
	if (device->errand_busy)
		lane->store->ops->insist(lane, &device->errand);
	for (uint32_t i = 0; i < device->queue_count; i++)
		queue_insist(&device->queues[i]);
	return true;
}

void device_resume(struct device *device)
{
	device->state = DEVICE_SERVING;
	device->cancelled = false;
	device->insisted = false;
	for (uint32_t i = 0; i < device->queue_count; i++)
		queue_ready(&device->queues[i]);
}

bool device_stop(struct device *device)
{
	bool quiet = true;

	for (uint32_t i = 0; i < device->queue_count; i++)
		quiet &= queue_stop(&device->queues[i]);
	return quiet && device->in_flight == 0 && start_end(device);
}

bool device_stop_queue(struct device *device, struct queue *queue)
{
	if (!queue_stop(queue))
		return false;
	if (!device_is_stopped(device))
		return true;
	return device->in_flight == 0 && start_end(device);
}

void device_reset(struct device *device)
{
	for (uint32_t i = 0; i < device->queue_count; i++)
		queue_reset(&device->queues[i]);
	device_log_inflight(device, NULL, 0, 0);
}

bool device_is_stopped(const struct device *device)
{
	for (uint32_t i = 0; i < device->queue_count; i++) {
		const struct queue *queue = &device->queues[i];

		if (queue->started || !queue_is_quiet(queue))
			return false;
	}
	return true;
}

bool device_is_broken(const struct device *device)
{
	for (uint32_t i = 0; i < device->queue_count; i++) {
		if (device->queues[i].broken)
			return true;
	}
	return false;
}

uint64_t device_bytes_in_store(const struct device *device)
{
	const struct request *request;
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < device->queue_count; i++) {
		LIST_FOREACH(request, &device->queues[i].requests, entry)
		bytes += request->io.size;
		if (device->queues[i].stalled)
			bytes += device->queues[i].stalled->io.size;
	}
	return bytes;
}

void device_set_features(struct device *device, uint64_t features)
{
	device->features = features;
	for (uint32_t i = 0; i < device->queue_count; i++)
		queue_features_changed(&device->queues[i]);
}

/* Spans of the rings name entries of the table. */
void device_memory_changed(struct device *device)
{
	for (uint32_t i = 0; i < device->queue_count; i++)
		queue_memory_changed(&device->queues[i]);
}

void device_set_memory(struct device *device, struct memory *memory)
{
	counter_add(&device->client->counters.revocations,
		    device->memory->guest.count);
	memory_free(device->memory);
	device->memory = memory;
	device_memory_changed(device);
}

void device_log_inflight(struct device *device, struct memory_region *region,
			 uint32_t queues, uint32_t entries)
{
	bool packed = device_packed(device);
	uint64_t part = inflight_offset(packed, 1, entries);

	for (uint32_t i = 0; i < device->queue_count; i++) {
		struct prec_span span = { .size = 0 };

		/* The region was made to hold them all. */
		if (region && i < queues &&
		    prec_span_part(region->region.span,
				   inflight_offset(packed, i, entries), part,
				   &span) != PREC_OK)
			span.size = 0;
		inflight_use(&device->queues[i].inflight, span);
	}
	if (device->inflight.region)
		memory_region_free(device->inflight.region,
				   device->policy->releases);
	device->inflight.region = region;
}
