/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_POLLING_H
#define PRECARIUM_DEVICE_POLLING_H

#include <stdbool.h>
#include <stdint.h>

#include "device/load.h"
#include "device/look.h"

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
 * Adaptive: after the last request of a client the worker polls for as long as
 * a wake-up costs on this machine (wakeup.h), or not at all if that client's
 * requests come later than that (look.h): a client that is idle most of the
 * time costs next to nothing, and no client costs more than WAKEUP_MAX_NS for
 * each of its requests.  When the worker finds that it lost its processor while
 * it polled, there are more threads than processors: it does not poll for a
 * while.
 *
 * A ring that had nothing for so long waits for its kick, however busy the
 * others are: polling it fetches memory that its client holds on another
 * processor.  Among hundreds of busy clients that costs more than the requests.
 */
struct polling {
	enum polling_mode mode;
	bool slept;	    /* before this turn */
	bool found;	    /* a request, or the end of one, in this turn */
	uint64_t now_ns;    /* when this turn began */
	uint64_t asleep_ns; /* when the worker went to sleep */
	uint64_t asked_ns;  /* when the kernel was last asked for events */
	uint64_t began_ns;  /* when the last turn that found something began */
	uint64_t found_ns;  /* and when it ended */
	uint64_t price_ns;  /* of a wake-up */
	struct load load;
	uint64_t closed_until_ns;
};

/* All zero apart from what is known from the start. */
void polling_open(struct polling *poll, enum polling_mode mode);
/* A turn begins.  True: ask the kernel for events in it.  A turn that polls
 * does so only now and then, because it is a system call. */
bool polling_begin(struct polling *poll, bool sleeps);
/* The thread stood still for others since the last turn. */
static inline void polling_stood(struct polling *poll)
{
	poll->slept = true;
}
/* The kernel was asked for events, and may have let the worker sleep. */
void polling_asked(struct polling *poll);
/* The worker was woken in this turn by somebody who signalled at `rang_ns`: if
 * it was asleep by then, this is what a wake-up takes now. */
void polling_rang(struct polling *poll, uint64_t rang_ns);

/* The first request of a turn, or end of one, for a ring that had its last in
 * the turn that began at `turn_ns`. */
void polling_gap_ended(struct polling *poll, struct look *look,
		       uint64_t turn_ns);
/* A request of a client's ring was found, or has ended, which is when its
 * client makes another available.  *turn_ns: when the ring's last turn with
 * such a thing began; now this one. */
static inline void polling_found(struct polling *poll, struct look *look,
				 uint64_t *turn_ns)
{
	poll->found = true;
	if (*turn_ns != poll->now_ns)
		polling_gap_ended(poll, look, *turn_ns);
	*turn_ns = poll->now_ns;
}
/* A ring is empty, and `turn_ns` is as above.  True: poll it again, without a
 * kick. */
bool polling_continues(const struct polling *poll, const struct look *look,
		       uint64_t turn_ns);
/* The turn ends. */
void polling_end(struct polling *poll);

#endif
