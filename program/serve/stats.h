/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PROGRAM_SERVE_STATS_H
#define PRECARIUM_PROGRAM_SERVE_STATS_H

#include <jansson.h>
#include <stdbool.h>

#include "vhost/server.h"

/* The tree that program/ask/stats.h describes, which the caller owns.  NULL:
 * out of memory. */
json_t *stats_gather(struct vhost_server *server);

/* Prints the statistics as a table on standard output. */
void stats_print(struct vhost_server *server);

/* Writes the statistics as JSON to standard output ("-") or to a file, which is
 * replaced as a whole or stays as it was.  False: a line on standard error says
 * what is wrong. */
bool stats_write(struct vhost_server *server, const char *path);

#endif
