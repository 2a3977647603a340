/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PROGRAM_SERVE_SANDBOX_H
#define PRECARIUM_PROGRAM_SERVE_SANDBOX_H

#include <stdbool.h>

#include "vhost/server.h"

/* Changes to the user of that name, with its groups, for good.  Before there
 * are other threads.  False: *error says why; the user may have changed in
 * part, so the program must end. */
bool sandbox_become(const char *user, struct vhost_error *error);

/* Has this program the filter?  A build without libseccomp has not, nor one
 * with a sanitizer, whose system calls are not in the list. */
extern const bool sandbox_has_filter;

/*
 * Makes the kernel refuse, to all threads, the system calls that a running
 * server does not need; creating threads is among them.  A refused call fails
 * with EPERM and is logged, once for each call: if the list lacks one, a
 * request fails and the server goes on.  This cannot be undone.  False: *error
 * says why.
 */
bool sandbox_filter(struct vhost_error *error);

#endif
