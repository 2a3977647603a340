// SPDX-License-Identifier: MIT
#include "device/request.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <precarium/access.h>

#include "device/calls.h"
#include "device/device.h"
#include "device/feature.h"
#include "device/inflight_packed.h"
#include "device/queue.h"

/* Into the used ring, and out of the log of requests in flight. */
static enum prec_status complete(struct vhost_queue *queue, uint32_t head,
				 uint32_t used)
{
	const struct prec_space *space = &queue->device->memory->guest;
	struct vhost_inflight_queue *log = &queue->inflight;
	const struct virtq *virtq = &queue->virtq;
	uint64_t slot = virtq->next_used % virtq->size;
	enum prec_status status;

	if (virtq->packed)
		vhost_packed_log_completing(log, virtq, (uint16_t)head);
	else
		vhost_inflight_completing(log, (uint16_t)head);
	status = vring_complete(&queue->virtq, space, head, used);
	if (status == PREC_OK && virtq->packed)
		vhost_packed_log_completed(log, virtq, (uint16_t)head);
	else if (status == PREC_OK)
		vhost_inflight_completed(log, (uint16_t)head, virtq->next_used);
	vhost_queue_mark_completed(queue, slot);
	return status;
}

/* The kernel, or we, may have written there, whatever it says of it. */
static void mark_data(struct device *device, const struct prec_span *spans,
		      uint32_t count)
{
	for (uint32_t i = 0; device->dirty.all && i < count; i++)
		vhost_dirty_mark(&device->dirty, spans[i].address,
				 spans[i].size);
}

/* The request goes back to the client: status byte first, then the used ring,
 * which publishes it. */
static void tell(struct vhost_queue *queue, const struct vblk_request *block,
		 enum prec_status did, uint64_t moved, bool same_epoch)
{
	struct device *device = queue->device;
	const struct prec_space *space = &device->memory->guest;
	struct vhost_counts *counts = &device->client->counts;
	uint32_t slots = queue->virtq.held[block->head];
	struct vblk_outcome outcome =
		vblk_outcome(block, did, moved, same_epoch);
	bool lost = did == PREC_GONE || !same_epoch;
	enum prec_status status;

	vhost_count(&counts->requests, 1);
	if (outcome.status != VIRTIO_BLK_S_OK)
		vhost_count(&counts->errors, 1);
	else if (block->op == VBLK_READ)
		vhost_count(&counts->bytes_read, moved);
	else if (block->op == VBLK_WRITE)
		vhost_count(&counts->bytes_written, moved);
	status = vblk_store_status(block, space, outcome.status);
	mark_data(device, &block->status, 1);
	if (status != PREC_OK) {
		lost = true;
		vhost_queue_break(queue, "a status byte is gone");
	} else if (complete(queue, block->head, outcome.used) != PREC_OK) {
		lost = true;
		vhost_queue_break(queue, "its used ring is gone");
	}
	vhost_queue_served(queue, slots);
	vhost_queue_look_for_logs(queue);
	if (lost)
		vhost_queue_lost(queue, "memory of a request is gone");
}

void vhost_request_reject(struct vhost_queue *queue, bool lost)
{
	struct device *device = queue->device;

	vhost_count(&device->client->counts.requests, 1);
	vhost_count(&device->client->counts.errors, 1);
	if (lost)
		vhost_queue_lost(queue, "a request is gone");
	vhost_queue_break(queue, lost ? "a request is gone"
				      : "a chain has no place for a status");
}

static void identify(struct vhost_queue *queue,
		     const struct virtq_request *chain,
		     const struct vblk_request *block)
{
	char id[VIRTIO_BLK_ID_BYTES] = { 0 };
	struct prec_result result;

	memcpy(id, queue->device->policy->name,
	       strnlen(queue->device->policy->name, sizeof(id)));
	result = prec_scatter(&chain->segment[block->first], block->count, id,
			      sizeof(id));
	mark_data(queue->device, &chain->segment[block->first], block->count);
	tell(queue, block, result.status, result.done, true);
}

static struct prec_region *region_of(const struct vhost_memory *memory,
				     const struct prec_span *span)
{
	assert(span->index < memory->guest.count);
	return &memory->slots[memory->guest.slot[span->index]]->region;
}

/* Which regions, at which epoch.  Neighbours are often in one region; one that
 * is watched twice does no harm. */
static void watch_regions(struct vhost_request *request,
			  const struct vhost_memory *memory)
{
	for (uint32_t i = 0; i < request->io.span_count; i++) {
		struct prec_region *region =
			region_of(memory, &request->spans[i]);
		uint32_t count = request->watch_count;

		if (count && request->watches[count - 1].region == region)
			continue;
		request->watches[count].region = region;
		request->watches[count].epoch = prec_region_epoch(region);
		request->watch_count++;
	}
}

static enum store_kind kind_of(enum vblk_op op)
{
	switch (op) {
	case VBLK_READ:
		return STORE_READ;
	case VBLK_WRITE:
		return STORE_WRITE;
	case VBLK_DISCARD:
		return STORE_DISCARD;
	case VBLK_ZEROES:
		return STORE_WRITE_ZEROES;
	default:
		return STORE_FLUSH;
	}
}

