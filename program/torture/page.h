/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PROGRAM_TORTURE_PAGE_H
#define PRECARIUM_PROGRAM_TORTURE_PAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* The results as one page that needs nothing from elsewhere: each case with its
 * verdict, and those of other servers beside it.  Both are what --json writes;
 * `others` is an object of them by their names.  Does not check the stream. */
void page_write(FILE *to, const json_t *results, json_t *others);

/* Reads what --json wrote earlier, into `others`, by the name of the file.
 * False: a line on standard error says what is wrong. */
bool page_read(json_t *others, const char *path);

#endif
