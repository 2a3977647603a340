// SPDX-License-Identifier: MIT
#include "device/setup.h"

#include <assert.h>
#include <sys/epoll.h>

#include "device/ahead.h"
#include "device/device.h"
#include "device/feature.h"
#include "device/layout.h"
#include "device/release.h"

bool queue_set_num(struct queue *queue, uint32_t num, const char **why)
{
	bool packed = device_packed(queue->device);

	_Static_assert(VIRTQ_SIZE_MAX == 32768, "the text tells it");
	*why = packed ? "expected 1 to 32768, on a ring that is stopped"
		      : "expected a power of 2 up to 32768, on a ring that is "
			"stopped";
	if (num == 0 || num > VIRTQ_SIZE_MAX || queue->started ||
	    (!packed && (num & (num - 1)) != 0))
		return false;
	queue->num = num;
	queue->attached = false;
	return true;
}

bool queue_set_base(struct queue *queue, uint32_t base, const char **why)
{
	bool packed = device_packed(queue->device);

	*why = packed ? "expected a ring that is stopped"
		      : "expected an index below 65536, on a ring that is "
			"stopped";
	if ((!packed && base > UINT16_MAX) || queue->started)
		return false;
	queue->base = base;
	queue->has_base = true;
	queue->attached = false;
	return true;
}

static void keep_base(struct queue *queue)
{
	if (!queue->attached)
		return;
	queue->base = vring_base(queue->virtq);
	queue->has_base = true;
	queue->attached = false;
}

bool queue_stays(const struct queue *queue, const struct ring_addr *addr)
{
	return queue->attached && !queue->broken &&
	       queue->addr.descriptors == addr->descriptors &&
	       queue->addr.available == addr->available &&
	       queue->addr.used == addr->used;
}

bool queue_set_addr(struct queue *queue, const struct ring_addr *addr,
		    const char **why)
{
	const struct memory *memory = queue->device->memory;
	uint64_t guest;

	*why = memory_why_no_rings(memory);
	if (!queue->device->iotlb &&
	    (!memory_guest_address(memory, addr->descriptors, &guest) ||
	     !memory_guest_address(memory, addr->available, &guest) ||
	     !memory_guest_address(memory, addr->used, &guest)))
		return false;
	if (queue_is_quiet(queue))
		keep_base(queue);
	queue->addr = *addr;
	queue->has_addr = true;
	/* Unless queue_distrust broke it: then it has no size. */
	if (queue->num > 0)
		queue_set_broken(queue, false);
	queue_look(queue);
	return true;
}

bool queue_set_kick(struct queue *queue, int fd, const char **why)
{
	/* Edge-triggered: each kick is reported once, and its counter, whose
	 * read could block, need not be read: the ring says what there is to
	 * do. */
	if (!loop_watch(queue->part->loop, fd, EPOLLIN | EPOLLET,
			&queue->kick)) {
		*why = "the descriptor cannot be watched";
		loop_unwatch(queue->part->loop, fd);
		release_fd(queue->device->policy->releases, fd);
		return false;
	}
	queue_drop_kick(queue);
	queue->kick_fd = fd;
	/* Unless queue_distrust broke it: then it has no size. */
	if (queue->num > 0)
		queue_set_broken(queue, false);
	queue_look(queue);
	return true;
}

void queue_distrust(struct queue *queue, const char *why)
{
	queue->num = 0;
	queue_break(queue, why);
}

void queue_reset(struct queue *queue)
{
	assert(queue_is_quiet(queue) && !queue->started);
	queue->enabled = false;
	queue_set_broken(queue, false);
	queue->has_addr = false;
	queue->has_base = false;
	queue->num = 0;
	queue->base = 0;
}

void queue_memory_changed(struct queue *queue)
{
	/* A request that is in flight has spans of the old table. */
	assert(queue_is_quiet(queue));
	if (!queue->attached)
		return;
	/* If the rings are gone, the queue is detached until they are lent
	 * again. */
	if (virtq_rebase(queue->virtq, device_space(queue->device)) == PREC_OK)
		queue_ready(queue);
}

static const char *why_not_attached(const struct queue *queue,
				    enum prec_status status)
{
	switch (status) {
	case PREC_RANGE:
		return device_why_no_rings(queue->device);
	case PREC_RIGHTS:
		return "a ring to be written is in memory lent read-only";
	case PREC_OVERLAP:
		return "the rings overlap";
	case PREC_FULL:
		return "the log of requests in flight is for smaller rings";
	default:
		return "the rings are not aligned, or their size, base or log "
		       "of requests in flight is invalid";
	}
}

/* Resume where this device, or the previous server, left off. */
static enum prec_status find_place(struct queue *queue)
{
	uint32_t taken = 0;
	enum prec_status status = layout_find_place(
		queue->virtq, device_space(queue->device), &queue->inflight,
		queue->has_base, queue->base, &taken);

	if (status == PREC_RANGE)
		return PREC_FULL;
	if (taken > 0)
		client_log(queue->device->client,
			   "queue %u: %u requests that were in flight "
			   "are carried out again",
			   queue->index, taken);
	return status;
}

/* An address of a ring, as descriptors have addresses: the front-end names
 * rings by its own, unless it translates them, too. */
static bool ring_address(const struct queue *queue, uint64_t said,
			 uint64_t *address)
{
	if (!queue->device->iotlb)
		return memory_guest_address(queue->device->memory, said,
					    address);
	*address = said;
	return true;
}

static enum prec_status attach(struct queue *queue)
{
	bool packed = device_packed(queue->device);
	uint64_t desc, avail, used;
	enum prec_status status;

	if (!ring_address(queue, queue->addr.descriptors, &desc) ||
	    !ring_address(queue, queue->addr.available, &avail) ||
	    !ring_address(queue, queue->addr.used, &used))
		return PREC_RANGE;
	if (!queue_make_virtq(queue))
		return PREC_SYSTEM;
	status = vring_setup(queue->virtq, device_space(queue->device), packed,
			     queue->num, desc, avail, used);
	if (status != PREC_OK)
		return status;
	status = find_place(queue);
	if (status != PREC_OK)
		return status;
	queue->attached = true;
	queue->virtq->event_index = device_event_index(queue->device);
	queue_call(queue);
	return PREC_OK;
}

/* Ask for a kick first: a client that starts the same rings again would
 * otherwise kick only at the index at which we were last idle. */
bool queue_stop(struct queue *queue)
{
	bool unread = queue->has_addr && queue->inflight.unread;

	queue->started = false;
	queue_drop_kick(queue);
	if (!queue_is_quiet(queue))
		return false;
	/* Stopped before the log was read: the place that the log gives is
	 * newer than the one that the client knows. */
	if (queue->attached || (unread && attach(queue) == PREC_OK))
		queue_ask_for_kick(queue);
	keep_base(queue);
	return true;
}

bool queue_attach(struct queue *queue)
{
	enum prec_status status;

	if (queue->device->iotlb && !ahead_rings(queue))
		return false;
	status = attach(queue);
	/* Memory that is gone may come back: the next kick tries again. */
	if (status == PREC_GONE)
		queue_lost(queue, "the used ring is gone");
	/* Who comes again may find memory; who waits would wait in vain. */
	else if (status == PREC_SYSTEM)
		part_end(queue->part, "out of memory for a ring");
	else if (status != PREC_OK)
		queue_break(queue, why_not_attached(queue, status));
	return status == PREC_OK;
}
