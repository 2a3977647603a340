/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_SETUP_H
#define PRECARIUM_DEVICE_SETUP_H

#include "device/queue.h"

/*
 * Setting a queue up, and stopping it.
 *
 * What a transport sets is kept, and checked as far as it can be without the
 * rings.  They are attached when the queue is first served: only then are size,
 * base and addresses all known.  All functions run on the client's worker.
 *
 * False: refused, *why says what was expected, and nothing has changed.
 */
bool vhost_queue_set_num(struct vhost_queue *queue, uint32_t num,
			 const char **why);
bool vhost_queue_set_base(struct vhost_queue *queue, uint32_t base,
			  const char **why);
/* While requests are in flight only addresses with which the queue "stays". */
bool vhost_queue_set_addr(struct vhost_queue *queue,
			  const struct ring_addr *addr, const char **why);
/* Are these the rings that are served?  Only whether they are logged, and
 * where, may differ. */
bool vhost_queue_stays(const struct vhost_queue *queue,
		       const struct ring_addr *addr);
/* Takes `fd`, also on failure. */
bool vhost_queue_set_kick(struct vhost_queue *queue, int fd, const char **why);

/* Find the rings and the place in them at which to resume.  False: the queue
 * is broken, or its memory was lost; both are logged. */
bool vhost_queue_attach(struct vhost_queue *queue);

/* Fetch no more.  True: nothing is in flight, and `base` is where it ended. */
bool vhost_queue_stop(struct vhost_queue *queue);

/* As after connecting; it must be stopped and quiet. */
void vhost_queue_reset(struct vhost_queue *queue);

/* The table of lent memory has changed: find the rings again. */
void vhost_queue_memory_changed(struct vhost_queue *queue);

#endif
