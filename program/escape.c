// SPDX-License-Identifier: MIT
#include "program/escape.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* The bytes of the UTF-8 character at `text`, and its code point; 0: none. */
static size_t decode(const unsigned char *text, uint32_t *point)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t length = text[0] < 0x80	 ? 1
			: text[0] < 0xc0 ? 0
			: text[0] < 0xe0 ? 2
			: text[0] < 0xf0 ? 3
			: text[0] < 0xf8 ? 4
					 : 0;

	if (length == 0)
		return 0;
	*point = length == 1 ? text[0] : text[0] & (0x7fu >> length);
	for (size_t i = 1; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		*point = *point << 6 | (text[i] & 0x3f);
	}
	/* Overlong forms and surrogates are no characters. */
	if (*point < least[length] || *point > 0x10ffff ||
	    (*point >= 0xd800 && *point < 0xe000))
		return 0;
	return length;
}

/* ASCII and C1 controls, line and paragraph separators, and the marks that
 * embed, override or isolate a direction. */
static bool is_control(uint32_t point)
{
	return point < 0x20 || (point >= 0x7f && point < 0xa0) ||
	       point == 0x61c || (point >= 0x200e && point <= 0x200f) ||
	       (point >= 0x2028 && point <= 0x202e) ||
	       (point >= 0x2066 && point <= 0x2069);
}

/* Takes the next character of `*text`; gives its form for people. */
static void next_form(char form[8], const char **text)
{
	const unsigned char *at = (const unsigned char *)*text;
	uint32_t point = 0;
	size_t length = decode(at, &point);

	*text += length ? length : 1;
	if (length == 0)
		snprintf(form, 8, "\\x%02x", *at);
	else if (point == '\n' || point == '\t' || point == '\r')
		snprintf(form, 8, "\\%c",
			 point == '\n'	 ? 'n'
			 : point == '\t' ? 't'
					 : 'r');
	else if (is_control(point))
		snprintf(form, 8, point < 0x80 ? "\\x%02x" : "\\u%04x",
			 (unsigned int)(point & 0xffff));
	else
		snprintf(form, 8, "%.*s", (int)length, (const char *)at);
}

size_t escape(char *to, size_t size, const char *text)
{
	size_t used = 0;

	while (*text) {
		char form[8];
		size_t length;

		next_form(form, &text);
		length = strlen(form);
		if (used + length + 1 > size)
			break;
		memcpy(to + used, form, length);
		used += length;
	}
	to[used] = 0;
	return used;
}

void escape_put(FILE *out, const char *text)
{
	while (*text) {
		char form[8];

		next_form(form, &text);
		fputs(form, out);
	}
}
