/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_INFLIGHT_SPLIT_H
#define PRECARIUM_DEVICE_INFLIGHT_SPLIT_H

#include "device/inflight.h"
#include "virtio/split.h"

/*
 * The log of requests in flight of split rings (QueueRegionSplit).
 */

/* Bytes for so many entries. */
uint64_t inflight_split_size(uint32_t entries);

/*
 * The rings of `size` entries were found, their used index is `used`.  Read
 * what the previous server left, if that was not done yet: then *recovered,
 * and *taken is how many requests were in flight.  A log that is new is made
 * ready.
 *
 * PREC_RANGE: it has room for smaller rings only.  PREC_GONE: it is gone, and
 * not used any more.  PREC_SYSTEM: no memory; it is still to be read.
 */
PREC_MUST_CHECK enum prec_status
inflight_split_read(struct inflight_queue *log, uint32_t size, uint16_t used,
		    bool *recovered, uint32_t *taken);

/* The next request that the previous server had taken.  False: no more. */
bool inflight_split_next(struct inflight_queue *log, uint16_t *head);

/* `head` was taken from the available ring.  Nothing of it may have been
 * carried out yet. */
void inflight_split_taken(struct inflight_queue *log, uint16_t head);

/* `head` is about to be put into the used ring; nothing else of the queue may
 * be until inflight_split_completed. */
void inflight_split_completing(struct inflight_queue *log, uint16_t head);

/* `head` is in the used ring, whose index is now `used`. */
void inflight_split_completed(struct inflight_queue *log, uint16_t head,
			      uint16_t used);

#endif
