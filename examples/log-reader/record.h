/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_EXAMPLES_LOG_READER_RECORD_H
#define PRECARIUM_EXAMPLES_LOG_READER_RECORD_H

#include <stdint.h>

struct record {
	uint32_t size; /* of the bytes that follow */
	uint32_t sum;  /* of these bytes and the size; never 0 */
};

/* So many records remain when the writer has ended. */
#define LAST 5000u

/* Append one record. */
void append(int fd, unsigned int seed);
/* Append thousands, and cut the file off now and then; ends the process. */
void write_log(int fd);

#endif
