// SPDX-License-Identifier: MIT
#include "program/ask/stats.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "program/escape.h"

enum form { PLAIN, SIZE, RATE, SIZE_RATE };

/* Rates only where there is something to compare with. */
static const struct column {
	const char *title;
	const char *key;
	enum form form;
} columns[] = {
	{ "REQUESTS", "requests", PLAIN },
	{ "REQ/S", "requests", RATE },
	{ "ERRORS", "errors", PLAIN },
	{ "READ", "bytes-read", SIZE },
	{ "READ/S", "bytes-read", SIZE_RATE },
	{ "WRITTEN", "bytes-written", SIZE },
	{ "WRITE/S", "bytes-written", SIZE_RATE },
	{ "FLIGHT", "requests-in-flight", PLAIN },
	{ "LOSSES", "losses", PLAIN },
	{ "REVOKED", "revocations", PLAIN },
	{ "REFUSED", "regions-refused", PLAIN },
	{ "BROKEN", "queues-broken", PLAIN },
	{ "DEADLINES", "drain-deadlines", PLAIN },
	{ "STUCK", "requests-stuck", PLAIN },
};

#define COLUMNS	   (sizeof(columns) / sizeof(columns[0]))
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

static bool is_rate(const struct column *column)
{
	return column->form == RATE || column->form == SIZE_RATE;
}

static int width(const struct column *column)
{
	int title = (int)strlen(column->title);

	return title > 8 ? title : 8;
}

static void put_titles(FILE *out, bool rates)
{
	fprintf(out, "%-*s", NAME_WIDTH, "EXPORT, CLIENT");
	for (size_t i = 0; i < COLUMNS; i++) {
		if (rates || !is_rate(&columns[i]))
			fprintf(out, " %*s", width(&columns[i]),
				columns[i].title);
	}
	fputc('\n', out);
}

static void format_size(char text[16], double bytes)
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

static void put_row(FILE *out, const json_t *now, const json_t *before,
		    double seconds)
{
	for (size_t i = 0; i < COLUMNS; i++) {
		const struct column *column = &columns[i];
		uint64_t value = stats_number(now, column->key);
		uint64_t old = stats_number(before, column->key);
		double rate = seconds > 0 && value > old
				      ? (double)(value - old) / seconds
				      : 0;
		char text[24];

		if (is_rate(column) && seconds <= 0)
			continue;
		if (column->form == PLAIN)
			snprintf(text, sizeof(text), "%" PRIu64, value);
		else if (column->form == RATE)
			snprintf(text, sizeof(text), "%.0f", rate);
		else
			format_size(text, column->form == SIZE ? (double)value
							       : rate);
		fprintf(out, " %*s", width(column), text);
	}
}

/* The entry of the same name or number in the list of some time ago. */
static const json_t *same(const json_t *list, const char *key,
			  const json_t *entry)
{
	const json_t *wanted = json_object_get(entry, key);
	const json_t *other;
	size_t i;

	json_array_foreach(list, i, other)
	{
		if (json_equal(json_object_get(other, key), wanted))
			return other;
	}
	return NULL;
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

static void put_client(FILE *out, const json_t *client, const json_t *before,
		       double seconds)
{
	const char *ended = stats_string(client, "ended");
	char name[64];

	snprintf(name, sizeof(name),
		 "  #%" PRIu64 " pid %" PRIu64 " uid %" PRIu64,
		 stats_number(client, "number"), stats_number(client, "pid"),
		 stats_number(client, "uid"));
	fprintf(out, "%-*s", NAME_WIDTH, name);
	put_row(out, client, before, seconds);
	if (*ended)
		fputs("  ended: ", out);
	escape_put(out, ended);
	fputc('\n', out);
}

static void put_export(FILE *out, const json_t *export, const json_t *before,
		       double seconds)
{
	const json_t *old = json_object_get(before, "clients");
	const json_t *client;
	size_t i;

	put_name(out, stats_string(export, "name"));
	put_row(out, export, before, seconds);
	fprintf(out,
		"  %" PRIu64 " connected, %" PRIu64 " so far, %" PRIu64
		" turned away\n",
		stats_number(export, "connected"),
		stats_number(export, "clients-so-far"),
		stats_number(export, "turned-away"));
	json_array_foreach(json_object_get(export, "clients"), i, client)
		put_client(out, client, same(old, "number", client), seconds);
}

void stats_text(FILE *out, const json_t *stats, const json_t *before)
{
	const json_t *old = json_object_get(before, "exports");
	const json_t *faults = json_object_get(stats, "faults");
	uint64_t now_ms = stats_number(stats, "clock-ms");
	double seconds = 0;
	const json_t *export;
	size_t i;

	if (before && now_ms > stats_number(before, "clock-ms"))
		seconds = (double)(now_ms - stats_number(before, "clock-ms")) /
			  1000;
	put_titles(out, seconds > 0);
	json_array_foreach(json_object_get(stats, "exports"), i, export)
		put_export(out, export, same(old, "name", export), seconds);
	fprintf(out,
		"faults: %" PRIu64 " fixed, %" PRIu64 " abandoned, %" PRIu64
		" substituted, %" PRIu64 " passed on\n",
		stats_number(faults, "fixed"),
		stats_number(faults, "abandoned"),
		stats_number(faults, "substituted"),
		stats_number(faults, "passed"));
}
