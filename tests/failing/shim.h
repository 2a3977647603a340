/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TESTS_FAILING_SHIM_H
#define PRECARIUM_TESTS_FAILING_SHIM_H

#include "page.h"

/* What the files of the shim, which is loaded into the server, share. */
extern struct page *shim_page; /* set before any call is watched */

/* calls.c: from now on system calls may fail.  False: they cannot be
 * watched. */
bool shim_watch_calls(void);

#endif
