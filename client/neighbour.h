/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_CLIENT_NEIGHBOUR_H
#define PRECARIUM_CLIENT_NEIGHBOUR_H

#include "client/client.h"

/*
 * The good neighbour: writes patterns all over its disk, reads them back and
 * verifies every byte, at full depth, until told to stop.  Each block has a
 * generation, so that old data is wrong data.
 */
#define NEIGHBOUR_BUCKETS 640u /* 16 for each doubling of the time */

/* May lie in memory shared with whoever watches; only ever grow. */
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
	uint32_t *written;    /* generation by block; 0: never */
	uint32_t *pending;    /* the one in flight; 0: none in flight */
	uint64_t random;
};

/* The disk from `first_sector` on, as many blocks as are there and at most
 * `block_max`. */
int neighbour_init(struct neighbour *neighbour, struct client *client,
		   struct neighbour_counts *counts, uint64_t seed,
		   uint64_t first_sector, uint32_t block_max);
void neighbour_free(struct neighbour *neighbour);
/* Fill all slots, kick, and take what is complete.  -1: an error, wrong data
 * or no answer in time; the client's words say what. */
int neighbour_step(struct neighbour *neighbour);
/* Wait for all that is in flight. */
int neighbour_drain(struct neighbour *neighbour);
/* Read and verify every block that was ever written, and flush. */
int neighbour_sweep(struct neighbour *neighbour);

/* The latency that `share` (0 to 1) of the requests did not exceed. */
uint64_t neighbour_quantile_ns(const struct neighbour_counts *counts,
			       double share);
void neighbour_add(struct neighbour_counts *sum,
		   const struct neighbour_counts *counts);

#endif
