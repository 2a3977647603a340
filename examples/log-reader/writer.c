// SPDX-License-Identifier: MIT
/* Whoever writes the log, in a process of its own. */
#include "record.h"

#include <string.h>
#include <unistd.h>

void append(int fd, unsigned int seed)
{
	unsigned char bytes[sizeof(struct record) + 2000];
	struct record record = { .size = 1 + seed * 7919 % 1999 };
	uint32_t i;

	record.sum = record.size;
	for (i = 0; i < record.size; i++) {
		bytes[sizeof(record) + i] = (unsigned char)(seed + i);
		record.sum += bytes[sizeof(record) + i];
	}
	memcpy(bytes, &record, sizeof(record));
	if (write(fd, bytes, sizeof(record) + record.size) < 0)
		_exit(1);
}

void write_log(int fd)
{
	unsigned int i;

	for (i = 0; i <= 4 * LAST; i++) {
		append(fd, i);
		if (i % LAST == 0 && i < 4 * LAST &&
		    ftruncate(fd, 0) != 0) /* rotated */
			_exit(1);
	}
	_exit(0);
}
