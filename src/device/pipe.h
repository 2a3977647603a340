/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_PIPE_H
#define PRECARIUM_DEVICE_PIPE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Pipes in the place of eventfds, and pairs of sockets, of which User-Mode
 * Linux lends one end to be notified by, as an eventfd raises no SIGIO.
 *
 * Whoever reads or writes a pipe has its mutex, also while it waits for a page
 * of its own memory, which may be of a file whose server never answers.  So
 * neither O_NONBLOCK, which the client can change besides, nor RWF_NOWAIT keeps
 * a thread from waiting: all of this but pipe_is may, and is for threads on
 * which nobody waits (chore.h).
 */

/* Is it a pipe, or a FIFO, that can be written to, or read from?  Asks what
 * never blocks, whatever it is. */
bool pipe_is(int fd, bool to_write);

/* Is it one end of a pair of sockets?  Likewise. */
bool pipe_is_pair(int fd);

/* Write eight bytes, the number 1, as to an eventfd.  Where there is no room
 * the client has been notified often enough. */
void pipe_signal(int fd);

/* Read what is there, as far as it goes at once.  Returns the number of bytes,
 * 0 where its other end is closed, or -1. */
ssize_t pipe_drain(int fd);

/* More than pipe_drain reads in one call may be left. */
#define PIPE_DRAINED 4096

#endif
