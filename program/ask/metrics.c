// SPDX-License-Identifier: MIT
#include "program/ask/stats.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "device/counters.h"
#include "device/durations.h"

/*
 * OpenMetrics 1.0.0: a family is its HELP, TYPE and UNIT, then all its samples;
 * the name of a family ends with its unit, the sample of a counter with
 * _total, that of an info with _info; the last line is "# EOF".
 *
 * Prometheus' own format, 0.0.4, has no families: HELP and TYPE name the sample
 * itself.  It has neither units nor infos, which are gauges there.
 */
struct page {
	FILE *out;
	enum metrics_form form;
	const json_t *exports;
};

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
	{ .key = "client-in-flight",
	  .family = "limit_client_in_flight",
	  .gauge = true,
	  .help = "Requests in flight that each client is allowed." },
	{ .key = "capacity",
	  .family = "capacity_bytes",
	  .unit = "bytes",
	  .gauge = true,
	  .help = "Size of the disk." },
	{ .key = "throttled-ms",
	  .family = "throttled_seconds",
	  .unit = "seconds",
	  .help = "Time that clients had to wait for these limits." },
	{ .key = "sync-failed",
	  .family = "sync_failed",
	  .gauge = true,
	  .help = "1: a sync failed, and no flush succeeds any more." },
	{ .key = "device-gone",
	  .family = "device_gone",
	  .gauge = true,
	  .help = "1: the NVMe controller is gone, and requests fail." },
	{ .key = "device-halted",
	  .family = "device_halted",
	  .gauge = true,
	  .help = "1: the NVMe controller is being restarted." },
	{ .key = "device-aborts",
	  .family = "device_aborts",
	  .help = "Commands that an NVMe controller was asked to abort." },
	{ .key = "device-queue-deletes",
	  .family = "device_queue_deletes",
	  .help = "Queues that were deleted to end commands." },
	{ .key = "device-restarts",
	  .family = "device_restarts",
	  .help = "Restarts of an NVMe controller." },
	{ .key = "device-resets",
	  .family = "device_resets",
	  .help = "Restarts that took a reset by PCI." },
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static void put_head(const struct page *page, const char *family,
		     const char *type, const char *unit, const char *help)
{
	bool own = page->form == METRICS_PROMETHEUS;
	bool info = strcmp(type, "info") == 0;
	const char *end = !own				 ? ""
			  : strcmp(type, "counter") == 0 ? "_total"
			  : info			 ? "_info"
							 : "";

	fprintf(page->out, "# HELP precarium_%s%s %s\n", family, end, help);
	fprintf(page->out, "# TYPE precarium_%s%s %s\n", family, end,
		own && info ? "gauge" : type);
	if (unit && !own)
		fprintf(page->out, "# UNIT precarium_%s %s\n", family, unit);
}

