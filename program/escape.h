/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PROGRAM_ESCAPE_H
#define PRECARIUM_PROGRAM_ESCAPE_H

#include <stddef.h>
#include <stdio.h>

/*
 * Names and paths come from configuration files, requests and other programs,
 * and may hold anything but a null byte.  In what people read, a line break
 * must not look like a second line, and a terminal must not obey.  So control
 * characters (of ASCII and of Unicode), marks that reverse the direction of
 * text, and bytes that are not UTF-8 are shown as \n, \t, \r, \xNN or \uNNNN.
 * A backslash is shown as it is.
 */

/* Bytes that a text of `size` bytes with its end may need when it is
 * escaped. */
#define ESCAPED_SIZE(size) (4 * (size))

/* Writes `text`, escaped and with its end, to `to`; what does not fit in `size`
 * bytes is cut, never in the middle of a character.  Returns the bytes written
 * without the end. */
size_t escape(char *to, size_t size, const char *text);

/* Prints `text`, escaped, of any length. */
void escape_put(FILE *out, const char *text);

#endif
