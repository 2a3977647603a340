/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_STORE_FILE_FORMAT_H
#define PRECARIUM_STORE_FILE_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include "store/error.h"

/*
 * Does an image of `size` bytes look like a raw one?  An image of another
 * format, as virtual machines have them, is known by its first bytes, or by its
 * last: a guest that is given these bytes finds no disk in them, and destroys
 * the image when it writes.  Reads the image at `fd`; may wait for the disk.  False: *error names the format, or says that the image cannot
 * be read.
 */
bool file_format_check(const char *path, int fd, uint64_t size,
		       struct store_error *error);

#endif
