/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_CLIENT_NEIGHBOUR_H
#define PRECARIUM_CLIENT_NEIGHBOUR_H

#include "client/client.h"

/*
 * The good neighbour: writes patterns all over its disk, reads them back and
 * verifies every byte, with all slots in use.  Each block has a generation, so
 * that old data is wrong data.
 */
#define NEIGHBOUR_BUCKETS 640u /* 16 for each doubling of the time */

/* May lie in memory shared with a process that reads them; they only grow. */
struct neighbour_counts {
	uint64_t requests;
	uint64_t written;  /* bytes */
	uint64_t verified; /* bytes */
	uint64_t flushes;
	uint64_t slowest_ns;
	uint64_t latency[NEIGHBOUR_BUCKETS];
};

struct neighbour {
	struct client *client;
	struct neighbour_counts *counts;
	uint64_t seed;
	uint64_t first_sector;
	uint32_t block_count; /* of the client's buffer size */
	uint32_t *written;    /* generation of each block; 0: never written */
	uint32_t *pending;    /* generation in flight; 0: none in flight */
	uint64_t random;
};

/* Uses the disk from `first_sector` on, at most `block_max` blocks.  Borrows
 * client and counts until neighbour_free.  -1: the client's `error` says
 * why. */
int neighbour_init(struct neighbour *neighbour, struct client *client,
		   struct neighbour_counts *counts, uint64_t seed,
		   uint64_t first_sector, uint32_t block_max);
void neighbour_free(struct neighbour *neighbour);
/* Fills all slots, kicks, and takes completions.  -1: an error, wrong data or
 * no answer in time; the client's `error` says which. */
int neighbour_step(struct neighbour *neighbour);
/* Waits for all requests in flight. */
int neighbour_drain(struct neighbour *neighbour);
/* Reads and verifies every block that was ever written, and flushes. */
int neighbour_sweep(struct neighbour *neighbour);

/* The latency that a `share` (0 to 1) of the requests did not exceed. */
uint64_t neighbour_quantile_ns(const struct neighbour_counts *counts,
			       double share);
void neighbour_add(struct neighbour_counts *sum,
		   const struct neighbour_counts *counts);

#endif
