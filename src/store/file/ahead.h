/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_STORE_FILE_AHEAD_H
#define PRECARIUM_STORE_FILE_AHEAD_H

#include <stdint.h>

/*
 * What is read ahead of those that read in sequence.
 *
 * The kernel would do so by itself, within the system call of a worker that
 * reads.  How much is a setting of the disk, often megabytes; and where the
 * image has a hole, all of it is filled with zeroes before the call returns:
 * 26 ms were seen.  So images are opened as read at random, and what a lane
 * reads in sequence is asked for by operations of their own, which threads of
 * the kernel carry out.
 */

enum {
	AHEAD_STREAMS = 8,
	AHEAD_MOST = 1 << 20,
	/* Requests of one sequence may come out of order by so much. */
	AHEAD_REORDER = 64 << 10,
	/* So many of a sequence tell it from reads that happen to be near. */
	AHEAD_AFTER = 4,
};

/* One sequence: bytes of the image. */
struct ahead_stream {
	uint64_t next;	/* where it goes on */
	uint64_t until; /* what was asked for ends here */
	uint64_t run;	/* read so far; 0: not in use */
	uint32_t count; /* … by so many requests */
};

struct ahead {
	struct ahead_stream streams[AHEAD_STREAMS];
	uint32_t oldest; /* the next to be replaced */
};

/* Part of the image. */
struct ahead_part {
	uint64_t offset;
	uint32_t size; /* 0: nothing */
};

/* `size` bytes at `offset` are being read.  Returns what to read ahead now: no
 * more than was read in sequence before, and at most AHEAD_MOST. */
struct ahead_part ahead_of(struct ahead *ahead, uint64_t offset, uint64_t size);

#endif
