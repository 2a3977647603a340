/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEMO_DEMO_H
#define PRECARIUM_DEMO_DEMO_H

#include <stdbool.h>
#include <stdint.h>

#include "client/backend.h"
#include "client/neighbour.h"

#define DEMO_GOOD    2u
#define DEMO_HOSTILE 6u
#define DEMO_FILES   48u

#define DEMO_IMAGE_SIZE	  (16u << 20) /* the file system */
#define DEMO_PATTERN_SIZE (32u << 20) /* behind it, room for patterns */

/* Counters of the clients, which are processes, in memory that they share with
 * the one that watches. */
struct demo_good {
	struct neighbour_counts counts;
	uint64_t image_bytes; /* of the file system, read and compared */
	bool finished;
	char error[200];
};

struct demo_hostile {
	uint64_t connections;
	uint64_t revocations;
	uint64_t refusals; /* by the server, or it hung up at the start */
	char error[200];
};

struct demo_board {
	volatile bool stop;
	struct demo_good good[DEMO_GOOD];
	struct demo_hostile hostile[DEMO_HOSTILE];
};

/* The server's own counters, from its statistics. */
struct demo_faults {
	bool known;
	uint64_t clients, requests, errors;
	uint64_t fixed, abandoned, substituted, passed;
	uint64_t losses, revocations, refused;
};

struct demo {
	uint32_t seconds;
	bool terminal;
	struct backend backend;
	struct demo_board *board;
	uint32_t good_export[DEMO_GOOD];
	uint32_t hostile_export[DEMO_HOSTILE];
	pid_t good_pid[DEMO_GOOD], hostile_pid[DEMO_HOSTILE];
	uint64_t start_ns;
	uint32_t rows; /* drawn last time */
};

/* image.c: makes the file system.  False: `why`, of 300 bytes, has one line. */
bool demo_image_make(struct demo *demo, char *why);
/* Checks the copy that good client `number` read through the server: e2fsck
 * finds it clean, and every file is as in the source. */
bool demo_image_check(struct demo *demo, uint32_t number, char *why);
void demo_image_path(const struct demo *demo, char *path, uint32_t size);
void demo_copy_path(const struct demo *demo, uint32_t number, char *path,
		    uint32_t size);

/* clients.c: never return. */
__attribute__((noreturn)) void demo_be_good(struct demo *demo, uint32_t number);
__attribute__((noreturn)) void demo_be_hostile(struct demo *demo,
					       uint32_t number);
const char *demo_hostile_text(uint32_t number);

/* show.c */
void demo_show(struct demo *demo);
void demo_show_summary(struct demo *demo, const struct demo_faults *faults);
void demo_read_faults(const struct demo *demo, struct demo_faults *faults);

#endif
