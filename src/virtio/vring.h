/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_VIRTIO_VRING_H
#define PRECARIUM_VIRTIO_VRING_H

#include "virtio/packed.h"
#include "virtio/split.h"

/*
 * Calls on a queue of either layout, passed on to the layout it was set up
 * with.  Contracts, and the proofs of them, are in split.h and packed.h.
 */

static inline enum prec_status
vring_setup(struct virtq *q, const struct prec_space *space, bool packed,
	    uint32_t size, uint64_t desc, uint64_t driver, uint64_t device)
{
	if (packed)
		return packed_setup(q, space, size, desc, driver, device);
	return split_setup(q, space, size, desc, driver, device);
}

static inline enum virtq_answer vring_next(struct virtq *q,
					   const struct prec_space *space,
					   struct virtq_request *r)
{
	return q->packed ? packed_next(q, space, r) : split_next(q, space, r);
}

static inline enum prec_status vring_complete(struct virtq *q,
					      const struct prec_space *space,
					      uint32_t head, uint32_t len)
{
	return q->packed ? packed_complete(q, space, head, len)
			 : split_complete(q, space, head, len);
}

static inline enum prec_status
vring_should_notify(struct virtq *q, const struct prec_space *space, bool *yes)
{
	return q->packed ? packed_should_notify(q, space, yes)
			 : split_should_notify(q, space, yes);
}

static inline enum prec_status
vring_ask_for_kick(const struct virtq *q, const struct prec_space *space)
{
	return q->packed ? packed_ask_for_kick(q, space)
			 : split_ask_for_kick(q, space);
}

/* The answer to GET_VRING_BASE. */
static inline uint32_t vring_base(const struct virtq *q)
{
	return q->packed ? packed_base(q) : q->next_avail;
}

#endif
