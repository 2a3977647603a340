// SPDX-License-Identifier: MIT
#include "program/ask/stats.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "device/counters.h"

/*
 * OpenMetrics 1.0.0: a family is its HELP, TYPE and UNIT, then all its samples;
 * the name of a family ends with its unit, the sample of a counter with
 * _total; the last line is "# EOF".
 */
static const struct counter of_export[] = {
	{ .key = "connected",
	  .family = "clients",
	  .gauge = true,
	  .help = "Clients connected now." },
	{ .key = "clients-so-far",
	  .family = "connections",
	  .help = "Clients that connected so far." },
	{ .key = "turned-away",
	  .family = "turned_away",
	  .help = "Clients that were turned away, over a limit." },
	{ .key = "rate-requests",
	  .family = "limit_requests",
	  .gauge = true,
	  .help = "Requests a second that are allowed; 0: any." },
	{ .key = "rate-bytes",
	  .family = "limit_bytes",
	  .unit = "bytes",
	  .gauge = true,
	  .help = "Bytes a second that are allowed; 0: any." },
	{ .key = "in-flight",
	  .family = "limit_in_flight",
	  .gauge = true,
	  .help = "Requests in flight that are allowed; 0: any." },
	{ .key = "throttled-ms",
	  .family = "throttled_milliseconds",
	  .unit = "milliseconds",
	  .help = "Time that clients had to wait for these limits." },
	{ .key = "sync-failed",
	  .family = "sync_failed",
	  .gauge = true,
	  .help = "1: a sync failed, and no flush succeeds any more." },
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static void put_head(FILE *out, const char *of, const struct counter *counter)
{
	fprintf(out, "# HELP precarium_%s_%s %s\n", of, counter->family,
		counter->help);
	fprintf(out, "# TYPE precarium_%s_%s %s\n", of, counter->family,
		counter->gauge ? "gauge" : "counter");
	if (counter->unit)
		fprintf(out, "# UNIT precarium_%s_%s %s\n", of, counter->family,
			counter->unit);
}

static void put_label(FILE *out, const char *name, const char *value)
{
	fprintf(out, "%s=\"", name);
	for (; *value; value++) {
		if (*value == '\n')
			fputs("\\n", out);
		else if (*value == '"' || *value == '\\')
			fprintf(out, "\\%c", *value);
		else
			fputc(*value, out);
	}
	fputc('"', out);
}

static void put_sample(FILE *out, const char *of, const struct counter *counter,
		       const json_t *export, const json_t *client)
{
	const json_t *object = client ? client : export;

	fprintf(out, "precarium_%s_%s%s{", of, counter->family,
		counter->gauge ? "" : "_total");
	put_label(out, "export", stats_string(export, "name"));
	if (client)
		fprintf(out, ",client=\"%" PRIu64 "\"",
			stats_number(client, "number"));
	fprintf(out, "} %" PRIu64 "\n", stats_number(object, counter->key));
}

static void put_exports(FILE *out, const json_t *exports,
			const struct counter *counter)
{
	const json_t *export;
	size_t i;

	put_head(out, "export", counter);
	json_array_foreach(exports, i, export)
		put_sample(out, "export", counter, export, NULL);
}

/* Only connected clients: a series for every client that ever connected would
 * never end. */
static void put_clients(FILE *out, const json_t *exports,
			const struct counter *counter)
{
	const json_t *export, *client;
	size_t i, k;

	put_head(out, "client", counter);
	json_array_foreach(exports, i, export)
	{
		json_array_foreach(json_object_get(export, "clients"), k,
				   client)
		{
			if (json_is_true(json_object_get(client, "connected")))
				put_sample(out, "client", counter, export,
					   client);
		}
	}
}

static void put_faults(FILE *out, const json_t *faults)
{
	static const char *const kinds[] = { "fixed",	    "abandoned",
					     "substituted", "passed",
					     "retried",	    "provided" };

	fputs("# HELP precarium_faults Faults in lent memory, by what was done "
	      "about them.\n"
	      "# TYPE precarium_faults counter\n",
	      out);
	for (size_t i = 0; i < COUNT(kinds); i++)
		fprintf(out,
			"precarium_faults_total{kind=\"%s\"} %" PRIu64 "\n",
			kinds[i], stats_number(faults, kinds[i]));
}

static void put_sparse(FILE *out, const json_t *sparse)
{
	fputs("# HELP precarium_sparse_bytes Bytes that filling holes in lent "
	      "memory costs the server now.\n"
	      "# TYPE precarium_sparse_bytes gauge\n"
	      "# UNIT precarium_sparse_bytes bytes\n",
	      out);
	fprintf(out, "precarium_sparse_bytes %" PRIu64 "\n",
		stats_number(sparse, "bytes"));
	fputs("# HELP precarium_sparse_limit_bytes What they may cost.\n"
	      "# TYPE precarium_sparse_limit_bytes gauge\n"
	      "# UNIT precarium_sparse_limit_bytes bytes\n",
	      out);
	fprintf(out, "precarium_sparse_limit_bytes %" PRIu64 "\n",
		stats_number(sparse, "bytes-max"));
}

static void put_build(FILE *out, const json_t *stats)
{
	fputs("# HELP precarium_build The program that runs.\n"
	      "# TYPE precarium_build info\n"
	      "precarium_build_info{",
	      out);
	put_label(out, "version", stats_string(stats, "version"));
	fputs("} 1\n", out);
}

void stats_openmetrics(FILE *out, const json_t *stats)
{
	const json_t *exports = json_object_get(stats, "exports");

	put_build(out, stats);
	for (size_t i = 0; i < COUNT(of_export); i++)
		put_exports(out, exports, &of_export[i]);
	for (size_t i = 0; i < COUNTER_COUNT; i++)
		put_exports(out, exports, &counter_table[i]);
	for (size_t i = 0; i < COUNTER_COUNT; i++)
		put_clients(out, exports, &counter_table[i]);
	put_sparse(out, json_object_get(stats, "sparse"));
	put_faults(out, json_object_get(stats, "faults"));
	fputs("# EOF\n", out);
}
