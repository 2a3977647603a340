/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PROGRAM_SERVE_EXPORTS_H
#define PRECARIUM_PROGRAM_SERVE_EXPORTS_H

#include "program/serve/options.h"

/* The kernel passes no more at a time. */
#define PASSED_MAX 250

/* A server and its options: what signals and the control socket's commands work
 * on.  All of it belongs to the thread that runs the server. */
struct context {
	struct vhost_server *server;
	/* What each reload lays over the file: what the command line has, and
	 * what has been changed since. */
	struct options *command_line;
	struct options options; /* in force */
	/* Whoever asked last gets these with its answer, as copies. */
	int passed[PASSED_MAX];
	uint32_t passed_count;
	int control_fd; /* where its control socket listens */
	bool asked_to_leave;
	bool leaving; /* another server goes on, and was told so */
};

struct changes {
	uint32_t added;
	uint32_t changed; /* replaced by a new export of the same name */
	uint32_t removed;
	uint32_t kept; /* untouched */
};

/* The export of this name, or NULL.  It may be left out: not served, because
 * its image looks like one of another format. */
struct export *exports_find(struct options *options, const char *name);

/*
 * Replaces the exports by those of `wanted`, which it takes over, also on
 * failure.  New exports are opened first; only when all of them are open do
 * those that are no longer wanted stop accepting clients.  False: *error says
 * why, and nothing has changed.
 *
 * A machine may write the header of another format into its own disk.  That
 * shall not keep others from theirs: with `leave_out`, at the start such an
 * export is left out, if there are others, and a reload tries it again.
 *
 * Exports that are served already in `wanted`, or left out, stay as they are.
 */
bool exports_apply(struct context *context, struct options *wanted,
		   bool leave_out, struct changes *changes,
		   struct vhost_error *error);

/* Reads the configuration file again and applies it, and logs the result.
 * False: *error says why, and nothing has changed. */
bool exports_reload(struct context *context, struct changes *changes,
		    struct vhost_error *error);

#endif
