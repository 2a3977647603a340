/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_POLLING_H
#define PRECARIUM_DEVICE_POLLING_H

#include <stdbool.h>
#include <stdint.h>

/* What a loop does when its rings are empty. */
enum polling_mode {
	POLLING_ADAPTIVE, /* poll a little longer where that pays */
	POLLING_NEVER,	  /* sleep until a kick */
	POLLING_ALWAYS,	  /* poll while some ring is started */
};

/*
 * How long a worker polls its rings before it sleeps.
 *
 * A sleeping worker must be woken by a kick, which costs the client a system
 * call and the worker two, and the time until it runs again.  A worker that
 * polls the rings meanwhile saves all that, and keeps its processor busy.
 *
 * Adaptive: after the last request the worker polls for a window of at most
 * POLLING_WINDOW_MAX_NS.  The window grows when a request came so soon after
 * the one before that polling would have met it, and halves when one came
 * later: a client that is idle most of the time costs next to nothing, and no
 * client costs more than the window for each of its requests.  When the worker
 * finds that it lost its processor while it polled, there are more threads than
 * processors: it closes the window for a while.
 *
 * A ring that had nothing for a window waits for its kick, however busy the
 * others are: polling it fetches memory that its client holds on another
 * processor.  Among hundreds of busy clients that costs more than the requests.
 */
#define POLLING_WINDOW_MAX_NS 50000u

struct polling {
	enum polling_mode mode;
	bool slept;	   /* before this turn */
	bool found;	   /* a request, or the end of one, in this turn */
	uint64_t now_ns;   /* when this turn began */
	uint64_t asked_ns; /* when the kernel was last asked for events */
	uint64_t began_ns; /* when the last turn that found something began */
	uint64_t found_ns; /* and when it ended */
	uint64_t window_ns;
	uint64_t closed_until_ns;
};

/* A turn begins.  True: ask the kernel for events in it.  A turn that polls
 * does so only now and then, because it is a system call. */
bool polling_begin(struct polling *poll, bool sleeps);
/* The kernel was asked for events, and may have let the worker sleep. */
void polling_asked(struct polling *poll);
/* A request was found, or has ended, which is when its client makes another
 * available.  Returns when the turn began. */
static inline uint64_t polling_found(struct polling *poll)
{
	poll->found = true;
	return poll->now_ns;
}
/* A queue is empty, and `turn_ns` is when the turn of its last request began.
 * True: poll it again, without a kick. */
bool polling_continues(const struct polling *poll, uint64_t turn_ns);
/* The turn ends. */
void polling_end(struct polling *poll);

#endif
