// SPDX-License-Identifier: MIT
#include "vhost/worker.h"

#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <precarium/signals_linux.h>

#include "vhost/channel.h"
#include "vhost/connection.h"
#include "vhost/deadline.h"
#include "device/clock.h"
#include "device/event.h"
#include "device/thread.h"
#include "device/line.h"
#include "device/turn.h"

/* How soon to retry what the kernel had no room for. */
#define RETRY_MS 2

/* Clients that are set up before those that are there have their turn. */
#define ARRIVALS_A_TURN 2u

/* How soon to look again whether messages can be received. */
#define LISTEN_AGAIN_MS 20

static struct vhost_worker *worker_of(struct loop_source *inbox)
{
	return (struct vhost_worker *)((char *)inbox -
				       offsetof(struct vhost_worker, inbox));
}

static void config_changed(struct vhost_worker *worker,
			   const struct vhost_export *export)
{
	struct vhost_connection *connection;

	LIST_FOREACH(connection, &worker->connections, entry)
	{
		if (connection->export == export &&
		    device_state(&connection->device) != DEVICE_ENDING)
			vhost_channel_config_changed(connection);
	}
}

/* The next, if it may have its turn.  NULL: *more says whether some are
 * left. */
static struct vhost_arrival *next_arrival(struct vhost_worker *worker,
					  uint32_t taken, bool *more)
{
	struct vhost_arrival *arrival;

	pthread_mutex_lock(&worker->lock);
	arrival = STAILQ_FIRST(&worker->arrivals);
	*more = arrival && taken == ARRIVALS_A_TURN && !worker->stop;
	if (*more)
		arrival = NULL;
	if (arrival)
		STAILQ_REMOVE_HEAD(&worker->arrivals, entry);
	else if (!*more)
		worker->stopping = worker->stop;
	pthread_mutex_unlock(&worker->lock);
	return arrival;
}

/* When those that are there began to come. */
static uint64_t rang_ns(struct vhost_worker *worker)
{
	uint64_t ns;

	pthread_mutex_lock(&worker->lock);
	ns = STAILQ_EMPTY(&worker->arrivals) ? 0 : worker->rang_ns;
	pthread_mutex_unlock(&worker->lock);
	return ns;
}

static void take_inbox(struct loop_source *source, uint32_t events)
{
	struct vhost_worker *worker = worker_of(source);
	struct vhost_connection *connection;
	struct vhost_arrival *arrival;
	uint64_t count;
	bool more;

	(void)events;
	if (read(worker->inbox_fd, &count, sizeof(count)) < 0)
		return;
	polling_rang(&worker->loop.poll, rang_ns(worker));
	for (uint32_t taken = 0; (arrival = next_arrival(worker, taken, &more));
	     taken++) {
		if (arrival->fd >= 0)
			vhost_connection_open(worker, arrival->export,
					      arrival->fd);
		else
			config_changed(worker, arrival->export);
		free(arrival);
	}
	if (more)
		event_signal(worker->inbox_fd);
	if (!worker->stopping)
		return;
	LIST_FOREACH(connection, &worker->connections, entry)
	vhost_connection_stop(connection);
}

static void settle(struct vhost_worker *worker)
{
	struct vhost_connection *connection = LIST_FIRST(&worker->connections);

	if (!loop_settles(&worker->loop))
		return;
	while (connection) {
		struct vhost_connection *next = LIST_NEXT(connection, entry);

		vhost_connection_settle(connection);
		connection = next;
	}
}

static void listen_again(struct vhost_worker *worker)
{
	struct vhost_connection *connection;

	if (worker->paused == 0)
		return;
	LIST_FOREACH(connection, &worker->connections, entry)
	vhost_connection_listen_again(connection);
}

static enum store_left turn(struct vhost_worker *worker, int timeout_ms)
{
	struct loop *loop = &worker->loop;
	enum store_left left;

	if (polling_begin(&loop->poll, timeout_ms != 0))
		loop_take_events(loop, timeout_ms);
	vhost_deadline_check(worker);
	listen_again(worker);
	left = turn_serve(loop);
	settle(worker);
	polling_end(&loop->poll);
	return left;
}

/* -1: never. */
static int sooner(int a_ms, int b_ms)
{
	if (a_ms < 0 || b_ms < 0)
		return a_ms < 0 ? b_ms : a_ms;
	return a_ms < b_ms ? a_ms : b_ms;
}

