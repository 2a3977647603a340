/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PROGRAM_SERVE_TAKEOVER_H
#define PRECARIUM_PROGRAM_SERVE_TAKEOVER_H

#include <signal.h>
#include <stdbool.h>

#include "program/serve/settings.h"

/*
 * A server that goes on where another one ends, which runs meanwhile.
 *
 * This one asks the other by its control socket for the sockets at which it
 * listens, and for what commands have added.  It opens everything, beside the
 * other one, and starts its threads.  Whatever is wrong is found by then, and
 * the other one has noticed nothing but questions.  At last it asks it to
 * leave: the other one completes what is in flight, ends its clients and
 * itself.  Clients that connect meanwhile wait in the queues of the sockets,
 * which are never closed.
 *
 * Connections are not passed on: what a server knows of a client is what the
 * client would tell the next one, and a log of requests in flight that lies in
 * the client's memory.
 */

/* Asks the server whose control socket is at `path`, and adds its exports that
 * commands have added to those of the command line, unless that has one of the
 * same name.  False: *error says why. */
bool takeover_begin(const char *path, struct options *command_line,
		    struct vhost_error *error);

/* A copy, which the caller owns, of the socket of the other one that listens at
 * `path`.  -1: it has none. */
int takeover_socket_at(const char *path);

/* Asks the other one to leave, and waits until it has ended, or until *stop.
 * True also if there is none; false: *error says why it does not leave. */
bool takeover_finish(const volatile sig_atomic_t *stop,
		     struct vhost_error *error);

/* Is the file of the socket at `path`, which may be NULL, ours from then on? */
bool takeover_owns(const char *path);

/* Nothing of the other one is needed any more: removes sockets that are not
 * served here. */
void takeover_end(void);

#endif
