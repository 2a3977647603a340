// SPDX-License-Identifier: MIT
#include "vhost/queue.h"

#include <assert.h>
#include <inttypes.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "vhost/connection.h"
#include "vhost/inflight_packed.h"

/* A client's part of one turn, over all its queues: so many requests, or so many
 * bytes; fewer where another client waits for the turn to end. */
#define REQUESTS_A_TURN	       64
#define REQUESTS_BESIDE_OTHERS 32
#define BYTES_A_TURN	       (1ull << 20)

/* In flight. */
#define BYTES_BESIDE_OTHERS (2ull << 20)

/* Transfers of one client at a time, over all its queues.  What a lane has
 * room for is shared by all clients of its store. */
#define IN_FLIGHT_MAX 96

void vhost_queue_init(struct vhost_queue *queue,
		      struct vhost_connection *connection, uint32_t index)
{
	queue->kick.kind = VHOST_SOURCE_KICK;
	queue->connection = connection;
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

static void set_broken(struct vhost_queue *queue, bool broken)
{
	uint64_t *gauge = &queue->connection->client->now.queues_broken;

	vhost_gauge(gauge, *gauge - queue->broken + broken);
	queue->broken = broken;
}

static void drop_kick(struct vhost_queue *queue)
{
	if (queue->kick_fd >= 0)
		vhost_worker_unwatch(queue->connection->worker, queue->kick_fd);
	replace_fd(&queue->kick_fd, -1);
}

static void leave_lists(struct vhost_queue *queue)
{
	struct vhost_worker *worker = queue->connection->worker;

	if (worker->again == queue)
		worker->again = TAILQ_NEXT(queue, ready);
	if (queue->is_ready)
		TAILQ_REMOVE(&worker->ready, queue, ready);
	if (queue->is_served)
		TAILQ_REMOVE(&worker->served, queue, served);
	queue->is_ready = false;
	queue->is_served = false;
}

void vhost_queue_close(struct vhost_queue *queue)
{
	assert(LIST_EMPTY(&queue->requests) && !queue->stalled);
	leave_lists(queue);
	set_broken(queue, false);
	drop_kick(queue);
	replace_fd(&queue->call_fd, -1);
	replace_fd(&queue->err_fd, -1);
	vhost_packed_log_free(&queue->inflight);
}

bool vhost_queue_set_num(struct vhost_queue *queue, uint32_t num,
			 const char **why)
{
	bool packed = vhost_device_packed(queue->connection);

	*why = packed ? "expected 1 to 1024, on a ring that is stopped"
		      : "expected a power of 2 up to 1024, on a ring that is "
			"stopped";
	if (num == 0 || num > VIRTQ_SIZE_MAX || queue->started ||
	    (!packed && (num & (num - 1)) != 0))
		return false;
	queue->num = num;
	queue->attached = false;
	return true;
}

bool vhost_queue_set_base(struct vhost_queue *queue, uint32_t base,
			  const char **why)
{
	bool packed = vhost_device_packed(queue->connection);

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

/* Rings are named by the front-end's own addresses, and lie anywhere in what
 * it lent: by the guest's addresses they are found like everything else. */
static bool guest_address(const struct vhost_memory *memory, uint64_t user,
			  uint64_t *guest)
{
	struct prec_span span;

	if (prec_space_resolve(&memory->user, user, 1, PREC_READ, &span) !=
	    PREC_OK)
		return false;
	*guest = memory->slots[memory->user.slot[span.index]]->entry.guest +
		 (user - memory->user.start[span.index]);
	return true;
}

static void keep_base(struct vhost_queue *queue)
{
	if (!queue->attached)
		return;
	queue->base = vring_base(&queue->virtq);
	queue->has_base = true;
	queue->attached = false;
}

bool vhost_queue_stays(const struct vhost_queue *queue,
		       const struct vhost_ring_addr *addr)
{
	return queue->attached && !queue->broken &&
	       queue->addr.descriptors == addr->descriptors &&
	       queue->addr.available == addr->available &&
	       queue->addr.used == addr->used;
}

bool vhost_queue_set_addr(struct vhost_queue *queue,
			  const struct vhost_ring_addr *addr, const char **why)
{
	const struct vhost_memory *memory = queue->connection->memory;
	uint64_t guest;

	*why = "expected no flag but that of the log";
	if (addr->flags & ~VHOST_RING_LOG)
		return false;
	*why = "the rings are not in lent memory; expected addresses of the "
	       "front-end in a region that was added";
	if (!guest_address(memory, addr->descriptors, &guest) ||
	    !guest_address(memory, addr->available, &guest) ||
	    !guest_address(memory, addr->used, &guest))
		return false;
	if (vhost_queue_is_quiet(queue))
		keep_base(queue);
	queue->addr = *addr;
	queue->has_addr = true;
	set_broken(queue, false);
	vhost_queue_ready(queue);
	return true;
}

bool vhost_queue_set_kick(struct vhost_queue *queue, int fd, const char **why)
{
	/* Edge-triggered: each kick is told once, and its counter need not be
	 * read, which could wait, for the ring tells what there is to do. */
	if (!vhost_worker_watch(queue->connection->worker, fd,
				EPOLLIN | EPOLLET, &queue->kick)) {
		*why = "the descriptor cannot be watched";
		close(fd);
		return false;
	}
	drop_kick(queue);
	queue->kick_fd = fd;
	set_broken(queue, false);
	/* The kick for what is there may have gone to a driver that died. */
	if (queue->inflight.unread) {
		queue->started = true;
		vhost_queue_ready(queue);
	}
	return true;
}

void vhost_queue_set_call(struct vhost_queue *queue, int fd)
{
	replace_fd(&queue->call_fd, fd);
}

void vhost_queue_set_err(struct vhost_queue *queue, int fd)
{
	replace_fd(&queue->err_fd, fd);
}

void vhost_queue_enable(struct vhost_queue *queue, bool enabled)
{
	queue->enabled = enabled;
	if (enabled)
		vhost_queue_ready(queue);
}

bool vhost_queue_is_quiet(const struct vhost_queue *queue)
{
	return LIST_EMPTY(&queue->requests) && !queue->stalled;
}

/* The next request that is made available shall come with a kick.  Where the
 * ring is gone nobody can ask. */
static bool ask_for_kick(struct vhost_queue *queue)
{
	if (!queue->virtq.event_index ||
	    vring_ask_for_kick(&queue->virtq,
			       &queue->connection->memory->guest) != PREC_OK)
		return false;
	vhost_queue_mark_hint(queue);
	return true;
}

void vhost_queue_reset(struct vhost_queue *queue)
{
	assert(vhost_queue_is_quiet(queue) && !queue->started);
	queue->enabled = false;
	set_broken(queue, false);
	queue->has_addr = false;
	queue->has_base = false;
	queue->num = 0;
	queue->base = 0;
}

static void cancel_transfers(struct vhost_queue *queue)
{
	struct vhost_lane *lane = queue->connection->lane;
	struct vhost_request *request;

	LIST_FOREACH(request, &queue->requests, entry)
	lane->lane->store->ops->cancel(lane->lane, &request->io);
}

void vhost_queue_abort(struct vhost_queue *queue)
{
	leave_lists(queue);
	drop_kick(queue);
	vhost_request_drop_stalled(queue);
	cancel_transfers(queue);
}

void vhost_queue_cancel(struct vhost_queue *queue)
{
	vhost_request_fail_stalled(queue);
	cancel_transfers(queue);
}

void vhost_queue_memory_changed(struct vhost_queue *queue)
{
	if (!queue->attached)
		return;
	/* Gone: it is detached, until they are lent again. */
	if (virtq_rebase(&queue->virtq, &queue->connection->memory->guest) ==
	    PREC_OK)
		vhost_queue_ready(queue);
}

void vhost_queue_lost(struct vhost_queue *queue, const char *what)
{
	struct vhost_connection *connection = queue->connection;

	vhost_count(&connection->client->counts.losses, 1);
	vhost_client_log(connection->client, "queue %u: %s", queue->index,
			 what);
	if (connection->export->on_loss == VHOST_LOSS_END)
		vhost_connection_end(connection, "its memory was gone");
}

void vhost_queue_look_for_logs(struct vhost_queue *queue)
{
	struct vhost_dirty *dirty = &queue->connection->dirty;

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

	if (queue->addr.flags & VHOST_RING_LOG &&
	    base <= PREC_ADDRESS_MAX - 8ull * VIRTQ_SIZE_MAX)
		vhost_dirty_mark(&queue->connection->dirty, base + offset,
				 size);
}

/* That address is of one area, and a packed ring is written in two. */
static void mark_packed(struct vhost_queue *queue, const struct prec_span *area,
			uint64_t offset, uint64_t size)
{
	if (queue->addr.flags & VHOST_RING_LOG)
		vhost_dirty_mark(&queue->connection->dirty,
				 area->address + offset, size);
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
	struct vhost_connection *connection = queue->connection;

	if (queue->broken)
		return;
	set_broken(queue, true);
	vhost_client_log(connection->client, "queue %u is stopped: %s",
			 queue->index, why);
	if (queue->err_fd >= 0)
		vhost_notifier_add(&connection->worker->notifier,
				   queue->err_fd);
}

static bool may_serve(const struct vhost_queue *queue)
{
	return queue->connection->state == VHOST_SERVING && queue->enabled &&
	       queue->started && !queue->broken && queue->has_addr &&
	       !queue->stalled;
}

void vhost_queue_ready(struct vhost_queue *queue)
{
	struct vhost_worker *worker = queue->connection->worker;

	if (queue->is_ready || !may_serve(queue))
		return;
	queue->is_ready = true;
	TAILQ_INSERT_TAIL(&worker->ready, queue, ready);
}

static bool is_shared(const struct vhost_worker *worker)
{
	return vhost_worker_clients(worker) > 1;
}

/* What one client has begun others of its worker wait for, as a disk or the
 * kernel serves in turn. */
static uint64_t bytes_in_flight_max(const struct vhost_connection *connection)
{
	uint64_t bytes = connection->export->bytes_in_flight_max;

	return is_shared(connection->worker) && bytes > BYTES_BESIDE_OTHERS
		       ? BYTES_BESIDE_OTHERS
		       : bytes;
}

/* A request that is larger than the limit has its turn alone. */
static bool has_room(const struct vhost_connection *connection)
{
	return connection->in_flight < IN_FLIGHT_MAX &&
	       connection->bytes_in_flight < bytes_in_flight_max(connection);
}

/* Ready again when one of them has ended.  That a client keeps its device busy
 * is no news after the first time. */
static void wait_for_room(struct vhost_connection *connection)
{
	uint64_t *throttled = &connection->client->counts.throttled;

	connection->waits_for_room = true;
	if (connection->bytes_in_flight <
	    connection->export->bytes_in_flight_max)
		return;
	if (*throttled == 0)
		vhost_client_log(connection->client,
				 "%" PRIu64 " bytes are in flight, the limit "
				 "is %" PRIu64 ": its requests wait for each "
				 "other; told once",
				 connection->bytes_in_flight,
				 connection->export->bytes_in_flight_max);
	vhost_count(throttled, 1);
}

void vhost_queue_go_on(struct vhost_queue *queue)
{
	struct vhost_connection *connection = queue->connection;

	vhost_queue_ready(queue);
	if (!connection->waits_for_room || !has_room(connection))
		return;
	connection->waits_for_room = false;
	for (uint32_t i = 0; i < connection->queue_count; i++)
		vhost_queue_ready(&connection->queues[i]);
}

void vhost_queue_kicked(struct vhost_queue *queue)
{
	if (queue->kick_fd < 0)
		return; /* it went earlier in this batch */
	queue->started = true;
	vhost_queue_ready(queue);
}

void vhost_queue_features_changed(struct vhost_queue *queue)
{
	if (!queue->attached)
		return;
	queue->virtq.event_index = vhost_device_event_index(queue->connection);
	vhost_queue_ready(queue);
}

static const char *why_not_attached(enum prec_status status)
{
	switch (status) {
	case PREC_RANGE:
		return "the rings are not wholly in lent memory";
	case PREC_RIGHTS:
		return "a ring to be written is in memory lent read-only";
	case PREC_OVERLAP:
		return "the rings overlap";
	case PREC_FULL:
		return "the log of requests in flight is for smaller rings";
	default:
		return "the rings are not aligned, have no such size or base, "
		       "or their log of requests in flight is none";
	}
}

/* 2.8.1: of a driver that was reset the counters are 1.  Where a packed ring was
 * when the driver before us died its client does not know: the log has it. */
static enum prec_status find_packed_place(struct vhost_queue *queue,
					  bool *recovered, uint32_t *taken)
{
	uint32_t base = queue->has_base ? queue->base : 0x80008000u;
	enum prec_status status = vhost_packed_log_read(
		&queue->inflight, &queue->virtq, &base, recovered, taken);

	return status == PREC_OK ? packed_seek(&queue->virtq, base) : status;
}

/* The used index is the ring's to say, as it is for every back-end that takes
 * over from another; a lie harms the client alone. */
static enum prec_status find_split_place(struct vhost_queue *queue,
					 bool *recovered, uint32_t *taken)
{
	uint16_t base = (uint16_t)queue->base;
	enum prec_status status;
	uint16_t used;

	status = split_used_index(&queue->virtq,
				  &queue->connection->memory->guest, &used);
	if (status != PREC_OK)
		return status;
	status = vhost_inflight_read(&queue->inflight, queue->num, used,
				     recovered, taken);
	if (status == PREC_RANGE)
		return status;
	if (*recovered)
		base = (uint16_t)(used + *taken);
	split_seek(&queue->virtq, base, used);
	return PREC_OK;
}

/* Go on where this device, or the driver before us, has stopped.  What that one
 * had completed it may not have told: so it is told once more. */
static enum prec_status find_place(struct vhost_queue *queue)
{
	struct vhost_notifier *notifier = &queue->connection->worker->notifier;
	bool recovered = false;
	uint32_t taken = 0;
	enum prec_status status =
		queue->virtq.packed
			? find_packed_place(queue, &recovered, &taken)
			: find_split_place(queue, &recovered, &taken);

	if (status == PREC_RANGE)
		return PREC_FULL;
	if (taken > 0)
		vhost_client_log(queue->connection->client,
				 "queue %u: %u requests that were in flight "
				 "are carried out again",
				 queue->index, taken);
	if (recovered && queue->call_fd >= 0)
		vhost_notifier_add(notifier, queue->call_fd);
	return status;
}

static enum prec_status attach(struct vhost_queue *queue)
{
	const struct vhost_memory *memory = queue->connection->memory;
	bool packed = vhost_device_packed(queue->connection);
	uint64_t desc, avail, used;
	enum prec_status status;

	if (!guest_address(memory, queue->addr.descriptors, &desc) ||
	    !guest_address(memory, queue->addr.available, &avail) ||
	    !guest_address(memory, queue->addr.used, &used))
		return PREC_RANGE;
	status = vring_setup(&queue->virtq, &memory->guest, packed, queue->num,
			     desc, avail, used);
	if (status != PREC_OK)
		return status;
	status = find_place(queue);
	if (status != PREC_OK)
		return status;
	queue->attached = true;
	queue->virtq.event_index = vhost_device_event_index(queue->connection);
	return PREC_OK;
}

/* A client that starts the same rings again would wait for the index at which
 * we were last idle. */
bool vhost_queue_stop(struct vhost_queue *queue)
{
	bool unread = queue->has_addr && queue->inflight.unread;

	queue->started = false;
	drop_kick(queue);
	if (!vhost_queue_is_quiet(queue))
		return false;
	/* Stopped before it was looked at: what its log tells of its place is
	 * newer than what the client could know. */
	if (queue->attached || (unread && attach(queue) == PREC_OK))
		ask_for_kick(queue);
	keep_base(queue);
	return true;
}

static bool attach_or_tell(struct vhost_queue *queue)
{
	enum prec_status status = attach(queue);

	/* Gone may come back: the next kick tries again. */
	if (status == PREC_GONE)
		vhost_queue_lost(queue, "the used ring is gone");
	else if (status != PREC_OK)
		vhost_queue_break(queue, why_not_attached(status));
	return status == PREC_OK;
}

static void log_taken(struct vhost_queue *queue, uint16_t head)
{
	if (queue->virtq.packed)
		vhost_packed_log_taken(&queue->inflight, &queue->virtq, head);
	else
		vhost_inflight_taken(&queue->inflight, head);
}

/* What the driver before us had taken.  False: no more. */
static bool retake(struct vhost_queue *queue, struct virtq_request *chain,
		   enum virtq_answer *answer)
{
	const struct prec_space *space = &queue->connection->memory->guest;
	struct virtq *virtq = &queue->virtq;
	uint16_t head;

	if (virtq->state != VIRTQ_READY)
		return false;
	if (!virtq->packed) {
		if (!vhost_inflight_next(&queue->inflight, &head))
			return false;
		*answer = split_retake(virtq, space, head, chain);
		return true;
	}
	if (!vhost_packed_log_next(&queue->inflight, virtq, space, chain,
				   answer))
		return false;
	if (*answer == VIRTQ_STOPPED)
		vhost_queue_break(queue, "the log of requests in flight holds "
					 "what no driver leaves");
	return true;
}

/* What the driver before us had taken comes first.  Before an empty queue is
 * left alone the client is asked for a kick, and then the ring is looked at once
 * more: what was made available before the client saw the wish comes without
 * one (2.7.10.1). */
static enum virtq_answer next(struct vhost_queue *queue,
			      struct virtq_request *chain)
{
	const struct prec_space *space = &queue->connection->memory->guest;
	const struct vhost_poll *poll = &queue->connection->worker->poll;
	enum virtq_answer answer;

	if (retake(queue, chain, &answer))
		return answer;
	answer = vring_next(&queue->virtq, space, chain);
	if (answer == VIRTQ_EMPTY) {
		queue->looks_on = vhost_poll_goes_on(poll, queue->found_ns);
		if (!queue->looks_on && ask_for_kick(queue))
			answer = vring_next(&queue->virtq, space, chain);
	}
	if (answer == VIRTQ_TAKEN || answer == VIRTQ_MALFORMED ||
	    answer == VIRTQ_LOST)
		log_taken(queue, (uint16_t)chain->head);
	return answer;
}

static bool take_one(struct vhost_queue *queue, uint64_t *bytes)
{
	struct virtq_request chain;

	switch (next(queue, &chain)) {
	case VIRTQ_TAKEN:
	case VIRTQ_MALFORMED: /* it may have a place to say so */
		*bytes += vhost_request_begin(queue, &chain);
		return true;
	case VIRTQ_LOST:
		vhost_request_reject(queue, true);
		return true;
	case VIRTQ_GONE:
		/* It may come back: the next kick looks again. */
		vhost_queue_lost(queue, "the available ring is gone");
		return false;
	case VIRTQ_STOPPED:
		if (queue->virtq.state == VIRTQ_BROKEN)
			vhost_queue_break(queue, "the available ring holds "
						 "what no driver puts there");
		return false;
	case VIRTQ_EMPTY:
		return false;
	}
	return false;
}

/* What is left of its client's turn. */
static struct vhost_turn *turn_of(struct vhost_queue *queue)
{
	struct vhost_connection *connection = queue->connection;
	const struct vhost_worker *worker = connection->worker;

	if (connection->turn.number != worker->turn)
		connection->turn = (struct vhost_turn){
			.number = worker->turn,
			.requests = is_shared(worker) ? REQUESTS_BESIDE_OTHERS
						      : REQUESTS_A_TURN,
			.bytes = BYTES_A_TURN,
		};
	return &connection->turn;
}

static bool is_over(const struct vhost_turn *turn)
{
	return turn->requests == 0 || turn->bytes == 0;
}

/* False: it has nothing more, or cannot go on now. */
static bool serve_turn(struct vhost_queue *queue, struct vhost_turn *turn)
{
	while (!is_over(turn)) {
		uint64_t bytes = 0;

		if (!has_room(queue->connection)) {
			wait_for_room(queue->connection);
			return false;
		}
		if (!may_serve(queue) || !take_one(queue, &bytes))
			return false;
		queue->found_ns =
			vhost_poll_found(&queue->connection->worker->poll);
		queue->connection->worker->begun++;
		turn->requests--;
		turn->bytes -= bytes < turn->bytes ? bytes : turn->bytes;
	}
	return true;
}

/* Its client's turn was over before it came to it: it stands before those that
 * had a part of it, or the first queue would have all. */
static void stay_in_line(struct vhost_queue *queue)
{
	struct vhost_worker *worker = queue->connection->worker;

	queue->is_ready = true;
	if (worker->again)
		TAILQ_INSERT_BEFORE(worker->again, queue, ready);
	else
		TAILQ_INSERT_TAIL(&worker->ready, queue, ready);
}

void vhost_queue_serve(struct vhost_queue *queue)
{
	struct vhost_worker *worker = queue->connection->worker;
	struct vhost_turn *turn = turn_of(queue);

	queue->is_ready = false;
	queue->looks_on = false;
	if (!may_serve(queue))
		return;
	if (is_over(turn)) {
		stay_in_line(queue);
		return;
	}
	if (!queue->attached && !attach_or_tell(queue))
		return;
	vhost_queue_look_for_logs(queue);
	if (!serve_turn(queue, turn) && !queue->looks_on)
		return;
	vhost_queue_ready(queue);
	if (queue->is_ready && !worker->again)
		worker->again = queue;
}
