/* SPDX-License-Identifier: MIT */
/* For stores of tests: a lane that is all they have, and costs nothing. */
#ifndef PRECARIUM_TESTS_ONE_LANE_H
#define PRECARIUM_TESTS_ONE_LANE_H

#include "store/store.h"

/* A test whose lane wakes somebody sets the descriptor first. */
static struct store_lane the_lane = { .fd = -1 };

static struct store_lane *lane_open(const struct store *store,
				    struct store_error *error)
{
	(void)error;
	the_lane = (struct store_lane){ .store = store, .fd = the_lane.fd };
	return &the_lane;
}

static void lane_close(struct store_lane *lane)
{
	(void)lane;
}

#endif
