// SPDX-License-Identifier: MIT
#include "vhost/worker.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <precarium/fault.h>

#include "vhost/calls.h"
#include "vhost/connection.h"
#include "vhost/deadline.h"
#include "vhost/fetch.h"
#include "vhost/request.h"

#define EVENTS_A_TURN 64

/* Requests that are begun before those that have ended are looked at: with many
 * clients more of them would not be in the processor's caches any more. */
#define BEGUN_A_TURN 128u

/* How soon to try again what the kernel had no room for. */
#define RETRY_MS 2

/* Past the C library: the thread sanitizer watches epoll_ctl, but sees neither
 * the birth nor the death of io_uring's descriptors, and takes the next use of
 * their numbers for a race. */
static int control(const struct vhost_worker *worker, int operation, int fd,
		   struct epoll_event *event)
{
	return (int)syscall(SYS_epoll_ctl, worker->epoll_fd, operation, fd,
			    event);
}

bool vhost_worker_watch(struct vhost_worker *worker, int fd, uint32_t events,
			struct vhost_source *source)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	return control(worker, EPOLL_CTL_ADD, fd, &event) == 0;
}

/* Its events that were taken already stay in the batch: what they are about
 * is freed by settle only, which comes after the batch. */
void vhost_worker_unwatch(struct vhost_worker *worker, int fd)
{
	control(worker, EPOLL_CTL_DEL, fd, NULL);
}

static struct vhost_lane *lane_of(struct vhost_worker *worker,
				  const struct vhost_export *export)
{
	struct vhost_lane *lane;

	LIST_FOREACH(lane, &worker->lanes, entry)
	{
		if (lane->export == export)
			return lane;
	}
	return NULL;
}

static bool lane_open(struct vhost_worker *worker, struct vhost_lane *lane,
		      struct store_error *error)
{
	const struct store *store = lane->export->store;

	lane->lane = store->ops->lane_open(store, error);
	if (!lane->lane)
		return false;
	if (lane->lane->fd < 0 ||
	    vhost_worker_watch(worker, lane->lane->fd, EPOLLIN, &lane->source))
		return true;
	snprintf(error->text, sizeof(error->text),
		 "its completions could not be watched: %s", strerror(errno));
	store->ops->lane_close(lane->lane);
	return false;
}

struct vhost_lane *vhost_lane_get(struct vhost_worker *worker,
				  const struct vhost_export *export,
				  struct store_error *error)
{
	struct vhost_lane *lane = lane_of(worker, export);

	if (lane) {
		lane->users++;
		return lane;
	}
	lane = calloc(1, sizeof(*lane));
	if (!lane) {
		snprintf(error->text, sizeof(error->text), "out of memory");
		return NULL;
	}
	lane->source.kind = VHOST_SOURCE_LANE;
	lane->export = export;
	lane->users = 1;
	TAILQ_INIT(&lane->stalled);
	if (!lane_open(worker, lane, error)) {
		free(lane);
		return NULL;
	}
	LIST_INSERT_HEAD(&worker->lanes, lane, entry);
	return lane;
}

/* An event of it that was taken already is in the batch still, but a lane with
 * users loses the last of them in settle only, which comes after the batch. */
void vhost_lane_put(struct vhost_worker *worker, struct vhost_lane *lane)
{
	assert(lane->users > 0);
	if (--lane->users > 0)
		return;
	assert(lane->in_flight == 0 && TAILQ_EMPTY(&lane->stalled));
	if (lane->lane->fd >= 0)
		vhost_worker_unwatch(worker, lane->lane->fd);
	lane->lane->store->ops->lane_close(lane->lane);
	LIST_REMOVE(lane, entry);
	free(lane);
}

static void tell_changed(struct vhost_worker *worker,
			 const struct vhost_export *export)
{
	struct vhost_connection *connection;

	LIST_FOREACH(connection, &worker->connections, entry)
	{
		if (connection->export == export &&
		    connection->state != VHOST_ENDING)
			vhost_backend_config_changed(connection);
	}
}

