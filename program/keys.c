// SPDX-License-Identifier: MIT
#include "program/keys.h"

#include <stddef.h>
#include <string.h>

char *keys_next(char **text)
{
	char *key = *text, *from = key, *to = key;

	while (from && *from && (*from != ',' || from[1] == ',')) {
		if (*from == ',')
			from++;
		*to++ = *from++;
	}
	if (!key)
		return NULL;
	*text = *from ? from + 1 : NULL;
	*to = 0;
	return key;
}

char *keys_value(char *key)
{
	char *value = strchr(key, '=');

	if (value)
		*value++ = 0;
	return value;
}
