/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PROGRAM_NUMBER_H
#define PRECARIUM_PROGRAM_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

/* The numbers that people write in options and configuration files.  Where a
 * text is no such number, the result is false and the output untouched. */

/* Decimal digits and nothing else, from `min` to `max`. */
bool parse_number(const char *text, uint64_t min, uint64_t max,
		  uint64_t *number);
bool parse_small(const char *text, uint32_t min, uint32_t max,
		 uint32_t *number);

/* Bytes, from 1 to INT64_MAX, with a suffix K, M, G or T for powers of 1024. */
bool parse_size(const char *text, uint64_t *size);

#endif
