// SPDX-License-Identifier: MIT
#include "virtio/split.h"

/*
 * Where the rings are: checked when a queue is set up, and again when the table
 * of lent memory has changed.
 */

struct rings {
	struct prec_span desc;
	struct prec_span avail;
	struct prec_span used;
};

/* An area of the queue: one region, so that its address here is one number. */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires out: \valid(span) && \separated(span, space);
  requires aligned: 0 < align;
  terminates \true;
  exits \false;
  assigns *span;
  ensures said: \result == PREC_OK || \result == PREC_INVALID ||
    \result == PREC_RANGE || \result == PREC_RIGHTS;
  ensures granted: \result == PREC_OK ==> span_granted(*space, *span) &&
    rights_grant(span->rights, rights);
  ensures there: \result == PREC_OK ==>
    span->address == address && span->size == size &&
    address + size <= PREC_ADDRESS_MAX;
*/
static enum prec_status find_ring(const struct prec_space *space,
				  uint64_t address, uint64_t size,
				  uint32_t rights, uint32_t align,
				  struct prec_span *span)
{
	struct prec_span found;
	enum prec_status status;

	status = prec_space_resolve(space, address, size, rights, &found);
	if (status != PREC_OK)
		return status;
	/* Here too: an index that lies across two cache lines tears. */
	if (address % align != 0 || found.host % align != 0)
		return PREC_INVALID;
	*span = found;
	return PREC_OK;
}

/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires out: \valid(rings) && \separated(rings, space);
  requires size: size <= VIRTQ_SIZE_MAX;
  terminates \true;
  exits \false;
  assigns *rings;
  ensures said: \result == PREC_OK || \result == PREC_INVALID ||
    \result == PREC_RANGE || \result == PREC_RIGHTS;
  ensures desc: \result == PREC_OK ==>
    readable_span(*space, rings->desc) && rings->desc.address == desc &&
    rings->desc.size == 16 * size &&
    desc + 16 * size <= PREC_ADDRESS_MAX;
  ensures avail: \result == PREC_OK ==>
    readable_span(*space, rings->avail) &&
    rings->avail.address == avail && rings->avail.size == 6 + 2 * size &&
    avail + 6 + 2 * size <= PREC_ADDRESS_MAX;
  ensures used: \result == PREC_OK ==>
    readable_span(*space, rings->used) &&
    writable_span(*space, rings->used) &&
    rings->used.address == used && rings->used.size == 6 + 8 * size &&
    used + 6 + 8 * size <= PREC_ADDRESS_MAX;
*/
static enum prec_status find_rings(const struct prec_space *space,
				   uint32_t size, uint64_t desc, uint64_t avail,
				   uint64_t used, struct rings *rings)
{
	uint64_t n = size;
	enum prec_status status;

	status = find_ring(space, desc, VIRTQ_DESC_SIZE * n, PREC_READ,
			   VIRTQ_DESC_ALIGN, &rings->desc);
	if (status != PREC_OK)
		return status;
	status = find_ring(space, avail,
			   VIRTQ_AVAIL_RING + VIRTQ_AVAIL_ENTRY * n + 2,
			   PREC_READ, VIRTQ_AVAIL_ALIGN, &rings->avail);
	if (status != PREC_OK)
		return status;
	status = find_ring(space, used,
			   VIRTQ_USED_RING + VIRTQ_USED_ENTRY * n + 2,
			   PREC_WRITE, VIRTQ_USED_ALIGN, &rings->used);
	if (status != PREC_OK)
		return status;
	/* We ask it how far a driver before us came. */
	if ((rings->used.rights & PREC_READ) != PREC_READ)
		return PREC_RIGHTS;
	return PREC_OK;
}

/*@
  requires bounded: a.address + a.size <= PREC_ADDRESS_MAX &&
    b.address + b.size <= PREC_ADDRESS_MAX;
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures apart: !\result <==>
    apart(a.address, a.size, b.address, b.size);
*/
static bool overlap(struct prec_span a, struct prec_span b)
{
	return a.address + a.size > b.address && b.address + b.size > a.address;
}

enum prec_status virtq_setup(struct virtq *q, const struct prec_space *space,
			     uint32_t size, uint64_t desc, uint64_t avail,
			     uint64_t used)
{
	struct rings rings;
	enum prec_status status;
	uint32_t i;

	if (size == 0 || size > VIRTQ_SIZE_MAX || (size & (size - 1)) != 0)
		return PREC_INVALID;
	status = find_rings(space, size, desc, avail, used, &rings);
	if (status != PREC_OK)
		return status;
	if (overlap(rings.desc, rings.avail) ||
	    overlap(rings.desc, rings.used) || overlap(rings.avail, rings.used))
		return PREC_OVERLAP;
	q->size = size;
	q->desc = rings.desc;
	q->avail = rings.avail;
	q->used = rings.used;
	q->waiting = 0;
	q->in_flight = 0;
	q->next_avail = 0;
	q->next_used = 0;
	q->notified = 0;
	q->event_index = false;
	q->serial = 0;
	/*@
	  loop invariant range: 0 <= i <= VIRTQ_SIZE_MAX;
	  loop invariant clear: \forall integer j; 0 <= j < i ==>
	    q->stamp[j] == 0 && q->held[j] == 0;
	  loop assigns i, q->stamp[0 .. VIRTQ_SIZE_MAX - 1],
	    q->held[0 .. VIRTQ_SIZE_MAX - 1];
	  loop variant VIRTQ_SIZE_MAX - i;
	*/
	for (i = 0; i < VIRTQ_SIZE_MAX; i++) {
		q->stamp[i] = 0;
		q->held[i] = 0;
	}
	/*@ ghost
	  uint32_t k = 0;
	  /@ loop invariant 0 <= k <= VIRTQ_SIZE_MAX;
	     loop invariant held_below(q->held, k) == 0;
	     loop assigns k;
	     loop variant VIRTQ_SIZE_MAX - k;
	  @/
	  while (k < VIRTQ_SIZE_MAX) k++;
	*/
	q->state = VIRTQ_READY;
	return PREC_OK;
}

enum prec_status virtq_rebase(struct virtq *q, const struct prec_space *space)
{
	struct rings rings;

	if (q->state != VIRTQ_READY && q->state != VIRTQ_DETACHED)
		return PREC_GONE;
	if (find_rings(space, q->size, q->desc.address, q->avail.address,
		       q->used.address, &rings)) {
		q->state = VIRTQ_DETACHED;
		return PREC_GONE;
	}
	q->desc = rings.desc;
	q->avail = rings.avail;
	q->used = rings.used;
	q->state = VIRTQ_READY;
	return PREC_OK;
}
