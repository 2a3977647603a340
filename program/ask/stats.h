/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PROGRAM_ASK_STATS_H
#define PRECARIUM_PROGRAM_ASK_STATS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/*
 * The server gathers its statistics into one tree (program/serve/stats.c),
 * which travels over the control socket.  JSON is the tree as it is; these
 * functions print it in other forms.  They do not check the output stream.
 *
 *	{ "version", "clock-ms", "started",
 *	  "exports": [ { "name", "socket", counts…, "clients": [ … ] } ],
 *	  "workers": [ { "cpu-ms", "clients" } ],
 *	  "faults": { … }, "sparse": { … } }
 */

/* For people: everything, a line for each export and client. */
void stats_text(FILE *out, const json_t *stats);

/* For people who watch: the present activity, in 80 columns.  `before` is the
 * previous tree, for rates; NULL: there is none. */
void stats_watch(FILE *out, const json_t *stats, const json_t *before);

/* How long the store took for what an export's clients asked of it, since the
 * tree before; NULL: since the start. */
void stats_durations(FILE *out, const json_t *export, const json_t *before);

/* What held the export back in the seconds between two trees, and how busy the
 * workers were, in lines of at most 80 columns.  Nothing without a `before`.
 * `busy`: any worker has no time for more. */
bool stats_busy(const json_t *stats, const json_t *before, double seconds);
void stats_why(FILE *out, const json_t *export, const json_t *before,
	       double seconds, bool busy);
void stats_workers(FILE *out, const json_t *stats, const json_t *before,
		   double seconds);

/* As metrics: in the OpenMetrics text format, version 1.0.0, or in that of
 * Prometheus, version 0.0.4. */
enum metrics_form { METRICS_OPEN, METRICS_PROMETHEUS };
void stats_metrics(FILE *out, const json_t *stats, enum metrics_form form);

/* Members of an object of the tree; 0 and "" if there is none of that name.
 * The string lives as long as the tree. */
uint64_t stats_number(const json_t *object, const char *key);
const char *stats_string(const json_t *object, const char *key);

/* Bytes as "1.5M", in at most seven characters where there are less than 8
 * EiB. */
void stats_format_size(char text[16], double bytes);

#endif
