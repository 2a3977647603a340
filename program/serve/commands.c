// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "device/log.h"
#include "program/ask/ask.h"
#include "program/escape.h"
#include "program/json_text.h"
#include "program/serve/control.h"
#include "program/serve/exports_json.h"
#include "program/serve/runtime.h"
#include "program/serve/stats.h"
#include "store/stores.h"

/*
 * A command gets the whole request, with its arguments beside "command", and
 * returns its result, or NULL and *error.  It runs on the main thread: other
 * commands, signals and reloads wait for it, and clients do not.
 */

__attribute__((format(printf, 2, 3))) static json_t *
fail(struct vhost_error *error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	return NULL;
}

/* The text at `key`, or NULL: *error says that it is missing. */
static const char *text_at(const json_t *request, const char *key,
			   struct vhost_error *error)
{
	const char *text = json_string_value(json_object_get(request, key));

	if (!text)
		fail(error, "%s: expected a text", key);
	return text;
}

/* The object at `key`, or NULL. */
static json_t *object_at(const json_t *request, const char *key,
			 struct vhost_error *error)
{
	json_t *object = json_object_get(request, key);

	if (json_is_object(object))
		return object;
	fail(error, "%s: expected an object", key);
	return NULL;
}

/* The export that a request names, or NULL. */
static struct export *export_at(struct context *context, const json_t *request,
				struct vhost_error *error)
{
	const char *name = text_at(request, "export", error);
	struct export *export = exports_find(&context->options, name);

	if (name && !export)
		fail(error,
		     "%.200s: no such export; expected one that precarium "
		     "export list names",
		     name);
	return export;
}

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
	const struct export *export = export_at(context, request, error);
	json_int_t bytes = size ? json_integer_value(size) : 0;
	struct store_error why = { .text = "" };

	if (!export)
		return NULL;
	if (size && bytes <= 0)
		return fail(error,
			    "%.200s: expected \"size\" to be a positive number",
			    export->name);
	if (!export->served)
		return fail(error, "%.100s: is not served: %.360s",
			    export->name, export->left_out);
	if (!store_resize(export->store, (uint64_t)bytes, &why))
		return fail(error, "%.100s: %s", export->name, why.text);
	if (!vhost_server_config_changed(context->server, export->served))
		return fail(error,
			    "%.100s: has a new size, but no memory is left to "
			    "notify its clients",
			    export->name);
	return json_pack("{sI}", "size",
			 (json_int_t)store_capacity(export->store));
}

/* {"export": {KEY: VALUE, …}, "replace": true} */
static json_t *run_add(struct context *context, const json_t *request,
		       struct vhost_error *error)
{
	json_t *source = object_at(request, "export", error);
	const json_t *replace = json_object_get(request, "replace");
	struct changes changes;
	struct export export;

	if (!source)
		return NULL;
	if (replace && !json_is_boolean(replace))
		return fail(error, "replace: expected true or false");
	if (!export_from_json(&export, source, error))
		return NULL;
	export.source = json_incref(source);
	if (!runtime_add(context, &export, json_is_true(replace), &changes,
			 error))
		return NULL;
	log_info(export.name, "%s by command",
		 changes.added	   ? "added"
		 : changes.changed ? "changed"
				   : "left as it was");
	fail(error, "it was done, but no memory is left to say so");
	return json_pack("{so}", "export", json_text(export.name));
}

/* {"export": NAME} */
static json_t *run_remove(struct context *context, const json_t *request,
			  struct vhost_error *error)
{
	const char *name = text_at(request, "export", error);

	if (!name || !runtime_remove(context, name, error))
		return NULL;
	log_info(name, "removed by command");
	return json_object();
}

