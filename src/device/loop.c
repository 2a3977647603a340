// SPDX-License-Identifier: MIT
#include "device/loop.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "device/event.h"
#include "device/line.h"
#include "device/request.h"
#include "virtio/virtq.h"

#define EVENTS_A_TURN 64

/* Bypass the C library: the thread sanitizer intercepts epoll_ctl, but sees
 * io_uring's descriptors neither open nor close, and reports the reuse of their
 * numbers as a race. */
static int control(const struct loop *loop, int operation, int fd,
		   struct epoll_event *event)
{
	return (int)syscall(SYS_epoll_ctl, loop->epoll_fd, operation, fd,
			    event);
}

bool loop_watch(struct loop *loop, int fd, uint32_t events,
		struct loop_source *source)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	return control(loop, EPOLL_CTL_ADD, fd, &event) == 0;
}

bool loop_watch_for(struct loop *loop, int fd, uint32_t events,
		    struct loop_source *source)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	return control(loop, EPOLL_CTL_MOD, fd, &event) == 0;
}

void loop_follow(struct loop *loop, struct loop_follower *follower, int fd)
{
	follower->fd = fd;
	LIST_INSERT_HEAD(&loop->followers, follower, entry);
}

/* Once it is closed the number may be that of another descriptor. */
static void stop_following(struct loop *loop, int fd)
{
	struct loop_follower *follower = LIST_FIRST(&loop->followers);

	while (follower && follower->fd != fd)
		follower = LIST_NEXT(follower, entry);
	if (!follower)
		return;
	LIST_REMOVE(follower, entry);
	follower->fd = -1;
	if (loop->handing)
		LIST_INSERT_HEAD(&loop->unwatched, follower, entry);
	else
		follower->unwatched(follower);
}

void loop_unwatch(struct loop *loop, int fd)
{
	control(loop, EPOLL_CTL_DEL, fd, NULL);
	stop_following(loop, fd);
}

static void tell_unwatched(struct loop *loop)
{
	struct loop_follower *follower;

	while ((follower = LIST_FIRST(&loop->unwatched))) {
		LIST_REMOVE(follower, entry);
		follower->unwatched(follower);
	}
}

static struct lane *lane_of(struct loop *loop, const struct store *store)
{
	struct lane *lane;

	LIST_FOREACH(lane, &loop->lanes, entry)
	{
		if (lane->store == store)
			return lane;
	}
	return NULL;
}

/* A turn reaps all lanes. */
static void completed(struct loop_source *source, uint32_t events)
{
	struct loop *loop = (struct loop *)((char *)source -
					    offsetof(struct loop, completions));

	(void)events;
	loop->completed = true;
}

/* Lanes of one kind of store may share a descriptor, which is watched while the
 * first of them is open. */
static bool is_watched(const struct loop *loop, int fd)
{
	const struct lane *lane;

	LIST_FOREACH(lane, &loop->lanes, entry)
	{
		if (lane->lane->fd == fd)
			return true;
	}
	return false;
}

static bool lane_open(struct loop *loop, struct lane *lane,
		      struct store_error *error)
{
	const struct store *store = lane->store;

	lane->lane = store->ops->lane_open(store, error);
	if (!lane->lane)
		return false;
	if (lane->lane->fd < 0 || is_watched(loop, lane->lane->fd) ||
	    loop_watch(loop, lane->lane->fd, EPOLLIN, &loop->completions))
		return true;
	snprintf(error->text, sizeof(error->text),
		 "its completions could not be watched: %s", strerror(errno));
	store->ops->lane_close(lane->lane);
	return false;
}

struct lane *lane_get(struct loop *loop, const struct store *store,
		      struct store_error *error)
{
	struct lane *lane = lane_of(loop, store);

	if (lane) {
		lane->users++;
		return lane;
	}
	lane = calloc(1, sizeof(*lane));
	if (!lane) {
		snprintf(error->text, sizeof(error->text), "out of memory");
		return NULL;
	}
	lane->loop = loop;
	lane->store = store;
	lane->users = 1;
	lane->capacity = store_capacity(store);
	TAILQ_INIT(&lane->line);
	TAILQ_INIT(&lane->stalled);
	if (!lane_open(loop, lane, error)) {
		free(lane);
		return NULL;
	}
	LIST_INSERT_HEAD(&loop->lanes, lane, entry);
	return lane;
}

