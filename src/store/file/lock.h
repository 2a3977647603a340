/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_STORE_FILE_LOCK_H
#define PRECARIUM_STORE_FILE_LOCK_H

#include <sys/stat.h>

#include "store/error.h"
#include "store/options.h"

/* A lock on an image, shared by all stores of this process that serve it. */
struct file_lock;

/* Images that this process holds alone, to write, are locked beside it from now
 * on: this one goes on where it ends.  0: none. */
void file_lock_succeed(int pid);

/*
 * Lock the image that is open at `fd`.  A writer locks it alone, a reader among
 * readers, and with the option `shared` among all who say that they share it.
 * If the holder cannot be seen to live, this waits for two seconds at most: a
 * program that was killed releases its lock a little later.  On a file system
 * without locks this succeeds, and nothing is locked.  NULL: *error names the
 * holder, if it is known.
 */
struct file_lock *file_lock_take(const char *path, int fd,
				 const struct stat *st,
				 const struct store_options *options,
				 struct store_error *error);

/* Mark a descriptor that writes go through.  The kernel keeps its file open
 * until the writes in flight have ended, also if this process is killed; until
 * then nobody else gets the lock. */
void file_lock_writes(int fd);

/* Was the image found to be raw while this process held the lock? */
bool file_lock_is_raw(const struct file_lock *lock);
void file_lock_set_raw(struct file_lock *lock);

/* Release the lock, with its last user.  NULL is ignored. */
void file_lock_drop(struct file_lock *lock);

#endif
