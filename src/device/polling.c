// SPDX-License-Identifier: MIT
#include "device/polling.h"

#include <precarium/access.h>

#include "device/clock.h"
#include "device/wakeup.h"

/* Events that come while a worker polls rings wait no longer than this and a
 * turn. */
#define ASK_EVERY_NS 10000u

/* A pass that takes so long was off the processor for most of it: somebody else
 * needs it, perhaps the client that is waited for. */
#define GAP_NS	    100000u
#define BACK_OFF_NS 20000000u

/* Whoever is woken after so long was asleep, and its processor, too. */
#define ASLEEP_NS 100000u

void polling_open(struct polling *poll, enum polling_mode mode)
{
	*poll = (struct polling){ .mode = mode };
	if (mode == POLLING_ADAPTIVE)
		poll->price_ns = wakeup_price_ns();
}

bool polling_begin(struct polling *poll, bool sleeps)
{
	uint64_t before_ns = poll->now_ns;
	bool looked = !poll->slept && !poll->found;

	poll->slept = sleeps;
	poll->found = false;
	if (sleeps && poll->mode == POLLING_ADAPTIVE)
		poll->asleep_ns = clock_now_ns();
	if (sleeps || poll->mode == POLLING_NEVER)
		return true;
	poll->now_ns = clock_now_ns();
	if (looked && poll->now_ns - before_ns > GAP_NS)
		poll->closed_until_ns = poll->now_ns + BACK_OFF_NS;
	return poll->now_ns - poll->asked_ns >= ASK_EVERY_NS;
}

void polling_asked(struct polling *poll)
{
	poll->now_ns = clock_now_ns();
	poll->asked_ns = poll->now_ns;
}

/* A client has the completions of a turn when the turn ends. */
static uint64_t since(const struct polling *poll, uint64_t turn_ns)
{
	return poll->now_ns -
	       (turn_ns == poll->began_ns ? poll->found_ns : turn_ns);
}

/* Does the worker do as look.h says? */
static bool is_open(const struct polling *poll)
{
	return poll->mode == POLLING_ADAPTIVE &&
	       poll->now_ns >= poll->closed_until_ns;
}

bool polling_continues(const struct polling *poll, const struct look *look,
		       uint64_t turn_ns)
{
	if (poll->mode == POLLING_ALWAYS)
		return true;
	return is_open(poll) &&
	       since(poll, turn_ns) < look_for_ns(look, poll->price_ns);
}

/* A worker that slept sees the request when it runs again. */
void polling_gap_ended(struct polling *poll, struct look *look,
		       uint64_t turn_ns)
{
	uint64_t gap_ns = since(poll, turn_ns);
	uint64_t woken_ns = poll->slept ? poll->price_ns / 2 : 0;

	if (!is_open(poll) || turn_ns == 0)
		return;
	gap_ns -= gap_ns < woken_ns ? gap_ns : woken_ns;
	look_ended(look, gap_ns, poll->price_ns);
}

void polling_rang(struct polling *poll, uint64_t rang_ns)
{
	if (poll->mode != POLLING_ADAPTIVE || !poll->slept ||
	    rang_ns < poll->asleep_ns + ASLEEP_NS || rang_ns > poll->now_ns)
		return;
	poll->price_ns =
		wakeup_corrected_ns(poll->price_ns, poll->now_ns - rang_ns);
}

void polling_end(struct polling *poll)
{
	if (!poll->found) {
		if (poll->mode != POLLING_NEVER)
			prec_raw_pause();
		return;
	}
	poll->began_ns = poll->now_ns;
	poll->found_ns = clock_now_ns();
	load_add(&poll->load, poll->began_ns, poll->found_ns);
}
