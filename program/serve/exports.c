// SPDX-License-Identifier: MIT
#include "program/serve/exports.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "store/stores.h"
#include "program/serve/access.h"
#include "program/serve/manager.h"
#include "program/serve/takeover.h"
#include "device/log.h"

static void close_store(void *store)
{
	store_close(store);
}

/* "WHERE: export NAME: why"; `option` as in export_where. */
static bool blame(const struct options *options, const struct export *export,
		  const char *option, const char *why,
		  struct vhost_error *error)
{
	char where[WHERE_SIZE];

	export_where(where, sizeof(where), options, export, option);
	snprintf(error->text, sizeof(error->text), "%s: export %.60s: %.360s",
		 where, export->name, why);
	return false;
}

/* `listening`: an export at the same socket, whatever its name, or NULL. */
static bool open_export(struct vhost_server *server,
			const struct options *wanted, struct export *export,
			const struct export *listening,
			struct vhost_error *error)
{
	struct vhost_export_options options = {
		.name = export->name,
		.serial = export->serial,
		.socket_path = export->socket_path,
		.fd = export->fd,
		.access = export->access,
		.replaces = listening ? listening->served : NULL,
		.gone = close_store,
		.on_loss = export->on_loss,
		.workers_per_client = export->workers_per_client,
		.sparse_max = export->sparse_max,
		.admit = export->admit,
		.limits = export->limits,
	};
	struct store_error store_error;
	struct store *store = store_open(&export->storing, &store_error);
	struct vhost_error why;

	if (!store) {
		if (store_error.content)
			snprintf(export->left_out, sizeof(export->left_out),
				 "%.350s", store_error.text);
		return blame(wanted, export, "--blk-file", store_error.text,
			     error);
	}
	export->store = store;
	options.store = store;
	options.argument = store;
	if (export->socket_path)
		options.fd = manager_socket_at(export->socket_path);
	if (export->socket_path && options.fd < 0)
		options.fd = takeover_socket_at(export->socket_path);
	else if (export->socket_path && access_is_set(&export->access))
		log_export(export->name,
			   "its socket was passed in, and is left as it is: "
			   "socket-mode, socket-owner and socket-group have no "
			   "effect");
	export->served = vhost_server_add(server, &options, &why);
	if (export->served)
		return true;
	store_close(store);
	if (options.fd != export->fd)
		close(options.fd);
	return blame(wanted, export,
		     export->socket_path ? "--socket-path" : "--fd", why.text,
		     error);
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same(const struct export *a, const struct export *b)
{
	return same_text(a->socket_path, b->socket_path) && a->fd == b->fd &&
	       store_options_same(&a->storing, &b->storing) &&
	       same_text(a->serial, b->serial) && a->on_loss == b->on_loss &&
	       a->workers_per_client == b->workers_per_client &&
	       a->sparse_max == b->sparse_max && a->admit == b->admit;
}

static bool limits_same(const struct rates_limits *a,
			const struct rates_limits *b)
{
	return a->requests == b->requests && a->bytes == b->bytes &&
	       a->requests_burst == b->requests_burst &&
	       a->bytes_burst == b->bytes_burst &&
	       a->in_flight == b->in_flight &&
	       a->client_in_flight == b->client_in_flight;
}

/* Of those that go on: a new one has its limits already, and one whose limits
 * have not changed keeps what it has saved up. */
static void limit_all(struct options *old, const struct options *wanted)
{
	for (uint32_t i = 0; i < wanted->export_count; i++) {
		const struct export *now = &wanted->exports[i];
		const struct export *before = exports_find(old, now->name);

		if (before && now->served && before->served == now->served &&
		    !limits_same(&before->limits, &now->limits))
			vhost_export_limit(now->served, &now->limits);
	}
}

struct export *exports_find(struct options *options, const char *name)
{
	for (uint32_t i = 0; name && i < options->export_count; i++) {
		if (strcmp(options->exports[i].name, name) == 0)
			return &options->exports[i];
	}
	return NULL;
}

static const struct export *find_at(const struct options *options,
				    const char *path)
{
	for (uint32_t i = 0; path && i < options->export_count; i++) {
		if (same_text(options->exports[i].socket_path, path))
			return &options->exports[i];
	}
	return NULL;
}

/* The export that has this socket now, if its rights are to change; or NULL. */
static const struct export *allowing_others(const struct options *options,
					    const struct export *wanted)
{
	const struct export *export = find_at(options, wanted->socket_path);

	return export && export->served &&
			       !access_same(&export->access, &wanted->access)
		       ? export
		       : NULL;
}

static void allow_as_before(const struct context *context,
			    const struct options *wanted, uint32_t count)
{
	struct vhost_error error;

	for (uint32_t i = 0; i < count; i++) {
		const struct export *old =
			allowing_others(&context->options, &wanted->exports[i]);

		if (old &&
		    !vhost_export_allow(old->served, &old->access, &error))
			log_print("%s", error.text);
	}
}

/* Change the rights of all sockets, or of none.  Where the configuration has
 * not changed, leave a socket alone: it may have been changed by hand. */
static bool allow_all(const struct context *context,
		      const struct options *wanted, struct vhost_error *error)
{
	struct vhost_error why;

	for (uint32_t i = 0; i < wanted->export_count; i++) {
		const struct export *export = &wanted->exports[i];

		if (!export->served ||
		    !allowing_others(&context->options, export) ||
		    vhost_export_allow(export->served, &export->access, &why))
			continue;
		allow_as_before(context, wanted, i);
		return blame(wanted, export, "--socket-path", why.text, error);
	}
	return true;
}

static void undo(struct context *context, struct options *wanted)
{
	for (uint32_t i = 0; i < wanted->export_count; i++) {
		struct export *export = &wanted->exports[i];
		const struct export *old =
			exports_find(&context->options, export->name);

		if (export->served && (!old || old->served != export->served))
			vhost_server_remove(context->server, export->served);
	}
}

/* One whose store can make nothing durable any more is opened anew, unless its
 * socket was handed to us as a descriptor, which cannot be taken over. */
static bool may_stay(const struct export *old, const struct export *wanted)
{
	return old && old->served && same(old, wanted) &&
	       (!old->socket_path || !store_sync_error(old->store));
}

/* It could not be opened.  For what its image holds, so that the others go on
 * without it? */
static bool may_leave_out(const struct context *context,
			  const struct export *export, const struct export *old)
{
	return export->left_out[0] && (context->options.export_count == 0 ||
				       (old && old->left_out[0]));
}

static void log_left_out(struct context *context, const struct options *wanted)
{
	struct vhost_error why;

	for (uint32_t i = 0; i < wanted->export_count; i++) {
		const struct export *now = &wanted->exports[i];
		const struct export *old =
			exports_find(&context->options, now->name);

		if (!now->left_out[0] || (old && old->left_out[0]))
			continue;
		blame(wanted, now, "--blk-file", now->left_out, &why);
		log_print("%s: it is left out, and others are served",
			  why.text);
	}
}

/* Opens new and changed exports; those that are the same stay as they are.  A
 * socket is taken over from the export that listens at its path, which has
 * another name if it is renamed or if two exchange sockets. */
static bool open_wanted(struct context *context, struct options *wanted,
			bool leave_out, struct changes *changes,
			struct vhost_error *error)
{
	uint32_t left_out = 0;

