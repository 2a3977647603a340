/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_STORE_NVME_NVME_H
#define PRECARIUM_STORE_NVME_NVME_H

#include "iommu/mapper.h"
#include "store/nvme/pair.h"
#include "store/stores.h"

/* A controller may have fewer. */
#define NVME_PAIRS_MAX 64u

/* A store of a namespace, as its lanes and its guard see it. */
struct nvme_store {
	struct store store;
	struct nvme_bus *bus;
	struct nvme_controller controller;
	struct nvme_patience patience;
	struct iova *addresses; /* that the controller knows memory by */
	struct mapper mapper;	/* of clients' memory; the guard works for it */
	uint64_t pin_max;	/* bytes of each client's; 0: they are copied */
	bool holds; /* … and cut off at once: see iommu/domain.h */
	struct store_events events;

	/* Held by whoever waits for the controller: the guard, a lane that
	 * makes a pair, a resize. */
	pthread_mutex_t work;
	/* The rest, held for a moment.  Taken after `work`. */
	pthread_mutex_t mutex;
	struct nvme_pair *pairs[NVME_PAIRS_MAX];
	uint32_t pair_count;
	struct nvme_pair *spare; /* that no lane has */
	uint32_t lanes;		 /* that are open */
	bool dead;		 /* the bus is closed, and all pairs killed */
	int guard_fd;		 /* wakes the guard */
	bool guarded;		 /* it runs */
	bool stopping;
	pthread_t guard;
};

/*
 * A namespace of an NVMe controller, by a driver in this process.  Clients'
 * bytes are copied to buffers of the driver, which is all that the controller
 * reaches, unless it is told to reach clients' memory itself (nvme_pin).  No
 * other program can use the controller meanwhile.
 *
 * Of the system calls that VFIO has for a device, those that are needed once a
 * store is open map and unmap memory, allot interrupts, and reset the device.
 */
extern const struct store_kind nvme_kind;

/* From now on a filter of system calls refuses what opening one takes. */
void nvme_open_no_more(void);

/* Open a store on a bus, which is then the store's, and closed on error, too.
 * Nobody guards it yet.  NULL: *error says why. */
struct store *nvme_open_on(struct nvme_bus *bus, uint32_t number,
			   bool read_only, struct store_error *error);

/* Before a lane is open: let the controller reach clients' memory, so many
 * bytes of each; with holds, each byte counts twice. */
void nvme_pin(struct store *store, uint64_t bytes, bool holds);

/* The operations of its lanes, as struct store_ops has them. */
struct store_lane *nvme_lane_open(const struct store *store,
				  struct store_error *error);
void nvme_lane_close(struct store_lane *lane);
bool nvme_lane_add(struct store_lane *lane, struct store_io *io);
enum store_left nvme_lane_start(struct store_lane *lane);
struct store_io *nvme_lane_reap(struct store_lane *lane);
void nvme_lane_cancel(struct store_lane *lane, struct store_io *io);
void nvme_lane_lend(struct store_lane *lane, struct store_loan *loan);
void nvme_lane_take_back(struct store_lane *lane, struct store_loan *loan);
struct store_loan *nvme_lane_settled(struct store_lane *lane);
struct prec_pin_account nvme_lane_account(const struct store_lane *lane,
					  uint32_t owner);

#endif