static void take_inbox(struct vhost_worker *worker)
{
	struct vhost_connection *connection;
	struct vhost_arrival *arrival;
	uint64_t count;

	if (read(worker->inbox_fd, &count, sizeof(count)) < 0)
		return;
	pthread_mutex_lock(&worker->lock);
	arrival = worker->arrivals;
	worker->arrivals = NULL;
	worker->stopping = worker->stop;
	pthread_mutex_unlock(&worker->lock);
	while (arrival) {
		struct vhost_arrival *next = arrival->next;

		if (arrival->fd >= 0)
			vhost_connection_open(worker, arrival->export,
					      arrival->fd);
		else
			tell_changed(worker, arrival->export);
		free(arrival);
		arrival = next;
	}
	if (!worker->stopping)
		return;
	LIST_FOREACH(connection, &worker->connections, entry)
	vhost_connection_end(connection, "the server stops");
}

static void take_event(struct vhost_worker *worker,
		       const struct epoll_event *event)
{
	struct vhost_source *source = event->data.ptr;

	switch (source->kind) {
	case VHOST_SOURCE_INBOX:
		take_inbox(worker);
		break;
	case VHOST_SOURCE_SOCKET:
		vhost_connection_event((struct vhost_connection *)source,
				       event->events);
		break;
	case VHOST_SOURCE_KICK:
		vhost_queue_kicked((struct vhost_queue *)source);
		break;
	case VHOST_SOURCE_LANE:
		break; /* all lanes are looked at in every turn */
	}
}

/* At most as many queues as stood in line when the turn began: those that come
 * back in line stand behind them, and those that had a part of it last. */
static void serve_queues(struct vhost_worker *worker)
{
	struct vhost_queue *queue;
	uint32_t count = 0;

	TAILQ_FOREACH(queue, &worker->ready, ready)
	count++;
	worker->turn++;
	worker->begun = 0;
	worker->again = NULL;
	while (count-- && worker->begun < BEGUN_A_TURN &&
	       (queue = TAILQ_FIRST(&worker->ready)) &&
	       queue != worker->again) {
		TAILQ_REMOVE(&worker->ready, queue, ready);
		vhost_queue_serve(queue);
	}
}

/* Begin what was added, take what has ended. */
static enum store_left serve_lane(struct vhost_lane *lane)
{
	const struct store_ops *ops;
	struct store_io *io;

	if (lane->in_flight == 0)
		return STORE_NOTHING;
	ops = lane->lane->store->ops;
	ops->start(lane->lane);
	while ((io = ops->reap(lane->lane)))
		vhost_request_finish(io);
	vhost_request_resume(lane);
	/* Reaping may have left the rest of a transfer to begin. */
	return ops->start(lane->lane);
}

/* The most urgent of what they have left. */
static enum store_left serve_lanes(struct vhost_worker *worker)
{
	enum store_left most = STORE_NOTHING;
	struct vhost_lane *lane;

	LIST_FOREACH(lane, &worker->lanes, entry)
	{
		enum store_left left = serve_lane(lane);

		most = left > most ? left : most;
	}
	return most;
}

static void settle(struct vhost_worker *worker)
{
	struct vhost_connection *connection = LIST_FIRST(&worker->connections);

	if (!worker->settling)
		return;
	worker->settling = false;
	while (connection) {
		struct vhost_connection *next = LIST_NEXT(connection, entry);

		vhost_connection_settle(connection);
		connection = next;
	}
}

static void take_events(struct vhost_worker *worker, int timeout_ms)
{
	struct epoll_event events[EVENTS_A_TURN];
	int count =
		epoll_wait(worker->epoll_fd, events, EVENTS_A_TURN, timeout_ms);

	vhost_poll_asked(&worker->poll);
	for (int i = 0; i < count; i++)
		take_event(worker, &events[i]);
}

static enum store_left turn(struct vhost_worker *worker, int timeout_ms)
{
	enum store_left left;

	if (vhost_poll_begin(&worker->poll, timeout_ms != 0))
		take_events(worker, timeout_ms);
	vhost_deadline_look(worker);
	serve_queues(worker);
	left = serve_lanes(worker);
	vhost_queue_signal_served(worker);
	settle(worker);
	vhost_poll_end(&worker->poll);
	return left;
}

static int patience_ms(const struct vhost_worker *worker, enum store_left left)
{
	int deadline_ms = vhost_deadline_ms(worker);

	if (!TAILQ_EMPTY(&worker->ready) || worker->settling ||
	    left == STORE_MORE)
		return 0;
	if (left == STORE_NO_ROOM &&
	    (deadline_ms < 0 || deadline_ms > RETRY_MS))
		return RETRY_MS;
	return deadline_ms;
}

