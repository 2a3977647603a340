/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_CLOSE_H
#define PRECARIUM_DEVICE_CLOSE_H

#include <stdbool.h>

/*
 * Closing a descriptor that a client sent.  close(2) can wait: for a FUSE
 * server that never answers the flush, for a socket that lingers.  Files in
 * memory, eventfds and pipes are closed at once, all others by a thread that
 * does nothing else, so that no worker waits.
 */
bool close_start(void); /* once a process; false: errno tells */
void close_lent(int fd);

/* A file in memory (memfd, tmpfs, hugetlbfs)?  Never waits, which fstat and
 * fstatfs may. */
bool close_is_in_memory(int fd);

#endif
