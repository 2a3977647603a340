// SPDX-License-Identifier: MIT
#include "program/ask/stats.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "device/counters.h"
#include "device/durations.h"
#include "program/escape.h"

#define NAME_WIDTH 26

uint64_t stats_number(const json_t *object, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(object, key));
}

const char *stats_string(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static int width(const char *title)
{
	int size = (int)strlen(title);

	return size > 8 ? size : 8;
}

static void put_titles(FILE *out)
{
	fprintf(out, "%-*s", NAME_WIDTH, "EXPORT, CLIENT");
	for (size_t i = 0; i < COUNTER_COUNT; i++) {
		const char *title = counter_table[i].column;

		if (title)
			fprintf(out, " %*s", width(title), title);
	}
	fputc('\n', out);
}

void stats_format_size(char text[16], double bytes)
{
	static const char units[] = " KMGTPE";
	size_t unit = 0;

	while (bytes >= 1024 && unit + 2 < sizeof(units)) {
		bytes /= 1024;
		unit++;
	}
	if (unit == 0)
		snprintf(text, 16, "%.0f", bytes);
	else
		snprintf(text, 16, "%.1f%c", bytes, units[unit]);
}

static void put_row(FILE *out, const json_t *object)
{
	for (size_t i = 0; i < COUNTER_COUNT; i++) {
		const struct counter *counter = &counter_table[i];
		uint64_t value = stats_number(object, counter->key);
		char text[24];

		if (!counter->column)
			continue;
		if (counter->unit)
			stats_format_size(text, (double)value);
		else
			snprintf(text, sizeof(text), "%" PRIu64, value);
		fprintf(out, " %*s", width(counter->column), text);
	}
}

/* Escaped, and padded to the width of the column; longer ones are not cut. */
static void put_name(FILE *out, const char *name)
{
	size_t size = ESCAPED_SIZE(strlen(name) + 1);
	char *shown = malloc(size);

	if (!shown)
		return;
	escape(shown, size, name);
	fprintf(out, "%-*s", NAME_WIDTH, shown);
	free(shown);
}

static void put_sparse(FILE *out, const json_t *sparse)
{
	char bytes[16], most[16], client[16];

	stats_format_size(bytes, (double)stats_number(sparse, "bytes"));
	stats_format_size(most, (double)stats_number(sparse, "bytes-max"));
	stats_format_size(client,
			  (double)stats_number(sparse, "client-bytes-max"));
	fprintf(out, "holes: %s filled of %s, %s a client%s\n", bytes, most,
		client,
		json_is_false(json_object_get(sparse, "watched"))
			? ", counted when they are lent"
			: "");
}

/* "    64.0M pinned, 0 draining, and so on; 12 ms to pin", if there is any. */
static void put_pins(FILE *out, const json_t *client)
{
	static const struct {
		const char *key, *name;
	} states[] = {
		{ "pinned-bytes", "pinned" },
		{ "draining-bytes", "draining" },
		{ "quarantined-bytes", "quarantined" },
		{ "quiet-bytes", "quiet" },
		{ "condemned-bytes", "condemned" },
	};
	uint64_t ms = stats_number(client, "pin-ms"), any = ms;
	char bytes[16];

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		any |= stats_number(client, states[i].key);
	if (!any)
		return;
	fputs("    ", out);
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		stats_format_size(bytes,
				  (double)stats_number(client, states[i].key));
		fprintf(out, "%s %s, ", bytes, states[i].name);
	}
	fprintf(out, "%" PRIu64 " ms to pin\n", ms);
}

static void put_client(FILE *out, const json_t *client)
{
	const char *ended = stats_string(client, "ended");
	char name[64];

	snprintf(name, sizeof(name),
		 "  #%" PRIu64 " pid %" PRIu64 " uid %" PRIu64,
		 stats_number(client, "number"), stats_number(client, "pid"),
		 stats_number(client, "uid"));
	fprintf(out, "%-*s", NAME_WIDTH, name);
	put_row(out, client);
	if (*ended)
		fputs("  ended: ", out);
	escape_put(out, ended);
	fputc('\n', out);
	put_pins(out, client);
}

/* Prints the clients that are connected, or those that have ended. */
static void put_clients(FILE *out, const json_t *export, bool connected)
{
	const json_t *client;
	size_t i;

	json_array_foreach(json_object_get(export, "clients"), i, client)
	{
		if (json_is_true(json_object_get(client, "connected")) ==
		    connected)
			put_client(out, client);
	}
}

