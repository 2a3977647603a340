/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PROGRAM_SERVE_STATS_H
#define PRECARIUM_PROGRAM_SERVE_STATS_H

#include <jansson.h>
#include <stdbool.h>

#include "vhost/server.h"

/* The tree that stats.h describes.  NULL: no memory. */
json_t *serve_stats_gather(struct vhost_server *server);

/* For people, on standard output. */
void serve_stats_print(struct vhost_server *server);

/* As JSON, to a file that appears whole or not at all, or to standard output
 * ("-").  False: a line on standard error says what is wrong. */
bool serve_stats_write(struct vhost_server *server, const char *path);

#endif
