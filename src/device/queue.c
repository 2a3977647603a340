// SPDX-License-Identifier: MIT
#include "device/queue.h"

#include <assert.h>
#include <inttypes.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "device/feature.h"
#include "device/inflight_packed.h"
#include "device/room.h"

static void kicked(struct loop_source *source, uint32_t events)
{
	struct vhost_queue *queue = (struct vhost_queue *)source;

	(void)events;
	if (queue->kick_fd < 0)
		return; /* it went earlier in this batch */
	queue->started = true;
	vhost_queue_ready(queue);
}

void vhost_queue_init(struct vhost_queue *queue, struct device *device,
		      uint32_t index)
{
	queue->kick.ready = kicked;
	queue->device = device;
	queue->index = index;
	queue->kick_fd = -1;
	queue->call_fd = -1;
	queue->err_fd = -1;
	LIST_INIT(&queue->requests);
}

/* They are known to be eventfds: closing one cannot wait. */
static void replace_fd(int *fd, int new)
{
	if (*fd >= 0)
		close(*fd);
	*fd = new;
}

void vhost_queue_set_broken(struct vhost_queue *queue, bool broken)
{
	uint64_t *gauge = &queue->device->client->now.queues_broken;

	vhost_gauge(gauge, *gauge - queue->broken + broken);
	queue->broken = broken;
}

void vhost_queue_drop_kick(struct vhost_queue *queue)
{
	if (queue->kick_fd >= 0)
		loop_unwatch(queue->device->loop, queue->kick_fd);
	replace_fd(&queue->kick_fd, -1);
}

void vhost_queue_leave_lists(struct vhost_queue *queue)
{
	struct loop *loop = queue->device->loop;

	if (loop->again == queue)
		loop->again = TAILQ_NEXT(queue, ready);
	if (queue->is_ready)
		TAILQ_REMOVE(&loop->ready, queue, ready);
	if (queue->is_served)
		TAILQ_REMOVE(&loop->served, queue, served);
	queue->is_ready = false;
	queue->is_served = false;
}

void vhost_queue_close(struct vhost_queue *queue)
{
	assert(LIST_EMPTY(&queue->requests) && !queue->stalled);
	vhost_queue_leave_lists(queue);
	vhost_queue_set_broken(queue, false);
	vhost_queue_drop_kick(queue);
	replace_fd(&queue->call_fd, -1);
	replace_fd(&queue->err_fd, -1);
	vhost_packed_log_free(&queue->inflight);
}

void vhost_queue_enable(struct vhost_queue *queue, bool enabled)
{
	queue->enabled = enabled;
	if (enabled)
		vhost_queue_ready(queue);
}

void vhost_queue_set_call(struct vhost_queue *queue, int fd)
{
	replace_fd(&queue->call_fd, fd);
}

void vhost_queue_set_err(struct vhost_queue *queue, int fd)
{
	replace_fd(&queue->err_fd, fd);
}

bool vhost_queue_is_quiet(const struct vhost_queue *queue)
{
	return LIST_EMPTY(&queue->requests) && !queue->stalled;
}

/* The next request that is made available shall come with a kick.  Where the
 * ring is gone nobody can ask. */
bool vhost_queue_ask_for_kick(struct vhost_queue *queue)
{
	if (!queue->virtq.event_index ||
	    vring_ask_for_kick(&queue->virtq, &queue->device->memory->guest) !=
		    PREC_OK)
		return false;
	vhost_queue_mark_hint(queue);
	return true;
}

void vhost_queue_lost(struct vhost_queue *queue, const char *what)
{
	struct device *device = queue->device;

	vhost_count(&device->client->counts.losses, 1);
	vhost_client_log(device->client, "queue %u: %s", queue->index, what);
	if (device->policy->on_loss == DEVICE_LOSS_END)
		device_end(device, "its memory was gone");
}

void vhost_queue_look_for_logs(struct vhost_queue *queue)
{
	struct vhost_dirty *dirty = &queue->device->dirty;

	if (dirty->lost)
		vhost_queue_lost(queue, "the log of what is written is gone");
	dirty->lost = false;
	if (queue->inflight.lost)
		vhost_queue_lost(queue,
				 "the log of requests in flight is gone");
	queue->inflight.lost = false;
}

/* The client names a split used ring for the log by an address of its own. */
static void mark_used(struct vhost_queue *queue, uint64_t offset, uint64_t size)
{
	uint64_t base = queue->addr.log;

	if (queue->addr.logged &&
	    base <= PREC_ADDRESS_MAX - 8ull * VIRTQ_SIZE_MAX)
		vhost_dirty_mark(&queue->device->dirty, base + offset, size);
}

/* That address is of one area, and a packed ring is written in two. */
static void mark_packed(struct vhost_queue *queue, const struct prec_span *area,
			uint64_t offset, uint64_t size)
{
	if (queue->addr.logged)
		vhost_dirty_mark(&queue->device->dirty, area->address + offset,
				 size);
}

void vhost_queue_mark_hint(struct vhost_queue *queue)
{
	if (queue->virtq.packed)
		mark_packed(queue, &queue->virtq.used, 0, PVIRTQ_EVENT_SIZE);
	else
		mark_used(queue,
			  VIRTQ_USED_RING + VIRTQ_USED_ENTRY *
						    (uint64_t)queue->virtq.size,
			  sizeof(uint16_t));
}

void vhost_queue_mark_completed(struct vhost_queue *queue, uint64_t slot)
{
	if (queue->virtq.packed) {
		mark_packed(queue, &queue->virtq.desc, VIRTQ_DESC_SIZE * slot,
			    VIRTQ_DESC_SIZE);
		return;
	}
	mark_used(queue, VIRTQ_USED_RING + VIRTQ_USED_ENTRY * slot,
		  VIRTQ_USED_ENTRY);
	mark_used(queue, VIRTQ_USED_IDX, sizeof(uint16_t));
}

void vhost_queue_break(struct vhost_queue *queue, const char *why)
{
	struct device *device = queue->device;

	if (queue->broken)
		return;
	vhost_queue_set_broken(queue, true);
	vhost_client_log(device->client, "queue %u is stopped: %s",
			 queue->index, why);
	if (queue->err_fd >= 0)
		vhost_notifier_add(&device->loop->notifier, queue->err_fd);
}

void vhost_queue_ready(struct vhost_queue *queue)
{
	struct loop *loop = queue->device->loop;

	if (queue->is_ready || !may_serve(queue))
		return;
	queue->is_ready = true;
	TAILQ_INSERT_TAIL(&loop->ready, queue, ready);
}

void vhost_queue_go_on(struct vhost_queue *queue)
{
	struct device *device = queue->device;

	vhost_queue_ready(queue);
	if (!device->waits_for_room || !has_room(device))
		return;
	device->waits_for_room = false;
	for (uint32_t i = 0; i < device->queue_count; i++)
		vhost_queue_ready(&device->queues[i]);
}

void vhost_queue_features_changed(struct vhost_queue *queue)
{
	if (!queue->attached)
		return;
	queue->virtq.event_index = device_event_index(queue->device);
	vhost_queue_ready(queue);
}
