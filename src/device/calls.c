// SPDX-License-Identifier: MIT
#include "device/calls.h"

#include "device/device.h"
#include "device/feature.h"

/* Notify the client if it must be, or if it wants to be for the requests that
 * were completed since the last check. */
static void maybe_notify(struct queue *queue, bool must)
{
	bool wish = false;

	queue->slots_served = 0;
	if (vring_should_notify(queue->virtq, device_space(queue->device),
				&wish) != PREC_OK)
		must = true; /* unreadable: notify, which is harmless */
	if (!(wish || must) || queue->call_fd < 0)
		return;
	counter_add(&queue->part->counters->notifications, 1);
	notifier_add(&queue->part->loop->notifier, queue->call_fd,
		     &queue->call_cost);
}

/*
 * Notify on the first completion of a turn: waking a client takes about as long
 * as twenty requests, which it then finds done.  A sleeping client is still
 * notified once only, because it names its next place after it has looked.
 */
static void notify_first(struct queue *queue)
{
	struct notifier *notifier = &queue->part->loop->notifier;

	maybe_notify(queue, false);
	if (notifier->count)
		notifier_flush(notifier);
}

void queue_served(struct queue *queue, uint32_t slots)
{
	struct loop *loop = queue->part->loop;

	if (TAILQ_EMPTY(&loop->served))
		notify_first(queue);
	/* A client names the place at which it wants to be notified.  A packed
	 * ring wraps: two rounds later that place is ahead again (VIRTIO 1.2,
	 * 2.8.10), and a guest could miss a notification if its ring wrapped
	 * twice between two checks. */
	queue->slots_served += slots;
	if (queue->slots_served >= queue->virtq->size)
		maybe_notify(queue, false);
	if (queue->is_served)
		return;
	queue->is_served = true;
	TAILQ_INSERT_TAIL(&loop->served, queue, served);
}

static void notify_log(struct device_part *part)
{
	const struct dirty *dirty = &part->device->dirty;

	if (dirty_is_on(dirty) && dirty->call_fd >= 0)
		notifier_add(&part->loop->notifier, dirty->call_fd,
			     &part->notify_cost);
}

static bool is_empty(const struct queue *queue)
{
	return queue->virtq->waiting == 0 &&
	       device_notifies_on_empty(queue->device);
}

/* Some client of the loop is. */
static void tell_slow(struct loop *loop)
{
	struct device_part *part;

	loop->notifier.found_slow = false;
	loop->settling = true;
	TAILQ_FOREACH(part, &loop->guests, guest)
	part_tell(part);
}

void queue_notify_served(struct loop *loop)
{
	struct queue *queue;

	while ((queue = TAILQ_FIRST(&loop->served))) {
		TAILQ_REMOVE(&loop->served, queue, served);
		queue->is_served = false;
		/* A client that has ended is not notified. */
		if (device_state(queue->device) == DEVICE_ENDING)
			continue;
		notify_log(queue->part);
		maybe_notify(queue, is_empty(queue));
	}
	notifier_flush(&loop->notifier);
	if (loop->notifier.found_slow)
		tell_slow(loop);
}
