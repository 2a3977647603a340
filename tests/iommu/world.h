/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TESTS_IOMMU_WORLD_H
#define PRECARIUM_TESTS_IOMMU_WORLD_H

#include "sim.h"

/*
 * A world for the simulated device: frames, files of clients, and one who lends
 * them to the device, as the server does.  A run is determined by its plan.
 */
#define WORLD_FRAMES  64u
#define WORLD_FILES   3u
#define WORLD_PAGES   4u /* of each file */
#define WORLD_PUT     6u /* requests of each client */
#define WORLD_SECONDS 2u /* of the one who comes after */

/* How a client takes its memory back. */
enum world_act {
	WORLD_CUT, /* its file shrinks to nothing; found a while later */
	WORLD_CUT_IN_PART, /* to one page, and the client says so at once */
	WORLD_POLITE,
	WORLD_CUT_POLITE,
	WORLD_POLITE_CUT,  /* it asks, and does not wait for the answer */
	WORLD_CUT_LENDING, /* while it is pinned; the file grows again */
	WORLD_ACTS,
};

extern const char *const world_acts[];

struct world_plan {
	struct sim_manner manner;
	bool hold;
	enum world_act act;
	uint32_t at;	  /* the time of the act … */
	uint32_t moment;  /* … or, if not 0, the moment of an operation */
	uint32_t failing; /* a call of an operation that fails; 0: none */
};

/* What a run has come to.  `wrong` is NULL if all was as promised. */
struct world_result {
	const char *wrong;
	uint32_t ticks;
	uint32_t moments;
	uint32_t calls;
	uint64_t steps;
	bool taken; /* the act took place */
	bool shut, dead, held, again, aborted;
	uint32_t cut_off, quiesced[IOMMU_LEVELS];
};

struct world_result world_run(const struct world_plan *plan);

/* The kinds of bad devices: every combination that makes a difference. */
#define WORLD_KINDS 48u
struct sim_manner world_manner(uint32_t kind);

/* How many moments to go on each time: as the command line says, or as many as
 * a sanitizer leaves time for, or 1.  If the command line says it, the first
 * run that is wrong ends the test. */
uint32_t world_step(int argc, char **argv, uint32_t sanitized);

/* Count the run, and print what was wrong. */
void world_count(const struct world_plan *plan,
		 const struct world_result *result);
/* Print the counts.  `expected` runs at least, if the step is 1. */
int world_end(uint32_t expected);

#endif
