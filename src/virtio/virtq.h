/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_VIRTIO_VIRTQ_H
#define PRECARIUM_VIRTIO_VIRTQ_H

#include <stdbool.h>
#include <stdint.h>

#include <precarium/space.h>
#include <precarium/status.h>

#include "virtio/lent.h"
#include "virtio/ring_wire.h"

/*
 * The device's side of a virtqueue of either layout, over rings that an
 * untrusted client lends; a request taken from it; and the invariants of both,
 * which hold between any two calls.
 */

/* Segments of one request, after splitting at region boundaries.  A request
 * that needs more is refused. */
#define VIRTQ_SEGMENTS_MAX 1024u

enum virtq_state {
	VIRTQ_UNSET = 0, /* no rings yet */
	VIRTQ_READY,	 /* the rings are in lent memory */
	VIRTQ_DETACHED,	 /* the rings are no longer lent; virtq_rebase may find
			    them again.  Nothing is touched meanwhile. */
	VIRTQ_BROKEN,	 /* the client violated the protocol of the ring itself.
			    Nothing is touched until it is set up again. */
};

enum virtq_answer {
	VIRTQ_TAKEN = 0, /* a request was taken; complete it */
	VIRTQ_EMPTY,	 /* no request is available */
	VIRTQ_MALFORMED, /* taken, but cannot be carried out.  Its only segment
			    is the last byte that the device may write, or
			    it has none if that byte is not known. */
	VIRTQ_LOST,	 /* taken, but the memory that describes it is gone;
			    it has no segments */
	VIRTQ_GONE,	 /* the avail ring is gone; nothing was taken */
	VIRTQ_STOPPED,	 /* the state is not, or no longer, VIRTQ_READY */
};

struct virtq {
	enum virtq_state state;
	uint32_t size; /* entries; a power of 2 if the ring is split */
	struct prec_span desc;
	struct prec_span avail;
	struct prec_span used;
	uint32_t waiting;    /* avail entries known to be there, not taken */
	uint32_t in_flight;  /* requests taken and not completed */
	uint16_t next_avail; /* entries taken since 0, modulo 2^16 */
	uint16_t next_used;  /* entries used, likewise */
	uint16_t notified;   /* next_used at the last call of should_notify */
	bool event_index;    /* VIRTIO_F_EVENT_IDX */
	/* In a packed ring (packed.h) next_avail and next_used are slots,
	 * each with a wrap counter, and notified is a place as packed_place
	 * has it. */
	bool packed;
	bool avail_wrap;
	bool used_wrap;
	/* Of a split ring: a descriptor whose stamp equals `serial` was already
	 * fetched for this request.  This finds loops, and nothing has to be
	 * cleared between requests. */
	uint32_t serial;
	uint32_t stamp[VIRTQ_SIZE_MAX];
	/* By head, or buffer id: the slots of the ring that the request in
	 * flight takes, which is 1 in a split ring and the number of its
	 * descriptors in a packed one.  0: no such request is in flight. */
	uint16_t held[VIRTQ_SIZE_MAX];
};

/* Placed by the caller.  Only the segments that the chain has are written. */
struct virtq_request {
	uint32_t head;
	uint32_t readable; /* the device reads segments 0 .. readable - 1 */
	uint32_t count;	   /* and writes segments readable .. count - 1 */
	uint32_t elements; /* descriptors that were taken: the work it made */
	bool refused;	   /* a descriptor names memory that it must not */
	uint64_t table_address; /* the indirect table that was fetched */
	uint64_t table_size;	/* 0: none */
	struct prec_span segment[VIRTQ_SEGMENTS_MAX];
};

