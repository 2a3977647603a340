// SPDX-License-Identifier: MIT
#include <stdarg.h>
#include <stdio.h>

#include "vhost/server.h"

bool vhost_fail(struct vhost_error *error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	return false;
}
