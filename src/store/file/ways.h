/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_STORE_FILE_WAYS_H
#define PRECARIUM_STORE_FILE_WAYS_H

#include "store/file/lane.h"

/*
 * Discards and zeroes go range by range, in the first of these ways that works:
 *
 *	discard	let a block device forget the blocks: for a discard only
 *	punch	free the blocks: for a discard, or for zeroes that may be freed
 *	zero	let the file system make the blocks zeroes and keep them
 *	write	write zeroes, in windows
 *	nothing	ignore a discard, which is a hint
 *
 * A block device supports punch and zero as well, in whole sectors.  What a way
 * fails with does not matter: a discard cannot fail, and zeroes fail only as
 * the write of them does.
 */

/* Set up the entry for the range at the cursor, and choose the way. */
void way_prep(struct io_uring_sqe *sqe, struct file_lane *lane,
	      struct file_slot *slot);

/* How many bytes of its range the next operation covers. */
uint64_t way_piece(const struct file_lane *lane, const struct file_slot *slot);

/* Did this way fail, so that the next one is to be tried? */
bool way_detours(struct file_lane *lane, struct file_slot *slot, int32_t got);

#endif
