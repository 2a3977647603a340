// SPDX-License-Identifier: MIT
#include "device/polling.h"

#include <time.h>

#include <precarium/access.h>

/* The width at which a closed window opens. */
#define WINDOW_MIN_NS 10000u

/* Events that come while a worker polls rings wait no longer than this and a
 * turn. */
#define ASK_EVERY_NS 10000u

/* A pass that takes so long was off the processor for most of it: somebody else
 * needs it, perhaps the client that is waited for. */
#define GAP_NS	    100000u
#define BACK_OFF_NS 20000000u

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

bool polling_begin(struct polling *poll, bool sleeps)
{
	uint64_t before_ns = poll->now_ns;
	bool looked = !poll->slept && !poll->found;

	poll->slept = sleeps;
	poll->found = false;
	if (sleeps || poll->mode == POLLING_NEVER)
		return true;
	poll->now_ns = now_ns();
	if (looked && poll->now_ns - before_ns > GAP_NS) {
		poll->window_ns = 0;
		poll->closed_until_ns = poll->now_ns + BACK_OFF_NS;
	}
	return poll->now_ns - poll->asked_ns >= ASK_EVERY_NS;
}

void polling_asked(struct polling *poll)
{
	poll->now_ns = now_ns();
	poll->asked_ns = poll->now_ns;
}

bool polling_continues(const struct polling *poll, uint64_t turn_ns)
{
	/* A client has the completions of a turn when the turn ends. */
	uint64_t since_ns =
		turn_ns == poll->began_ns ? poll->found_ns : turn_ns;

	return poll->mode == POLLING_ALWAYS ||
	       poll->now_ns - since_ns < poll->window_ns;
}

/* A request came after the worker had slept. */
static void adapt(struct polling *poll, uint64_t idle_ns)
{
	if (idle_ns > POLLING_WINDOW_MAX_NS)
		poll->window_ns /= 2;
	else if (poll->now_ns < poll->closed_until_ns)
		poll->window_ns = 0;
	else if (poll->window_ns < WINDOW_MIN_NS)
		poll->window_ns = WINDOW_MIN_NS;
	else
		poll->window_ns *= 2;
	if (poll->window_ns > POLLING_WINDOW_MAX_NS)
		poll->window_ns = POLLING_WINDOW_MAX_NS;
}

void polling_end(struct polling *poll)
{
	if (poll->mode == POLLING_NEVER)
		return;
	if (!poll->found) {
		prec_raw_pause();
		return;
	}
	if (poll->slept && poll->mode == POLLING_ADAPTIVE)
		adapt(poll, poll->now_ns - poll->found_ns);
	poll->began_ns = poll->now_ns;
	poll->found_ns = now_ns();
}
