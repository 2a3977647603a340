// SPDX-License-Identifier: MIT
#include "device/request.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <precarium/access.h>

#include "device/calls.h"
#include "device/device.h"
#include "device/feature.h"
#include "device/layout.h"
#include "device/line.h"
#include "device/mark.h"
#include "device/probe.h"
#include "device/queue.h"
#include "device/sparse.h"
#include "virtio/blk_complete.h"

/* Its status is stored, and its client cannot know yet: the page is marked
 * before the ring publishes the request (dirty.h). */
__attribute__((cold)) static enum vblk_end
publish_marked(struct queue *queue, const struct vblk_request *block,
	       uint32_t used)
{
	const struct prec_space *space = device_space(queue->device);

	mark_data(queue->device, &block->status, 1);
	return vring_complete(queue->virtq, space, block->head, used) == PREC_OK
		       ? VBLK_TOLD
		       : VBLK_USED_GONE;
}

/* Give it back to the client, and take it out of the log of requests in
 * flight. */
static enum vblk_end give_back(struct queue *queue,
			       const struct vblk_request *block,
			       struct vblk_done done,
			       struct vblk_outcome outcome)
{
	struct device *device = queue->device;
	struct inflight_queue *log = &queue->inflight;
	struct virtq *virtq = queue->virtq;
	uint64_t slot = virtq->next_used % virtq->size;
	enum vblk_end end;

	layout_log_completing(virtq, log, (uint16_t)block->head);
	end = vblk_complete(virtq, device_space(device), block, done,
			    device->dirty.all);
	if (end == VBLK_HELD)
		end = publish_marked(queue, block, outcome.used);
	if (end == VBLK_STATUS_GONE)
		return end;
	if (end == VBLK_TOLD)
		layout_log_completed(virtq, log, (uint16_t)block->head);
	mark_completed(queue, slot);
	return end;
}

static void complete_request(struct queue *queue,
			     const struct vblk_request *block,
			     enum prec_status did, uint64_t moved,
			     bool same_epoch)
{
	const struct vblk_done done = { did, same_epoch, moved };
	const struct vblk_outcome outcome = vblk_outcome(block, done);
	struct counters *counters = queue->part->counters;
	uint32_t slots = queue->virtq->held[block->head];
	bool lost = did == PREC_GONE || !same_epoch;
	enum vblk_end end;

	/* Before the client can see that it has ended. */
	counter_add(&counters->requests, 1);
	if (outcome.status != VIRTIO_BLK_S_OK)
		counter_add(&counters->errors, 1);
	else if (block->op == VBLK_READ)
		counter_add(&counters->bytes_read, moved);
	else if (block->op == VBLK_WRITE)
		counter_add(&counters->bytes_written, moved);
	end = give_back(queue, block, done, outcome);
	if (end != VBLK_TOLD) {
		lost = true;
		queue_break(queue, end == VBLK_STATUS_GONE
					   ? "a status byte is gone"
					   : "its used ring is gone");
	}
	queue_served(queue, slots);
	queue_check_logs(queue);
	if (lost)
		queue_lost(queue, "memory of a request is gone");
}

void request_reject(struct queue *queue, bool lost)
{
	struct counters *counters = queue->part->counters;

	_Static_assert(LENT_TABLE_MAX == 1024 && LENT_PIECES_MAX == 16,
		       "the text tells it");
	counter_add(&counters->requests, 1);
	counter_add(&counters->errors, 1);
	if (lost)
		queue_lost(queue, "a request is gone");
	queue_break(queue, lost ? "a request is gone"
				: "a chain has no place for a status, or an "
				  "indirect table that is invalid, of more "
				  "than 1024 descriptors or in more than 16 "
				  "regions");
}

/* Zeroes from where *result ended. */
static void fill_rest(const struct prec_span *spans, uint32_t count,
		      struct prec_result *result)
{
	uint64_t before = 0;

	for (uint32_t i = 0; i < count && result->status == PREC_OK; i++) {
		uint64_t offset = result->done - before;
		struct prec_result one = { PREC_OK, 0, 0 };

		if (offset < spans[i].size)
			one = prec_fill(spans[i], offset, 0,
					spans[i].size - offset);
		result->status = one.status;
		result->error = one.error;
		result->done += one.done;
		before += spans[i].size;
	}
}