/*@
  predicate virtq_stamped(struct virtq q) =
    \forall integer i; 0 <= i < q.size ==> q.stamp[i] <= q.serial;

  predicate rings_sized(struct virtq q) =
    1 <= q.size && q.desc.size == 16 * q.size &&
    q.avail.size == (q.packed ? 4 : 6 + 2 * q.size) &&
    q.used.size == (q.packed ? 4 : 6 + 8 * q.size) &&
    q.desc.address + q.desc.size <= PREC_ADDRESS_MAX &&
    q.avail.address + q.avail.size <= PREC_ADDRESS_MAX &&
    q.used.address + q.used.size <= PREC_ADDRESS_MAX;

  // 2.7, 2.8.10.1, in the addresses of the client and of this process.
  predicate rings_aligned(struct virtq q) =
    q.desc.address % 16 == 0 && q.desc.host % 16 == 0 &&
    q.avail.address % (q.packed ? 4 : 2) == 0 &&
    q.avail.host % (q.packed ? 4 : 2) == 0 &&
    q.used.address % 4 == 0 && q.used.host % 4 == 0;

  predicate rings_apart(struct virtq q) =
    apart(q.desc.address, q.desc.size, q.avail.address, q.avail.size) &&
    apart(q.desc.address, q.desc.size, q.used.address, q.used.size) &&
    apart(q.avail.address, q.avail.size, q.used.address, q.used.size);

  predicate rings_granted(struct prec_space s, struct virtq q) =
    readable_span(s, q.desc) && readable_span(s, q.avail) &&
    readable_span(s, q.used) && writable_span(s, q.used) &&
    (q.packed ==> writable_span(s, q.desc));

  // The slots of a packed ring are inside it.
  predicate slots_ok(struct virtq q) =
    q.next_avail < q.size && q.next_used < q.size &&
    q.notified < 2 * q.size &&
    \forall integer i; 0 <= i < q.size ==> q.held[i] <= q.size;

  // How many of the first n heads are in flight.
  logic integer held_below(uint16_t held[VIRTQ_SIZE_MAX], integer n) =
    n <= 0 ? 0 : held_below(held, n - 1) + (held[n - 1] != 0 ? 1 : 0);

  predicate none_held(struct virtq q) =
    \forall integer i; 0 <= i < q.size ==> q.held[i] == 0;

  predicate virtq_counted(struct virtq q) =
    q.in_flight == held_below(q.held, q.size) &&
    (q.in_flight == 0 ==> none_held(q));

  // The invariant that does not depend on the space: it survives any change of
  // the table of lent memory.
  predicate virtq_whole(struct virtq q) =
    q.state <= VIRTQ_BROKEN && q.size <= VIRTQ_SIZE_MAX &&
    q.waiting <= q.size && virtq_stamped(q) && virtq_counted(q) &&
    (q.state == VIRTQ_READY || q.state == VIRTQ_DETACHED ==>
      rings_sized(q) && rings_apart(q) && (q.packed ==> slots_ok(q)));

  predicate virtq_ok(struct prec_space s, struct virtq q) =
    virtq_whole(q) && (q.state == VIRTQ_READY ==> rings_granted(s, q));

  predicate off_rings(struct virtq q, struct prec_span p) =
    apart(p.address, p.size, q.desc.address, q.desc.size) &&
    apart(p.address, p.size, q.avail.address, q.avail.size) &&
    apart(p.address, p.size, q.used.address, q.used.size);

  predicate segment_ok(struct prec_space s, struct virtq q,
                       struct virtq_request r, integer i) =
    span_granted(s, r.segment[i]) &&
    0 < r.segment[i].size <= 0xffffffff &&
    (i < r.readable ==> rights_grant(r.segment[i].rights, PREC_READ)) &&
    (i >= r.readable ==> rights_grant(r.segment[i].rights, PREC_WRITE) &&
      off_rings(q, r.segment[i]));

  predicate request_ok(struct prec_space s, struct virtq q,
                       struct virtq_request r) =
    r.readable <= r.count <= VIRTQ_SEGMENTS_MAX &&
    r.table_address + r.table_size <= PREC_ADDRESS_MAX &&
    (\forall integer i; 0 <= i < r.count ==> segment_ok(s, q, r, i));

  // All that is kept of a chain that cannot be carried out: the byte in which
  // the client can be told so.
  predicate only_last(struct virtq_request r) =
    r.readable == 0 && r.count <= 1 &&
    (r.count == 1 ==> r.segment[0].size == 1);

  predicate chain_ok(struct prec_space s, struct virtq q,
                     struct virtq_request r) =
    request_ok(s, q, r) && (r.refused ==> only_last(r));

  // These bytes are not all outside the rings.
  predicate on_rings(struct virtq q, integer address, integer size) =
    !apart(address, size, q.desc.address, q.desc.size) ||
    !apart(address, size, q.avail.address, q.avail.size) ||
    !apart(address, size, q.used.address, q.used.size);

  predicate inside_ring(struct prec_span ring, integer at, integer size) =
    ring.address <= at && at + size <= ring.address + ring.size;

  // Every fetch so far was of the descriptors or of the avail ring ...
  predicate fetched_rings{L}(struct virtq q) =
    \forall integer i; 0 <= i < fetch_count ==>
      inside_ring(q.desc, fetch_at[i], fetch_size[i]) ||
      inside_ring(q.avail, fetch_at[i], fetch_size[i]);

  // ... or was of the indirect table.
  predicate fetched_known{L}(struct virtq q, struct virtq_request r) =
    \forall integer i; 0 <= i < fetch_count ==>
      inside_ring(q.desc, fetch_at[i], fetch_size[i]) ||
      inside_ring(q.avail, fetch_at[i], fetch_size[i]) ||
      (fetch_at[i] == r.table_address && fetch_size[i] == r.table_size);

  // Every store was to the used ring.
  predicate stored_used{L}(struct virtq q) =
    \forall integer i; 0 <= i < store_count ==>
      inside_ring(q.used, store_at[i], store_size[i]);
*/

