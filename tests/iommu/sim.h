/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TESTS_IOMMU_SIM_H
#define PRECARIUM_TESTS_IOMMU_SIM_H

#include "iommu/domain.h"

/*
 * A device behind an IOMMU that is as bad as devices are.  Everything is
 * deterministic: it works in steps, when it is told to.
 */
#define SIM_QUEUES  2u
#define SIM_DEPTH   8u
#define SIM_ENTRIES 16u
#define SIM_PAGES   64u
#define SIM_MAPS    16u
#define SIM_UNREAD  64u

#define SIM_NEVER 0xffffffffu

#define SIM_ABORTED 7u /* a status */

struct sim_manner {
	bool early;	 /* looks addresses up when it takes a command */
	bool cached;	 /* … and an unmap does not stop what it has found */
	bool silent;	 /* reports success where it found nothing */
	bool no_queue;	 /* queues cannot be deleted */
	bool no_disable; /* nor can it be disabled */
	bool no_reset;
	bool aborts;	/* a command that has not begun, or does not hang */
	uint32_t hangs; /* some commands do not end before this time */
	uint32_t slow;	/* ticks a step */
	uint32_t lag;	/* how often map, unmap and restart say NOT_YET */
};

/* Who has the pages. */
struct sim_memory {
	/* Pin the page at this address of the process: its frame; 0: it is not
	 * there. */
	uint64_t (*pin)(void *world, uint64_t host);
	void (*unpin)(void *world, uint64_t frame);
	/* The device moves page `at` of the request. */
	void (*touch)(void *world, uint64_t frame, void *request, uint32_t at);
};

/* What is asked of the device: the beginning of what `own` of iommu_put
 * points to, which stays until the command has ended. */
struct sim_request {
	bool into_memory; /* a read of the disk */
	uint32_t count;
	uint64_t entry[SIM_ENTRIES]; /* device addresses of pages */
};

struct sim_map {
	bool there;
	uint32_t lag;
	uint32_t rights;
	uint32_t pages;
	uint64_t iova;
	uint64_t frame[SIM_PAGES];
};

struct sim_command {
	bool there, taken, stuck, failed;
	uint32_t slot, at;
	struct sim_request *request;
	uint64_t found[SIM_ENTRIES]; /* frames, of an early device */
};

struct sim_done {
	uint32_t slot, status;
};

struct sim_queue {
	struct sim_command command[SIM_DEPTH];
	struct sim_done done[SIM_UNREAD];
	uint32_t first, last; /* completions that are unread */
	bool deleting, deleted;
};

/* The operations, in their order: for calls that are to fail. */
enum sim_call { SIM_MAP, SIM_UNMAP, SIM_QUIESCE, SIM_RESTART, SIM_OTHER };

struct sim {
	struct sim_manner manner;
	const struct sim_memory *memory;
	void *world;
	uint32_t now;
	uint64_t steps;
	struct sim_map map[SIM_MAPS];
	struct sim_queue queue[SIM_QUEUES];
	bool disabling, resetting;
	uint32_t restart_lag;
	/* Calls of operations so far, twice as many: before and after. */
	uint32_t moments;
	void (*at_moment)(void *world, uint32_t moment);
	uint32_t failing; /* the call, counted from 1, that fails; 0: none */
	uint32_t calls;
	uint32_t unmapped_unknown; /* unmaps of what is not there */
};

/* A request for the pages of a list, of SIM_ENTRIES at most. */
void sim_aim(struct sim_request *request, const struct prec_pages *pages);

extern const struct iommu_ops sim_ops; /* `device` is a struct sim */

void sim_init(struct sim *sim, const struct sim_manner *manner,
	      const struct sim_memory *memory, void *world);

/* One step of one command, or of the controller; `pick` chooses which.  False:
 * there is nothing to do. */
bool sim_step(struct sim *sim, uint32_t pick);

/* How many mappings there are. */
uint32_t sim_maps(const struct sim *sim);

/* Let it report that a slot is done, whether that is so or not. */
void sim_report(struct sim *sim, uint32_t queue, uint32_t slot,
		uint32_t status);

#endif
