/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_VHOST_PLACE_H
#define PRECARIUM_VHOST_PLACE_H

#include <stdint.h>

/* A worker, as a new client sees it. */
struct vhost_place {
	uint32_t load; /* see load.h */
	uint32_t clients;
};

/* Loads that differ by no more are the same: what a client will ask for, nobody
 * knows. */
#define VHOST_PLACE_SAME 250u

/*
 * Which of the workers, at least one, takes the next client: of those that have
 * the least to do, the one with the fewest clients; of several, the first from
 * `first` on, round.
 */
uint32_t vhost_place_choose(const struct vhost_place *places, uint32_t count,
			    uint32_t first);

#endif