static json_t *describe(const struct options *options,
			const struct export *export)
{
	char where[WHERE_SIZE];
	json_t *one = json_object();

	export_where(where, sizeof(where), options, export, "--socket-path");
	if (json_object_set_new(one, "name", json_text(export->name)) == 0 &&
	    json_object_set_new(one, "from", json_text(where)) == 0 &&
	    json_object_set_new(one, "keys", export_to_json(export)) == 0 &&
	    json_object_set_new(one, "served", json_boolean(export->served)) ==
		    0 &&
	    (export->served ||
	     json_object_set_new(one, "why", json_text(export->left_out)) == 0))
		return one;
	json_decref(one);
	return NULL;
}

static json_t *run_list(struct context *context, const json_t *request,
			struct vhost_error *error)
{
	const struct options *options = &context->options;
	json_t *list = json_array();

	(void)request;
	for (uint32_t i = 0; i < options->export_count; i++) {
		if (json_array_append_new(
			    list, describe(options, &options->exports[i])) == 0)
			continue;
		json_decref(list);
		return fail(error, "out of memory");
	}
	return json_pack("{so}", "exports", list);
}

/* {"export": NAME, "limits": {KEY: VALUE, …}}; without limits it tells
 * them. */
static json_t *run_limit(struct context *context, const json_t *request,
			 struct vhost_error *error)
{
	struct export *export = export_at(context, request, error);
	json_t *limits = json_object_get(request, "limits");
	struct export limited;

	if (!export)
		return NULL;
	limited = *export;
	if (limits &&
	    (!object_at(request, "limits", error) ||
	     !limits_from_json(&limited, limits, error) ||
	     !runtime_limit(context, limited.name, &limited.limits, error)))
		return NULL;
	return limits_to_json(&limited);
}

/* {"level": NAME}; without one it tells the present one. */
static json_t *run_log(struct context *context, const json_t *request,
		       struct vhost_error *error)
{
	const json_t *text = json_object_get(request, "level");
	const char *name = json_string_value(text);
	enum log_level level;

	(void)context;
	if (text && (!name || !log_level_find(name, &level)))
		return fail(error, "level: %.60s: " LOG_LEVEL_EXPECTED,
			    name ? name : "no text");
	if (text)
		log_set_level(level);
	return json_pack("{ss}", "level", log_level_names[log_get_level()]);
}

/* Adds a socket to the list, and to what is passed with the answer. */
static bool pass(struct context *context, json_t *list, const char *path,
		 int fd, bool made)
{
	json_t *one =
		json_pack("{sosb}", "path", json_text(path), "made", made);

	context->passed[context->passed_count++] = fd;
	return json_array_append_new(list, one) == 0;
}

/* The sockets at which this server listens, in the order in which they come
 * with the answer: for a server that is to go on.  Nothing changes. */
static json_t *run_hand_over(struct context *context, const json_t *request,
			     struct vhost_error *error)
{
	const struct options *options = &context->options;
	json_t *list = json_array();
	bool good = pass(context, list, options->general.control,
			 context->control_fd, true);

	(void)request;
	for (uint32_t i = 0; i < options->export_count; i++) {
		const struct export *export = &options->exports[i];
		bool made;
		int fd = export->served
				 ? vhost_export_socket(export->served, &made)
				 : -1;

		if (fd < 0 || !export->socket_path)
			continue;
		if (context->passed_count == PASSED_MAX) {
			json_decref(list);
			context->passed_count = 0;
			return fail(error,
				    "too many sockets; expected at most %d",
				    PASSED_MAX);
		}
		good &= pass(context, list, export->socket_path, fd, made);
	}
	if (good)
		return json_pack("{so}", "sockets", list);
	json_decref(list);
	context->passed_count = 0;
	return fail(error, "out of memory");
}

/* Ends the server, whose sockets another one has, when that has the answer. */
static json_t *run_leave(struct context *context, const json_t *request,
			 struct vhost_error *error)
{
	(void)request;
	(void)error;
	context->asked_to_leave = true;
	return json_object();
}

static json_t *run_version(struct context *context, const json_t *request,
			   struct vhost_error *error);

#define KEYS_MAX 2

