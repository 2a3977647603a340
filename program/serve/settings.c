// SPDX-License-Identifier: MIT
#include "program/serve/settings.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <precarium/lending_linux.h>
#include <precarium/space.h>

#include "program/number.h"
#include "program/serve/access.h"

#define A_SIZE "expected bytes, with K, M, G or T"

static const char *set_workers(struct general *general, const char *value)
{
	return parse_small(value, 1, 64, &general->limits.workers)
		       ? NULL
		       : "expected a number from 1 to 64";
}

#define SOME_CPUS "expected processors, each once, as in 0-3,8"

/* One that is not in the list yet. */
static bool add_cpu(struct vhost_limits *limits, uint32_t cpu)
{
	for (uint32_t i = 0; i < limits->worker_cpu_count; i++) {
		if (limits->worker_cpus[i] == cpu)
			return false;
	}
	if (limits->worker_cpu_count == VHOST_WORKERS_MAX)
		return false;
	limits->worker_cpus[limits->worker_cpu_count++] = (uint16_t)cpu;
	return true;
}

/* A number, or the first and the last of several. */
static bool add_cpus(struct vhost_limits *limits, char *text)
{
	char *dash = strchr(text, '-');
	uint32_t first, last;

	if (dash)
		*dash++ = 0;
	if (!parse_small(text, 0, CPU_SETSIZE - 1, &first) ||
	    !parse_small(dash ? dash : text, first, CPU_SETSIZE - 1, &last))
		return false;
	for (uint32_t cpu = first; cpu <= last; cpu++) {
		if (!add_cpu(limits, cpu))
			return false;
	}
	return true;
}

static const char *set_worker_cpus(struct general *general, const char *value)
{
	char text[512], *next = text;
	size_t length = strlen(value);

	general->limits.worker_cpu_count = 0;
	if (length >= sizeof(text))
		return SOME_CPUS;
	memcpy(text, value, length + 1);
	while (next) {
		if (!add_cpus(&general->limits, strsep(&next, ",")))
			return SOME_CPUS;
	}
	return NULL;
}

static const char *set_polling(struct general *general, const char *value)
{
	if (strcmp(value, "adaptive") == 0)
		general->limits.polling = POLLING_ADAPTIVE;
	else if (strcmp(value, "never") == 0)
		general->limits.polling = POLLING_NEVER;
	else if (strcmp(value, "always") == 0)
		general->limits.polling = POLLING_ALWAYS;
	else
		return "expected adaptive, never or always";
	return NULL;
}

static const char *set_max_clients(struct general *general, const char *value)
{
	return parse_small(value, 1, 65535, &general->limits.connections)
		       ? NULL
		       : "expected a number from 1 to 65535";
}

static const char *set_max_regions(struct general *general, const char *value)
{
	_Static_assert(PREC_SPACE_MAX == 512, "the text tells it");
	return parse_small(value, 1, PREC_SPACE_MAX, &general->limits.regions)
		       ? NULL
		       : "expected a number from 1 to 512";
}

static const char *set_max_queues(struct general *general, const char *value)
{
	return parse_small(value, 1, VHOST_QUEUES_MAX, &general->limits.queues)
		       ? NULL
		       : "expected a number from 1 to 256";
}

static const char *set_max_in_flight(struct general *general, const char *value)
{
	return parse_size(value, &general->limits.bytes_in_flight) ? NULL
								   : A_SIZE;
}

static const char *set_max_sparse(struct general *general, const char *value)
{
	return parse_size(value, &general->limits.sparse) ? NULL : A_SIZE;
}

static const char *set_max_sparse_all(struct general *general,
				      const char *value)
{
	return parse_size(value, &general->limits.sparse_all) ? NULL : A_SIZE;
}

static const char *set_drain_timeout(struct general *general, const char *value)
{
	_Static_assert(VHOST_DRAIN_MAX_MS == 3600000, "the text tells it");
	return parse_small(value, 1, VHOST_DRAIN_MAX_MS,
			   &general->limits.drain_timeout_ms)
		       ? NULL
		       : "expected a number from 1 to 3600000, of milliseconds";
}

static const char *set_stats_json(struct general *general, const char *value)
{
	general->stats_json = value;
	return value[0] ? NULL : "expected a path, or - for standard output";
}

static const char *set_control(struct general *general, const char *value)
{
	general->control = value;
	return value[0] ? NULL : "expected a path";
}

static const char *set_control_mode(struct general *general, const char *value)
{
	return access_set_mode(&general->control_access, value);
}

static const char *set_control_owner(struct general *general, const char *value)
{
	return access_set_owner(&general->control_access, value);
}

static const char *set_control_group(struct general *general, const char *value)
{
	return access_set_group(&general->control_access, value);
}

