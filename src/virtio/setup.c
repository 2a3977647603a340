// SPDX-License-Identifier: MIT
#include "virtio/packed.h"
#include "virtio/split.h"

/*
 * Setting up a queue: its rings are found and checked here, and again when the
 * table of lent memory has changed.
 */

struct rings {
	struct prec_span desc;
	struct prec_span avail;
	struct prec_span used;
};

/* Find one area of the queue.  It lies in one region, so that it has a single
 * host address. */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires out: \valid(span) && \separated(span, space);
  requires aligned: 0 < align;
  terminates \true;
  exits \false;
  assigns *span;
  ensures said: \result == PREC_OK || \result == PREC_INVALID ||
    \result == PREC_RANGE || \result == PREC_RIGHTS;
  ensures lent: 0 < size ==> \forall integer i;
    lends_area(*space, i, address, size, rights, align) ==>
    \result == PREC_OK;
  ensures one: \result == PREC_OK && 0 < size ==> \forall integer i;
    0 <= i < space->count && space_has(*space, i, address) ==>
    span->rights == space->rights[i];
  ensures granted: \result == PREC_OK ==> span_granted(*space, *span) &&
    rights_grant(span->rights, rights);
  ensures there: \result == PREC_OK ==>
    span->address == address && span->size == size &&
    address + size <= PREC_ADDRESS_MAX;
  ensures aligned: \result == PREC_OK ==>
    span->address % align == 0 && span->host % align == 0;
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
	/*@ assert one: 0 < size ==> \forall integer i;
	      0 <= i < space->count && space_has(*space, i, address) ==>
	      i == found.index; */
	/* The host address too: an index that crosses a cache line tears. */
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
  ensures lent: lends_queue(*space, packed, size, desc, avail, used) ==>
    \result == PREC_OK;
  ensures desc: \result == PREC_OK ==>
    readable_span(*space, rings->desc) && rings->desc.address == desc &&
    rings->desc.size == 16 * size &&
    rings->desc.address % 16 == 0 && rings->desc.host % 16 == 0 &&
    desc + 16 * size <= PREC_ADDRESS_MAX &&
    (packed ==> writable_span(*space, rings->desc));
  ensures avail: \result == PREC_OK ==>
    readable_span(*space, rings->avail) &&
    rings->avail.address == avail &&
    rings->avail.address % (packed ? 4 : 2) == 0 &&
    rings->avail.host % (packed ? 4 : 2) == 0 &&
    rings->avail.size == (packed ? 4 : 6 + 2 * size) &&
    avail + rings->avail.size <= PREC_ADDRESS_MAX;
  ensures used: \result == PREC_OK ==>
    readable_span(*space, rings->used) &&
    writable_span(*space, rings->used) &&
    rings->used.address == used &&
    rings->used.address % 4 == 0 && rings->used.host % 4 == 0 &&
    rings->used.size == (packed ? 4 : 6 + 8 * size) &&
    used + rings->used.size <= PREC_ADDRESS_MAX;
