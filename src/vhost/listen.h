/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_VHOST_LISTEN_H
#define PRECARIUM_VHOST_LISTEN_H

#include "vhost/server.h"

/* A listening socket at `path`, non-blocking; its file has `mode`, less the
 * umask, from the beginning.  A socket file that nobody
 * listens on any more is replaced; anything else there is left alone.  -1:
 * *error says why. */
int vhost_listen(const char *path, mode_t mode, struct vhost_error *error);

/* Remove the socket file, if it is still the one of `fd`.  Closes `fd`. */
void vhost_unlisten(const char *path, int fd);

#endif
