// SPDX-License-Identifier: MIT
#include "device/kick.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "device/chore.h"
#include "device/event.h"
#include "device/pipe.h"

/* Descriptors of a pipe's kick beside that of the ring. */
#define PIPE_FDS 2u

struct pipe_kick {
	struct chore chore;
	struct loop_follower follower; /* of the ring's descriptor */
	struct loop_source source;     /* of the pipe */
	struct loop *loop;
	int fd;	      /* the pipe */
	int event_fd; /* signals the ring */
	uint32_t *descriptors;
};

static struct pipe_kick *of_follower(struct loop_follower *follower)
{
	return (struct pipe_kick *)((char *)follower -
				    offsetof(struct pipe_kick, follower));
}

static struct pipe_kick *of_source(struct loop_source *source)
{
	return (struct pipe_kick *)((char *)source -
				    offsetof(struct pipe_kick, source));
}

static void drain(struct chore *chore)
{
	struct pipe_kick *kick = (struct pipe_kick *)chore;
	ssize_t got = pipe_drain(kick->fd);

	if (got > 0)
		event_signal(kick->event_fd);
	if (got == PIPE_DRAINED)
		chore_due(chore);
}

static void end(struct chore *chore)
{
	struct pipe_kick *kick = (struct pipe_kick *)chore;

	close(kick->fd);
	close(kick->event_fd);
	free(kick);
}

/* The pipe is emptied, or it would be full one day, and until Linux 5.14 only
 * the first write to an empty pipe wakes who watches it. */
static void came(struct loop_source *source, uint32_t events)
{
	(void)events;
	chore_due(&of_source(source)->chore);
}

static void unwatched(struct loop_follower *follower)
{
	struct pipe_kick *kick = of_follower(follower);

	loop_unwatch(kick->loop, kick->fd);
	*kick->descriptors -= PIPE_FDS;
	chore_end(&kick->chore);
}

static int new_event(void)
{
	return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

/* False: errno, and the pipe is still the caller's. */
static bool follow(struct pipe_kick *kick, int ours)
{
	kick->event_fd = fcntl(ours, F_DUPFD_CLOEXEC, 0);
	if (kick->event_fd < 0)
		return false;
	if (!loop_watch(kick->loop, kick->fd, EPOLLIN | EPOLLET,
			&kick->source)) {
		close(kick->event_fd);
		return false;
	}
	loop_follow(kick->loop, &kick->follower, ours);
	return true;
}

int kick_by_pipe(struct loop *loop, struct release_account *account, int fd,
		 uint32_t *descriptors)
{
	struct pipe_kick *kick = calloc(1, sizeof(*kick));
	int ours = kick ? new_event() : -1;
	int error;

	if (ours >= 0) {
		chore_init(&kick->chore, account);
		kick->chore.run = drain;
		kick->chore.end = end;
		kick->follower.unwatched = unwatched;
		kick->source.ready = came;
		kick->loop = loop;
		kick->fd = fd;
		kick->descriptors = descriptors;
		if (follow(kick, ours)) {
			*descriptors += PIPE_FDS;
			return ours;
		}
	}
	error = kick ? errno : ENOMEM;
	if (ours >= 0)
		close(ours);
	free(kick);
	errno = error;
	return -1;
}

struct clock_kick {
	struct loop_follower follower;
	LIST_ENTRY(clock_kick) entry;
	struct loop *loop;
};

/* The loop's clock: all its rings without a kick share it. */
static void ticked(struct loop_source *source, uint32_t events)
{
	struct loop_clock *clock = (struct loop_clock *)source;
	struct clock_kick *kick;
	uint64_t ticks;

	(void)events;
	if (read(clock->fd, &ticks, sizeof(ticks)) < 0)
		return;
	LIST_FOREACH(kick, &clock->kicks, entry)
	{
		if (kick->follower.fd >= 0)
			event_signal(kick->follower.fd);
	}
}

static void close_clock(struct loop *loop)
{
	loop_unwatch(loop, loop->clock.fd);
	close(loop->clock.fd);
	loop->clock.fd = -1;
}

/* False: errno. */
static bool open_clock(struct loop *loop)
{
	const struct timespec every = { .tv_nsec = KICK_CLOCK_MS * 1000000L };
	const struct itimerspec often = { every, every };
	int error;

	loop->clock.source.ready = ticked;
	loop->clock.fd =
		timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (loop->clock.fd < 0)
		return false;
	if (timerfd_settime(loop->clock.fd, 0, &often, NULL) == 0 &&
	    loop_watch(loop, loop->clock.fd, EPOLLIN, &loop->clock.source))
		return true;
	error = errno;
	close(loop->clock.fd);
	loop->clock.fd = -1;
	errno = error;
	return false;
}

static void no_longer(struct loop_follower *follower)
{
	struct clock_kick *kick = (struct clock_kick *)follower;

	LIST_REMOVE(kick, entry);
	if (LIST_EMPTY(&kick->loop->clock.kicks))
		close_clock(kick->loop);
	free(kick);
}

int kick_by_clock(struct loop *loop)
{
	struct clock_kick *kick = calloc(1, sizeof(*kick));
	int ours = kick ? eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
	int error;

	if (ours >= 0 &&
	    (!LIST_EMPTY(&loop->clock.kicks) || open_clock(loop))) {
		kick->follower.unwatched = no_longer;
		kick->loop = loop;
		LIST_INSERT_HEAD(&loop->clock.kicks, kick, entry);
		loop_follow(loop, &kick->follower, ours);
		return ours;
	}
	error = kick ? errno : ENOMEM;
	if (ours >= 0)
		close(ours);
	free(kick);
	errno = error;
	return -1;
}