/* As much of the id as fits; where there is more room, zeroes follow it. */
static void identify(struct queue *queue, const struct virtq_request *chain,
		     const struct vblk_request *block)
{
	const struct device_policy *policy = queue->device->policy;
	const char *serial = policy->serial ? policy->serial : policy->name;
	const struct prec_span *spans = &chain->segment[block->first];
	char id[VIRTIO_BLK_ID_BYTES] = { 0 };
	struct prec_result result;

	memcpy(id, serial, strnlen(serial, sizeof(id)));
	result = prec_scatter(spans, block->count, id, sizeof(id));
	fill_rest(spans, block->count, &result);
	mark_data(queue->device, spans, block->count);
	complete_request(queue, block, result.status, result.done, true);
}

static struct prec_region *region_of(const struct memory *memory,
				     const struct prec_span *span)
{
	assert(span->index < memory->guest.count);
	return &memory->slots[memory->guest.slot[span->index]]->region;
}

/* Note the epoch of each region that the request uses.  Adjacent spans are
 * often in one region; noting a region twice does no harm. */
static void note_epochs(struct request *request, const struct memory *memory)
{
	for (uint32_t i = 0; i < request->io.span_count; i++) {
		struct prec_region *region =
			region_of(memory, &request->spans[i]);
		uint32_t count = request->seen_count;

		if (count && request->seen[count - 1].region == region)
			continue;
		request->seen[count].region = region;
		request->seen[count].epoch = prec_region_epoch(region);
		request->seen_count++;
	}
}

static enum store_io_kind kind_of(enum vblk_op op)
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
 * Small requests are kept for reuse: malloc caches only a few of each size, and
 * a deep queue frees more at once.  Not under the address sanitizer, which
 * could not tell one request from the next.
 */
#define SPARE_SPANS 4u
#if defined(__SANITIZE_ADDRESS__)
#define SPARES_MAX 0u
#elif defined(__has_feature)
#define SPARES_MAX (__has_feature(address_sanitizer) ? 0u : 128u)
#else
#define SPARES_MAX 128u
#endif

/* Not zeroed: request_new sets every member, which costs less than clearing
 * them all. */
static struct request *allocate(struct loop *loop, uint32_t span_count,
				uint32_t range_count)
{
	struct request *request = LIST_FIRST(&loop->spares);
	bool small = span_count <= SPARE_SPANS && range_count == 0;

	if (small && request) {
		LIST_REMOVE(request, entry);
		loop->spare_count--;
	} else {
		uint32_t room = small ? SPARE_SPANS : span_count;

		request = malloc(sizeof(*request) +
				 room * (sizeof(struct prec_span) +
					 sizeof(struct epoch_seen)) +
				 range_count * sizeof(struct store_range));
	}
	if (request)
		request->small = small;
	return request;
}

static void release(struct loop *loop, struct request *request)
{
	if (!request || !request->small || loop->spare_count >= SPARES_MAX) {
		free(request);
		return;
	}
	LIST_INSERT_HEAD(&loop->spares, request, entry);
	loop->spare_count++;
}

static struct request *request_new(struct queue *queue,
				   const struct virtq_request *chain,
				   const struct vblk_request *block,
				   const struct vblk_ranges *ranges)
{
	const struct device *device = queue->device;
	uint32_t count = block->count;
	uint32_t range_count = is_of_ranges(block->op) ? ranges->count : 0;
	struct request *request =
		allocate(queue->part->loop, count, range_count);
	struct store_range *copy;

	if (!request)
		return NULL;
	memcpy(request->spans, &chain->segment[block->first],
	       count * sizeof(request->spans[0]));
	request->seen = (struct epoch_seen *)&request->spans[count];
	copy = (struct store_range *)&request->seen[count];
	memcpy(copy, ranges->range, range_count * sizeof(*copy));
	request->queue = queue;
	request->begun_ns = queue->part->loop->poll.now_ns;
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
	request->io.first_sync_failed = false;
	request->io.errand = false;
	request->io.owner = device->owner;
	request->io.next = NULL;
	request->io.slot = NULL;
	request->seen_count = 0;
	request->limited = false;
	request->tries = 0;
	request->moved = 0;
	note_epochs(request, device->memory);
	return request;
}

static void report_in_flight(const struct device_part *part)
{
	struct counters *counters = part->counters;

	counter_set(&counters->in_flight, part->in_flight);
	counter_set(&counters->bytes_in_flight, part->bytes_in_flight);
}

