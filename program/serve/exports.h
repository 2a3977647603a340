/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PROGRAM_SERVE_EXPORTS_H
#define PRECARIUM_PROGRAM_SERVE_EXPORTS_H

#include "program/serve/options.h"

/* A server and what it was told.  What commands on the control socket work on. */
struct serve_context {
	struct vhost_server *server;
	const struct serve_options *command_line;
	struct serve_options options; /* that are in force */
};

struct serve_changes {
	uint32_t added;
	uint32_t changed; /* a new one took the place of one of its name */
	uint32_t removed;
	uint32_t kept; /* not touched */
};

/* The export of this name, or NULL. */
struct serve_export *serve_exports_find(struct serve_options *options,
					const char *name);

/*
 * Make the exports those of `wanted`, which is taken over, also on failure.
 * What is new is opened first; only when all of that has succeeded do those
 * that are no longer wanted stop accepting.  False: *error says why, and all is
 * as it was.
 */
bool serve_exports_apply(struct serve_context *context,
			 struct serve_options *wanted,
			 struct serve_changes *changes,
			 struct vhost_error *error);

/* Read the configuration file again and apply it.  False: *error, and a line on
 * standard error, say why; all is as it was. */
bool serve_reload(struct serve_context *context, struct serve_changes *changes,
		  struct vhost_error *error);

#endif
