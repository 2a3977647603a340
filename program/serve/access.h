/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PROGRAM_SERVE_ACCESS_H
#define PRECARIUM_PROGRAM_SERVE_ACCESS_H

#include <stdbool.h>

#include "vhost/server.h"

/*
 * Who may connect to a socket, as people write it.  Each of the first three sets
 * its part of *access; NULL, or what was expected.
 */

/* Octal; the owner may always connect, for the server must be able to try. */
const char *access_set_mode(struct vhost_access *access, const char *value);

/* By name or by number.  A name is looked up now. */
const char *access_set_owner(struct vhost_access *access, const char *value);
const char *access_set_group(struct vhost_access *access, const char *value);

/* Was any of them set? */
bool access_is_set(const struct vhost_access *access);

bool access_same(const struct vhost_access *a, const struct vhost_access *b);

#endif
