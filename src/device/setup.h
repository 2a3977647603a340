/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_SETUP_H
#define PRECARIUM_DEVICE_SETUP_H

#include "device/queue.h"

/*
 * Setting a queue up, and stopping it.
 *
 * What the transport sets is kept, and checked as far as it can be without the
 * rings.  The rings are attached when the queue is first served: only then are
 * size, base and addresses all known.  All functions run on the thread of the
 * device.
 *
 * False: refused, *why says what was expected, and nothing has changed.
 */
bool queue_set_num(struct queue *queue, uint32_t num, const char **why);
bool queue_set_base(struct queue *queue, uint32_t base, const char **why);
/* While requests are in flight, only addresses for which queue_stays holds. */
bool queue_set_addr(struct queue *queue, const struct ring_addr *addr,
		    const char **why);
/* True if these are the rings that are served: only their logging may
 * differ. */
bool queue_stays(const struct queue *queue, const struct ring_addr *addr);
/* Takes over `fd`, an eventfd, on failure too. */
bool queue_set_kick(struct queue *queue, int fd, const char **why);

/* The client believes something of the ring that was refused: break it, until
 * its size and then its place or its kick are set again. */
void queue_distrust(struct queue *queue, const char *why);

/* Find the rings and the place in them at which to resume.  False: the queue is
 * broken, or its memory is gone; both are logged. */
bool queue_attach(struct queue *queue);

/* Fetch no more.  True: nothing is in flight, and `base` is where it ended. */
bool queue_stop(struct queue *queue);

/* Back to the state after queue_init.  The queue must be stopped and quiet. */
void queue_reset(struct queue *queue);

/* The table of lent memory has changed: find the rings again. */
void queue_memory_changed(struct queue *queue);

#endif
