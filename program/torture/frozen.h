/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PROGRAM_TORTURE_FROZEN_H
#define PRECARIUM_PROGRAM_TORTURE_FROZEN_H

#include <stdint.h>

/* A file of a file system whose reads are never answered; -1: it cannot be had
 * here.  Ends with the calling process, which may be in another user namespace
 * afterwards. */
int frozen_file(uint64_t size);

#endif
