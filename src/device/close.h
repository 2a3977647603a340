/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_CLOSE_H
#define PRECARIUM_DEVICE_CLOSE_H

#include <stdbool.h>

/*
 * Closing a descriptor that a client sent. close(2) can block: for a FUSE
 * server that never answers the flush, for a socket that lingers.  Files in
 * memory, eventfds and pipes are closed at once, all others by a thread that
 * does nothing else, so that no worker blocks.
 */
bool close_start(void); /* start the thread, once; false: errno */
void close_lent(int fd);

/* True for a file in memory (memfd, tmpfs, hugetlbfs).  Never blocks, as fstat
 * and fstatfs may. */
bool close_is_in_memory(int fd);

#endif
