/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_STORE_FILE_THREADS_H
#define PRECARIUM_STORE_FILE_THREADS_H

#include <liburing.h>
#include <sys/queue.h>

#include "store/error.h"

/*
 * What io_uring does, by threads of this process: for systems that forbid
 * io_uring, as containers do.  An entry is filled in as one of io_uring, and
 * its system call is made by a thread, so all that is promised of transfers
 * holds: the kernel moves the bytes, and says how many.  Operations that are no
 * system call of their own end with EOPNOTSUPP.
 *
 * To cancel one that has begun a thread is interrupted, by a signal that does
 * nothing else (SIGRTMAX).  As with io_uring that ends the call where the
 * kernel lets it, as for a FUSE file, and not for a disk.
 *
 * The entries of one lane are a line, of which FILE_LINE_THREADS are carried
 * out at a time: a store that does not answer keeps no thread from another.
 * Threads are made when they are needed.
 *
 * All functions are for the thread that made it.
 */
#define FILE_LINE_THREADS 16u

struct file_threads;
struct file_task;
TAILQ_HEAD(file_tasks, file_task);

/* Of one lane. */
struct file_line {
	TAILQ_ENTRY(file_line) entry; /* while `ready` is set */
	struct file_tasks tasks;      /* not begun */
	uint32_t running;
	bool ready;
};

/* NULL: *error says why. */
struct file_threads *file_threads_new(struct store_error *error);
/* End its threads, until there is work again, if all of them are idle. */
void file_threads_rest(struct file_threads *threads);

void file_line_init(struct file_line *line);
/* It is given up: of entries that nobody waits for, some may be left. */
void file_threads_leave(struct file_threads *threads, struct file_line *line);

/* Readable when file_threads_next returns something. */
int file_threads_fd(const struct file_threads *threads);

/* An entry to fill in.  NULL: no memory. */
struct io_uring_sqe *file_threads_entry(struct file_threads *threads,
					struct file_line *line);
/* How many are not submitted yet. */
uint32_t file_threads_filled(const struct file_threads *threads);
/* Have all of them carried out. */
void file_threads_submit(struct file_threads *threads);

/* Return the data and the result of one that has ended.  False: none has. */
bool file_threads_next(struct file_threads *threads, void **data, int32_t *got);

/* End the entry with this data early: it comes back with ECANCELED if it has
 * not begun, else with whatever its call returns. */
void file_threads_cancel(struct file_threads *threads, struct file_line *line,
			 const void *data);

#endif
