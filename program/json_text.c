// SPDX-License-Identifier: MIT
#include "program/json_text.h"

#include <stdlib.h>
#include <string.h>

#include "program/escape.h"

json_t *json_text(const char *text)
{
	size_t size = ESCAPED_SIZE(strlen(text) + 1);
	json_t *string = json_string(text);
	char *shown;

	if (string)
		return string;
	shown = malloc(size);
	if (shown) {
		escape(shown, size, text);
		string = json_string(shown);
	}
	free(shown);
	return string;
}