/* A discard moves no bytes of the client's memory. */
static uint64_t bytes_of(const struct request *request)
{
	return is_of_ranges(request->block.op) ? 0 : request->block.bytes;
}

/* Apart, and called last, so that requests of exports without limits do not pay
 * for it. */
__attribute__((cold)) static void count_limited(struct request *request)
{
	struct lane *lane = request->queue->part->lane;

	request->limited = lane->counts;
	lane->counted += lane->counts;
	lane->limited_bytes += bytes_of(request);
}

/* Who waits for another to end need not wait for the time to pass. */
__attribute__((cold)) static void end_limited(const struct request *request)
{
	struct device_part *part = request->queue->part;

	rates_end(part->lane->rates);
	if (part->lane->throttled)
		line_release(part->loop, part->lane);
}

static void count_begun(struct request *request)
{
	struct device_part *part = request->queue->part;

	part->in_flight++;
	part->weight += request_weight(request);
	part->bytes_in_flight += bytes_of(request);
	report_in_flight(part);
	if (part->lane->limited)
		count_limited(request);
}

static void count_ended(const struct request *request)
{
	struct device_part *part = request->queue->part;

	part->in_flight--;
	part->weight -= request_weight(request);
	part->bytes_in_flight -= bytes_of(request);
	report_in_flight(part);
	if (request->limited)
		end_limited(request);
}

static bool hand_over(struct request *request)
{
	struct queue *queue = request->queue;
	struct lane *lane = queue->part->lane;

	if (!lane->lane->store->ops->add(lane->lane, &request->io))
		return false;
	PROBE3(request_submit, queue->device->client, request);
	lane->in_flight++;
	LIST_INSERT_HEAD(&queue->requests, request, entry);
	return true;
}

static void transfer(struct queue *queue, const struct virtq_request *chain,
		     const struct vblk_request *block,
		     const struct vblk_ranges *ranges)
{
	struct request *request = request_new(queue, chain, block, ranges);

	if (!request) {
		client_log(queue->device->client,
			   "a request of %llu bytes failed: out of memory",
			   (unsigned long long)block->bytes);
		complete_request(queue, block, PREC_SYSTEM, 0, true);
		return;
	}
	PROBE6(request_begin, queue->device->client, request, request->io.kind,
	       request->io.offset, request->io.size);
	count_begun(request);
	if (hand_over(request))
		return;
	queue->stalled = request;
	TAILQ_INSERT_TAIL(&queue->part->lane->stalled, queue, waiting);
}

uint64_t request_begin(struct queue *queue, const struct virtq_request *chain,
		       const struct vblk_request *block,
		       const struct vblk_ranges *ranges)
{
	switch (block->op) {
	case VBLK_ANSWER:
		complete_request(queue, block,
				 block->gone ? PREC_GONE : PREC_OK, 0, true);
		return 0;
	case VBLK_IDENTIFY:
		identify(queue, chain, block);
		return block->bytes;
	case VBLK_READ:
	case VBLK_WRITE:
	case VBLK_FLUSH:
	case VBLK_DISCARD:
	case VBLK_ZEROES:
		break;
	}
	transfer(queue, chain, block, ranges);
	return block->bytes;
}

/*
 * May we trust the byte count?  The kernel reports what it did to the pages it
 * found, which need not be the client's any more.
 */
static bool same_epochs(const struct request *request, bool by_kernel)
{
	for (uint32_t i = 0; i < request->seen_count; i++) {
		const struct epoch_seen *seen = &request->seen[i];

		if (by_kernel && prec_region_check(seen->region) != PREC_OK)
			return false;
		if (prec_region_epoch(seen->region) != seen->epoch)
			return false;
	}
	return true;
}

static const char *name_of(enum store_io_kind kind)
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
	case STORE_REFRESH:
		break;
	}
	return "request";
}

/* Once for all clients of the store, whether they are still there or not. */
static void log_sync_error(const struct request *request)
{
	const struct device_policy *policy = request->queue->device->policy;

	if (request->io.first_sync_failed)
		log_export(policy->name,
			   "store: a sync failed: %s: data that was written "
			   "may be lost; flushes and durable writes fail until "
			   "the export is opened anew",
			   strerror(store_sync_error(policy->store)));
}

static bool wants_sync(const struct store_io *io)
{
	return io->kind == STORE_FLUSH || io->durable;
}

