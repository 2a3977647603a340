// SPDX-License-Identifier: MIT
#include <string.h>

#include "serve_control.h"
#include "serve_stats.h"

/*
 * A command gets the whole request, with its arguments beside "command", and
 * gives its result, or NULL and *error.  It runs on the thread that accepts
 * clients, and must not wait.
 */
static json_t *run_stat(struct serve_context *context, const json_t *request,
			struct vhost_error *error)
{
	(void)request;
	(void)error;
	return serve_stats_gather(context->server);
}

static json_t *run_reload(struct serve_context *context, const json_t *request,
			  struct vhost_error *error)
{
	struct serve_changes changes;

	(void)request;
	if (!serve_reload(context, &changes, error))
		return NULL;
	return json_pack("{sisisisi}", "added", (int)changes.added, "changed",
			 (int)changes.changed, "removed", (int)changes.removed,
			 "kept", (int)changes.kept);
}

static const struct command {
	const char *name;
	json_t *(*run)(struct serve_context *context, const json_t *request,
		       struct vhost_error *error);
} commands[] = {
	{ "stat", run_stat },
	{ "reload", run_reload },
};

json_t *serve_command(struct serve_context *context, const json_t *request)
{
	const char *name =
		json_string_value(json_object_get(request, "command"));
	struct vhost_error error = { "out of memory" };

	if (!name)
		return json_pack("{ss}", "error",
				 "expected an object with \"command\"");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		json_t *result;

		if (strcmp(name, commands[i].name) != 0)
			continue;
		result = commands[i].run(context, request, &error);
		if (result)
			return json_pack("{so}", "result", result);
		return json_pack("{ss}", "error", error.text);
	}
	return json_pack("{ss+}", "error", name,
			 ": no such command on this server");
}