static const char *set_user(struct general *general, const char *value)
{
	general->user = value;
	return value[0] ? NULL : "expected the name of a user";
}

static const char *set_seccomp(struct general *general, const char *value)
{
	if (strcmp(value, "on") == 0)
		general->filter = FILTER_ON;
	else if (strcmp(value, "off") == 0)
		general->filter = FILTER_OFF;
	else
		return "expected on or off";
	return NULL;
}

static const char *set_io(struct general *general, const char *value)
{
	if (strcmp(value, "auto") == 0)
		general->io = STORE_WAY_AUTO;
	else if (strcmp(value, "uring") == 0)
		general->io = STORE_WAY_URING;
	else if (strcmp(value, "threads") == 0)
		general->io = STORE_WAY_THREADS;
	else
		return "expected auto, uring or threads";
	return NULL;
}

const char *const log_level_names[] = { "warning", "info", "debug", NULL };

bool log_level_find(const char *name, enum log_level *level)
{
	for (int i = 0; log_level_names[i]; i++) {
		if (strcmp(log_level_names[i], name) != 0)
			continue;
		*level = (enum log_level)i;
		return true;
	}
	return false;
}

static const char *set_log(struct general *general, const char *value)
{
	return log_level_find(value, &general->log) ? NULL : LOG_LEVEL_EXPECTED;
}

const struct setting settings[] = {
	{ "workers", set_workers, false },
	{ "worker-cpus", set_worker_cpus, false },
	{ "polling", set_polling, false },
	{ "io", set_io, false },
	{ "max-clients", set_max_clients, false },
	{ "max-regions", set_max_regions, false },
	{ "max-queues", set_max_queues, false },
	{ "max-in-flight", set_max_in_flight, false },
	{ "max-sparse", set_max_sparse, false },
	{ "max-sparse-all", set_max_sparse_all, false },
	{ "drain-timeout", set_drain_timeout, false },
	{ "stats-json", set_stats_json, false },
	{ "log", set_log, true },
	{ "control", set_control, false },
	{ "control-mode", set_control_mode, false },
	{ "control-owner", set_control_owner, false },
	{ "control-group", set_control_group, false },
	{ "user", set_user, false },
	{ "seccomp", set_seccomp, false },
	{ NULL, NULL, false },
};
_Static_assert(sizeof(settings) / sizeof(settings[0]) <= SETTINGS_MAX,
	       "what is given is kept by index");

static const char *set_socket(struct export *export, const char *value)
{
	export->socket_path = value;
	return NULL;
}

static const char *set_socket_mode(struct export *export, const char *value)
{
	return access_set_mode(&export->access, value);
}

static const char *set_socket_owner(struct export *export, const char *value)
{
	return access_set_owner(&export->access, value);
}

static const char *set_socket_group(struct export *export, const char *value)
{
	return access_set_group(&export->access, value);
}

static const char *set_read_only(struct export *export, const char *value)
{
	(void)value;
	export->storing.read_only = true;
	return NULL;
}

static const char *set_name(struct export *export, const char *value)
{
	export->name = value;
	return NULL;
}

static const char *set_serial(struct export *export, const char *value)
{
	size_t length = 0;

	_Static_assert(VHOST_SERIAL_MAX == 20, "the text tells it");
	while (value[length] >= ' ' && value[length] <= '~')
		length++;
	export->serial = value;
	return length > 0 && length <= VHOST_SERIAL_MAX && !value[length]
		       ? NULL
		       : "expected 1 to 20 printable characters of ASCII";
}

static const char *set_block_size(struct export *export, const char *value)
{
	uint64_t size;

	if (!parse_size(value, &size) || (size != 512 && size != 4096))
		return "expected 512 or 4096, of bytes";
	export->storing.block_size = (uint32_t)size;
	return NULL;
}

static const char *set_on_loss(struct export *export, const char *value)
{
	if (strcmp(value, "fail") == 0)
		export->on_loss = DEVICE_LOSS_FAIL;
	else if (strcmp(value, "end") == 0)
		export->on_loss = DEVICE_LOSS_END;
	else
		return "expected fail or end";
	return NULL;
}

static const char *set_workers_per_client(struct export *export,
					  const char *value)
{
	_Static_assert(VHOST_WORKERS_MAX == 64, "the text tells it");
	return parse_small(value, 1, VHOST_WORKERS_MAX,
			   &export->workers_per_client)
		       ? NULL
		       : "expected a number from 1 to 64";
}

static const char *set_sparse(struct export *export, const char *value)
{
	if (strcmp(value, "any") == 0) {
		export->admit |= PREC_ADMIT_SPARSE;
		return NULL;
	}
	return parse_size(value, &export->sparse_max)
		       ? NULL
		       : "expected any, or bytes, with K, M, G or T";
}

