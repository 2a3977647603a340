// SPDX-License-Identifier: MIT
#include "program/number.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool parse_number(const char *text, uint64_t min, uint64_t max,
		  uint64_t *number)
{
	char *end;
	unsigned long long value;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || *end || value < min || value > max)
		return false;
	*number = value;
	return true;
}

bool parse_small(const char *text, uint32_t min, uint32_t max, uint32_t *number)
{
	uint64_t value;

	if (!parse_number(text, min, max, &value))
		return false;
	*number = (uint32_t)value;
	return true;
}

bool parse_size(const char *text, uint64_t *size)
{
	static const char units[] = "KMGT";
	size_t length = strlen(text);
	const char *unit;
	unsigned int shift = 0;
	char digits[24];
	uint64_t number;

	if (length == 0 || length >= sizeof(digits))
		return false;
	memcpy(digits, text, length + 1);
	unit = strchr(units, digits[length - 1]);
	if (unit) {
		shift = 10u * (unsigned int)(unit - units + 1);
		digits[length - 1] = 0;
	}
	if (!parse_number(digits, 1, (uint64_t)INT64_MAX >> shift, &number))
		return false;
	*size = number << shift;
	return true;
}