*/
static enum prec_status find_rings(const struct prec_space *space, bool packed,
				   uint32_t size, uint64_t desc, uint64_t avail,
				   uint64_t used, struct rings *rings)
{
	uint64_t n = size;
	uint64_t avail_size = VIRTQ_AVAIL_RING + VIRTQ_AVAIL_ENTRY * n + 2;
	uint64_t used_size = VIRTQ_USED_RING + VIRTQ_USED_ENTRY * n + 2;
	uint32_t desc_rights = PREC_READ;
	uint32_t avail_align = VIRTQ_AVAIL_ALIGN;
	enum prec_status status;

	if (packed) {
		avail_size = PVIRTQ_EVENT_SIZE;
		used_size = PVIRTQ_EVENT_SIZE;
		desc_rights = PREC_WRITE;
		avail_align = PVIRTQ_EVENT_ALIGN;
	}
	status = find_ring(space, desc, VIRTQ_DESC_SIZE * n, desc_rights,
			   VIRTQ_DESC_ALIGN, &rings->desc);
	if (status != PREC_OK)
		return status;
	status = find_ring(space, avail, avail_size, PREC_READ, avail_align,
			   &rings->avail);
	if (status != PREC_OK)
		return status;
	status = find_ring(space, used, used_size, PREC_WRITE, VIRTQ_USED_ALIGN,
			   &rings->used);
	if (status != PREC_OK)
		return status;
	/*@ assert lent: lends_queue(*space, packed, size, desc, avail, used)
	      ==> rights_grant(rings->desc.rights, PREC_READ) &&
	      rights_grant(rings->used.rights, PREC_READ); */
	/* Descriptors are read in either layout, and a split used ring is read
	 * to find out how far the previous server came. */
	if ((rings->desc.rights & PREC_READ) != PREC_READ ||
	    (rings->used.rights & PREC_READ) != PREC_READ)
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

/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid(q) && \separated(q, space);
  terminates \true;
  exits \false;
  assigns *q;
  ensures said: \result == PREC_OK || \result == PREC_INVALID ||
    \result == PREC_RANGE || \result == PREC_RIGHTS ||
    \result == PREC_OVERLAP;
  ensures lent: lends_queue(*space, packed, size, desc, avail, used) &&
    areas_apart(packed, size, desc, avail, used) ==> \result == PREC_OK;
  ensures ready: \result == PREC_OK ==> q->state == VIRTQ_READY &&
    virtq_ok(*space, *q) && q->size == size && (q->packed <==> packed != 0);
  ensures some: \result == PREC_OK ==> 0 < size;
  ensures aligned: \result == PREC_OK ==> rings_aligned(*q);
  ensures there: \result == PREC_OK ==> q->desc.address == desc &&
    q->avail.address == avail && q->used.address == used;
  ensures start: \result == PREC_OK ==> q->next_avail == 0 &&
    q->next_used == 0 && q->avail_wrap && q->used_wrap;
  ensures fresh: \result == PREC_OK ==> q->waiting == 0 &&
    q->notified == 0 && !q->event_index;
  ensures none_held: \result == PREC_OK ==> q->in_flight == 0 &&
    none_held(*q);
  ensures untouched: \result != PREC_OK ==> *q == \old(*q);
*/
static enum prec_status begin_rings(struct virtq *q,
				    const struct prec_space *space, bool packed,
				    uint32_t size, uint64_t desc,
				    uint64_t avail, uint64_t used)
{
	struct rings rings;
	enum prec_status status;
	uint32_t i;

	if (size == 0 || size > VIRTQ_SIZE_MAX)
		return PREC_INVALID;
	status = find_rings(space, packed, size, desc, avail, used, &rings);
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
	q->packed = packed;
	q->avail_wrap = true;
	q->used_wrap = true;
	q->serial = 0;
	/*@
	  loop invariant range: 0 <= i <= size;
	  loop invariant clear: \forall integer j; 0 <= j < i ==>
	    q->stamp[j] == 0 && q->held[j] == 0;
	  loop assigns i, q->stamp[0 .. VIRTQ_SIZE_MAX - 1],
	    q->held[0 .. VIRTQ_SIZE_MAX - 1];
	  loop variant size - i;
	*/
	for (i = 0; i < size; i++) {
		q->stamp[i] = 0;
		q->held[i] = 0;
	}
	/*@ ghost
	  uint32_t k = 0;
	  /@ loop invariant 0 <= k <= size;
	     loop invariant held_below(q->held, k) == 0;
	     loop assigns k;
	     loop variant size - k;
	  @/
	  while (k < size) k++;
	*/
	q->state = VIRTQ_READY;
	return PREC_OK;
}

enum prec_status split_setup(struct virtq *q, const struct prec_space *space,
			     uint32_t size, uint64_t desc, uint64_t avail,
			     uint64_t used)
{
	/* 2.7: a power of 2. */
	if (size != 0 && (size & (size - 1)) != 0)
		return PREC_INVALID;
	return begin_rings(q, space, false, size, desc, avail, used);
}

enum prec_status packed_setup(struct virtq *q, const struct prec_space *space,
			      uint32_t size, uint64_t desc, uint64_t driver,
			      uint64_t device)
{
	return begin_rings(q, space, true, size, desc, driver, device);
}

enum prec_status virtq_rebase(struct virtq *q, const struct prec_space *space)
{
	struct rings rings;

	if (q->state != VIRTQ_READY && q->state != VIRTQ_DETACHED)
		return PREC_GONE;
	if (find_rings(space, q->packed, q->size, q->desc.address,
		       q->avail.address, q->used.address, &rings)) {
		q->state = VIRTQ_DETACHED;
		return PREC_GONE;
	}
	q->desc = rings.desc;
	q->avail = rings.avail;
	q->used = rings.used;
	q->state = VIRTQ_READY;
	return PREC_OK;
}
