// SPDX-License-Identifier: MIT
#include "device/client.h"

#include <stdarg.h>
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
