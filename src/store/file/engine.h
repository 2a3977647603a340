/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_STORE_FILE_ENGINE_H
#define PRECARIUM_STORE_FILE_ENGINE_H

#include <liburing.h>

#include "store/file/threads.h"
#include "store/file/uring.h"
#include "store/stores.h"

/*
 * What makes the system calls of one thread's lanes, so that the thread does
 * not wait for them: io_uring, or threads.  All its lanes share it, and fill in
 * entries of io_uring in either case.
 *
 * A program that filters its system calls makes all that it needs before.  What
 * no thread uses is kept, for threads that open lanes later.
 */
struct file_engine {
	struct file_threads *threads; /* NULL: the ring */
	struct io_uring ring;
	struct file_engine *next; /* of those that no thread uses */
	uint32_t lanes;
	/* Completions that one lane took for others. */
	uint32_t undelivered;
};

/* As store_go_by and store_why_threads. */
void file_engine_choose(enum store_way way);
const char *file_engine_why_threads(void);

/* Make engines until there are `count`, used or not.  Any thread.  False:
 * *error says what is missing; those that were made stay. */
bool file_engine_prepare(uint32_t count, struct store_error *error);

/* The calling thread's engine for one more lane.  NULL: *error says why. */
struct file_engine *file_engine_get(struct store_error *error);
/* The lane with this line is closed; nobody waits for anything of it.  On the
 * same thread. */
void file_engine_put(struct file_engine *engine, struct file_line *line);

/* Readable when file_engine_next returns something. */
int file_engine_fd(const struct file_engine *engine);

/* An entry to fill in, of this line.  NULL: none is free, as the system takes
 * no more just now. */
struct io_uring_sqe *file_engine_entry(struct file_engine *engine,
				       struct file_line *line);
/* How many are not submitted yet. */
uint32_t file_engine_filled(const struct file_engine *engine);
/* Submit all of them.  False: the system takes no more just now. */
bool file_engine_submit(struct file_engine *engine);

/* Return the data and the result of an entry that has ended; no data is that of
 * nobody.  False: none has. */
bool file_engine_next(struct file_engine *engine, void **data, int32_t *got);

/* End the entry with this data early, if that is possible.  It is returned all
 * the same. */
void file_engine_cancel(struct file_engine *engine, struct file_line *line,
			void *data);

#endif