static void *worker_main(void *argument)
{
	struct vhost_worker *worker = argument;
	enum store_left left = STORE_NOTHING;

	prec_fault_unblock();
	while (!worker->stopping || !LIST_EMPTY(&worker->connections))
		left = turn(worker, patience_ms(worker, left));
	return NULL;
}

/* Signals of the process are for the thread that runs the server. */
static int start_thread(struct vhost_worker *worker)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGILL);
	sigdelset(&all, SIGFPE);
	sigdelset(&all, SIGTRAP);
	sigdelset(&all, SIGABRT);
	sigdelset(&all, SIGSYS);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&worker->thread, NULL, worker_main, worker);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}

static void worker_release(struct vhost_worker *worker)
{
	vhost_request_free_spares(worker);
	vhost_notifier_close(&worker->notifier);
	if (worker->inbox_fd >= 0)
		close(worker->inbox_fd);
	if (worker->epoll_fd >= 0)
		close(worker->epoll_fd);
	pthread_mutex_destroy(&worker->lock);
}

static bool worker_make(struct vhost_worker *worker, const char **what)
{
	*what = "an event descriptor";
	worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	worker->inbox_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	worker->inbox.kind = VHOST_SOURCE_INBOX;
	if (worker->epoll_fd < 0 || worker->inbox_fd < 0 ||
	    !vhost_worker_watch(worker, worker->inbox_fd, EPOLLIN,
				&worker->inbox))
		return false;
	*what = "asynchronous I/O (io_setup, for notifications that cannot "
		"block)";
	return vhost_notifier_open(&worker->notifier);
}

bool vhost_worker_start(struct vhost_worker *worker, int ended_fd,
			enum vhost_polling polling, struct vhost_error *error)
{
	const char *what = NULL;

	memset(worker, 0, sizeof(*worker));
	pthread_mutex_init(&worker->lock, NULL);
	worker->epoll_fd = -1;
	worker->inbox_fd = -1;
	worker->notifier.null_fd = -1;
	worker->notifier.unread_fd = -1;
	worker->ended_fd = ended_fd;
	worker->poll.mode = polling;
	LIST_INIT(&worker->lanes);
	TAILQ_INIT(&worker->ready);
	TAILQ_INIT(&worker->served);
	LIST_INIT(&worker->connections);
	LIST_INIT(&worker->spares);
	if (worker_make(worker, &what)) {
		what = "a thread";
		errno = start_thread(worker);
		worker->running = errno == 0;
	}
	if (worker->running)
		return true;
	snprintf(error->text, sizeof(error->text),
		 "a worker cannot start: %s: %s", what, strerror(errno));
	worker_release(worker);
	return false;
}

static void ring_inbox(struct vhost_worker *worker)
{
	uint64_t one = 1;

	/* Non-blocking and our own: when it is full the worker is awake. */
	if (write(worker->inbox_fd, &one, sizeof(one)) < 0)
		return;
}

bool vhost_worker_tell_changed(struct vhost_worker *worker,
			       struct vhost_export *export)
{
	return vhost_worker_give(worker, export, -1);
}

bool vhost_worker_give(struct vhost_worker *worker, struct vhost_export *export,
		       int fd)
{
	struct vhost_arrival *arrival = malloc(sizeof(*arrival));

	if (!arrival)
		return false;
	arrival->export = export;
	arrival->fd = fd;
	if (fd >= 0)
		__atomic_fetch_add(&worker->clients, 1, __ATOMIC_RELAXED);
	pthread_mutex_lock(&worker->lock);
	arrival->next = worker->arrivals;
	worker->arrivals = arrival;
	pthread_mutex_unlock(&worker->lock);
	ring_inbox(worker);
	return true;
}

void vhost_worker_ask_stop(struct vhost_worker *worker)
{
	if (!worker->running)
		return;
	pthread_mutex_lock(&worker->lock);
	worker->stop = true;
	pthread_mutex_unlock(&worker->lock);
	ring_inbox(worker);
}

void vhost_worker_join(struct vhost_worker *worker)
{
	if (!worker->running)
		return;
	pthread_join(worker->thread, NULL);
	worker->running = false;
	worker_release(worker);
}
