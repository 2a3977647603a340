/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_STORE_FILE_LOCK_H
#define PRECARIUM_STORE_FILE_LOCK_H

#include <sys/stat.h>

#include "store/error.h"
#include "store/options.h"

/* The lock on an image, which all stores of this process share that serve it. */
struct file_lock;

/*
 * Lock the image that is open at `fd`: to write to it, alone; to read it, among
 * readers; shared, among those who bear others that write.  Unless who has it is
 * seen to live, waits for two seconds at most: a program that was killed lets go
 * a little later.  NULL: *error says who has it, as far as that can be known.
 * Where the file system has no locks, the lock is given and locks nothing.
 */
struct file_lock *file_lock_take(const char *path, int fd,
				 const struct stat *st,
				 const struct store_options *options,
				 struct store_error *error);

/* What was opened to write by, and is referred to by the writes in flight: as
 * long as there are any, nobody else is given the lock. */
void file_lock_writes(int fd);

/* Has the image been found to be raw, since this process has the lock? */
bool file_lock_is_raw(const struct file_lock *lock);
void file_lock_set_raw(struct file_lock *lock);

/* NULL is nothing. */
void file_lock_drop(struct file_lock *lock);

#endif
