// SPDX-License-Identifier: MIT
#include "program/command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "program/escape.h"

void complain(const char *format, ...)
{
	char text[2000], shown[ESCAPED_SIZE(sizeof(text))];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	escape(shown, sizeof(shown), text);
	fprintf(stderr, "precarium: %s\n", shown);
}

int finish_output(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return EXIT_GOOD;
	complain("standard output: %s", strerror(errno));
	return EXIT_FAILED;
}
