/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_STORE_FILE_URING_H
#define PRECARIUM_STORE_FILE_URING_H

#include <liburing.h>

#include "store/error.h"

/*
 * The io_uring of one thread, which all its lanes share.
 *
 * A ring carries out what its entries say, whatever a filter of system calls
 * refuses to its process.  So each ring can do only what a lane asks of it: it
 * is made disabled, restricted to the operations of lanes, and then enabled,
 * after which the kernel changes the restrictions no more.  A program that
 * filters its system calls makes all its rings before, and refuses
 * io_uring_setup and io_uring_register.
 */

/* Entries that wait to be submitted at a time, of all lanes. */
#define FILE_URING_ENTRIES 512u

/* False: *error says what is missing. */
bool file_uring_open(struct io_uring *ring, struct store_error *error);

/* Submit all entries.  False: the kernel takes no more just now. */
bool file_uring_submit(struct io_uring *ring);

/* An entry to fill in.  NULL: none is free, as the kernel takes no more just
 * now. */
struct io_uring_sqe *file_uring_entry(struct io_uring *ring);

/* Return the data and the result of an entry that has ended; no data: that was
 * a cancellation.  False: none has. */
bool file_uring_next(struct io_uring *ring, void **data, int32_t *got);

/* End the entry with this data early, if that is possible.  If no entry is
 * free it just ends by itself. */
void file_uring_cancel(struct io_uring *ring, void *data);

#endif
