/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_EXAMPLES_SEL4_DRIVER_H
#define PRECARIUM_EXAMPLES_SEL4_DRIVER_H

#include "system.h"

#include <precarium/io_sel4.h>
#include <precarium/keeper.h>

/*
 * A driver: threads that work on lent memory, the keeper of their faults, and a
 * device, all in the address space of the first thread.  What each of them is
 * given is in driver.c.
 */
extern struct prec_keeper keeper;
extern struct system_thread keeper_thread;

/* The keeper's endpoint, as each thread calls it, and as its faults go there.
 */
extern struct system_thread driver_thread[PREC_KEEPER_THREADS];
extern seL4_CPtr driver_call[PREC_KEEPER_THREADS];
extern seL4_CPtr driver_fault[PREC_KEEPER_THREADS];

extern struct prec_io the_device;
extern const char *device_missing; /* why; NULL: it is there */

/* The caller has set the keeper's `pages`, `frame_count` and `client_frames`.
 * `faults`: the endpoint of faults of the keeper's own, or 0.  Nothing runs
 * yet. */
void driver_set_up(uint32_t threads, seL4_CPtr faults);
/* The keeper runs from now on. */
void driver_serve(prec_keeper_foreign_fn *foreign);

#endif
