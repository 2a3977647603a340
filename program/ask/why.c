// SPDX-License-Identifier: MIT
/*
 * Why a disk is as fast as it is: what held an export back between two trees.
 * doc/failure-modes.md says what to do about each.
 */
#include "program/ask/stats.h"

#include <stdint.h>

#include "device/durations.h"

/* A worker that is this busy has no time for more, and clients that waited this
 * part of the time for a limit were held back by it. */
#define BUSY_PERCENT	  90
#define HELD_BACK_PERCENT 10

static uint64_t grown(const json_t *now, const json_t *before, const char *key)
{
	uint64_t new = stats_number(now, key), old = stats_number(before, key);

	return new > old ? new - old : 0;
}

static const json_t *kind_of(const json_t *export, uint32_t kind)
{
	return json_object_get(json_object_get(export, "durations"),
			       duration_names[kind]);
}

/* How many requests the store had, on average: what they took together, in the
 * time that has passed. */
static double with_store(const json_t *now, const json_t *before,
			 double seconds)
{
	double sum_us = 0;

	for (uint32_t i = 0; i < DURATION_KINDS; i++)
		sum_us += (double)grown(kind_of(now, i), kind_of(before, i),
					"sum-us");
	return sum_us / 1e6 / seconds;
}

static double percent(uint64_t ms, double seconds)
{
	return (double)ms / 10 / seconds;
}

/* Of a worker's time since the tree before. */
static double busy_percent(const json_t *now, const json_t *before, size_t i,
			   double seconds)
{
	const json_t *worker =
		json_array_get(json_object_get(now, "workers"), i);
	const json_t *old =
		json_array_get(json_object_get(before, "workers"), i);
	double busy = percent(grown(worker, old, "cpu-ms"), seconds);

	return busy < 100 ? busy : 100;
}

bool stats_busy(const json_t *now, const json_t *before, double seconds)
{
	size_t count = json_array_size(json_object_get(now, "workers"));

	for (size_t i = 0; before && seconds > 0 && i < count; i++) {
		if (busy_percent(now, before, i, seconds) >= BUSY_PERCENT)
			return true;
	}
	return false;
}

/* True: something held it back, and a line has told that. */
static bool put_held_back(FILE *out, const json_t *now, const json_t *before,
			  double seconds)
{
	double throttled = percent(grown(now, before, "throttled-ms"), seconds);
	bool limited = throttled >= HELD_BACK_PERCENT;
	bool full = grown(now, before, "throttled") > 0;
	bool waits = stats_number(now, "waiting-for-image") > 0;

	if (limited)
		fprintf(out,
			"  held back: by its limits, %.0f %% of the time\n",
			throttled < 100 ? throttled : 100);
	if (full)
		fputs("  held back: clients have as much in flight as they "
		      "may\n",
		      out);
	if (waits)
		fputs("  held back: clients wait for the image, which another "
		      "one uses\n",
		      out);
	return limited || full || waits;
}

void stats_why(FILE *out, const json_t *now, const json_t *before,
	       double seconds, bool busy)
{
	bool held_back;
	double held;

	if (!before || seconds <= 0)
		return;
	held_back = put_held_back(out, now, before, seconds);
	held = with_store(now, before, seconds);
	if (held >= 0.5)
		fprintf(out, "  storage: has %.1f requests on average\n",
			held < 1e6 ? held : 1e6);
	else if (grown(now, before, "requests") && !held_back && !busy)
		fprintf(out,
			"  machines: could ask for more: the storage has %.2f "
			"requests on average\n",
			held);
}

void stats_workers(FILE *out, const json_t *now, const json_t *before,
		   double seconds)
{
	size_t count = json_array_size(json_object_get(now, "workers"));
	int used = 0;

	if (!before || seconds <= 0 || count == 0)
		return;
	used += fprintf(out, "workers:");
	for (size_t i = 0; i < count; i++) {
		double busy = busy_percent(now, before, i, seconds);

		if (used > 65) {
			fputs("\n  ", out);
			used = 2;
		}
		used += fprintf(out, " %.0f %%%s", busy,
				busy >= BUSY_PERCENT ? " busy" : "");
	}
	fputc('\n', out);
}
