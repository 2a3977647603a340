/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PROGRAM_SERVE_LOG_H
#define PRECARIUM_PROGRAM_SERVE_LOG_H

#include <stddef.h>

#include "device/log.h"

/* Enough for any line of the log, escaped, with its end. */
#define LOG_LINE_SIZE 3200

/* From now on log lines go to standard error with names and paths escaped.
 * Before there are other threads. */
void log_begin(void);

/* The line as people read it: its subject, its text, all escaped.  Returns its
 * length.  Any thread may call it. */
size_t log_text(char *text, size_t size, const struct log_line *line);

#endif
