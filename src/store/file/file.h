/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_STORE_FILE_FILE_H
#define PRECARIUM_STORE_FILE_FILE_H

#include "store/file/sync.h"
#include "store/stores.h"

/* What a file system does when it is asked not to wait, and would have to. */
enum file_manner {
	FILE_REFUSES, /* it refuses, and a thread of the kernel waits instead */
	FILE_WAITS,   /* it waits all the same */
	FILE_MEMORY,  /* it never has to: its pages are memory */
};

/* A store of a file, as its lanes see it. */
struct file_store {
	struct store store;
	char *path;    /* for messages */
	int fd;	       /* through the page cache: takes any alignment */
	int direct_fd; /* opened with O_DIRECT; -1: not */
	struct file_lock *lock;
	/* What transfers at direct_fd must be multiples of, in bytes: offsets
	 * and sizes, at least a sector; and addresses. */
	uint32_t align;
	uint32_t memory_align;
	uint64_t size; /* of the image: see file_size */
	enum file_manner manner;
	bool block_device;
	struct file_sync_line syncs;
};

/* The size that the image had when it was opened or resized; any thread. */
static inline uint64_t file_size(const struct file_store *file)
{
	return __atomic_load_n(&file->size, __ATOMIC_ACQUIRE);
}

/*
 * A raw image or a block device, by io_uring: the kernel moves bytes between it
 * and the client's pages, and this process copies none.  An advisory lock, the
 * one that QEMU uses, keeps other programs from the image, but not other stores
 * of this process: whoever opens several must call store_same_image.  If
 * another program holds the lock, opening waits for two seconds at most.
 */
extern const struct store_kind file_kind;

/* As store_open_by. */
void file_open_by(store_opener *opener);

/* The operations of its lanes, as struct store_ops has them. */
struct store_lane *file_lane_open(const struct store *store,
				  struct store_error *error);
void file_lane_close(struct store_lane *lane);
bool file_lane_add(struct store_lane *lane, struct store_io *io);
enum store_left file_lane_start(struct store_lane *lane);
struct store_io *file_lane_reap(struct store_lane *lane);
void file_lane_cancel(struct store_lane *lane, struct store_io *io);

#endif