void lane_put(struct loop *loop, struct lane *lane)
{
	assert(lane->users > 0);
	if (--lane->users > 0)
		return;
	assert(lane->in_flight == 0 && TAILQ_EMPTY(&lane->stalled));
	assert(lane->moving == 0 && lane->owners == 0);
	assert(!lane->in_line);
	if (lane->throttled)
		line_release(loop, lane);
	LIST_REMOVE(lane, entry);
	if (lane->lane->fd >= 0 && !is_watched(loop, lane->lane->fd))
		loop_unwatch(loop, lane->lane->fd);
	lane->lane->store->ops->lane_close(lane->lane);
	free(lane);
}

static void hand_over(const struct epoll_event *event)
{
	struct loop_source *source = event->data.ptr;

	if (source->ready)
		source->ready(source, event->events);
}

void loop_take_events(struct loop *loop, int timeout_ms)
{
	struct epoll_event events[EVENTS_A_TURN];
	int count =
		epoll_wait(loop->epoll_fd, events, EVENTS_A_TURN, timeout_ms);

	polling_asked(&loop->poll);
	loop->handing = true;
	for (int i = 0; i < count; i++)
		hand_over(&events[i]);
	loop->handing = false;
	tell_unwatched(loop);
}

static bool open_wake(struct loop *loop)
{
	loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	/* Edge-triggered, so that it need not be read. */
	return loop->wake_fd >= 0 &&
	       loop_watch(loop, loop->wake_fd, EPOLLIN | EPOLLET, &loop->woken);
}

void loop_wake(const struct loop *loop)
{
	event_signal(loop->wake_fd);
}

void loop_tell(struct loop *loop)
{
	__atomic_store_n(&loop->told, true, __ATOMIC_RELEASE);
	loop_wake(loop);
}

bool loop_settles(struct loop *loop)
{
	bool settles = loop->settling;

	loop->settling = false;
	if (__atomic_load_n(&loop->told, __ATOMIC_RELAXED))
		settles |= __atomic_exchange_n(&loop->told, false,
					       __ATOMIC_ACQUIRE);
	return settles;
}

bool loop_open(struct loop *loop, enum polling_mode polling, const char **what)
{
	int error;

	memset(loop, 0, sizeof(*loop));
	loop->wake_fd = -1;
	loop->completions.ready = completed;
	loop->clock.fd = -1;
	polling_open(&loop->poll, polling);
	LIST_INIT(&loop->followers);
	LIST_INIT(&loop->unwatched);
	LIST_INIT(&loop->clock.kicks);
	LIST_INIT(&loop->lanes);
	TAILQ_INIT(&loop->waiting);
	TAILQ_INIT(&loop->line);
	TAILQ_INIT(&loop->throttled);
	TAILQ_INIT(&loop->served);
	TAILQ_INIT(&loop->guests);
	LIST_INIT(&loop->spares);
	*what = "memory";
	loop->chain = malloc(sizeof(*loop->chain));
	if (!loop->chain)
		return false;
	*what = "an event descriptor";
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0) {
		free(loop->chain);
		return false;
	}
	if (open_wake(loop)) {
		*what = "asynchronous I/O (io_setup, for notifications that "
			"cannot block)";
		if (notifier_open(&loop->notifier))
			return true;
	}
	error = errno;
	if (loop->wake_fd >= 0)
		close(loop->wake_fd);
	close(loop->epoll_fd);
	free(loop->chain);
	errno = error;
	return false;
}

void loop_close(struct loop *loop)
{
	struct request *request;

	while ((request = LIST_FIRST(&loop->spares))) {
		LIST_REMOVE(request, entry);
		free(request);
	}
	notifier_close(&loop->notifier);
	close(loop->wake_fd);
	close(loop->epoll_fd);
	free(loop->chain);
}
