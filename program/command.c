// SPDX-License-Identifier: MIT
#include "program/command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void complain(const char *format, ...)
{
	va_list args;

	fputs("precarium: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

int finish_output(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return EXIT_GOOD;
	complain("standard output: %s", strerror(errno));
	return EXIT_FAILED;
}
