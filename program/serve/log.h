/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PROGRAM_SERVE_LOG_H
#define PRECARIUM_PROGRAM_SERVE_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "device/log.h"

/* Enough for any line of the log, escaped, with its end. */
#define LOG_LINE_SIZE 3200

/* From now on log lines go to standard error with names and paths escaped, or
 * to `sink` instead.  Before there are other threads. */
void log_begin(void);
void log_write_by(log_sink *sink);

/* From now on a thread of its own writes the lines, and nobody waits for who
 * reads them: 256 lines wait, and how many were lost is logged when there is
 * room again.  False: no thread. */
bool log_start(void);

/* Wait until all lines are written, for `ms` at most. */
void log_end(int ms);

/* The line as people read it: its subject, its text, all escaped.  Returns its
 * length.  Any thread may call it. */
size_t log_text(char *text, size_t size, const struct log_line *line);

#endif
