/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PROGRAM_SERVE_CONTROL_H
#define PRECARIUM_PROGRAM_SERVE_CONTROL_H

#include <jansson.h>

#include "program/serve/exports.h"

/* Carry out the command that a request names.  The answer is the caller's,
 * with "result" or "error".  NULL: no memory.  Must not wait. */
json_t *serve_command(struct serve_context *context, const json_t *request);

/* An answer with this error.  The caller's; NULL: no memory. */
json_t *control_error(const char *text);

struct serve_control;

/*
 * Listen at `path`, for its owner only, and answer from the thread that runs
 * the server.  A few may be connected; one more drives out the one that was
 * silent for the longest time.  Nobody is waited for: who does not read its
 * answer has its next request left unread.  NULL: *error says why.
 */
struct serve_control *serve_control_open(const char *path,
					 struct serve_context *context,
					 struct vhost_error *error);
void serve_control_close(struct serve_control *control);

#endif
