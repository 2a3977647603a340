/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_BLK_RING_H
#define PRECARIUM_BLK_RING_H

#include <liburing.h>

#include "virtio/store.h"

/* A ring with the operations a file store needs.  False: *error says what is
 * missing, and nothing is held. */
bool blk_ring_open(struct io_uring *ring, unsigned int entries,
		   struct store_error *error);

#endif
