/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_STORE_FILE_FILE_H
#define PRECARIUM_STORE_FILE_FILE_H

#include "store/stores.h"

/* What a file system does with a transfer that would have to wait. */
enum file_manner {
	FILE_SAYS_SO, /* it says so, and the kernel lets a thread wait */
	FILE_WAITS,   /* it waits all the same */
	FILE_MEMORY,  /* nothing waits: its pages are memory */
};

/* Shared by the opener and the lanes of a file store. */
struct file_store {
	struct store store;
	int fd;	       /* through the page cache: any alignment */
	int direct_fd; /* past it, or -1 */
	struct file_lock *lock;
	uint32_t align; /* what direct_fd wants of address, offset, size */
	enum file_manner manner;
};

/*
 * A raw image, or a block device, by io_uring: bytes go between it and the
 * client's pages with no copy in this process.  The image is locked against
 * other programs, as QEMU locks it (advisory), but not against other stores of
 * this process: whoever opens several asks store_same_image.  If another
 * program has the lock, opening waits for it, for two seconds at most.
 */
extern const struct store_kind file_kind;

struct store_lane *file_lane_open(const struct store *store,
				  struct store_error *error);
void file_lane_close(struct store_lane *lane);
bool file_lane_add(struct store_lane *lane, struct store_io *io);
enum store_left file_lane_start(struct store_lane *lane);
struct store_io *file_lane_reap(struct store_lane *lane);
void file_lane_cancel(struct store_lane *lane, struct store_io *io);

#endif
