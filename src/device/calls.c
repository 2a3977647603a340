// SPDX-License-Identifier: MIT
#include "device/calls.h"

#include "device/device.h"
#include "device/feature.h"

/* Call the client if it must be, or wishes it for what it was given since the
 * last look. */
static void weigh(struct vhost_queue *queue, bool must)
{
	struct device *device = queue->device;
	bool wish = false;

	queue->slots_served = 0;
	if (vring_should_notify(&queue->virtq, &device->memory->guest, &wish) !=
	    PREC_OK)
		must = true; /* it cannot say; a call too many is harmless */
	if (!(wish || must) || queue->call_fd < 0)
		return;
	vhost_count(&device->client->counts.notifications, 1);
	vhost_notifier_add(&device->loop->notifier, queue->call_fd);
}

/*
 * The first of a turn is told at once: to wake a client takes as long as some
 * twenty requests, which it then finds done.  Who sleeps is called once all the
 * same, as it says where when it has looked.
 */
static void tell_first(struct vhost_queue *queue)
{
	struct vhost_notifier *notifier = &queue->device->loop->notifier;

	weigh(queue, false);
	if (notifier->count)
		vhost_notifier_flush(notifier);
}

void vhost_queue_served(struct vhost_queue *queue, uint32_t slots)
{
	struct loop *loop = queue->device->loop;

	if (TAILQ_EMPTY(&loop->served))
		tell_first(queue);
	/* A client names the place at which it wants to be called.  A packed ring
	 * comes round: two rounds later that place is ahead again (virtio 1.2,
	 * clause 2.8.10). */
	queue->slots_served += slots;
	if (queue->slots_served >= queue->virtq.size)
		weigh(queue, false);
	if (queue->is_served)
		return;
	queue->is_served = true;
	TAILQ_INSERT_TAIL(&loop->served, queue, served);
}

static void tell_log(const struct device *device)
{
	const struct vhost_dirty *dirty = &device->dirty;

	if (dirty->region && dirty->call_fd >= 0)
		vhost_notifier_add(&device->loop->notifier, dirty->call_fd);
}

static bool is_empty(const struct vhost_queue *queue)
{
	return queue->virtq.waiting == 0 &&
	       device_notifies_on_empty(queue->device);
}

void vhost_queue_signal_served(struct loop *loop)
{
	struct vhost_queue *queue;

	while ((queue = TAILQ_FIRST(&loop->served))) {
		TAILQ_REMOVE(&loop->served, queue, served);
		queue->is_served = false;
		/* A client that has ended is told nothing. */
		if (queue->device->state == DEVICE_ENDING)
			continue;
		tell_log(queue->device);
		weigh(queue, is_empty(queue));
	}
	vhost_notifier_flush(&loop->notifier);
}
