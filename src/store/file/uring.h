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
 *
 * Rings that no thread uses are kept, for threads that open lanes later.
 */
struct file_uring {
	struct io_uring ring;
	struct file_uring *next; /* of those that no thread uses */
	uint32_t lanes;
	/* Completions that one lane took from the ring for others. */
	uint32_t undelivered;
};

/* Entries that wait to be submitted at a time, of all lanes. */
#define FILE_URING_ENTRIES 512u

/* Make rings until there are `count`, used or not.  Any thread.  False: *error
 * says what is missing; those that were made stay. */
bool file_uring_prepare(uint32_t count, struct store_error *error);

/* The calling thread's ring for one more lane.  NULL: *error says why. */
struct file_uring *file_uring_get(struct store_error *error);

/* The lane is closed; it has nothing in flight.  On the same thread. */
void file_uring_put(struct file_uring *uring);

/* Submit all entries.  False: the kernel takes no more just now. */
bool file_uring_submit(struct file_uring *uring);

/* An entry to fill in.  NULL: none is free, as the kernel takes no more just
 * now. */
struct io_uring_sqe *file_uring_entry(struct file_uring *uring);

#endif
