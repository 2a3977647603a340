/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_STORE_FILE_WINDOW_H
#define PRECARIUM_STORE_FILE_WINDOW_H

#include "store/file/lane.h"

/*
 * The window of a transfer that moves next.
 *
 * O_DIRECT takes memory, offsets and sizes of a certain alignment only, and the
 * client chooses its own.  The page cache would take any.  But a page that the
 * cache writes back may hold, beside what was written through it, old data of
 * sectors that were written past it meanwhile: on a block device nothing keeps
 * the two apart.  So with `direct` everything goes past the cache.  What
 * O_DIRECT would refuse goes through an aligned buffer of the lane; and a part
 * of a block by reading the block, changing the part, and writing it back.
 *
 * The one exception is the end of a file that is not a whole number of blocks:
 * what touches the last block, and this always, goes through the cache.
 */

/* Move the cursor on. */
void window_advance(struct file_slot *slot, uint64_t moved);

/* Set up the vectors for what the worker copies itself, at most so many bytes.
 * Returns their number. */
uint32_t window_fill(struct file_slot *slot, uint64_t most);

/* Set up the entry for the next window: of a read, of a write, or of zeroes
 * that are written, for the range at the cursor. */
void window_prep(struct io_uring_sqe *sqe, struct file_lane *lane,
		 struct file_slot *slot);

/* The window was answered with *got, as by the kernel.  True: *got are the
 * bytes of the transfer that have moved, from the cursor on, or is an error.
 * False: none have yet, and the window is to be set up again. */
bool window_take(struct file_slot *slot, int32_t *got);

/* The slot has ended: keep its buffer for others. */
void window_release(struct file_lane *lane, struct file_slot *slot);
/* Free all buffers. */
void window_close(struct file_lane *lane);

/*
 * Who reads a block to write it back must be alone with it, or it would undo
 * what others write meanwhile.  Note which blocks the transfer may change, for
 * all of its life.  False: it has to wait until others, perhaps of those that
 * wait before it, have ended.
 *
 * This is for one lane.  Writers of several lanes, or hosts, that share an
 * image must write whole blocks.
 */
bool window_enter(struct file_lane *lane, struct file_slot *slot);
/* The next that has to wait no more, after another has left.  NULL: none. */
struct file_slot *window_enter_next(struct file_lane *lane);
/* The transfer has ended, or waits no more because it was cancelled. */
void window_leave(struct file_lane *lane, struct file_slot *slot);

#endif
