/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_CLIENT_SLOW_H
#define PRECARIUM_CLIENT_SLOW_H

#include <stddef.h>
#include <stdint.h>

/*
 * Descriptors that make a system call of whoever uses them take as long as this
 * process likes.
 */

/*
 * TCP sockets that linger for hours over bytes that are never read: the last
 * close of one waits that long, or until the other end is closed.  -1: they
 * could not be made, and errno tells why.
 */
struct slow_sockets {
	uint32_t count;
	int *fds;   /* the sockets */
	int *peers; /* the other ends */
};
int slow_sockets_make(struct slow_sockets *sockets, uint32_t count);
/* Close all but the first `count` at both ends: nobody else has them. */
void slow_sockets_keep(struct slow_sockets *sockets, uint32_t count);
/* Close our descriptors of them, which does not wait while others are left. */
void slow_sockets_leave(struct slow_sockets *sockets);
/* Close the other ends: nothing lingers any more. */
void slow_sockets_end(struct slow_sockets *sockets);

/* Send bytes with any number of descriptors up to DESCRIPTORS_MAX.  Never
 * blocks.  -1: errno. */
int slow_send(int socket, const void *bytes, size_t size, const int *fds,
	      uint32_t fd_count);

#endif
