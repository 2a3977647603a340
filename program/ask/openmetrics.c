// SPDX-License-Identifier: MIT
#include "program/ask/stats.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

/*
 * OpenMetrics 1.0.0: a family is its HELP, TYPE and UNIT, then all its samples;
 * the name of a family ends with its unit, the sample of a counter with
 * _total; the last line is "# EOF".
 */
static const struct family {
	const char *key; /* in the tree */
	const char *name;
	const char *unit; /* or NULL */
	bool gauge;
	const char *help;
} families[] = {
	{ "requests", "requests", NULL, false,
	  "Requests that came to an end, good or bad." },
	{ "errors", "errors", NULL, false,
	  "Requests that ended with an error." },
	{ "bytes-read", "read_bytes", "bytes", false,
	  "Bytes moved from the store to the client." },
	{ "bytes-written", "written_bytes", "bytes", false,
	  "Bytes moved from the client to the store." },
	{ "losses", "losses", NULL, false,
	  "Times that lent memory was found gone." },
	{ "revocations", "revocations", NULL, false,
	  "Regions that were taken back by a message." },
	{ "regions-refused", "regions_refused", NULL, false,
	  "Regions that were not accepted." },
	{ "notifications", "notifications", NULL, false,
	  "Notifications of used buffers." },
	{ "drain-deadlines", "drain_deadlines", NULL, false,
	  "Messages whose requests in flight were cancelled." },
	{ "requests-stuck", "requests_stuck", NULL, false,
	  "Requests that the store kept after they were cancelled." },
	{ "throttled", "throttled", NULL, false,
	  "Times that requests waited for bytes in flight to become fewer." },
	{ "requests-in-flight", "requests_in_flight", NULL, true,
	  "Requests in the store now." },
	{ "bytes-in-flight", "in_flight_bytes", "bytes", true,
	  "Bytes of the requests in the store now." },
	{ "queues-broken", "queues_broken", NULL, true,
	  "Queues that are stopped until they are set up again." },
};

static const struct family of_export[] = {
	{ "connected", "clients", NULL, true, "Clients connected now." },
	{ "clients-so-far", "connections", NULL, false,
	  "Clients that connected so far." },
	{ "turned-away", "turned_away", NULL, false,
	  "Clients that were turned away, over a limit." },
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static void put_head(FILE *out, const char *of, const struct family *family)
{
	fprintf(out, "# HELP precarium_%s_%s %s\n", of, family->name,
		family->help);
	fprintf(out, "# TYPE precarium_%s_%s %s\n", of, family->name,
		family->gauge ? "gauge" : "counter");
	if (family->unit)
		fprintf(out, "# UNIT precarium_%s_%s %s\n", of, family->name,
			family->unit);
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

static void put_sample(FILE *out, const char *of, const struct family *family,
		       const json_t *export, const json_t *client)
{
	const json_t *object = client ? client : export;

	fprintf(out, "precarium_%s_%s%s{", of, family->name,
		family->gauge ? "" : "_total");
	put_label(out, "export", stats_string(export, "name"));
	if (client)
		fprintf(out, ",client=\"%" PRIu64 "\"",
			stats_number(client, "number"));
	fprintf(out, "} %" PRIu64 "\n", stats_number(object, family->key));
}

static void put_exports(FILE *out, const json_t *exports,
			const struct family *family)
{
	const json_t *export;
	size_t i;

	put_head(out, "export", family);
	json_array_foreach(exports, i, export)
		put_sample(out, "export", family, export, NULL);
}

/* Only connected clients: a series for every client that ever connected would
 * never end. */
static void put_clients(FILE *out, const json_t *exports,
			const struct family *family)
{
	const json_t *export, *client;
	size_t i, k;

	put_head(out, "client", family);
	json_array_foreach(exports, i, export)
	{
		json_array_foreach(json_object_get(export, "clients"), k,
				   client)
		{
			if (json_is_true(json_object_get(client, "connected")))
				put_sample(out, "client", family, export,
					   client);
		}
	}
}

static void put_faults(FILE *out, const json_t *faults)
{
	static const char *const kinds[] = { "fixed", "abandoned",
					     "substituted", "passed",
					     "retried" };

	fputs("# HELP precarium_faults Faults in lent memory, by what was done "
	      "about them.\n"
	      "# TYPE precarium_faults counter\n",
	      out);
	for (size_t i = 0; i < COUNT(kinds); i++)
		fprintf(out,
			"precarium_faults_total{kind=\"%s\"} %" PRIu64 "\n",
			kinds[i], stats_number(faults, kinds[i]));
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
	for (size_t i = 0; i < COUNT(families); i++)
		put_exports(out, exports, &families[i]);
	for (size_t i = 0; i < COUNT(families); i++)
		put_clients(out, exports, &families[i]);
	put_faults(out, json_object_get(stats, "faults"));
	fputs("# EOF\n", out);
}
