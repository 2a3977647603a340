/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_GATE_H
#define PRECARIUM_DEVICE_GATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct loop;

/*
 * Threads that serve parts of the same devices, a loop each, stop for each
 * other.  While one of them holds the gate, the loops that it named stand there
 * between two turns, and all that they have is the holder's: what concerns
 * several parts of a device is carried out as if there were no other thread.
 * So a request takes no lock: nothing of a device that its parts read together
 * changes in a turn.
 *
 * Who wants to hold the gate while another does stands there meanwhile, and
 * may be the other's.  So nobody waits in a circle, and nobody for longer than
 * turns last and what is done at the gate.
 *
 * What only the thread of a loop may do, as with lanes to stores, it does while
 * it stands, by gate_run.
 */
struct gate {
	pthread_mutex_t lock;
	pthread_cond_t moved;
	const struct loop *holder; /* NULL: nobody */
	uint64_t since_ns;	   /* it holds it */
	uint32_t devices;	   /* that have several parts; atomic */
};

/* A loop's place at it. */
struct gate_post {
	struct gate *gate; /* NULL: its devices have one part */
	bool called;	   /* to stand; atomic, for a look without the lock */
	bool stands;
	bool gone; /* for good */
	void (*task)(void *argument);
	void *argument;
};

void gate_init(struct gate *gate);
void gate_destroy(struct gate *gate);

/* Between two turns: stand, if that is called for, until the holder lets go. */
void gate_pass(struct loop *loop);
/* The loop is used no more.  False: it is, by parts of devices of others, or is
 * called just now. */
bool gate_leave(struct loop *loop);

/* Hold it, between two turns of `self`.  True: all of the others stand.  False:
 * one of them has left, and nothing is held. */
bool gate_hold(struct loop *self, struct loop *const *others, uint32_t count);
void gate_let_go(struct loop *self, struct loop *const *others, uint32_t count);

/* Have the thread of the loop, which stands, carry out the task, and wait until
 * it has. */
void gate_run(struct loop *loop, void (*task)(void *argument), void *argument);

/*
 * What a client's messages cost others while its device has several parts: the
 * time that threads stood for them.  A client has GATE_CREDIT_NS of that, and
 * then its share of an eighth of the time, so that requests of all others have
 * the rest, whatever messages clients send.
 */
#define GATE_CREDIT_NS 20000000u
#define GATE_PART      8u

struct gate_pace {
	uint64_t spent_ns; /* and not made good yet, at that time: */
	uint64_t at_ns;
};

/* Threads have stood for so long until now, beside so many such clients. */
void gate_charge(struct gate_pace *pace, uint32_t devices, uint64_t stood_ns,
		 uint64_t now_ns);
/* May they stand again? */
bool gate_allows(const struct gate_pace *pace, uint32_t devices,
		 uint64_t now_ns);

static inline uint32_t gate_devices(const struct gate *gate)
{
	return __atomic_load_n(&gate->devices, __ATOMIC_RELAXED);
}

/* How long they have stood for its holder, who asks. */
static inline uint64_t gate_stood_ns(const struct gate *gate, uint64_t now_ns)
{
	return now_ns - gate->since_ns;
}

#endif
