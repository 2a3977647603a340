// SPDX-License-Identifier: MIT
#include "program/command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "program/escape.h"

#define END_KEPT ((size_t)1000)
#define GAP	 " ... "

/* Leaves out the middle of a long text: what was expected stands at the end of
 * it, after a path of any length. */
static void shorten(char *text)
{
	size_t length = strlen(text), gap = sizeof(GAP) - 1;

	if (length <= 2 * END_KEPT + gap)
		return;
	memcpy(text + END_KEPT, GAP, gap);
	memmove(text + END_KEPT + gap, text + length - END_KEPT, END_KEPT + 1);
}

void complain(const char *format, ...)
{
	char shown[ESCAPED_SIZE(2 * END_KEPT + sizeof(GAP))];
	char *text;
	va_list args;
	int length;

	va_start(args, format);
	length = vasprintf(&text, format, args);
	va_end(args);
	if (length < 0) {
		fputs("precarium: out of memory\n", stderr);
		return;
	}
	shorten(text);
	escape(shown, sizeof(shown), text);
	free(text);
	fprintf(stderr, "precarium: %s\n", shown);
}

int finish_output(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return EXIT_GOOD;
	complain("standard output: %s", strerror(errno));
	return EXIT_FAILED;
}
