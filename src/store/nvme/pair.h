/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_STORE_NVME_PAIR_H
#define PRECARIUM_STORE_NVME_PAIR_H

#include "store/nvme/controller.h"

/*
 * A queue pair, with the memory that its commands move: a buffer for each slot.
 * A client's memory is copied there and from there, and is never known to the
 * controller.
 *
 * Two threads use a pair: the worker whose lane has it, and the guard
 * (guard.h), which takes the queues away and puts them back.  What both touch
 * is under the mutex, which nobody holds while he waits for the controller.  So
 * there is no handshake: once the guard has halted a pair, its worker rings no
 * doorbell.
 *
 * The guard ends commands, and puts again those that a reset has dropped but
 * nobody has given up: the same bytes, the same blocks, and not reported yet.
 */
#define NVME_BUFFER 65536u

enum nvme_pair_state {
	NVME_RUNS,
	NVME_HALTED, /* the controller has no such queues now, or loses them */
	NVME_DEAD,   /* for good: each command ends with NVME_LOST */
};

/* In place of a status, of a command that the controller has not completed and
 * does not carry out any more: it did not end in time, or the controller is
 * gone. */
#define NVME_DROPPED 0xfffeu
#define NVME_LOST    0xffffu

/* A command, from nvme_pair_put until it is collected. */
struct nvme_slot {
	struct nvme_command command;
	uint16_t status; /* once it has ended */
	/* Under the mutex. */
	bool hurried;	  /* somebody waits for its end */
	bool asked;	  /* the controller was asked to abort it … */
	uint8_t drops;	  /* how often a reset dropped it */
	int64_t since_ms; /* it is in flight, or was asked, since then */

	/* The worker's. */
	void *owner; /* NULL: nobody waits for it */
	uint64_t offset;
	uint32_t size;
	uint32_t span;
	uint64_t span_done;
	uint32_t tries;
};

struct nvme_pair {
	struct nvme_controller *controller;
	uint32_t number;	/* the queues' and the vector's; from 1 */
	int fd;			/* readable when commands have ended */
	int guard_fd;		/* wakes the guard */
	struct nvme_pair *next; /* of those that no lane has */
	uint64_t used; /* slots that the worker has taken; the worker's */

	/* Private. */
	pthread_mutex_t mutex;
	enum nvme_pair_state state;
	struct nvme_queue queue;
	uint64_t ready; /* to be put once the pair runs */
	uint64_t ended; /* to be collected */
	uint8_t *memory;
	uint64_t address;
	struct nvme_slot slots[NVME_SLOTS_MAX];
};

/* How long the guard waits, in milliseconds. */
struct nvme_patience {
	int64_t command; /* for any command, before it is aborted */
	int64_t hurried; /* … that somebody waits to see ended */
	int64_t aborted; /* from then on, before its queue is deleted */
};

/* Make a pair, and its queues the controller's.  Waits for the controller.
 * False: *error says why, and there is nothing to close. */
bool nvme_pair_open(struct nvme_pair *pair, struct nvme_controller *controller,
		    uint32_t number, struct store_error *error);

/* Free its memory, which the controller must not reach any more. */
void nvme_pair_close(struct nvme_pair *pair);

/* The worker: take a slot.  NVME_SLOTS_MAX: none is free. */
uint32_t nvme_pair_take(struct nvme_pair *pair);
static inline void nvme_pair_give(struct nvme_pair *pair, uint32_t slot)
{
	pair->used &= ~(1ull << slot);
}
uint8_t *nvme_pair_buffer(const struct nvme_pair *pair, uint32_t slot);

/* Let the command of a slot move its buffer, of which `size` bytes are meant,
 * at most NVME_BUFFER. */
void nvme_pair_aim(const struct nvme_pair *pair, uint32_t slot, uint32_t size,
		   struct nvme_command *command);

/* Begin the commands of these slots, a bit each. */
void nvme_pair_put(struct nvme_pair *pair, uint64_t slots);

/* The slots whose commands have ended since; they are the worker's again. */
uint64_t nvme_pair_collect(struct nvme_pair *pair);

/* Somebody waits for the end of these.  Makes its descriptor readable. */
void nvme_pair_hurry(struct nvme_pair *pair, uint64_t slots);

/* The guard: what it has to do about the commands in flight. */
enum nvme_lateness {
	NVME_IN_TIME,
	NVME_ABORT_IT,	   /* ask for the end of the command in *slot */
	NVME_DELETE_QUEUE, /* that was of no use */
};
enum nvme_lateness nvme_pair_late(struct nvme_pair *pair,
				  const struct nvme_patience *patience,
				  uint32_t *slot);

/* No doorbell of it is rung from now on. */
void nvme_pair_halt(struct nvme_pair *pair);

/* The controller has ended all of its commands.  Those that are late, or were
 * asked to end, have ended with NVME_DROPPED; the others will be put again.
 * Its queues are clear. */
void nvme_pair_quiet(struct nvme_pair *pair);

/* The controller has its queues again. */
void nvme_pair_run(struct nvme_pair *pair);

/* The controller is gone. */
void nvme_pair_kill(struct nvme_pair *pair);

#endif