static void put_counter_head(const struct page *page, const char *of,
			     const struct counter *counter)
{
	char family[80];

	snprintf(family, sizeof(family), "%s_%s", of, counter->family);
	put_head(page, family, counter->gauge ? "gauge" : "counter",
		 counter->unit, counter->help);
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

/* The tree has milliseconds; metrics have seconds. */
static void put_value(FILE *out, const struct counter *counter, uint64_t value)
{
	if (counter->unit && strcmp(counter->unit, "seconds") == 0)
		fprintf(out, "%" PRIu64 ".%03u\n", value / 1000,
			(unsigned int)(value % 1000));
	else
		fprintf(out, "%" PRIu64 "\n", value);
}

static void put_sample(const struct page *page, const char *of,
		       const struct counter *counter, const json_t *export,
		       const json_t *client)
{
	const json_t *object = client ? client : export;

	fprintf(page->out, "precarium_%s_%s%s{", of, counter->family,
		counter->gauge ? "" : "_total");
	put_label(page->out, "export", stats_string(export, "name"));
	if (client)
		fprintf(page->out, ",client=\"%" PRIu64 "\"",
			stats_number(client, "number"));
	fputs("} ", page->out);
	put_value(page->out, counter, stats_number(object, counter->key));
}

/* A reload may have replaced it by another of its name, whose series its own
 * would be. */
static bool is_replaced(const json_t *exports, size_t index)
{
	const json_t *export = json_array_get(exports, index), *other;
	const char *name = stats_string(export, "name");
	size_t i;

	if (!json_is_true(json_object_get(export, "removed")))
		return false;
	json_array_foreach(exports, i, other)
	{
		if (i != index &&
		    strcmp(stats_string(other, "name"), name) == 0 &&
		    (i < index ||
		     !json_is_true(json_object_get(other, "removed"))))
			return true;
	}
	return false;
}

static void put_exports(const struct page *page, const struct counter *counter)
{
	const json_t *export;
	size_t i;

	put_counter_head(page, "export", counter);
	json_array_foreach(page->exports, i,
			   export) if (!is_replaced(page->exports, i))
		put_sample(page, "export", counter, export, NULL);
}

/* Only connected clients: a series for every client that ever connected would
 * never end. */
static void put_clients(const struct page *page, const struct counter *counter)
{
	const json_t *export, *client;
	size_t i, k;

	put_counter_head(page, "client", counter);
	json_array_foreach(page->exports, i, export)
	{
		if (is_replaced(page->exports, i))
			continue;
		json_array_foreach(json_object_get(export, "clients"), k,
				   client)
		{
			if (json_is_true(json_object_get(client, "connected")))
				put_sample(page, "client", counter, export,
					   client);
		}
	}
}

/* The start of a sample, to which a label may be added. */
static void put_duration(const struct page *page, const char *end,
			 const json_t *export, const char *kind)
{
	fprintf(page->out, "precarium_export_request_duration_seconds_%s{",
		end);
	put_label(page->out, "export", stats_string(export, "name"));
	fprintf(page->out, ",operation=\"%s\"", kind);
}

/* Buckets count what is in those before them, too. */
static void put_histogram(const struct page *page, const json_t *export,
			  const char *kind)
{
	const json_t *durations =
		json_object_get(json_object_get(export, "durations"), kind);
	const json_t *ended = json_object_get(durations, "ended");
	uint64_t sum_us = stats_number(durations, "sum-us"), so_far = 0;

	for (uint32_t i = 0; i < DURATION_BUCKETS; i++) {
		so_far +=
			(uint64_t)json_integer_value(json_array_get(ended, i));
		put_duration(page, "bucket", export, kind);
		if (i < DURATION_BUCKETS - 1)
			fprintf(page->out, ",le=\"%.9g\"} %" PRIu64 "\n",
				(double)duration_bound_ns(i) / 1e9, so_far);
	}
	fprintf(page->out, ",le=\"+Inf\"} %" PRIu64 "\n", so_far);
	put_duration(page, "count", export, kind);
	fprintf(page->out, "} %" PRIu64 "\n", so_far);
	put_duration(page, "sum", export, kind);
	fprintf(page->out, "} %" PRIu64 ".%06u\n", sum_us / 1000000,
		(unsigned int)(sum_us % 1000000));
}

static void put_histograms(const struct page *page)
{
	const json_t *export;
	size_t i;

	put_head(page, "export_request_duration_seconds", "histogram",
		 "seconds", "How long the store took for requests.");
	json_array_foreach(page->exports, i, export)
	{
		if (is_replaced(page->exports, i))
			continue;
		for (uint32_t k = 0; k < DURATION_KINDS; k++)
			put_histogram(page, export, duration_names[k]);
	}
}

static void put_faults(const struct page *page, const json_t *faults)
{
	static const char *const kinds[] = { "fixed",	    "abandoned",
					     "substituted", "passed",
					     "retried",	    "provided" };

	put_head(page, "faults", "counter", NULL,
		 "Faults in lent memory, by what was done about them.");
	for (size_t i = 0; i < COUNT(kinds); i++)
		fprintf(page->out,
			"precarium_faults_total{kind=\"%s\"} %" PRIu64 "\n",
			kinds[i], stats_number(faults, kinds[i]));
}

static void put_workers(const struct page *page, const json_t *workers)
{
	const json_t *worker;
	size_t i;

	put_head(page, "worker_cpu_seconds", "counter", "seconds",
		 "Processor time that each worker has used.");
	json_array_foreach(workers, i, worker)
	{
		uint64_t ms = stats_number(worker, "cpu-ms");

		fprintf(page->out,
			"precarium_worker_cpu_seconds_total{worker=\"%zu\"} "
			"%" PRIu64 ".%03u\n",
			i, ms / 1000, (unsigned int)(ms % 1000));
	}
	put_head(page, "worker_clients", "gauge", NULL,
		 "Clients that each worker serves.");
	json_array_foreach(workers, i, worker) fprintf(
		page->out,
		"precarium_worker_clients{worker=\"%zu\"} %" PRIu64 "\n", i,
		stats_number(worker, "clients"));
}

static void put_gauge(const struct page *page, const char *family,
		      const char *unit, const char *help, uint64_t value)
{
	put_head(page, family, "gauge", unit, help);
	fprintf(page->out, "precarium_%s %" PRIu64 "\n", family, value);
}

static void put_build(const struct page *page, const json_t *stats)
{
	put_head(page, "build", "info", NULL, "The program that runs.");
	fputs("precarium_build_info{", page->out);
	put_label(page->out, "version", stats_string(stats, "version"));
	fputs("} 1\n", page->out);
}

void stats_metrics(FILE *out, const json_t *stats, enum metrics_form form)
{
	const json_t *sparse = json_object_get(stats, "sparse");
	const struct page page = {
		.out = out,
		.form = form,
		.exports = json_object_get(stats, "exports"),
	};

	put_build(&page, stats);
	put_gauge(&page, "start_time_seconds", "seconds",
		  "When the server started, in seconds since 1970.",
		  stats_number(stats, "started"));
	put_gauge(&page, "exports_left_out", NULL,
		  "Exports that are not served: the image looks like one of "
		  "another format.",
		  json_array_size(json_object_get(stats, "left-out")));
	for (size_t i = 0; i < COUNT(of_export); i++)
		put_exports(&page, &of_export[i]);
	for (size_t i = 0; i < COUNTER_COUNT; i++)
		put_exports(&page, &counter_table[i]);
	put_histograms(&page);
	put_workers(&page, json_object_get(stats, "workers"));
	for (size_t i = 0; i < COUNTER_COUNT; i++)
		put_clients(&page, &counter_table[i]);
	put_gauge(&page, "sparse_bytes", "bytes",
		  "Bytes that filling holes in lent memory costs the server "
		  "now.",
		  stats_number(sparse, "bytes"));
	put_gauge(&page, "sparse_limit_bytes", "bytes", "What they may cost.",
		  stats_number(sparse, "bytes-max"));
	put_faults(&page, json_object_get(stats, "faults"));
	if (form == METRICS_OPEN)
		fputs("# EOF\n", out);
}
