/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_STORE_FILE_FORMAT_H
#define PRECARIUM_STORE_FILE_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include "store/error.h"

/*
 * Does an image of `size` bytes look like a raw one?  Image formats of virtual
 * machines are recognised by their first or last bytes.  A guest that is given
 * such an image as it is finds no disk in it, and destroys it by writing.
 * Reads the image at `fd`, and may wait for the disk.  False: *error names the
 * format, or says that the image cannot be read.
 */
bool file_format_check(const char *path, int fd, uint64_t size,
		       struct store_error *error);

#endif
