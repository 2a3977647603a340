/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_STORE_FILE_URING_H
#define PRECARIUM_STORE_FILE_URING_H

#include <liburing.h>

#include "store/error.h"

/* Open a ring that supports the operations of a file store.  The caller ends it
 * with io_uring_queue_exit.  False: *error says what is missing. */
bool file_uring_open(struct io_uring *ring, unsigned int entries,
		     struct store_error *error);

/*
 * Let the kernel use `count` more threads for the rings of this thread, or,
 * with a negative count, fewer; call it with both when a ring comes and goes.
 * A request that must wait occupies such a thread.  All rings of one thread
 * share a few, four per processor, so stuck requests of one ring would stop the
 * others.  The kernel creates them when they are needed.  Kernels before 5.15
 * do nothing here.
 */
void file_uring_add_threads(struct io_uring *ring, int count);

#endif
