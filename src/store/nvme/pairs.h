/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_STORE_NVME_PAIRS_H
#define PRECARIUM_STORE_NVME_PAIRS_H

#include "store/nvme/nvme.h"

/*
 * The queue pairs of a store, one for each lane.  When a lane closes its pair
 * is kept for the next: reads that were cancelled may still be in flight in it.
 */

/* Make one more.  The caller holds `work`, or nobody else knows the store.  May
 * wait for the controller.  NULL: *error says why. */
struct nvme_pair *nvme_pairs_add(struct nvme_store *nvme,
				 struct store_error *error);

/* A pair for a lane: one that is kept, or a new one.  NULL: *error. */
struct nvme_pair *nvme_pairs_take(struct nvme_store *nvme,
				  struct store_error *error);
void nvme_pairs_give(struct nvme_store *nvme, struct nvme_pair *pair);

#endif