static bool is_of_ranges(enum vblk_op op)
{
	return op == VBLK_DISCARD || op == VBLK_ZEROES;
}

/*
 * A request of few pieces is used again.  The C library keeps a handful of a
 * size at hand, and a deep queue ends more of them at once.  Not under the
 * address sanitizer, which would take one for another.
 */
#define SPARE_SPANS 4u
#if defined(__SANITIZE_ADDRESS__)
#define SPARES_MAX 0u
#elif defined(__has_feature)
#define SPARES_MAX (__has_feature(address_sanitizer) ? 0u : 128u)
#else
#define SPARES_MAX 128u
#endif

/* Not cleared: request_new sets every member, and to clear so many bytes at
 * once costs more than that. */
static struct vhost_request *allocate(struct loop *loop, uint32_t span_count,
				      uint32_t range_count)
{
	struct vhost_request *request = LIST_FIRST(&loop->spares);
	bool small = span_count <= SPARE_SPANS && range_count == 0;

	if (small && request) {
		LIST_REMOVE(request, entry);
		loop->spare_count--;
	} else {
		uint32_t room = small ? SPARE_SPANS : span_count;

		request = malloc(sizeof(*request) +
				 room * (sizeof(struct prec_span) +
					 sizeof(struct vhost_watch)) +
				 range_count * sizeof(struct store_range));
	}
	if (request)
		request->small = small;
	return request;
}

static void release(struct loop *loop, struct vhost_request *request)
{
	if (!request || !request->small || loop->spare_count >= SPARES_MAX) {
		free(request);
		return;
	}
	LIST_INSERT_HEAD(&loop->spares, request, entry);
	loop->spare_count++;
}

static struct vhost_request *request_new(struct vhost_queue *queue,
					 const struct virtq_request *chain,
					 const struct vblk_request *block,
					 const struct vblk_ranges *ranges)
{
	const struct device *device = queue->device;
	uint32_t count = block->count;
	uint32_t range_count = is_of_ranges(block->op) ? ranges->count : 0;
	struct vhost_request *request =
		allocate(device->loop, count, range_count);
	struct store_range *copy;

	if (!request)
		return NULL;
	memcpy(request->spans, &chain->segment[block->first],
	       count * sizeof(request->spans[0]));
	request->watches = (struct vhost_watch *)&request->spans[count];
	copy = (struct store_range *)&request->watches[count];
	memcpy(copy, ranges->range, range_count * sizeof(*copy));
	request->queue = queue;
	request->block = *block;
	request->io.kind = kind_of(block->op);
	request->io.durable =
		(block->op == VBLK_WRITE || block->op == VBLK_ZEROES) &&
		device_writes_through(device);
	request->io.ranges = copy;
	request->io.range_count = range_count;
	request->io.offset = block->offset;
	request->io.size = block->bytes;
	request->io.spans = request->spans;
	request->io.span_count = count;
	request->io.result = (struct prec_result){ PREC_OK, 0, 0 };
	request->io.next = NULL;
	request->io.slot = NULL;
	request->watch_count = 0;
	watch_regions(request, device->memory);
	return request;
}

static void tell_in_flight(const struct device *device)
{
	struct vhost_gauges *now = &device->client->now;

	vhost_gauge(&now->in_flight, device->in_flight);
	vhost_gauge(&now->bytes_in_flight, device->bytes_in_flight);
}

static void count_begun(const struct vhost_request *request)
{
	struct device *device = request->queue->device;

	device->in_flight++;
	device->bytes_in_flight += request->io.size;
	tell_in_flight(device);
}

static void count_ended(const struct vhost_request *request)
{
	struct device *device = request->queue->device;

	device->in_flight--;
	device->bytes_in_flight -= request->io.size;
	tell_in_flight(device);
}

static bool hand_over(struct vhost_request *request)
{
	struct vhost_queue *queue = request->queue;
	struct vhost_lane *lane = queue->device->lane;

	if (!lane->lane->store->ops->add(lane->lane, &request->io))
		return false;
	lane->in_flight++;
	LIST_INSERT_HEAD(&queue->requests, request, entry);
	return true;
}

static void transfer(struct vhost_queue *queue,
		     const struct virtq_request *chain,
		     const struct vblk_request *block,
		     const struct vblk_ranges *ranges)
{
	struct vhost_request *request =
		request_new(queue, chain, block, ranges);

	if (!request) {
		tell(queue, block, PREC_SYSTEM, 0, true);
		return;
	}
	count_begun(request);
	if (hand_over(request))
		return;
	queue->stalled = request;
	TAILQ_INSERT_TAIL(&queue->device->lane->stalled, queue, waiting);
}

uint64_t vhost_request_begin(struct vhost_queue *queue,
			     struct virtq_request *chain)
{
	const struct device *device = queue->device;
	const struct vblk_device kind = device_of(device);
	struct vblk_request block;
	struct vblk_ranges ranges;

