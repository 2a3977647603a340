/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_CLIENT_DESCRIPTORS_H
#define PRECARIUM_CLIENT_DESCRIPTORS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* Of the kernel: descriptors in one message (SCM_MAX_FD). */
#define DESCRIPTORS_MAX 253u

/*
 * Send the bytes of `parts` in one message, with up to DESCRIPTORS_MAX
 * descriptors.  Never blocks, and raises no SIGPIPE.  As sendmsg(2): how many
 * bytes were sent, or -1 and errno.
 */
ssize_t descriptors_send(int socket, struct iovec *parts, size_t part_count,
			 const int *fds, uint32_t fd_count);

#endif
