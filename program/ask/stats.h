/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PROGRAM_ASK_STATS_H
#define PRECARIUM_PROGRAM_ASK_STATS_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

/*
 * Statistics are gathered once, into a tree (serve_stats.c), which travels over
 * the control socket and is printed in three ways: as JSON as it is, and by
 * these.
 *
 *	{ "version", "clock-ms",
 *	  "exports": [ { "name", "socket", counts…, "clients": [ … ] } ],
 *	  "faults": { … } }
 */

/* For people: all there is, a line an export and a client. */
void stats_text(FILE *out, const json_t *stats);

/* For people who watch, in 80 columns: what happens now.  `before` is the tree
 * of some time ago, for rates; NULL: there is none. */
void stats_watch(FILE *out, const json_t *stats, const json_t *before);

/* The OpenMetrics text format, version 1.0.0. */
void stats_openmetrics(FILE *out, const json_t *stats);

/* What is in a tree; 0 and "" where there is nothing. */
uint64_t stats_number(const json_t *object, const char *key);
const char *stats_string(const json_t *object, const char *key);

/* Bytes as "1.5M", in at most seven characters where there are less than 8 EiB. */
void stats_format_size(char text[16], double bytes);

#endif
