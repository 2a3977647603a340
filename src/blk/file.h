/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_BLK_FILE_H
#define PRECARIUM_BLK_FILE_H

#include "virtio/store.h"

/* Shared by the opener and the lanes of a file store. */
struct file_store {
	struct store store;
	int fd;	       /* through the page cache: any alignment */
	int direct_fd; /* past it, or -1 */
	struct blk_lock *lock;
	uint32_t align; /* what direct_fd wants of address, offset, size */
	bool may_wait;	/* the file system waits where it must not */
};

struct store_lane *file_lane_open(const struct store *store,
				  struct store_error *error);
void file_lane_close(struct store_lane *lane);
bool file_lane_add(struct store_lane *lane, struct store_io *io);
bool file_lane_start(struct store_lane *lane);
struct store_io *file_lane_reap(struct store_lane *lane);
void file_lane_cancel(struct store_lane *lane, struct store_io *io);

#endif
