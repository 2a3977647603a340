// SPDX-License-Identifier: MIT
#include "device/client.h"

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

void client_counts_add(struct client_counts *sum,
		       const struct client_counts *more)
{
	sum->requests += more->requests;
	sum->errors += more->errors;
	sum->bytes_read += more->bytes_read;
	sum->bytes_written += more->bytes_written;
	sum->losses += more->losses;
	sum->revocations += more->revocations;
	sum->refused += more->refused;
	sum->notifications += more->notifications;
	sum->deadlines += more->deadlines;
	sum->stuck += more->stuck;
	sum->throttled += more->throttled;
}

static uint64_t whole(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

struct client_counts client_counts_read(const struct client_counts *counts)
{
	return (struct client_counts){
		.requests = whole(&counts->requests),
		.errors = whole(&counts->errors),
		.bytes_read = whole(&counts->bytes_read),
		.bytes_written = whole(&counts->bytes_written),
		.losses = whole(&counts->losses),
		.revocations = whole(&counts->revocations),
		.refused = whole(&counts->refused),
		.notifications = whole(&counts->notifications),
		.deadlines = whole(&counts->deadlines),
		.stuck = whole(&counts->stuck),
		.throttled = whole(&counts->throttled),
	};
}

void client_gauges_add(struct client_gauges *sum,
		       const struct client_gauges *more)
{
	sum->in_flight += more->in_flight;
	sum->bytes_in_flight += more->bytes_in_flight;
	sum->queues_broken += more->queues_broken;
}

struct client_gauges client_gauges_read(const struct client_gauges *gauges)
{
	return (struct client_gauges){
		.in_flight = whole(&gauges->in_flight),
		.bytes_in_flight = whole(&gauges->bytes_in_flight),
		.queues_broken = whole(&gauges->queues_broken),
	};
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
	uint32_t dropped;

	if (!log_limit_allows(&client->limit) ||
	    !log_group_allows(client->group, &dropped))
		return false;
	log_dropped(client, dropped, "clients of this export");
	log_dropped(client, client->limit.dropped, "this client");
	client->limit.dropped = 0;
	return true;
}

void client_log(struct client_record *client, const char *format, ...)
{
	struct log_line line = {
		.export = client->export_name,
		.client = client->number,
		.pid = client->pid,
		.uid = client->uid,
	};
	va_list args;

	if (!may_log(client))
		return;
	va_start(args, format);
	log_vprint(&line, format, args);
	va_end(args);
}
