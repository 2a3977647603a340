/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PROGRAM_SERVE_OPENER_H
#define PRECARIUM_PROGRAM_SERVE_OPENER_H

#include <stdbool.h>

#include "vhost/server.h"

/*
 * Opening files for writing, once the filter of system calls refuses that.
 *
 * Who may write to /proc/self/mem writes to its own text, whatever protects the
 * pages, and the filter cannot see paths.  So the server itself opens files for
 * reading only.  What it must open for writing while it runs, another process
 * opens for it, which was forked before: images of a configuration that is read
 * again, and the file of statistics.  That process has the same rights and no
 * client.  It opens nothing through which a kernel is controlled: no file of
 * proc, sysfs and their like, and no character device; and it makes files for
 * statistics only.
 *
 * It ends when the server has ended.
 */

/* Fork it.  `stats` is the path of the statistics, or NULL.  It has the user
 * and the working directory that this process has now.  From then on store_open
 * and opener_open use it.  False: *error says why. */
bool opener_start(const char *stats, struct vhost_error *error);

/* As open(2) with mode 0666, by the other process if it was started.  -1:
 * errno; EPERM also if it does not open such a file, EPIPE if it is gone.  Any
 * thread. */
int opener_open(const char *path, int flags);

#endif