/* "  limits: 1000 requests, 1.0M a second, 64 in flight; 1.5 s throttled" */
static void put_limits(FILE *out, const json_t *export)
{
	uint64_t requests = stats_number(export, "rate-requests");
	uint64_t bytes = stats_number(export, "rate-bytes");
	uint64_t in_flight = stats_number(export, "in-flight");
	const char *between = "  limits: ";
	char size[16];

	if (!requests && !bytes && !in_flight)
		return;
	if (requests) {
		fprintf(out, "%s%" PRIu64 " requests a second", between,
			requests);
		between = ", ";
	}
	if (bytes) {
		stats_format_size(size, (double)bytes);
		fprintf(out, "%s%s a second", between, size);
		between = ", ";
	}
	if (in_flight)
		fprintf(out, "%s%" PRIu64 " in flight", between, in_flight);
	fprintf(out, "; throttled for %.1f s\n",
		(double)stats_number(export, "throttled-ms") / 1000);
}

/* What ended within each bound since the tree before, and how many in all. */
static uint64_t count_ended(uint64_t ended[DURATION_BUCKETS],
			    const json_t *export, const json_t *before,
			    const char *kind)
{
	const json_t *now = json_object_get(
		json_object_get(json_object_get(export, "durations"), kind),
		"ended");
	const json_t *old = json_object_get(
		json_object_get(json_object_get(before, "durations"), kind),
		"ended");
	uint64_t count = 0;

	for (uint32_t i = 0; i < DURATION_BUCKETS; i++) {
		json_int_t new = json_integer_value(json_array_get(now, i));
		json_int_t so_far = json_integer_value(json_array_get(old, i));

		ended[i] = new > so_far ? (uint64_t)(new - so_far) : 0;
		count += ended[i];
	}
	return count;
}

/* The bound of the bucket in which this part of them ends, in microseconds. */
static uint64_t quantile_us(const uint64_t ended[DURATION_BUCKETS],
			    uint64_t count, double part)
{
	uint64_t so_far = 0;
	uint32_t i = 0;

	for (; i < DURATION_BUCKETS - 1; i++) {
		so_far += ended[i];
		if ((double)so_far >= part * (double)count)
			break;
	}
	return duration_bound_ns(i) / 1000;
}

/* "  read: half within 16 us, 99 of 100 within 4194 us" */
void stats_durations(FILE *out, const json_t *export, const json_t *before)
{
	for (uint32_t k = 0; k < DURATION_KINDS; k++) {
		uint64_t ended[DURATION_BUCKETS];
		uint64_t count =
			count_ended(ended, export, before, duration_names[k]);

		if (count)
			fprintf(out,
				"  %s: half within %" PRIu64
				" us, 99 of 100 within %" PRIu64 " us\n",
				duration_names[k],
				quantile_us(ended, count, 0.5),
				quantile_us(ended, count, 0.99));
	}
}

/* "  device: 2 commands aborted, 1 queues deleted, …", if anything has
 * happened. */
static void put_events(FILE *out, const json_t *export)
{
	uint64_t aborts = stats_number(export, "device-aborts");
	uint64_t restarts = stats_number(export, "device-restarts");

	if (stats_number(export, "device-gone"))
		fputs("  its device is gone: all requests fail\n", out);
	else if (stats_number(export, "device-halted"))
		fputs("  its device is being restarted\n", out);
	if (aborts || restarts)
		fprintf(out,
			"  device: %" PRIu64 " commands aborted, %" PRIu64
			" queues deleted, %" PRIu64 " restarts, %" PRIu64
			" resets\n",
			aborts, stats_number(export, "device-queue-deletes"),
			restarts, stats_number(export, "device-resets"));
}

static void put_export(FILE *out, const json_t *export)
{
	put_name(out, stats_string(export, "name"));
	put_row(out, export);
	fprintf(out,
		"  %" PRIu64 " connected, %" PRIu64 " so far, %" PRIu64
		" turned away\n",
		stats_number(export, "connected"),
		stats_number(export, "clients-so-far"),
		stats_number(export, "turned-away"));
	if (stats_number(export, "sync-failed"))
		fprintf(out, "  a sync failed: %s: no flush succeeds\n",
			stats_string(export, "sync-error"));
	put_events(out, export);
	put_limits(out, export);
	stats_durations(out, export, NULL);
	put_clients(out, export, true);
	put_clients(out, export, false);
}

static void put_left_out(FILE *out, const json_t *export)
{
	put_name(out, stats_string(export, "name"));
	fputs(" not served: ", out);
	escape_put(out, stats_string(export, "why"));
	fputc('\n', out);
}

void stats_text(FILE *out, const json_t *stats)
{
	const json_t *faults = json_object_get(stats, "faults");
	const json_t *export;
	size_t i;

	put_titles(out);
	json_array_foreach(json_object_get(stats, "exports"), i, export)
		put_export(out, export);
	json_array_foreach(json_object_get(stats, "left-out"), i, export)
		put_left_out(out, export);
	fprintf(out,
		"faults: %" PRIu64 " fixed, %" PRIu64 " abandoned, %" PRIu64
		" substituted, %" PRIu64 " passed on\n",
		stats_number(faults, "fixed"),
		stats_number(faults, "abandoned"),
		stats_number(faults, "substituted"),
		stats_number(faults, "passed"));
	put_sparse(out, json_object_get(stats, "sparse"));
}
