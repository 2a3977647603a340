// SPDX-License-Identifier: MIT
/*
 * The output of `stat --watch`: present activity, in 80 columns.  Connected
 * clients come first.  Ended ones come last and may scroll out of sight: where
 * a client keeps reconnecting, there are many of them.
 */
#include "program/ask/stats.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "program/escape.h"

#define WIDTH	   80
#define NAME_WIDTH 26
#define CELL_WIDTH 8

static const struct column {
	const char *title;
	const char *key;
	enum { NOW, RATE, SIZE_RATE } form;
} columns[] = {
	{ "REQ/S", "requests", RATE },
	{ "READ/S", "bytes-read", SIZE_RATE },
	{ "WRITE/S", "bytes-written", SIZE_RATE },
	{ "FLIGHT", "requests-in-flight", NOW },
	{ "ERRORS", "errors", NOW },
	{ "LOSSES", "losses", NOW },
};

#define COLUMNS (sizeof(columns) / sizeof(columns[0]))
_Static_assert(NAME_WIDTH + COLUMNS * (1 + CELL_WIDTH) <= WIDTH, "a row fits");

/* The previous tree and the time since then; 0: there is no previous tree. */
struct interval {
	const json_t *before;
	double seconds;
	bool busy; /* a worker has been */
};

/* The columns of the character at `text`, which is UTF-8, and its bytes.  From
 * U+1100 on they may be two: better too few in a line than too many. */
static int columns_at(const char *text, size_t *size)
{
	const unsigned char *at = (const unsigned char *)text;

	*size = at[0] < 0xc0 ? 1 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
	return at[0] > 0xe1 || (at[0] == 0xe1 && at[1] >= 0x84) ? 2 : 1;
}

/* Prints `text`, escaped, in at most `width` columns; "~" stands for the rest.
 * Returns the columns used. */
static int put_cut(FILE *out, const char *text, int width)
{
	char shown[ESCAPED_SIZE(WIDTH + 20)];
	size_t at, size, fits = 0;
	int used = 0, kept = 0;

	escape(shown, sizeof(shown), text);
	for (at = 0; shown[at]; at += size) {
		used += columns_at(&shown[at], &size);
		if (used < width) {
			fits = at + size;
			kept = used;
		}
	}
	if (used <= width) {
		fputs(shown, out);
		return used;
	}
	fprintf(out, "%.*s~", (int)fits, shown);
	return kept + 1;
}

static void put_name(FILE *out, const char *name)
{
	int used = put_cut(out, name, NAME_WIDTH);

	fprintf(out, "%*s", NAME_WIDTH - used, "");
}

/* Formats a count in at most seven characters. */
static void format_count(char text[16], double count)
{
	static const char units[] = " kMGTPE";
	size_t unit = 0;

	if (count < 1e7) {
		snprintf(text, 16, "%.0f", count);
		return;
	}
	while (count >= 1000 && unit + 2 < sizeof(units)) {
		count /= 1000;
		unit++;
	}
	snprintf(text, 16, "%.1f%c", count, units[unit]);
}

static void put_count(FILE *out, const json_t *object, const char *key,
		      const char *what)
{
	char text[16];

	format_count(text, (double)stats_number(object, key));
	fprintf(out, "%s%s", text, what);
}

static void put_row(FILE *out, const json_t *now, const json_t *before,
		    double seconds)
{
	for (size_t i = 0; i < COLUMNS; i++) {
		const struct column *column = &columns[i];
		uint64_t value = stats_number(now, column->key);
		uint64_t old = stats_number(before, column->key);
		double rate = value > old ? (double)(value - old) / seconds : 0;
		char text[16] = "-";

		if (column->form == NOW)
			format_count(text, (double)value);
		else if (seconds > 0 && column->form == RATE)
			format_count(text, rate);
		else if (seconds > 0)
			stats_format_size(text, rate);
		fprintf(out, " %*s", CELL_WIDTH, text);
	}
	fputc('\n', out);
}

/* The entry of the same name or number in the previous list, or NULL. */
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

static bool is_connected(const json_t *client)
{
	return json_is_true(json_object_get(client, "connected"));
}

static void put_export(FILE *out, const json_t *export,
		       const struct interval *interval)
{
	const json_t *old = same(json_object_get(interval->before, "exports"),
				 "name", export);
	const json_t *client;
	size_t i;

	put_name(out, stats_string(export, "name"));
	put_row(out, export, old, interval->seconds);
	put_count(out, export, "connected", " connected, ");
	put_count(out, export, "clients-so-far", " so far, ");
	put_count(out, export, "turned-away", " turned away\n");
	if (old)
		stats_durations(out, export, old);
	stats_why(out, export, old, interval->seconds, interval->busy);
	json_array_foreach(json_object_get(export, "clients"), i, client)
	{
		char name[100];

		if (!is_connected(client))
			continue;
		snprintf(name, sizeof(name),
			 "  #%" PRIu64 " pid %" PRIu64 " uid %" PRIu64,
			 stats_number(client, "number"),
			 stats_number(client, "pid"),
			 stats_number(client, "uid"));
		put_name(out, name);
		put_row(out, client,
			same(json_object_get(old, "clients"), "number", client),
			interval->seconds);
	}
}

static void put_ended(FILE *out, const json_t *export, bool *any)
{
	const json_t *client;
	size_t i;

	json_array_foreach(json_object_get(export, "clients"), i, client)
	{
		int used;

		if (is_connected(client))
			continue;
		if (!*any)
			fputs("\nENDED\n", out);
		*any = true;
		used = put_cut(out, stats_string(export, "name"), NAME_WIDTH);
		used += fprintf(
			out, " #%" PRIu32 " pid %" PRIu32 " uid %" PRIu32 ": ",
			(uint32_t)stats_number(client, "number"),
			(uint32_t)stats_number(client, "pid"),
			(uint32_t)stats_number(client, "uid"));
		put_cut(out, stats_string(client, "ended"), WIDTH - used);
		fputc('\n', out);
	}
}

void stats_watch(FILE *out, const json_t *stats, const json_t *before)
{
	const json_t *exports = json_object_get(stats, "exports");
	const json_t *faults = json_object_get(stats, "faults");
	struct interval interval = { before, 0, false };
	const json_t *export;
	bool any = false;
	size_t i;

	if (before)
		interval.seconds = ((double)stats_number(stats, "clock-ms") -
				    (double)stats_number(before, "clock-ms")) /
				   1000;
	interval.busy = stats_busy(stats, before, interval.seconds);
	fprintf(out, "%-*s", NAME_WIDTH, "EXPORT, CLIENT");
	for (i = 0; i < COLUMNS; i++)
		fprintf(out, " %*s", CELL_WIDTH, columns[i].title);
	fputc('\n', out);
	json_array_foreach(exports, i, export)
		put_export(out, export, &interval);
	fputs("faults: ", out);
	put_count(out, faults, "fixed", " fixed, ");
	put_count(out, faults, "abandoned", " abandoned, ");
	put_count(out, faults, "substituted", " substituted, ");
	put_count(out, faults, "passed", " passed on\n");
	stats_workers(out, stats, before, interval.seconds);
	json_array_foreach(exports, i, export) put_ended(out, export, &any);
}
