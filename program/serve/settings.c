// SPDX-License-Identifier: MIT
#include "program/serve/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <precarium/region.h>
#include <precarium/space.h>

#include "program/number.h"

#define A_SIZE "expected bytes, with K, M, G or T"

static const char *set_workers(struct serve_general *general, const char *value)
{
	return parse_small(value, 1, 64, &general->limits.workers)
		       ? NULL
		       : "expected a number from 1 to 64";
}

static const char *set_polling(struct serve_general *general, const char *value)
{
	if (strcmp(value, "adaptive") == 0)
		general->limits.polling = VHOST_POLL_ADAPTIVE;
	else if (strcmp(value, "never") == 0)
		general->limits.polling = VHOST_POLL_NEVER;
	else if (strcmp(value, "always") == 0)
		general->limits.polling = VHOST_POLL_ALWAYS;
	else
		return "expected adaptive, never or always";
	return NULL;
}

static const char *set_max_clients(struct serve_general *general,
				   const char *value)
{
	return parse_small(value, 1, 65535, &general->limits.connections)
		       ? NULL
		       : "expected a number from 1 to 65535";
}

static const char *set_max_regions(struct serve_general *general,
				   const char *value)
{
	_Static_assert(PREC_SPACE_MAX == 512, "the text tells it");
	return parse_small(value, 1, PREC_SPACE_MAX, &general->limits.regions)
		       ? NULL
		       : "expected a number from 1 to 512";
}

static const char *set_max_queues(struct serve_general *general,
				  const char *value)
{
	return parse_small(value, 1, 256, &general->limits.queues)
		       ? NULL
		       : "expected a number from 1 to 256";
}

static const char *set_max_in_flight(struct serve_general *general,
				     const char *value)
{
	return parse_size(value, &general->limits.bytes_in_flight) ? NULL
								   : A_SIZE;
}

static const char *set_drain_timeout(struct serve_general *general,
				     const char *value)
{
	_Static_assert(VHOST_DRAIN_MAX_MS == 3600000, "the text tells it");
	return parse_small(value, 1, VHOST_DRAIN_MAX_MS,
			   &general->limits.drain_timeout_ms)
		       ? NULL
		       : "expected a number from 1 to 3600000, of milliseconds";
}

static const char *set_stats_json(struct serve_general *general,
				  const char *value)
{
	general->stats_json = value;
	return value[0] ? NULL : "expected a path, or - for standard output";
}

static const char *set_control(struct serve_general *general, const char *value)
{
	general->control = value;
	return value[0] ? NULL : "expected a path";
}

static const char *set_user(struct serve_general *general, const char *value)
{
	general->user = value;
	return value[0] ? NULL : "expected the name of a user";
}

static const char *set_seccomp(struct serve_general *general, const char *value)
{
	if (strcmp(value, "on") == 0)
		general->filter = FILTER_ON;
	else if (strcmp(value, "off") == 0)
		general->filter = FILTER_OFF;
	else
		return "expected on or off";
	return NULL;
}

const struct serve_setting serve_settings[] = {
	{ "workers", set_workers },
	{ "polling", set_polling },
	{ "max-clients", set_max_clients },
	{ "max-regions", set_max_regions },
	{ "max-queues", set_max_queues },
	{ "max-in-flight", set_max_in_flight },
	{ "drain-timeout", set_drain_timeout },
	{ "stats-json", set_stats_json },
	{ "control", set_control },
	{ "user", set_user },
	{ "seccomp", set_seccomp },
	{ NULL, NULL },
};
_Static_assert(sizeof(serve_settings) / sizeof(serve_settings[0]) <=
		       SERVE_SETTINGS_MAX,
	       "what is given is kept by index");

static const char *set_socket(struct serve_export *export, const char *value)
{
	export->socket_path = value;
	return NULL;
}

static const char *set_file(struct serve_export *export, const char *value)
{
	export->file = value;
	return NULL;
}

static const char *set_null(struct serve_export *export, const char *value)
{
	return parse_size(value, &export->null_size) ? NULL : A_SIZE;
}

static const char *set_read_only(struct serve_export *export, const char *value)
{
	(void)value;
	export->read_only = true;
	return NULL;
}

static const char *set_direct(struct serve_export *export, const char *value)
{
	(void)value;
	export->direct = true;
	return NULL;
}

static const char *set_shared(struct serve_export *export, const char *value)
{
	(void)value;
	export->shared = true;
	return NULL;
}

static const char *set_name(struct serve_export *export, const char *value)
{
	export->name = value;
	return NULL;
}

static const char *set_on_loss(struct serve_export *export, const char *value)
{
	if (strcmp(value, "fail") == 0)
		export->on_loss = VHOST_LOSS_FAIL;
	else if (strcmp(value, "end") == 0)
		export->on_loss = VHOST_LOSS_END;
	else
		return "expected fail or end";
	return NULL;
}

static const char *set_sparse(struct serve_export *export, const char *value)
{
	if (strcmp(value, "any") == 0) {
		export->admit |= PREC_ADMIT_SPARSE;
		return NULL;
	}
	return parse_size(value, &export->sparse_max)
		       ? NULL
		       : "expected any, or bytes, with K, M, G or T";
}

const struct serve_export_setting serve_export_settings[] = {
	{ "socket", false, set_socket }, { "file", false, set_file },
	{ "null", false, set_null },	 { "read-only", true, set_read_only },
	{ "direct", true, set_direct },	 { "shared", true, set_shared },
	{ "name", false, set_name },	 { "on-loss", false, set_on_loss },
	{ "sparse", false, set_sparse }, { NULL, false, NULL },
};

_Static_assert(sizeof(serve_export_settings) /
			       sizeof(serve_export_settings[0]) <=
		       64,
	       "which are given is kept in 64 bits");

static void add_name(char *text, size_t size, const char *name, bool last)
{
	size_t used = strlen(text);

	snprintf(text + used, size - used, "%s%s",
		 !used	? ""
		 : last ? " or "
			: ", ",
		 name);
}

void serve_setting_names(char *text, size_t size)
{
	text[0] = 0;
	for (size_t i = 0; serve_settings[i].name; i++)
		add_name(text, size, serve_settings[i].name, false);
	add_name(text, size, "exports", true);
}

void serve_export_setting_names(char *text, size_t size)
{
	text[0] = 0;
	for (size_t i = 0; serve_export_settings[i].name; i++)
		add_name(text, size, serve_export_settings[i].name,
			 !serve_export_settings[i + 1].name);
}

const char *serve_export_check(const struct serve_export *export)
{
	if (!export->socket_path && export->fd < 0)
		return "no socket; expected socket=PATH";
	if (!export->file && !export->null_size)
		return "nothing to serve; expected file=PATH or null=SIZE";
	if (export->file && export->null_size)
		return "both file and null; expected one of them";
	if (export->null_size && (export->direct || export->shared))
		return "direct and shared are for files; expected file=PATH "
		       "with them";
	return NULL;
}

struct serve_export *serve_options_add(struct serve_options *options)
{
	struct serve_export *more = realloc(
		options->exports, (options->export_count + 1) * sizeof(*more));

	if (!more)
		return NULL;
	options->exports = more;
	more += options->export_count++;
	memset(more, 0, sizeof(*more));
	more->fd = -1;
	return more;
}

void serve_export_where(char *text, size_t size,
			const struct serve_options *options,
			const struct serve_export *export, const char *option)
{
	if (export->line)
		snprintf(text, size, "%.120s:%u:%u", options->config,
			 export->line, export->column);
	else
		snprintf(text, size, "%s",
			 export->single ? option : "--export");
}
