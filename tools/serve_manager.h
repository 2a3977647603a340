/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TOOLS_SERVE_MANAGER_H
#define PRECARIUM_TOOLS_SERVE_MANAGER_H

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

/* A socket that was handed over and has not been asked for, or NULL. */
const char *manager_unused_socket(void);

void manager_tell_ready(void);
void manager_tell_reloading(void);
void manager_tell_stopping(void);

#endif
