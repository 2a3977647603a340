/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PROGRAM_JSON_TEXT_H
#define PRECARIUM_PROGRAM_JSON_TEXT_H

#include <jansson.h>

/* A JSON string of any text.  JSON holds UTF-8 only, and names and paths need
 * not be: those are escaped as escape.h says.  The caller's; NULL: out of
 * memory. */
json_t *json_text(const char *text);

#endif