static const struct command {
	const char *name;
	json_t *(*run)(struct context *context, const json_t *request,
		       struct vhost_error *error);
	/* What it takes beside "command" and "protocol". */
	const char *keys[KEYS_MAX + 1];
} commands[] = {
	{ "stat", run_stat, { NULL } },
	{ "export-add", run_add, { "export", "replace", NULL } },
	{ "export-remove", run_remove, { "export", NULL } },
	{ "export-list", run_list, { NULL } },
	{ "limit", run_limit, { "export", "limits", NULL } },
	{ "resize", run_resize, { "export", "size", NULL } },
	{ "reload", run_reload, { NULL } },
	{ "log", run_log, { "level", NULL } },
	{ "version", run_version, { NULL } },
	{ "hand-over", run_hand_over, { NULL } },
	{ "leave", run_leave, { NULL } },
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static json_t *run_version(struct context *context, const json_t *request,
			   struct vhost_error *error)
{
	json_t *names = json_array();

	(void)context;
	(void)request;
	(void)error;
	for (size_t i = 0; i < COMMANDS; i++)
		if (json_array_append_new(names,
					  json_string(commands[i].name)) < 0) {
			json_decref(names);
			return NULL;
		}
	return json_pack("{sssisiso}", "version", PRECARIUM_VERSION, "protocol",
			 CONTROL_PROTOCOL, "pid", (int)getpid(), "commands",
			 names);
}

/* A text in one line, whatever name a request has. */
json_t *control_error(const char *text)
{
	char shown[ESCAPED_SIZE(sizeof(struct vhost_error))];

	escape(shown, sizeof(shown), text);
	return json_pack("{ss}", "error", shown);
}

/* NULL: *error says what was expected. */
static const struct command *find(const char *name, struct vhost_error *error)
{
	char names[200] = "";
	size_t used = 0;

	for (size_t i = 0; i < COMMANDS; i++) {
		if (strcmp(name, commands[i].name) == 0)
			return &commands[i];
		used += (size_t)snprintf(names + used, sizeof(names) - used,
					 "%s%s",
					 i == 0		     ? ""
					 : i == COMMANDS - 1 ? " or "
							     : ", ",
					 commands[i].name);
	}
	fail(error, "%.100s: no such command on this server; expected %s", name,
	     names);
	return NULL;
}

static bool takes(const struct command *command, const char *key)
{
	if (strcmp(key, "command") == 0 || strcmp(key, "protocol") == 0)
		return true;
	for (size_t i = 0; command->keys[i]; i++) {
		if (strcmp(key, command->keys[i]) == 0)
			return true;
	}
	return false;
}

/* What is not understood is refused: it may be meant. */
static bool check_request(const struct command *command, json_t *request,
			  struct vhost_error *error)
{
	const json_t *protocol = json_object_get(request, "protocol");
	const char *key;
	json_t *value;

	if (protocol && json_integer_value(protocol) != CONTROL_PROTOCOL) {
		fail(error, "protocol: expected %d", CONTROL_PROTOCOL);
		return false;
	}
	json_object_foreach(request, key, value)
	{
		if (takes(command, key))
			continue;
		fail(error, "%.100s: unknown key; %s takes %s%s%s", key,
		     command->name,
		     command->keys[0] ? command->keys[0] : "none",
		     command->keys[0] && command->keys[1] ? " and " : "",
		     command->keys[0] && command->keys[1] ? command->keys[1]
							  : "");
		return false;
	}
	return true;
}

json_t *run_command(struct context *context, json_t *request)
{
	const char *name =
		json_string_value(json_object_get(request, "command"));
	struct vhost_error error = { "out of memory" };
	const struct command *command;
	json_t *result = NULL;

	if (!name)
		return control_error("expected an object with \"command\"");
	command = find(name, &error);
	if (command && check_request(command, request, &error))
		result = command->run(context, request, &error);
	return result ? json_pack("{so}", "result", result)
		      : control_error(error.text);
}
