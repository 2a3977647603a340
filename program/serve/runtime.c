// SPDX-License-Identifier: MIT
#include "program/serve/runtime.h"

#include <jansson.h>
#include <string.h>

static bool no_memory(struct vhost_error *error)
{
	return vhost_fail(error, "out of memory");
}

/* What a reload would lay over the file for this export: a copy has the very
 * texts of the original.  NULL: it is the file's. */
static struct export *base_of(struct context *context,
			      const struct export *export)
{
	struct options *base = context->command_line;

	for (uint32_t i = 0; i < base->export_count; i++) {
		struct export *other = &base->exports[i];

		if (other->socket_path == export->socket_path &&
		    other->fd == export->fd)
			return other;
	}
	return NULL;
}

static void take_out(struct options *options, struct export *export)
{
	struct export *end = options->exports + options->export_count;

	memmove(export, export + 1,
		(size_t)(end - export - 1) * sizeof(*export));
	options->export_count--;
}

/* A place for the export in the copy of the options.  NULL: no memory. */
static struct export *place_in(struct options *wanted,
			       const struct export *export, bool replace)
{
	struct export *place =
		replace ? exports_find(wanted, export_name(export)) : NULL;

	return place ? place : options_add(wanted);
}

/* Room for one more with those of the command line, so that nothing fails once
 * the export is served. */
static bool make_room(struct options *options)
{
	if (!options_add(options))
		return false;
	options->export_count--;
	return true;
}

/* `old`: what it replaces, or NULL. */
static void keep(struct context *context, const struct export *export,
		 struct export *old)
{
	if (!old)
		old = options_add(context->command_line);
	else
		json_decref(old->source);
	*old = *export;
}

static bool add(struct context *context, struct export *export, bool replace,
		struct changes *changes, struct vhost_error *error)
{
	struct export *place, *before, *old = NULL;
	struct options wanted;

	if (!make_room(context->command_line) ||
	    !options_copy(&context->options, &wanted))
		return no_memory(error);
	place = place_in(&wanted, export, replace);
	if (!place) {
		options_free(&wanted);
		return no_memory(error);
	}
	*place = *export;
	if (!options_name(&wanted, error)) {
		options_free(&wanted);
		return false;
	}
	export->name = place->name;
	before = exports_find(&context->options, place->name);
	if (before)
		old = base_of(context, before);
	if (!exports_apply(context, &wanted, false, changes, error))
		return false;
	keep(context, export, old);
	return true;
}

bool runtime_add(struct context *context, struct export *export, bool replace,
		 struct changes *changes, struct vhost_error *error)
{
	if (add(context, export, replace, changes, error))
		return true;
	json_decref(export->source);
	return false;
}

/* Begins a change of an export: *wanted, which the caller owns, is a copy of
 * the options, and *base what a reload would lay over the file, or NULL.
 * False: *error says why. */
static bool begin_change(struct context *context, const char *name,
			 struct options *wanted, struct export **base,
			 struct vhost_error *error)
{
	struct export *export = exports_find(&context->options, name);

	*base = export ? base_of(context, export) : NULL;
	if (!export)
		return vhost_fail(error,
				  "%.200s: no such export; expected one that "
				  "precarium export list names",
				  name);
	if (!options_copy(&context->options, wanted))
		return no_memory(error);
	return true;
}

bool runtime_remove(struct context *context, const char *name,
		    struct vhost_error *error)
{
	struct changes changes;
	struct options wanted;
	struct export *base;

	if (!begin_change(context, name, &wanted, &base, error))
		return false;
	take_out(&wanted, exports_find(&wanted, name));
	if (!exports_apply(context, &wanted, false, &changes, error))
		return false;
	if (base) {
		json_decref(base->source);
		take_out(context->command_line, base);
	}
	return true;
}

bool runtime_limit(struct context *context, const char *name,
		   const struct rates_limits *limits, struct vhost_error *error)
{
	struct changes changes;
	struct options wanted;
	struct export *base;

	if (!begin_change(context, name, &wanted, &base, error))
		return false;
	exports_find(&wanted, name)->limits = *limits;
	if (!exports_apply(context, &wanted, false, &changes, error))
		return false;
	if (base)
		base->limits = *limits;
	return true;
}

void runtime_free(struct options *command_line)
{
	for (uint32_t i = 0; i < command_line->export_count; i++)
		json_decref(command_line->exports[i].source);
}