	if (vblk_decode(&kind, &queue->virtq, &device->memory->guest, chain,
			&block, &ranges) != VIRTQ_TAKEN) {
		vhost_request_reject(queue, false);
		return 0;
	}
	switch (block.op) {
	case VBLK_ANSWER:
		tell(queue, &block, block.gone ? PREC_GONE : PREC_OK, 0, true);
		return 0;
	case VBLK_IDENTIFY:
		identify(queue, chain, &block);
		return 0;
	case VBLK_READ:
	case VBLK_WRITE:
	case VBLK_FLUSH:
	case VBLK_DISCARD:
	case VBLK_ZEROES:
		break;
	}
	transfer(queue, chain, &block, &ranges);
	return block.bytes;
}

/*
 * Is what moved to be believed?  The kernel reports what it did to the pages
 * it found, which need not be the client's any more.
 */
static bool same_epochs(const struct vhost_request *request, bool by_kernel)
{
	for (uint32_t i = 0; i < request->watch_count; i++) {
		struct vhost_watch *watch = &request->watches[i];

		if (by_kernel && prec_region_check(watch->region) != PREC_OK)
			return false;
		if (prec_region_epoch(watch->region) != watch->epoch)
			return false;
	}
	return true;
}

static const char *name_of(enum store_kind kind)
{
	switch (kind) {
	case STORE_READ:
		return "read";
	case STORE_WRITE:
		return "write";
	case STORE_FLUSH:
		return "flush";
	case STORE_DISCARD:
		return "discard";
	case STORE_WRITE_ZEROES:
		return "write zeroes";
	}
	return "request";
}

static void log_store_error(const struct vhost_request *request)
{
	const struct prec_result *result = &request->io.result;

	/* Of those that were cancelled one line has told. */
	if (result->status != PREC_SYSTEM || request->queue->device->cancelled)
		return;
	vhost_client_log(
		request->queue->device->client,
		"store: %s of %llu bytes at %llu: %s",
		name_of(request->io.kind), (unsigned long long)request->io.size,
		(unsigned long long)(request->io.range_count
					     ? request->io.ranges[0].offset
					     : request->io.offset),
		strerror(result->error));
}

void vhost_request_finish(struct store_io *io)
{
	struct vhost_request *request = (struct vhost_request *)io;
	struct vhost_queue *queue = request->queue;
	struct device *device = queue->device;
	struct vhost_lane *lane = device->lane;

	queue->found_ns = vhost_poll_found(&device->loop->poll);
	lane->in_flight--;
	count_ended(request);
	LIST_REMOVE(request, entry);
	/* A client that is ended is told nothing: its memory stays untouched. */
	if (device->state != DEVICE_ENDING) {
		log_store_error(request);
		if (io->kind == STORE_READ)
			mark_data(device, request->spans, io->span_count);
		tell(queue, &request->block, io->result.status, io->result.done,
		     same_epochs(request, lane->lane->fd >= 0));
		vhost_queue_go_on(queue);
	}
	if (device->state != DEVICE_SERVING)
		device->loop->settling = true;
	release(device->loop, request);
}

void vhost_request_resume(struct vhost_lane *lane)
{
	struct vhost_queue *queue = TAILQ_FIRST(&lane->stalled), *following;

	for (; queue; queue = following) {
		following = TAILQ_NEXT(queue, waiting);
		/* That of a client that has ended is dropped when the turn
		 * ends. */
		if (queue->device->state == DEVICE_ENDING)
			continue;
		if (!hand_over(queue->stalled))
			return;
		queue->stalled = NULL;
		TAILQ_REMOVE(&lane->stalled, queue, waiting);
		vhost_queue_ready(queue);
	}
}

static struct vhost_request *take_stalled(struct vhost_queue *queue)
{
	struct device *device = queue->device;
	struct vhost_request *request = queue->stalled;

	if (!request)
		return NULL;
	TAILQ_REMOVE(&device->lane->stalled, queue, waiting);
	queue->stalled = NULL;
	count_ended(request);
	return request;
}

static void fail_stalled(struct vhost_queue *queue)
{
	struct vhost_request *request;

	if (queue->device->state == DEVICE_ENDING)
		return;
	request = take_stalled(queue);
	if (!request)
		return;
	tell(queue, &request->block, PREC_SYSTEM, 0, true);
	queue->device->loop->settling = true;
	release(queue->device->loop, request);
}

static void drop_stalled(struct vhost_queue *queue)
{
	release(queue->device->loop, take_stalled(queue));
}

static void cancel_transfers(struct vhost_queue *queue)
{
	struct vhost_lane *lane = queue->device->lane;
	struct vhost_request *request;

	LIST_FOREACH(request, &queue->requests, entry)
	lane->lane->store->ops->cancel(lane->lane, &request->io);
}

void vhost_queue_abort(struct vhost_queue *queue)
{
	vhost_queue_leave_lists(queue);
	vhost_queue_drop_kick(queue);
	drop_stalled(queue);
	cancel_transfers(queue);
}

void vhost_queue_cancel(struct vhost_queue *queue)
{
	fail_stalled(queue);
	cancel_transfers(queue);
}