/*@
  // Entry i lends an area of a queue for that, and aligned on both sides.
  predicate lends_area(struct prec_space s, integer i, integer address,
                       integer size, integer rights, integer align) =
    0 <= i < s.count && entry_holds(s, i, address, size) &&
    rights_grant(s.rights[i], rights) && address % align == 0 &&
    (s.host[i] + (address - s.start[i])) % align == 0;

  predicate lends_queue(struct prec_space s, integer packed, integer size,
                        integer desc, integer avail, integer used) =
    0 < size <= VIRTQ_SIZE_MAX &&
    (\exists integer i; lends_area(s, i, desc, 16 * size, PREC_READ, 16) &&
      (packed != 0 ==>
        lends_area(s, i, desc, 16 * size, PREC_WRITE, 16))) &&
    (\exists integer i; packed != 0 ?
      lends_area(s, i, avail, 4, PREC_READ, 4) :
      lends_area(s, i, avail, 6 + 2 * size, PREC_READ, 2)) &&
    (\exists integer i; packed != 0 ?
      lends_area(s, i, used, 4, PREC_READ, 4) &&
        lends_area(s, i, used, 4, PREC_WRITE, 4) :
      lends_area(s, i, used, 6 + 8 * size, PREC_READ, 4) &&
        lends_area(s, i, used, 6 + 8 * size, PREC_WRITE, 4));

  predicate areas_apart(integer packed, integer size, integer desc,
                        integer avail, integer used) =
    \let avail_size = packed != 0 ? 4 : 6 + 2 * size;
    \let used_size = packed != 0 ? 4 : 6 + 8 * size;
    apart(desc, 16 * size, avail, avail_size) &&
    apart(desc, 16 * size, used, used_size) &&
    apart(avail, avail_size, used, used_size);
*/

/* Does the span overlap a ring?  Data written there would be served as if it
 * were requests of the client. */
/*@
  requires queue: \valid_read(q) && rings_sized(*q);
  requires bounded: p.address + p.size <= PREC_ADDRESS_MAX;
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures off: !\result <==> off_rings(*q, p);
*/
static inline bool virtq_meets_rings(const struct virtq *q, struct prec_span p)
{
	uint64_t end = p.address + p.size;

	if (end > q->desc.address && q->desc.address + q->desc.size > p.address)
		return true;
	if (end > q->avail.address &&
	    q->avail.address + q->avail.size > p.address)
		return true;
	return end > q->used.address &&
	       q->used.address + q->used.size > p.address;
}

/*
 * The table of lent memory has changed: find the rings again, at the same
 * client addresses.  The state becomes VIRTQ_READY or, if they are not there,
 * VIRTQ_DETACHED; the other states do not change.  Segments handed out before
 * are stale (space.h).
 */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid(q) && \separated(q, space) && virtq_whole(*q);
  terminates \true;
  exits \false;
  assigns q->state, q->desc, q->avail, q->used;
  ensures queue: virtq_ok(*space, *q);
  ensures found: \result == PREC_OK <==> q->state == VIRTQ_READY;
  ensures aligned: \result == PREC_OK ==> rings_aligned(*q);
  ensures said: \result == PREC_OK || \result == PREC_GONE;
  ensures same: q->desc.address == \old(q->desc.address) &&
    q->avail.address == \old(q->avail.address) &&
    q->used.address == \old(q->used.address);
  ensures lent: (\old(q->state) == VIRTQ_READY ||
    \old(q->state) == VIRTQ_DETACHED) &&
    lends_queue(*space, q->packed, q->size, q->desc.address,
      q->avail.address, q->used.address) ==> \result == PREC_OK;
  ensures broken: \old(q->state) == VIRTQ_BROKEN ==> q->state == VIRTQ_BROKEN;
  ensures unset: \old(q->state) == VIRTQ_UNSET ==> q->state == VIRTQ_UNSET;
*/
PREC_MUST_CHECK enum prec_status virtq_rebase(struct virtq *q,
					      const struct prec_space *space);

#endif
