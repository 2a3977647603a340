// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>

#include "store/stores.h"
#include "program/json_text.h"
#include "program/serve/control.h"
#include "program/serve/stats.h"

/*
 * A command gets the whole request, with its arguments beside "command", and
 * returns its result, or NULL and *error.  It runs on the main thread: other
 * commands, signals and reloads wait for it, and clients do not.
 */
/* The exports that are not served; NULL: no memory. */
static json_t *left_out(const struct context *context)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < context->options.export_count; i++) {
		const struct export *export = &context->options.exports[i];
		json_t *one;

		if (!export->left_out[0])
			continue;
		one = json_pack("{soso}", "name", json_text(export->name),
				"why", json_text(export->left_out));
		if (json_array_append_new(list, one) == 0)
			continue;
		json_decref(list);
		return NULL;
	}
	return list;
}

static json_t *run_stat(struct context *context, const json_t *request,
			struct vhost_error *error)
{
	json_t *stats = stats_gather(context->server);

	(void)request;
	(void)error;
	if (json_object_set_new(stats, "left-out", left_out(context)) == 0)
		return stats;
	json_decref(stats);
	return NULL;
}

static json_t *run_reload(struct context *context, const json_t *request,
			  struct vhost_error *error)
{
	struct changes changes;

	(void)request;
	if (!exports_reload(context, &changes, error))
		return NULL;
	return json_pack("{sisisisi}", "added", (int)changes.added, "changed",
			 (int)changes.changed, "removed", (int)changes.removed,
			 "kept", (int)changes.kept);
}

/* {"export": NAME, "size": BYTES}; without a size, the present size of the
 * image.  This may wait for the disk of the image. */
static json_t *run_resize(struct context *context, const json_t *request,
			  struct vhost_error *error)
{
	const json_t *size = json_object_get(request, "size");
	const char *name =
		json_string_value(json_object_get(request, "export"));
	const struct export *export = exports_find(&context->options, name);
	json_int_t bytes = size ? json_integer_value(size) : 0;
	struct store_error why;

	if (!export) {
		snprintf(error->text, sizeof(error->text),
			 "%.200s: no such export; expected \"export\" to name "
			 "one",
			 name ? name : "resize");
		return NULL;
	}
	if (size && bytes <= 0) {
		snprintf(error->text, sizeof(error->text),
			 "%.200s: expected \"size\" to be a positive number",
			 name);
		return NULL;
	}
	if (!export->served) {
		snprintf(error->text, sizeof(error->text),
			 "%.100s: is not served: %.360s", name,
			 export->left_out);
		return NULL;
	}
	if (!store_resize(export->store, (uint64_t)bytes, &why)) {
		snprintf(error->text, sizeof(error->text), "%.100s: %s", name,
			 why.text);
		return NULL;
	}
	if (!vhost_server_config_changed(context->server, export->served)) {
		snprintf(error->text, sizeof(error->text),
			 "%.100s: has a new size, but no memory is left to "
			 "notify its clients",
			 name);
		return NULL;
	}
	return json_pack("{sI}", "size",
			 (json_int_t)store_capacity(export->store));
}

static const struct command {
	const char *name;
	json_t *(*run)(struct context *context, const json_t *request,
		       struct vhost_error *error);
} commands[] = {
	{ "resize", run_resize },
	{ "stat", run_stat },
	{ "reload", run_reload },
};

json_t *control_error(const char *text)
{
	return json_pack("{so}", "error", json_text(text));
}

json_t *run_command(struct context *context, const json_t *request)
{
	const char *name =
		json_string_value(json_object_get(request, "command"));
	struct vhost_error error = { "out of memory" };

	if (!name)
		return control_error("expected an object with \"command\"");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		json_t *result;

		if (strcmp(name, commands[i].name) != 0)
			continue;
		result = commands[i].run(context, request, &error);
		if (result)
			return json_pack("{so}", "result", result);
		return control_error(error.text);
	}
	snprintf(error.text, sizeof(error.text),
		 "%.100s: no such command on this server; expected resize, "
		 "stat or reload",
		 name);
	return control_error(error.text);
}
