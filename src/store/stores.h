/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_BLK_BACKEND_H
#define PRECARIUM_BLK_BACKEND_H

#include "store/store.h"

/* The stores there are.  Each opener gives NULL and a reason in *error when
 * it cannot; what it gives ends with blk_close. */

struct blk_file_options {
	bool read_only;
	bool direct; /* past the page cache, where a request is aligned */
	bool shared; /* other programs that say so, too, may write to it */
};

/*
 * A raw image, or a block device, by io_uring: bytes go between it and the
 * client's pages with no copy in this process.  The image is locked against
 * other programs (advisory, and as QEMU does it), not against other stores of
 * this one: who opens several asks blk_same_image.  A lock that another has is
 * waited for, for two seconds at most.
 */
struct store *blk_file_open(const char *path,
			    const struct blk_file_options *options,
			    struct store_error *error);

/* Are they files, and one and the same? */
bool blk_same_image(const struct store *a, const struct store *b);

/* Zeroes to read; what is written is dropped. */
struct store *blk_null_open(uint64_t size, struct store_error *error);

/* As store_ops.resize does it.  May wait for the disk. */
bool blk_resize(struct store *store, uint64_t capacity,
		struct store_error *error);

/* Closes either kind.  No lane may be open.  NULL is nothing. */
void blk_close(struct store *store);

#endif
