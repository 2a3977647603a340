/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PORT_LINUX_SIDES_H
#define PRECARIUM_PORT_LINUX_SIDES_H

#include <stdint.h>

#include <precarium/access.h>

/*
 * Readers that never wait, and a writer that waits for them.  A reader counts
 * itself in on the active side.  A writer changes the active side and waits
 * until no reader is left on the old one; from then on no reader sees what was
 * there before.  A handler that interrupts the writer's own thread runs to its
 * end before the writer continues, so the wait always ends.  The caller's lock
 * ensures that there is one writer at a time.
 */
struct sides {
	uint32_t active;
	uint32_t readers[2];
};

/* Enter as a reader.  Returns the side, for sides_leave.  Async-signal-safe. */
static inline uint32_t sides_enter(struct sides *sides)
{
	for (;;) {
		uint32_t side =
			__atomic_load_n(&sides->active, __ATOMIC_SEQ_CST);

		__atomic_add_fetch(&sides->readers[side], 1, __ATOMIC_SEQ_CST);
		if (__atomic_load_n(&sides->active, __ATOMIC_SEQ_CST) == side)
			return side;
		__atomic_sub_fetch(&sides->readers[side], 1, __ATOMIC_SEQ_CST);
	}
}

static inline void sides_leave(struct sides *sides, uint32_t side)
{
	__atomic_sub_fetch(&sides->readers[side], 1, __ATOMIC_SEQ_CST);
}

/* The writer: make the other side active, and wait for the readers of the
 * old one. */
static inline void sides_change(struct sides *sides)
{
	uint32_t old = sides->active;

	__atomic_store_n(&sides->active, 1 - old, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&sides->readers[old], __ATOMIC_SEQ_CST) != 0)
		prec_raw_pause();
}

/* In a child after fork: the readers of other threads no longer exist. */
static inline void sides_forked(struct sides *sides)
{
	sides->readers[0] = 0;
	sides->readers[1] = 0;
}

#endif
