/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TESTS_FAILING_LIFE_H
#define PRECARIUM_TESTS_FAILING_LIFE_H

#include "client/client.h"
#include "page.h"

/*
 * A client's whole life, always the same: it connects, lends memory, starts a
 * ring, and makes requests of each kind; the size of its disk changes, the
 * server is asked for statistics and reads its configuration again; the client
 * takes memory back, stops, starts again and leaves.  Between its steps a
 * neighbour, a client of another export on the same worker, reads and writes.
 *
 * In each step something may fail.  What may come of it is noted; what may not,
 * is a line in `wrong`.
 */
enum failure {
	FAILED_REQUEST = 1, /* answered, but not with success */
	FAILED_MESSAGE = 2, /* refused; the client goes */
	FAILED_CLIENT = 4,  /* the server ended it */
	FAILED_COMMAND = 8, /* of the control socket: an error, or no answer */
	FAILED_NEIGHBOUR = 16, /* a request that was hit itself */
};

/* How the victim's disk and rings are. */
struct variant {
	const char *name;
	bool in_memory; /* the images are on tmpfs */
	bool direct;
	bool packed;
	bool sparse;  /* the memory that is lent has holes */
	bool threads; /* instead of io_uring */
};

/* The server's surroundings; paths without ends. */
struct place {
	const struct variant *variant;
	char directory[64];
	char victim[100], neighbour[100]; /* sockets */
	char image[100], neighbour_image[100], extra_image[100];
	char control[100], config[100], stats[100];
};

struct neighbour_life {
	struct client client;
	uint64_t written[16]; /* a seed for each block; 0: nobody knows */
	uint64_t seed;
};

struct life {
	const struct place *place;
	struct page *page;
	struct neighbour_life *neighbour;
	uint64_t seed; /* of this life's data; differs each time */
	struct client client;
	bool open, started, over;
	uint32_t failures; /* of enum failure */
	bool silent;	   /* a command had no answer at all */
	char wrong[300];
};

#define DISK_SIZE (4u << 20)

/* How many steps there are, and the name of one; 0 is before the first. */
extern const uint32_t life_steps;
const char *life_step_name(uint32_t step);
/* Does it not depend on the variant?  Does it allocate thousands of times, for
 * the same numbers of each client? */
bool life_step_is_common(uint32_t step);
bool life_step_has_thousands(uint32_t step);

/* Live, and leave. */
void life_run(struct life *life);
/* The least of a life.  It must go well: else `wrong` says what did not. */
void life_check(struct life *life);
/* What commands that failed have left: the next must succeed, likewise. */
void life_tidy(struct life *life);
/* The server is asked for statistics. */
void life_ask(struct life *life);
/* Is the order about a sync, in a way that a flush must not survive? */
bool life_sync_fails(const struct page *page);

int neighbour_open(struct neighbour_life *neighbour, const struct place *place);

/* Write the configuration: with an export more, or not.  False: errno. */
bool place_configure(const struct place *place, bool extra);

#endif
