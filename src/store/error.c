// SPDX-License-Identifier: MIT
#include "store/error.h"

#include <stdarg.h>
#include <stdio.h>

bool store_fail(struct store_error *error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	error->content = false;
	return false;
}
