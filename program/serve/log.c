// SPDX-License-Identifier: MIT
#include "program/serve/log.h"

#include <string.h>
#include <unistd.h>

#include "program/escape.h"

size_t log_text(char *text, size_t size, const struct log_line *line)
{
	char raw[790];

	log_format(raw, sizeof(raw), line);
	return escape(text, size, raw);
}

/* One write per line, so that lines of several threads stay whole. */
static void to_standard_error(const struct log_line *line)
{
	char text[LOG_LINE_SIZE] = "precarium: ";
	size_t used = strlen(text);

	used += log_text(text + used, sizeof(text) - used - 1, line);
	text[used++] = '\n';
	if (write(STDERR_FILENO, text, used) < 0)
		return;
}

void log_begin(void)
{
	log_to(to_standard_error);
}
