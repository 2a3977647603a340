/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PROGRAM_SERVE_RUNTIME_H
#define PRECARIUM_PROGRAM_SERVE_RUNTIME_H

#include "program/serve/exports.h"

/*
 * Changes of single exports while the server runs, by commands.  Each is made
 * in a copy of the options in force, which exports_apply puts in their place,
 * so that nothing changes on an error.
 *
 * An export that is added is kept with those of the command line, and so are
 * the limits of those: a reload lays them over the file.  What is changed of an
 * export of the file lasts until a reload.
 */

/* Adds an export, with `replace` in the place of the one of its name, if there
 * is one, as a reload replaces it.  Takes over export->source, also on failure,
 * and gives it a name.  *changes and *error as for exports_apply. */
bool runtime_add(struct context *context, struct export *export, bool replace,
		 struct changes *changes, struct vhost_error *error);

/* Takes no more clients for it.  False: *error says why, and nothing has
 * changed. */
bool runtime_remove(struct context *context, const char *name,
		    struct vhost_error *error);

/* Gives it the limits of `limits`, from now on.  False: likewise. */
bool runtime_limit(struct context *context, const char *name,
		   const struct rates_limits *limits,
		   struct vhost_error *error);

/* Frees what was kept with the options of the command line, before they are
 * freed themselves. */
void runtime_free(struct options *command_line);

#endif
