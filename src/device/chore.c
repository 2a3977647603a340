// SPDX-License-Identifier: MIT
#include "device/chore.h"

/*
 *	0 --asked--> BUSY, DUE and, or, ENDS --nothing left to do--> 0
 *
 * Whoever sets BUSY hands it over.  Whoever carries it out clears BUSY, unless
 * it was asked for something meanwhile: then it hands it over again, so that
 * others have their turn in between.
 */
enum {
	BUSY = 1, /* handed over */
	DUE = 2,
	ENDS = 4,
};

static void carry_out(struct release *release)
{
	struct chore *chore = (struct chore *)release;
	uint32_t asked = __atomic_fetch_and(&chore->state, ~(uint32_t)DUE,
					    __ATOMIC_ACQ_REL);
	uint32_t done = BUSY;

	if (asked & DUE)
		chore->run(chore);
	if (asked & ENDS)
		chore->end(chore);
	else if (!__atomic_compare_exchange_n(&chore->state, &done, 0, false,
					      __ATOMIC_ACQ_REL,
					      __ATOMIC_ACQUIRE))
		release_later(chore->account, &chore->release, carry_out);
}

static void ask(struct chore *chore, uint32_t what)
{
	uint32_t before =
		__atomic_fetch_or(&chore->state, what | BUSY, __ATOMIC_ACQ_REL);

	if (!(before & BUSY))
		release_later(chore->account, &chore->release, carry_out);
}

void chore_due(struct chore *chore)
{
	ask(chore, DUE);
}

void chore_end(struct chore *chore)
{
	ask(chore, ENDS);
}
