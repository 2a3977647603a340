/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_LOOK_H
#define PRECARIUM_DEVICE_LOOK_H

#include <stdint.h>

/*
 * For how long the rings of one client are looked at before its worker sleeps.
 *
 * Looking costs the worker's processor, and sleeping costs a wake-up.  Which is
 * cheaper depends on when the next request comes, and nobody knows that: it is
 * the question of whether to rent or to buy.  A worker that looks for as long
 * as a wake-up costs, and sleeps then, pays at most twice what would have been
 * best in hindsight.
 *
 * For a client that is always later than that it is the worst choice each time,
 * and to sleep at once would be the best.  So that is done where looking did
 * not pay of late, but only on credit: a client has what its requests so far
 * cost less than twice the best, and a sixteenth of the best, so that who has
 * used it up has some again after sixteen late requests.  Whenever requests
 * come, they cost no more than twice the best and that sixteenth.
 *
 * Whether looking pays is found out by sleeping only roughly, because a worker
 * that slept sees the request late.  So every LOOK_AGAIN times it looks again,
 * and if it meets the request, it begins anew.
 *
 * Times are in ns and come from the caller; nothing here reads a clock.
 */
#define LOOK_GRANT 16u
#define LOOK_AGAIN 32u

/* Zeroed, that of a new client. */
struct look {
	int64_t gain_ns; /* of looking against sleeping at once, of late */
	uint64_t credit_ns;
	uint32_t slept; /* at once, so many times in a row */
};

/* Look for so long after a request; 0: sleep at once.  `price_ns`: what a
 * wake-up costs. */
uint64_t look_for_ns(const struct look *look, uint64_t price_ns);

/* The next request came so long after the one before, and the worker had done
 * what look_for_ns said. */
void look_ended(struct look *look, uint64_t gap_ns, uint64_t price_ns);

#endif