static void log_store_error(const struct request *request)
{
	const struct device *device = request->queue->device;
	const struct prec_result *result = &request->io.result;

	/* Cancellation has been logged once for all of them, and so has what
	 * makes each sync fail. */
	if (result->status != PREC_SYSTEM || device->cancelled ||
	    (wants_sync(&request->io) &&
	     store_sync_error(device->policy->store)))
		return;
	client_log(request->queue->device->client,
		   "store: %s of %llu bytes at %llu: %s",
		   name_of(request->io.kind),
		   (unsigned long long)request->io.size,
		   (unsigned long long)(request->io.range_count
						? request->io.ranges[0].offset
						: request->io.offset),
		   strerror(result->error));
}

/* Its memory had holes, which are filled now: the store tries again.  What has
 * moved so far is marked before the request forgets where that was. */
static bool resume_filled(struct request *request)
{
	struct device *device = request->queue->device;
	struct store_lane *lane = request->queue->part->lane->lane;

	if (request->io.kind == STORE_READ &&
	    device_state(device) != DEVICE_ENDING)
		mark_data(device, request->spans, request->io.span_count);
	return sparse_fill(request) &&
	       lane->store->ops->add(lane, &request->io);
}

void request_finish(struct store_io *io)
{
	struct request *request = (struct request *)io;
	struct queue *queue = request->queue;
	struct device *device = queue->device;
	struct device_part *part = queue->part;
	struct lane *lane = part->lane;

	polling_found(&part->loop->poll, &part->look, &queue->found_ns);
	if (io->result.status != PREC_OK && resume_filled(request))
		return;
	lane->in_flight--;
	PROBE6(request_end, device->client, request, io->kind,
	       io->result.status, io->result.done);
	count_ended(request);
	durations_count(part->durations, (enum duration_kind)io->kind,
			queue->found_ns - request->begun_ns);
	LIST_REMOVE(request, entry);
	log_sync_error(request);
	/* The memory of a client that has ended is not touched. */
	if (device_state(device) != DEVICE_ENDING) {
		log_store_error(request);
		if (io->kind == STORE_READ)
			mark_data(device, request->spans, io->span_count);
		complete_request(queue, &request->block, io->result.status,
				 request->moved + io->result.done,
				 same_epochs(request, lane->lane->fd >= 0));
		queue_continue(queue);
	}
	if (device_state(device) != DEVICE_SERVING || !queue->started)
		part_tell(part);
	release(part->loop, request);
}

void request_resume(struct lane *lane)
{
	struct queue *queue = TAILQ_FIRST(&lane->stalled), *following;

	for (; queue; queue = following) {
		following = TAILQ_NEXT(queue, waiting);
		/* The request of a client that has ended is dropped when the
		 * turn ends. */
		if (device_state(queue->device) == DEVICE_ENDING)
			continue;
		if (!hand_over(queue->stalled))
			return;
		queue->stalled = NULL;
		TAILQ_REMOVE(&lane->stalled, queue, waiting);
		queue_ready(queue);
	}
}

static struct request *take_stalled(struct queue *queue)
{
	struct request *request = queue->stalled;

	if (!request)
		return NULL;
	TAILQ_REMOVE(&queue->part->lane->stalled, queue, waiting);
	queue->stalled = NULL;
	count_ended(request);
	return request;
}

static void fail_stalled(struct queue *queue)
{
	struct request *request;

	if (device_state(queue->device) == DEVICE_ENDING)
		return;
	request = take_stalled(queue);
	if (!request)
		return;
	complete_request(queue, &request->block, PREC_SYSTEM, 0, true);
	part_tell(queue->part);
	release(queue->part->loop, request);
}

static void drop_stalled(struct queue *queue)
{
	release(queue->part->loop, take_stalled(queue));
}

static void cancel_transfers(struct queue *queue)
{
	struct lane *lane = queue->part->lane;
	struct request *request;

	LIST_FOREACH(request, &queue->requests, entry)
	lane->lane->store->ops->cancel(lane->lane, &request->io);
}

void queue_abort(struct queue *queue)
{
	queue_leave_lists(queue);
	queue_drop_kick(queue);
	drop_stalled(queue);
	cancel_transfers(queue);
}

void queue_cancel(struct queue *queue)
{
	fail_stalled(queue);
	cancel_transfers(queue);
}

void queue_insist(struct queue *queue)
{
	struct lane *lane = queue->part->lane;
	struct request *request;

	LIST_FOREACH(request, &queue->requests, entry)
	lane->lane->store->ops->insist(lane->lane, &request->io);
}
