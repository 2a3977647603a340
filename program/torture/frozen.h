/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PROGRAM_TORTURE_FROZEN_H
#define PRECARIUM_PROGRAM_TORTURE_FROZEN_H

#include <stdint.h>

/* Opens a file of a file system that never answers a read; -1: this machine
 * does not allow one.  The file system ends with the calling process, which may
 * be in another user namespace afterwards. */
int frozen_file(uint64_t size);

#endif
