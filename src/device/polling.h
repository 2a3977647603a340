/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_POLLING_H
#define PRECARIUM_DEVICE_POLLING_H

#include <stdbool.h>
#include <stdint.h>

/* What a loop does when its rings are empty. */
enum polling_mode {
	POLLING_ADAPTIVE, /* look a little longer where that pays */
	POLLING_NEVER,	  /* sleep until it is kicked */
	POLLING_ALWAYS,	  /* look, while some ring is started */
};

/*
 * How long a worker looks for requests before it sleeps.
 *
 * Who sleeps must be woken: by a kick, which costs the client a system call and
 * the worker two, and the time to be put on a processor again.  A worker that
 * looks at the rings meanwhile saves all that, and burns its processor.
 *
 * Adaptive: after the last request it looks for a window of at most
 * POLLING_WINDOW_MAX_NS.  The window grows when a request came so soon
 * after the one before that a look would have met it, and halves when one
 * came later: a client that is idle most of the time costs next to nothing,
 * and no client costs more than the window for each of its requests.  Where
 * the worker is found to have lost its processor while it looked there are more
 * threads than processors: it closes the window for a while.
 *
 * A ring that had nothing for a window waits for its kick, whatever the others
 * have: to look at it fetches memory that its client has on another processor.
 * Among hundreds of busy clients such looks cost more than the requests.
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

/* A turn begins.  True: ask the kernel for events in it.  That is a system call,
 * which a turn that looks for requests only now and then can do with. */
bool polling_begin(struct polling *poll, bool sleeps);
/* The kernel was asked, and perhaps slept in. */
void polling_asked(struct polling *poll);
/* A request was found, or has ended, which is when its client has another.  Says
 * in which turn. */
static inline uint64_t polling_found(struct polling *poll)
{
	poll->found = true;
	return poll->now_ns;
}
/* A queue is empty, whose last turn with a request was that one: shall it be
 * looked at again without being kicked? */
bool polling_continues(const struct polling *poll, uint64_t turn_ns);
/* The turn ends. */
void polling_end(struct polling *poll);

#endif
