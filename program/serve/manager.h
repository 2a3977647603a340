/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PROGRAM_SERVE_MANAGER_H
#define PRECARIUM_PROGRAM_SERVE_MANAGER_H

#include <stdbool.h>

#include "vhost/server.h"

/*
 * Sockets and log from the service manager, and notifications to it, by
 * libsystemd.  In a build without libsystemd there is no manager, and these
 * calls do nothing.
 */

/* If standard error is the journal, sends log lines there, with fields.  Before
 * there are other threads. */
void manager_take_log(void);

/* Takes over the listening sockets that the manager handed to the process,
 * once, at the start.  False: *error says what is wrong with one of them. */
bool manager_take_sockets(struct vhost_error *error);

/* A duplicate, which the caller owns, of the socket that was handed over and
 * listens at `path`; -1: there is none, or no descriptor left. */
int manager_socket_at(const char *path);

/* The paths of the sockets that were handed over, numbered from 0; NULL: no
 * more. */
const char *manager_socket_path(int number);

/* Notifications of the server's state. */
void manager_tell_ready(void);
void manager_tell_reloading(void);
void manager_tell_stopping(void);

#endif