static int timeout_of(const struct vhost_worker *worker, enum store_left left)
{
	int timeout_ms = vhost_deadline_ms(worker);

	if (!TAILQ_EMPTY(&worker->loop.line) || worker->loop.settling ||
	    left == STORE_MORE)
		return 0;
	if (left == STORE_NO_ROOM || worker->loop.notifier.count > 0)
		timeout_ms = sooner(timeout_ms, RETRY_MS);
	timeout_ms = sooner(timeout_ms, line_due_ms(&worker->loop));
	if (worker->paused)
		timeout_ms = sooner(timeout_ms, LISTEN_AGAIN_MS);
	return timeout_ms;
}

static bool is_over(struct vhost_worker *worker)
{
	return worker->stopping && LIST_EMPTY(&worker->connections) &&
	       gate_leave(&worker->loop);
}

static void *worker_main(void *argument)
{
	struct vhost_worker *worker = argument;
	enum store_left left = STORE_NOTHING;

	thread_name("worker");
	prec_fault_unblock();
	while (!is_over(worker)) {
		left = turn(worker, timeout_of(worker, left));
		gate_pass(&worker->loop);
	}
	return NULL;
}

static void worker_release(struct vhost_worker *worker)
{
	if (worker->inbox_fd >= 0)
		close(worker->inbox_fd);
	loop_close(&worker->loop);
	pthread_mutex_destroy(&worker->lock);
}

static bool open_inbox(struct vhost_worker *worker)
{
	worker->inbox.ready = take_inbox;
	worker->inbox_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return worker->inbox_fd >= 0 &&
	       loop_watch(&worker->loop, worker->inbox_fd, EPOLLIN,
			  &worker->inbox);
}

static bool refuse_start(struct vhost_error *error, const char *what)
{
	snprintf(error->text, sizeof(error->text),
		 "a worker cannot start: %s: %s", what, strerror(errno));
	return false;
}

bool vhost_worker_start(struct vhost_crew *crew, int ended_fd,
			enum polling_mode polling, struct vhost_error *error)
{
	struct vhost_worker *worker = &crew->workers[crew->count];
	const char *what;

	memset(worker, 0, sizeof(*worker));
	if (!loop_open(&worker->loop, polling, &what))
		return refuse_start(error, what);
	worker->crew = crew;
	worker->loop.post.gate = &crew->gate;
	pthread_mutex_init(&worker->lock, NULL);
	worker->ended_fd = ended_fd;
	LIST_INIT(&worker->connections);
	STAILQ_INIT(&worker->arrivals);
	what = "an event descriptor";
	if (open_inbox(worker)) {
		what = "a thread";
		errno = thread_start(&worker->thread, worker_main, worker);
		worker->running = errno == 0;
	}
	if (worker->running) {
		crew->count++;
		return true;
	}
	refuse_start(error, what);
	worker_release(worker);
	return false;
}

bool vhost_worker_bind(struct vhost_worker *worker, uint32_t processor,
		       struct vhost_error *error)
{
	cpu_set_t one;
	int why;

	CPU_ZERO(&one);
	CPU_SET(processor, &one);
	why = pthread_setaffinity_np(worker->thread, sizeof(one), &one);
	if (why)
		snprintf(error->text, sizeof(error->text),
			 "worker-cpus: %u: %s; expected processors that this "
			 "process may use",
			 processor, strerror(why));
	return !why;
}

bool vhost_worker_config_changed(struct vhost_worker *worker,
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
		__atomic_fetch_add(&worker->loop.devices, 1, __ATOMIC_RELAXED);
	pthread_mutex_lock(&worker->lock);
	if (STAILQ_EMPTY(&worker->arrivals))
		worker->rang_ns = clock_now_ns();
	STAILQ_INSERT_TAIL(&worker->arrivals, arrival, entry);
	pthread_mutex_unlock(&worker->lock);
	event_signal(worker->inbox_fd);
	return true;
}

void vhost_worker_ask_stop(struct vhost_worker *worker)
{
	if (!worker->running)
		return;
	pthread_mutex_lock(&worker->lock);
	worker->stop = true;
	pthread_mutex_unlock(&worker->lock);
	event_signal(worker->inbox_fd);
}

void vhost_worker_join(struct vhost_worker *worker)
{
	if (!worker->running)
		return;
	pthread_join(worker->thread, NULL);
	worker->running = false;
	worker_release(worker);
}
