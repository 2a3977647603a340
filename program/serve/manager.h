/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PROGRAM_SERVE_MANAGER_H
#define PRECARIUM_PROGRAM_SERVE_MANAGER_H

#include <stdbool.h>

#include "vhost/server.h"

/*
 * What a service manager gives and is told, by libsystemd; built without it,
 * there is none, and all of this does nothing.
 */

/* Lines go to the journal, with fields, if that is where standard error goes. */
void manager_take_log(void);

/* Take over the listening sockets that were handed to the process.  False:
 * *error says what is wrong with one. */
bool manager_take_sockets(struct vhost_error *error);

/* A descriptor of its own of the socket that was handed over and listens at
 * `path`; -1: none does. */
int manager_socket_at(const char *path);

/* Where the sockets that were handed over listen, from 0 on; NULL: no more. */
const char *manager_socket_path(int number);

void manager_tell_ready(void);
void manager_tell_reloading(void);
void manager_tell_stopping(void);

#endif
