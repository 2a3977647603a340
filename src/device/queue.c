// SPDX-License-Identifier: MIT
#include "device/queue.h"

#include <assert.h>
#include <inttypes.h>
#include <sys/epoll.h>
#include <sys/mman.h>

#include "device/feature.h"
#include "device/line.h"
#include "device/loan.h"
#include "device/mark.h"
#include "device/probe.h"
#include "device/release.h"
#include "device/room.h"
#include "device/sparse.h"

static void kicked(struct loop_source *source, uint32_t events)
{
	struct queue *queue = (struct queue *)source;

	(void)events;
	if (queue->kick_fd < 0)
		return; /* dropped by an earlier event of this round */
	queue->started = true;
	queue_ready(queue);
}

void queue_init(struct queue *queue, struct device_part *part, uint32_t index)
{
	queue->kick.ready = kicked;
	queue->device = part->device;
	queue->part = part;
	queue->index = index;
	queue->kick_fd = -1;
	queue->call_fd = -1;
	queue->err_fd = -1;
	LIST_INIT(&queue->requests);
}

static void replace_fd(struct queue *queue, int *fd, int new)
{
	release_fd(queue->device->policy->releases, *fd);
	*fd = new;
}

/* The same for one that may be about to be signalled. */
static void replace_notified(struct queue *queue, int *fd, int new)
{
	notifier_settle(&queue->part->loop->notifier, *fd);
	replace_fd(queue, fd, new);
}

void queue_set_broken(struct queue *queue, bool broken)
{
	uint64_t *gauge = &queue->part->counters->queues_broken;

	counter_set(gauge, *gauge - queue->broken + broken);
	queue->broken = broken;
}

void queue_drop_kick(struct queue *queue)
{
	if (queue->kick_fd >= 0)
		loop_unwatch(queue->part->loop, queue->kick_fd);
	replace_fd(queue, &queue->kick_fd, -1);
}

static void drop_virtq(struct queue *queue)
{
	if (queue->virtq)
		munmap(queue->virtq, sizeof(*queue->virtq));
	queue->virtq = NULL;
}

/*
 * The state has room for the largest ring, but only the pages that a ring of
 * its size touches are there: two, up to some 900 entries.  A huge page would
 * be there at once, as a whole.  A smaller ring than before begins with none.
 */
bool queue_make_virtq(struct queue *queue)
{
	void *room;

	if (queue->virtq && queue->virtq->size <= queue->num)
		return true;
	room = mmap(NULL, sizeof(*queue->virtq), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (room == MAP_FAILED)
		return false;
	madvise(room, sizeof(*queue->virtq), MADV_NOHUGEPAGE);
	drop_virtq(queue);
	queue->virtq = room;
	return true;
}

void queue_leave_lists(struct queue *queue)
{
	struct loop *loop = queue->part->loop;

	line_leave(queue);
	if (queue->is_served)
		TAILQ_REMOVE(&loop->served, queue, served);
	queue->is_served = false;
}

void queue_close(struct queue *queue)
{
	assert(LIST_EMPTY(&queue->requests) && !queue->stalled);
	queue_leave_lists(queue);
	queue_set_broken(queue, false);
	queue_drop_kick(queue);
	inflight_queue_close(&queue->inflight);
	drop_virtq(queue);
	replace_notified(queue, &queue->call_fd, -1);
	replace_notified(queue, &queue->err_fd, -1);
}

void queue_enable(struct queue *queue, bool enabled)
{
	queue->enabled = enabled;
	queue_look(queue);
}

void queue_call(struct queue *queue)
{
	if (queue->call_fd >= 0)
		notifier_add(&queue->part->loop->notifier, queue->call_fd,
			     &queue->call_cost);
}

/* Of a ring that is not attached yet the client is notified when it is. */
void queue_set_call(struct queue *queue, int fd)
{
	replace_notified(queue, &queue->call_fd, fd);
	if (queue->attached)
		queue_call(queue);
}

void queue_set_err(struct queue *queue, int fd)
{
	replace_notified(queue, &queue->err_fd, fd);
}

bool queue_is_quiet(const struct queue *queue)
{
	return LIST_EMPTY(&queue->requests) && !queue->stalled;
}

/* Where the ring is gone, there is no place to ask for a kick. */
bool queue_ask_for_kick(struct queue *queue)
{
	if (!queue->virtq->event_index ||
	    vring_ask_for_kick(queue->virtq, device_space(queue->device)) !=
		    PREC_OK)
		return false;
	mark_hint(queue);
	return true;
}

void queue_lost(struct queue *queue, const char *what)
{
	struct device *device = queue->device;

	if (sparse_was_short(queue->part))
		return;
	counter_add(&queue->part->counters->losses, 1);
	PROBE3(loss, device->client, queue->index);
	client_log(device->client, "queue %u: %s", queue->index, what);
	loan_take_back_lost(device);
	if (device->policy->on_loss == DEVICE_LOSS_END)
		part_end(queue->part, "its memory was gone");
}

void queue_check_logs(struct queue *queue)
{
	if (dirty_take_lost(&queue->device->dirty))
		queue_lost(queue, "the log of writes is gone");
	if (queue->inflight.lost)
		queue_lost(queue, "the log of requests in flight is gone");
	queue->inflight.lost = false;
}

void queue_break(struct queue *queue, const char *why)
{
	struct device *device = queue->device;

	if (queue->broken)
		return;
	queue_set_broken(queue, true);
	client_log(device->client, "queue %u is stopped: %s", queue->index,
		   why);
	if (queue->err_fd >= 0)
		notifier_add(&queue->part->loop->notifier, queue->err_fd,
			     &queue->part->notify_cost);
}

void queue_ready(struct queue *queue)
{
	if (!queue->is_ready && may_serve(queue))
		line_join(queue);
}

void queue_look(struct queue *queue)
{
	if (queue->kick_fd < 0 || !queue->enabled || !queue->has_addr ||
	    queue->num == 0)
		return;
	queue->started = true;
	queue_ready(queue);
}

void queue_wait_for_translation(struct queue *queue, bool waits)
{
	queue->untranslated = waits;
	if (queue->device->iotlb->unsent > 0)
		part_tell(queue->part);
}

/* What its descriptors name may be translated, even if its rings are not. */
void queue_retranslate(struct queue *queue)
{
	bool waited = queue->untranslated;

	if (queue->attached)
		waited |= virtq_rebase(queue->virtq,
				       device_space(queue->device)) != PREC_OK;
	queue->untranslated = false;
	if (waited)
		queue_ready(queue);
}

void queue_continue(struct queue *queue)
{
	struct device_part *part = queue->part;

	queue_ready(queue);
	if (!part->waits_for_room || !has_room(part))
		return;
	part->waits_for_room = false;
	TAILQ_FOREACH(queue, &part->queues, sibling)
	queue_ready(queue);
}

void queue_features_changed(struct queue *queue)
{
	if (!queue->attached)
		return;
	queue->virtq->event_index = device_event_index(queue->device);
	queue_ready(queue);
}
