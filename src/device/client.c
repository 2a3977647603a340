// SPDX-License-Identifier: MIT
#include "device/client.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* Log lines at once; one more each second. */
#define LINES	 16u
#define A_SECOND 1u

void client_init(struct client_record *client, const char *export_name,
		 struct log_group *group)
{
	memset(client, 0, sizeof(*client));
	client->export_name = export_name;
	client->uid = (uid_t)-1;
	client->group = group;
	log_limit_init(&client->limit, LINES, A_SECOND);
}

struct client_tally *client_add_tally(struct client_record *client)
{
	struct client_tally *tally = calloc(1, sizeof(*tally));

	if (!tally)
		return NULL;
	tally->next = client->tallies;
	__atomic_store_n(&client->tallies, tally, __ATOMIC_RELEASE);
	return tally;
}

void client_end(struct client_record *client)
{
	struct client_tally *tally;

	while ((tally = client->tallies)) {
		client->tallies = tally->next;
		free(tally);
	}
}

static const struct client_tally *tallies_of(const struct client_record *client)
{
	return __atomic_load_n(&client->tallies, __ATOMIC_ACQUIRE);
}

struct counters client_counters(const struct client_record *client)
{
	struct counters sum = counters_read(&client->counters);
	const struct client_tally *tally;

	for (tally = tallies_of(client); tally; tally = tally->next)
		counters_add(&sum, &tally->counters);
	return sum;
}

void client_add_durations(struct durations *sum,
			  const struct client_record *client)
{
	const struct client_tally *tally;

	durations_add(sum, &client->durations);
	for (tally = tallies_of(client); tally; tally = tally->next)
		durations_add(sum, &tally->durations);
}

static void log_dropped(const struct client_record *client, uint32_t dropped,
			const char *about)
{
	if (dropped)
		log_export(client->export_name,
			   "client #%u: %u lines about %s were left out",
			   client->number, dropped, about);
}

/* Within both limits?  Then what was dropped before is logged first. */
static bool may_log(struct client_record *client)
{
	uint32_t of_group, of_client;

	if (!log_group_allows(client->group, &client->limit, &of_group,
			      &of_client))
		return false;
	log_dropped(client, of_group, "clients of this export");
	log_dropped(client, of_client, "this client");
	return true;
}

__attribute__((format(printf, 3, 0))) static void
client_vlog(struct client_record *client, enum log_level level,
	    const char *format, va_list args)
{
	struct log_line line = {
		.level = level,
		.export = client->export_name,
		.client = client->number,
		.pid = client->pid,
		.uid = client->uid,
	};

	/* What is not written uses up no limit. */
	if (log_takes(level) && (level == LOG_LEVEL_DEBUG || may_log(client)))
		log_vprint(&line, format, args);
}

void client_log(struct client_record *client, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	client_vlog(client, LOG_LEVEL_WARNING, format, args);
	va_end(args);
}

void client_log_at(struct client_record *client, enum log_level level,
		   const char *format, ...)
{
	va_list args;

	va_start(args, format);
	client_vlog(client, level, format, args);
	va_end(args);
}