/* 0: not limited, which is what a limit is unless it is set. */
static bool set_none(uint64_t *limit, const char *value)
{
	if (strcmp(value, "none") != 0)
		return false;
	*limit = 0;
	return true;
}

static const char *set_count(uint64_t *limit, const char *value)
{
	_Static_assert(RATES_MAX >= UINT32_MAX, "the buckets hold it");
	return set_none(limit, value) ||
			       parse_number(value, 1, UINT32_MAX, limit)
		       ? NULL
		       : "expected a number from 1 to 4294967295, or none";
}

static const char *set_bytes(uint64_t *limit, const char *value)
{
	uint64_t bytes;

	_Static_assert(RATES_MAX == 8ull << 40, "the text tells it");
	if (set_none(limit, value))
		return NULL;
	if (!parse_size(value, &bytes) || bytes > RATES_MAX)
		return "expected bytes, with K, M, G or T, up to 8T, or none";
	*limit = bytes;
	return NULL;
}

static const char *set_rate_requests(struct export *export, const char *value)
{
	return set_count(&export->limits.requests, value);
}

static const char *set_burst_requests(struct export *export, const char *value)
{
	return set_count(&export->limits.requests_burst, value);
}

static const char *set_rate_bytes(struct export *export, const char *value)
{
	return set_bytes(&export->limits.bytes, value);
}

static const char *set_burst_bytes(struct export *export, const char *value)
{
	return set_bytes(&export->limits.bytes_burst, value);
}

static const char *set_in_flight(struct export *export, const char *value)
{
	return set_count(&export->limits.in_flight, value);
}

static const char *set_client_in_flight(struct export *export,
					const char *value)
{
	uint64_t *limit = &export->limits.client_in_flight;

	_Static_assert(RATES_CLIENT_MAX == 8192, "the text tells it");
	return set_none(limit, value) ||
			       parse_number(value, 1, RATES_CLIENT_MAX, limit)
		       ? NULL
		       : "expected a number from 1 to 8192, or none";
}

static const struct export_setting own_settings[] = {
	{ "socket", false, set_socket, NULL, false, 0 },
	{ "socket-mode", false, set_socket_mode, NULL, false, 0 },
	{ "socket-owner", false, set_socket_owner, NULL, false, 0 },
	{ "socket-group", false, set_socket_group, NULL, false, 0 },
	{ "read-only", true, set_read_only, NULL, false, 0 },
	{ "name", false, set_name, NULL, false, 0 },
	{ "serial", false, set_serial, NULL, false, 0 },
	{ "block-size", false, set_block_size, NULL, false, 0 },
	{ "on-loss", false, set_on_loss, NULL, false, 0 },
	{ "workers-per-client", false, set_workers_per_client, NULL, false, 0 },
	{ "sparse", false, set_sparse, NULL, false, 0 },
	{ "rate-requests", false, set_rate_requests, NULL, true, 0 },
	{ "burst-requests", false, set_burst_requests, NULL, true, 0 },
	{ "rate-bytes", false, set_rate_bytes, NULL, true, 0 },
	{ "burst-bytes", false, set_burst_bytes, NULL, true, 0 },
	{ "in-flight", false, set_in_flight, NULL, true, 0 },
	{ "client-in-flight", false, set_client_in_flight, NULL, true, 0 },
	{ NULL, false, NULL, NULL, false, 0 },
};

bool export_setting_at(unsigned int number, struct export_setting *setting)
{
	unsigned int at = number;

	for (size_t i = 0; own_settings[i].name; i++) {
		if (at-- > 0)
			continue;
		*setting = own_settings[i];
		setting->number = number;
		return true;
	}
	for (size_t i = 0; store_kinds[i]; i++) {
		const struct store_key *key = store_kinds[i]->keys;

		for (; key->name; key++) {
			if (at-- > 0)
				continue;
			*setting = (struct export_setting){
				.name = key->name,
				.flag = key->type == STORE_KEY_FLAG,
				.of_store = key,
				.number = number,
			};
			return true;
		}
	}
	return false;
}

bool export_setting_find(const char *name, struct export_setting *setting)
{
	unsigned int number = 0;

	while (export_setting_at(number++, setting)) {
		if (strcmp(setting->name, name) == 0)
			return true;
	}
	return false;
}

uint64_t export_limit(const struct export *export,
		      const struct export_setting *setting)
{
	const struct rates_limits *limits = &export->limits;

	return setting->set == set_rate_requests      ? limits->requests
	       : setting->set == set_burst_requests   ? limits->requests_burst
	       : setting->set == set_rate_bytes	      ? limits->bytes
	       : setting->set == set_burst_bytes      ? limits->bytes_burst
	       : setting->set == set_client_in_flight ? limits->client_in_flight
						      : limits->in_flight;
}