	for (uint32_t i = 0; i < wanted->export_count; i++) {
		struct export *export = &wanted->exports[i];
		const struct export *old =
			exports_find(&context->options, export->name);

		if (export->served || export->left_out[0]) {
			changes->kept++;
			continue;
		}
		if (may_stay(old, export)) {
			export->served = old->served;
			export->store = old->store;
			if (access_same(&old->access, &export->access) &&
			    limits_same(&old->limits, &export->limits))
				changes->kept++;
			else
				changes->changed++;
			continue;
		}
		if (!open_export(
			    context->server, wanted, export,
			    find_at(&context->options, export->socket_path),
			    error)) {
			if (!leave_out || !may_leave_out(context, export, old))
				return false;
			left_out++;
			continue;
		}
		if (old)
			changes->changed++;
		else
			changes->added++;
	}
	if (left_out > 0 && left_out == wanted->export_count)
		return false;
	log_left_out(context, wanted);
	return true;
}

static bool is_shared(const struct export *export)
{
	return store_options_get(&export->storing, "shared");
}

static bool go_together(const struct export *a, const struct export *b)
{
	bool one_reads;

	if (!a->store || !b->store)
		return true;
	one_reads = a->store->read_only || b->store->read_only;
	return !store_same_image(a->store, b->store) ||
	       (is_shared(a) == is_shared(b) && (is_shared(a) || one_reads));
}

/* Two guests that write to one disk destroy its file system, unless they know
 * of each other; a reader beside a writer is harmless.  Exports that a reload
 * replaces do not count, as they accept no new clients. */
static bool one_writer(const struct options *wanted, struct vhost_error *error)
{
	char where[WHERE_SIZE];

	for (uint32_t i = 0; i < wanted->export_count; i++) {
		const struct export *b = &wanted->exports[i];

		for (uint32_t j = 0; j < i; j++) {
			const struct export *a = &wanted->exports[j];

			if (go_together(a, b))
				continue;
			export_where(where, sizeof(where), wanted, b,
				     "--blk-file");
			snprintf(error->text, sizeof(error->text),
				 "%s: %.150s: exports %.60s and %.60s write to "
				 "the "
				 "same image; expected an image each, or all "
				 "but one read-only, or all shared",
				 where, store_options_image(&b->storing),
				 a->name, b->name);
			return false;
		}
	}
	return true;
}

/* A socket that the manager holds cannot be closed here, so that clients of one
 * without an export would wait for ever. */
static bool handed_used(const struct options *wanted, struct vhost_error *error)
{
	const char *path;

	for (int i = 0; (path = manager_socket_path(i)); i++) {
		if (find_at(wanted, path))
			continue;
		snprintf(error->text, sizeof(error->text),
			 "LISTEN_FDS: %.120s: no export uses this socket; "
			 "expected one with socket=%.120s",
			 path, path);
		return false;
	}
	return true;
}

static void close_unwanted(struct context *context, struct options *wanted,
			   struct changes *changes)
{
	for (uint32_t i = 0; i < context->options.export_count; i++) {
		struct export *old = &context->options.exports[i];
		const struct export *now = exports_find(wanted, old->name);

		if (now && now->served == old->served)
			continue;
		if (old->served)
			vhost_server_remove(context->server, old->served);
		if (!now)
			changes->removed++;
	}
}

/* Once. */
static void log_io(void)
{
	const char *why = store_why_threads();
	static bool told;

	if (why && !told)
		log_print("%s; threads move the bytes of files instead", why);
	told |= why != NULL;
}

static const char *serial_of(const struct export *export)
{
	return export->serial ? export->serial : export->name;
}

/* Guests name disks by it, and take two with one serial number for two paths to
 * one disk. */
static void warn_of_twins(const struct options *options)
{
	for (uint32_t i = 0; i < options->export_count; i++) {
		const struct export *b = &options->exports[i];

		for (uint32_t j = 0; j < i; j++) {
			const struct export *a = &options->exports[j];

			if (strncmp(serial_of(a), serial_of(b),
				    VHOST_SERIAL_MAX) == 0)
				log_export(
					b->name,
					"guests see the serial number %.20s, "
					"as of export %.60s; expected "
					"another serial=TEXT for one",
					serial_of(b), a->name);
		}
	}
}

bool exports_apply(struct context *context, struct options *wanted,
		   bool leave_out, struct changes *changes,
		   struct vhost_error *error)
{
	memset(changes, 0, sizeof(*changes));
	if (!open_wanted(context, wanted, leave_out, changes, error) ||
	    !one_writer(wanted, error) || !handed_used(wanted, error) ||
	    !allow_all(context, wanted, error)) {
		undo(context, wanted);
		options_free(wanted);
		return false;
	}
	log_io();
	warn_of_twins(wanted);
	limit_all(&context->options, wanted);
	close_unwanted(context, wanted, changes);
	options_free(&context->options);
	context->options = *wanted;
	return true;
}

/* Of most settings only the exports can change while the server runs. */
static bool settings_same(const struct options *now,
			  const struct options *wanted,
			  struct vhost_error *error)
{
	for (size_t i = 0; settings[i].name; i++) {
		const char *old = now->values[i], *new = wanted->values[i];

		if (settings[i].changes || same_text(old, new))
			continue;
		snprintf(error->text, sizeof(error->text),
			 "%.200s: %s: %.60s, was %.60s; expected no change "
			 "while the server runs: restart it",
			 wanted->config, settings[i].name,
			 new ? new : "not given", old ? old : "not given");
		return false;
	}
	return true;
}

static bool read_again(struct context *context, struct changes *changes,
		       struct vhost_error *error)
{
	enum log_level log, now = context->options.general.log;
	struct options wanted;

	if (!context->command_line->config) {
		snprintf(error->text, sizeof(error->text),
			 "there is no configuration file; expected a server "
			 "that was started with --config");
		return false;
	}
	if (!options_complete(context->command_line, &wanted, error))
		return false;
	if (!settings_same(&context->options, &wanted, error)) {
		options_free(&wanted);
		return false;
	}
	log = wanted.general.log;
	if (!exports_apply(context, &wanted, true, changes, error))
		return false;
	/* Else a command may have set another one. */
	if (log != now)
		log_set_level(log);
	return true;
}

bool exports_reload(struct context *context, struct changes *changes,
		    struct vhost_error *error)
{
	bool good;

	manager_tell_reloading();
	good = read_again(context, changes, error);
	manager_tell_ready();
	if (!good) {
		log_print("not reloaded, nothing has changed: %s", error->text);
		return false;
	}
	log_info(NULL,
		 "reloaded: exports: %u added, %u changed, %u removed, %u "
		 "kept",
		 changes->added, changes->changed, changes->removed,
		 changes->kept);
	return true;
}
