/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TESTS_IOMMU_LENDING_STORE_H
#define PRECARIUM_TESTS_IOMMU_LENDING_STORE_H

#include <pthread.h>

#include "sim.h"
#include "store/store.h"

/*
 * A store in memory whose blocks are moved by the simulated device, straight to
 * and from the pages of clients.  One lane, so one worker.
 */
struct lending_options {
	struct sim_manner manner;
	uint64_t quota;
	uint64_t drain_ms;
	uint64_t patience_ms;
};

/* What the test sets, and what it may see: under the lock. */
struct lending_control {
	struct lending_options options; /* of the next lane */
	bool hold_maps;	  /* map answers NOT_YET when it is done */
	bool hold_unmaps; /* unmap answers NOT_YET before it begins */
	bool hold_device; /* the device does nothing */
	bool bury;	  /* what is held is given up: the device was closed */
	bool open;	  /* its lane is */
	uint32_t in_flight;
	uint32_t loans; /* that have not LEFT */
	uint32_t held;
	uint32_t mappings;
	uint64_t touched;  /* pages that the device has moved */
	const char *wrong; /* of what the server does with the store */
	struct iommu_counts counts;
};

struct lending_lane;

struct lending_store {
	struct store store;	   /* first */
	struct lending_lane *lane; /* NULL: not open */
	uint8_t *disk;
	pthread_mutex_t lock;
	struct lending_control control;
};

/* `capacity` bytes of zeroes. */
void lending_open(struct lending_store *store, uint64_t capacity,
		  const struct lending_options *options);
void lending_close(struct lending_store *store);

struct lending_control lending_look(struct lending_store *store);

/* While no lane is open: the device of the next. */
void lending_configure(struct lending_store *store, uint64_t quota,
		       const struct sim_manner *manner);

/* Change what the test sets. */
void lending_hold(struct lending_store *store, bool maps, bool unmaps,
		  bool device);
void lending_bury(struct lending_store *store);

#endif
