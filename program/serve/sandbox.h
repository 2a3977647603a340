/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PROGRAM_SERVE_SANDBOX_H
#define PRECARIUM_PROGRAM_SERVE_SANDBOX_H

#include <stdbool.h>

#include "vhost/server.h"

/* Become the user of that name, with its groups, for good.  Before there are
 * other threads.  False: *error says why. */
bool sandbox_become(const char *user, struct vhost_error *error);

/* Can this program filter?  Not if it was built without libseccomp, or with a
 * sanitizer, whose calls nobody has counted. */
extern const bool sandbox_has_filter;

/*
 * From now on the kernel refuses all system calls that the server does not need
 * once it runs, to all threads that there are; none can be made any more.  What
 * is refused is told in a line, once for each call, and fails with EPERM: if
 * the list should lack something, a request fails, and not the server.  There
 * is no way back.  False: *error says why.
 */
bool sandbox_filter(struct vhost_error *error);

#endif