/* Is it one of the words, which have a | between them? */
static bool is_word_of(const char *words, const char *value)
{
	size_t size = strlen(value);

	while (size > 0 && words) {
		if (strcspn(words, "|") == size &&
		    strncmp(words, value, size) == 0)
			return true;
		words = strchr(words, '|');
		words = words ? words + 1 : NULL;
	}
	return false;
}

static const char *set_of_store(struct export *export,
				const struct store_key *key, const char *value)
{
	struct store_setting setting = { .key = key->name };

	if (key->type == STORE_KEY_SIZE && !parse_size(value, &setting.size))
		return A_SIZE;
	if (key->type == STORE_KEY_NUMBER &&
	    !parse_number(value, 1, UINT32_MAX - 1, &setting.size))
		return "expected a number from 1 to 4294967294";
	if (key->type == STORE_KEY_WORD &&
	    (!value || !is_word_of(key->value, value)))
		return key->expected;
	if (key->type == STORE_KEY_PATH || key->type == STORE_KEY_WORD)
		setting.text = value;
	store_options_set(&export->storing, &setting);
	return NULL;
}

const char *export_set(struct export *export,
		       const struct export_setting *setting, const char *value)
{
	if (!setting->limit)
		export->given[setting->number] = value ? value : "";
	return setting->of_store
		       ? set_of_store(export, setting->of_store, value)
		       : setting->set(export, value);
}

bool export_take(struct export *export, const char *key, const char *value,
		 struct vhost_error *error)
{
	struct export_setting setting;
	const char *expected = NULL;
	char names[300];

	if (!export_setting_find(key, &setting)) {
		export_setting_names(names, sizeof(names));
		snprintf(error->text, sizeof(error->text),
			 "%.60s: %s; expected %s", key[0] ? key : "\"\"",
			 key[0] ? "unknown key" : "a key is missing", names);
		return false;
	}
	if (setting.flag && value)
		expected = "expected no value";
	else if (!setting.flag && (!value || !value[0]))
		expected = "expected a value";
	else
		expected = export_set(export, &setting, value);
	if (expected)
		snprintf(error->text, sizeof(error->text), "%s%s%.200s: %s",
			 key, value ? "=" : "", value ? value : "", expected);
	return !expected;
}

static void add_name(char *text, size_t size, const char *name, bool last)
{
	size_t used = strlen(text);

	snprintf(text + used, size - used, "%s%s",
		 !used	? ""
		 : last ? " or "
			: ", ",
		 name);
}

void setting_names(char *text, size_t size)
{
	text[0] = 0;
	for (size_t i = 0; settings[i].name; i++)
		add_name(text, size, settings[i].name, false);
	add_name(text, size, "exports", true);
}

void export_limit_names(char *text, size_t size)
{
	text[0] = 0;
	for (size_t i = 0; own_settings[i].name; i++) {
		if (own_settings[i].limit)
			add_name(text, size, own_settings[i].name,
				 !own_settings[i + 1].name);
	}
}

void export_setting_names(char *text, size_t size)
{
	struct export_setting setting;

	text[0] = 0;
	for (size_t i = 0; own_settings[i].name; i++)
		add_name(text, size, own_settings[i].name, false);
	for (size_t i = 0; store_kinds[i]; i++) {
		const struct store_key *key = store_kinds[i]->keys;

		/* Once, what two kinds take. */
		for (; key->name; key++) {
			if (export_setting_find(key->name, &setting) &&
			    setting.of_store == key)
				add_name(text, size, key->name,
					 !key[1].name && !store_kinds[i + 1]);
		}
	}
}

bool export_check(const struct export *export, struct store_error *error)
{
	const struct rates_limits *limits = &export->limits;

	if (limits->requests_burst && !limits->requests)
		return store_fail(error, "burst-requests: there is no rate; "
					 "expected rate-requests, too");
	if (limits->bytes_burst && !limits->bytes)
		return store_fail(error, "burst-bytes: there is no rate; "
					 "expected rate-bytes, too");
	if (!export->socket_path && export->fd < 0)
		return store_fail(error, "no socket; expected socket=PATH");
	return store_options_check(&export->storing, error);
}

struct export *options_add(struct options *options)
{
	struct export *more = realloc(
		options->exports, (options->export_count + 1) * sizeof(*more));

	if (!more)
		return NULL;
	options->exports = more;
	more += options->export_count++;
	memset(more, 0, sizeof(*more));
	more->fd = -1;
	return more;
}

void export_where(char *text, size_t size, const struct options *options,
		  const struct export *export, const char *option)
{
	if (export->source)
		snprintf(text, size, "export add");
	else if (export->line)
		snprintf(text, size, "%.120s:%u:%u", options->config,
			 export->line, export->column);
	else
		snprintf(text, size, "%s",
			 export->single ? option : "--export");
}
