/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PROGRAM_SERVE_CONTROL_H
#define PRECARIUM_PROGRAM_SERVE_CONTROL_H

#include <jansson.h>

#include "program/serve/exports.h"

/* Runs the command that a request names, on the thread of the server.  May
 * change numbers in the request to texts, and keep parts of it.  The answer has
 * "result" or "error" and is the caller's.  NULL: out of memory. */
json_t *run_command(struct context *context, json_t *request);

/* An answer with this error.  The caller's; NULL: out of memory. */
json_t *control_error(const char *text);

struct control;

/*
 * Listens where the settings say, for the owner of the process only unless they
 * let others connect, and answers on the thread that runs the server.  Eight
 * callers may be connected; one more replaces the one that has been silent for
 * the longest time.  The server waits for no caller: until a caller has read
 * its answer, its next request is not read.  `context` is borrowed until
 * control_close, which also removes the socket.  NULL: *error says why.
 */
struct control *control_open(struct context *context,
			     struct vhost_error *error);
void control_close(struct control *control);

/* The file of a socket that was handed over becomes ours.  NULL is allowed. */
void control_own(struct control *control);

#endif
