/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PROGRAM_SERVE_ACCESS_H
#define PRECARIUM_PROGRAM_SERVE_ACCESS_H

#include <stdbool.h>

#include "vhost/server.h"

/* Who may connect to a socket, as people write it.  The first three functions
 * set their part of *access.  They return NULL, or what was expected. */

/* Octal.  The owner must be able to connect: a server that starts tries whether
 * another one listens there. */
const char *access_set_mode(struct vhost_access *access, const char *value);

/* A name or a number.  A name is looked up now. */
const char *access_set_owner(struct vhost_access *access, const char *value);
const char *access_set_group(struct vhost_access *access, const char *value);

/* Was any of them set? */
bool access_is_set(const struct vhost_access *access);

bool access_same(const struct vhost_access *a, const struct vhost_access *b);

#endif
