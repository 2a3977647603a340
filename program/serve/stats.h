/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PROGRAM_SERVE_STATS_H
#define PRECARIUM_PROGRAM_SERVE_STATS_H

#include <jansson.h>
#include <stdbool.h>

#include "vhost/server.h"

/* The server starts now. */
void stats_begin(void);

/* The tree that program/ask/stats.h describes, which the caller owns.  NULL:
 * out of memory. */
json_t *stats_gather(struct vhost_server *server);

/* Writes the statistics as JSON to standard output ("-") or to a file, which is
 * replaced as a whole or stays as it was; NULL: as a table on standard output.
 * False: a line in the log says what is wrong. */
bool stats_write(struct vhost_server *server, const char *path);

/* The table, and the JSON if there is a path for it, instead of the table if
 * that is standard output.  Does not wait for who reads them; the path outlives
 * the server. */
void stats_tell(struct vhost_server *server, const char *path);
/* The same at the end, and waits.  False: not all was written. */
bool stats_end(struct vhost_server *server, const char *path);

#endif
