/* SPDX-License-Identifier: MIT */
#ifndef PREC_VIRTIO_SPLIT_H
#define PREC_VIRTIO_SPLIT_H

#include <stdbool.h>
#include <stdint.h>

#include <precarium/space.h>
#include <precarium/status.h>

#include "virtio/client.h"
#include "virtio/ring.h"

/*
 * A split virtqueue, driver's ("device's", in the standard) side, over rings
 * that an untrusted client lends.  What the rings say is fetched once, checked
 * and only then used; every segment that comes out lies in one lent region,
 * with the right that its direction needs; the work for a request is bounded by
 * the size of the queue.  One thread runs a queue.
 */

/* After cutting at region boundaries.  A client that needs more is refused. */
#define VIRTQ_SEGMENTS_MAX 256u

enum virtq_state {
	VIRTQ_UNSET = 0, /* no rings yet */
	VIRTQ_READY,     /* rings are there */
	VIRTQ_DETACHED,  /* rings are no longer lent: virtq_rebase may find them
			    again.  Nothing is touched meanwhile. */
	VIRTQ_BROKEN,    /* the client broke the protocol of the ring itself.
			    Nothing is touched until it is set up again. */
};

enum virtq_answer {
	VIRTQ_TAKEN = 0, /* a request; complete it */
	VIRTQ_EMPTY,     /* none there */
	VIRTQ_MALFORMED, /* a chain that cannot be carried out; of its segments
			    there is only the last byte that the driver may
			    write, or none where that is not known */
	VIRTQ_LOST,      /* taken, but the memory that describes it is gone;
			    no segments */
	VIRTQ_GONE,      /* the avail ring is gone; nothing was taken */
	VIRTQ_STOPPED,   /* the state is not, or no longer, VIRTQ_READY */
};

struct virtq {
	enum virtq_state state;
	uint32_t size; /* entries; a power of 2 */
	struct prec_span desc;
	struct prec_span avail;
	struct prec_span used;
	uint32_t waiting;    /* avail entries known to be there, not taken */
	uint32_t in_flight;  /* taken, not completed */
	uint16_t next_avail; /* entries taken since 0, modulo 2^16 */
	uint16_t next_used;  /* entries used, likewise */
	uint16_t notified;   /* next_used when a notification was last weighed */
	bool event_index;    /* VIRTIO_F_EVENT_IDX */
	/* Of a packed ring (packed.h) next_avail and next_used are slots, each
	 * with its wrap counter, and notified is a place as of packed_place. */
	bool packed;
	bool avail_wrap;
	bool used_wrap;
	uint16_t length[VIRTQ_SIZE_MAX]; /* descriptors of the held head */
	/* A descriptor whose stamp is `serial` was fetched for the request in
	 * hand: no loop, and nothing to clear between requests. */
	uint32_t serial;
	uint32_t stamp[VIRTQ_SIZE_MAX];
	uint8_t held[VIRTQ_SIZE_MAX]; /* 1: this head is in flight */
};

/* Placed by the caller; only as much is written as the chain is long. */
struct virtq_request {
	uint32_t head;
	uint32_t readable; /* segments 0 .. readable - 1: the driver reads */
	uint32_t count;    /* segments readable .. count - 1: it writes */
	bool refused;      /* a descriptor of it names what it may not */
	uint64_t table_address; /* the indirect table that was fetched */
	uint64_t table_size;    /* 0: none */
	struct prec_span segment[VIRTQ_SEGMENTS_MAX];
};

/* Ghost: the chain in hand, its descriptors as they were fetched, in its order;
 * and which of them is the last that has bytes for the driver to write. */
/*@ ghost
  int chain_count;
  int chain_last; // -1: none so far
  struct virtq_desc chain_desc[1280];
*/
#define CHAIN_MAX 1280

/*@
  predicate virtq_stamped(struct virtq q) =
    \forall integer i; 0 <= i < VIRTQ_SIZE_MAX ==> q.stamp[i] <= q.serial;

  predicate rings_sized(struct virtq q) =
    1 <= q.size && q.desc.size == 16 * q.size &&
    q.avail.size == (q.packed ? 4 : 6 + 2 * q.size) &&
    q.used.size == (q.packed ? 4 : 6 + 8 * q.size) &&
    q.desc.address + q.desc.size <= PREC_ADDRESS_MAX &&
    q.avail.address + q.avail.size <= PREC_ADDRESS_MAX &&
    q.used.address + q.used.size <= PREC_ADDRESS_MAX;

  predicate rings_apart(struct virtq q) =
    apart(q.desc.address, q.desc.size, q.avail.address, q.avail.size) &&
    apart(q.desc.address, q.desc.size, q.used.address, q.used.size) &&
    apart(q.avail.address, q.avail.size, q.used.address, q.used.size);

  predicate rings_granted(struct prec_space s, struct virtq q) =
    readable_span(s, q.desc) && readable_span(s, q.avail) &&
    readable_span(s, q.used) && writable_span(s, q.used) &&
    (q.packed ==> writable_span(s, q.desc));

  // Slots of a packed ring are in it.
  predicate slots_ok(struct virtq q) =
    q.next_avail < q.size && q.next_used < q.size &&
    q.notified < 2 * q.size &&
    \forall integer i; 0 <= i < VIRTQ_SIZE_MAX ==> q.length[i] <= q.size;

  // How many of the first n heads are in flight.
  logic integer held_below(uint8_t held[VIRTQ_SIZE_MAX], integer n) =
    n <= 0 ? 0 : held_below(held, n - 1) + (held[n - 1] != 0 ? 1 : 0);

  predicate none_held(struct virtq q) =
    \forall integer i; 0 <= i < VIRTQ_SIZE_MAX ==> q.held[i] == 0;

  predicate virtq_counted(struct virtq q) =
    q.in_flight == held_below(q.held, VIRTQ_SIZE_MAX) &&
    (q.in_flight == 0 ==> none_held(q));

  // What holds of a queue whatever the space: it survives any change of the
  // table of lent memory.
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

  // What is kept of a chain that cannot be carried out: the place where the
  // client can be told so.
  predicate only_last(struct virtq_request r) =
    r.readable == 0 && r.count <= 1 &&
    (r.count == 1 ==> r.segment[0].size == 1);

  predicate chain_ok(struct prec_space s, struct virtq q,
                     struct virtq_request r) =
    request_ok(s, q, r) && (r.refused ==> only_last(r));

  // 2.7.5.3.2: WRITE says nothing where the descriptor names a table.
  predicate has_room(struct virtq_desc d) =
    (d.flags & VIRTQ_DESC_F_WRITE) != 0 &&
    (d.flags & VIRTQ_DESC_F_INDIRECT) == 0 && d.len > 0;

  predicate chain_logged{L} =
    -1 <= chain_last < chain_count && 0 <= chain_count <= CHAIN_MAX &&
    (0 <= chain_last ==> has_room(chain_desc[chain_last])) &&
    (\forall integer k; chain_last < k < chain_count ==>
      !has_room(chain_desc[k]));

  predicate chain_ended{L} = 0 < chain_count &&
    (chain_desc[chain_count - 1].flags & VIRTQ_DESC_F_NEXT) == 0;

  // The byte that is kept is the last for the driver to write of all the
  // descriptors so far.
  predicate last_kept{L}(struct virtq_request r) =
    r.refused && r.count == 1 ==> 0 <= chain_last &&
      r.segment[0].address ==
      chain_desc[chain_last].addr + chain_desc[chain_last].len - 1;

  predicate inside_ring(struct prec_span ring, integer at, integer size) =
    ring.address <= at && at + size <= ring.address + ring.size;

  // Every fetch so far is of the descriptors or of the avail ring ...
  predicate fetched_rings{L}(struct virtq q) =
    \forall integer i; 0 <= i < fetch_count ==>
      inside_ring(q.desc, fetch_at[i], fetch_size[i]) ||
      inside_ring(q.avail, fetch_at[i], fetch_size[i]);

  // ... or is the indirect table.
  predicate fetched_known{L}(struct virtq q, struct virtq_request r) =
    \forall integer i; 0 <= i < fetch_count ==>
      inside_ring(q.desc, fetch_at[i], fetch_size[i]) ||
      inside_ring(q.avail, fetch_at[i], fetch_size[i]) ||
      (fetch_at[i] == r.table_address && fetch_size[i] == r.table_size);

  // Fetch m was of the avail entry for this index (2.7.6): the ring's length
  // divides 2^16, so the slots go round with the index.
  predicate entry_fetched{L}(struct virtq q, integer m, integer index) =
    m < fetch_count && fetch_size[m] == 2 &&
    fetch_at[m] == q.avail.address + 4 + 2 * (index % q.size);

  // The first `count` stores of giving a request back: its element, at the slot
  // of this index (2.7.8), and last the index that follows it.
  predicate used_stored{L}(struct virtq q, integer index, integer id,
                           integer len, integer count) =
    (0 < count ==> store_is(0,
      q.used.address + 4 + 8 * (index % q.size), 4, id)) &&
    (1 < count ==> store_is(1,
      q.used.address + 4 + 8 * (index % q.size) + 4, 4, len)) &&
    (2 < count ==> store_is(2,
      q.used.address + 2, 2, (uint16_t)(index + 1)));

  // Nothing was stored elsewhere than in the used ring.
  predicate stored_used{L}(struct virtq q) =
    \forall integer i; 0 <= i < store_count ==>
      inside_ring(q.used, store_at[i], store_size[i]);

  // Segments first .. last - 1 are [address, address + size), in order, each
  // byte once.
  predicate covers(struct virtq_request r, integer first, integer last,
                   integer address, integer size) =
    first <= last &&
    (size == 0 ==> first == last) &&
    (size > 0 ==> first < last && r.segment[first].address == address &&
      r.segment[last - 1].address + r.segment[last - 1].size ==
      address + size) &&
    (\forall integer i; first <= i < last - 1 ==>
      r.segment[i].address + r.segment[i].size ==
      r.segment[i + 1].address);
*/

/* Does the span touch a ring?  Data written there would make us serve what we
 * wrote ourselves. */
/*@
  requires queue: \valid_read(q) && rings_sized(*q);
  requires bounded: p.address + p.size <= PREC_ADDRESS_MAX;
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures off: !\result <==> off_rings(*q, p);
*/
static inline bool virtq_meets_rings(const struct virtq *q,
				     struct prec_span p)
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
 * Begin with rings of `size` entries at these client addresses (2.7).  Indices
 * start at 0; requests that were in flight are forgotten, so there must be
 * none.  Ends every other state, also VIRTQ_BROKEN.
 *
 * PREC_INVALID: the size is no power of 2 up to VIRTQ_SIZE_MAX, or an area is
 * not aligned.  PREC_RANGE, PREC_RIGHTS: an area is not wholly in one lent
 * region with the rights needed.  PREC_OVERLAP: the areas overlap.  The queue
 * is unchanged on each.
 */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid(q) && \separated(q, space);
  terminates \true;
  exits \false;
  assigns *q;
  ensures said: \result == PREC_OK || \result == PREC_INVALID ||
    \result == PREC_RANGE || \result == PREC_RIGHTS ||
    \result == PREC_OVERLAP;
  ensures ready: \result == PREC_OK ==> q->state == VIRTQ_READY &&
    virtq_ok(*space, *q) && q->size == size && !q->packed;
  ensures there: \result == PREC_OK ==> q->desc.address == desc &&
    q->avail.address == avail && q->used.address == used;
  ensures none_held: \result == PREC_OK ==> q->in_flight == 0 &&
    none_held(*q);
  ensures untouched: \result != PREC_OK ==> *q == \old(*q);
*/
PREC_MUST_CHECK enum prec_status
virtq_setup(struct virtq *q, const struct prec_space *space, uint32_t size,
	    uint64_t desc, uint64_t avail, uint64_t used);

/* Go on at these indices: SET_VRING_BASE, or a queue taken over from a driver
 * that died. */
/*@
  requires queue: \valid(q) && virtq_whole(*q) && !q->packed;
  terminates \true;
  exits \false;
  assigns q->next_avail, q->next_used, q->notified, q->waiting;
  ensures queue: virtq_whole(*q);
  ensures at: q->next_avail == avail && q->next_used == used;
*/
void virtq_seek(struct virtq *q, uint16_t avail, uint16_t used);

/* What the used ring says of how far it is.  PREC_GONE also when the state is
 * not VIRTQ_READY. */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid_read(q) && virtq_ok(*space, *q) && !q->packed;
  requires out: \valid(index) && \separated(index, space, q);
  terminates \true;
  exits \false;
  assigns *index, fetch_count, fetch_at[0], fetch_size[0];
  ensures said: \result == PREC_OK || \result == PREC_GONE;
*/
PREC_MUST_CHECK enum prec_status
virtq_used_index(const struct virtq *q, const struct prec_space *space,
		 uint16_t *index);

/*
 * The table of lent memory changed: find the rings in it again, at the same
 * client addresses.  VIRTQ_READY or, when they are not there, VIRTQ_DETACHED;
 * the other states stay.  Segments handed out before are stale: see space.h.
 */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid(q) && \separated(q, space) && virtq_whole(*q);
  terminates \true;
  exits \false;
  assigns q->state, q->desc, q->avail, q->used;
  ensures queue: virtq_ok(*space, *q);
  ensures found: \result == PREC_OK <==> q->state == VIRTQ_READY;
  ensures said: \result == PREC_OK || \result == PREC_GONE;
  ensures broken: \old(q->state) == VIRTQ_BROKEN ==> q->state == VIRTQ_BROKEN;
  ensures unset: \old(q->state) == VIRTQ_UNSET ==> q->state == VIRTQ_UNSET;
*/
PREC_MUST_CHECK enum prec_status virtq_rebase(struct virtq *q,
					      const struct prec_space *space);

/*
 * Take the next request.  See enum virtq_answer; with VIRTQ_TAKEN,
 * VIRTQ_MALFORMED and VIRTQ_LOST `head` is in flight and must be completed
 * once.
 */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid(q) && virtq_ok(*space, *q) && !q->packed;
  requires request: \valid(r) && \separated(r, q, space);
  terminates \true;
  exits \false;
  assigns r->head, r->readable, r->count, r->refused, r->table_address,
    r->table_size,
    r->segment[0 .. VIRTQ_SEGMENTS_MAX - 1],
    q->state, q->waiting, q->in_flight, q->next_avail, q->serial,
    q->stamp[0 .. VIRTQ_SIZE_MAX - 1], q->held[0 .. VIRTQ_SIZE_MAX - 1],
    chain_count, chain_last, chain_desc[0 .. CHAIN_MAX - 1],
    fetch_count, fetch_at[0 .. FETCH_MAX - 1],
    fetch_size[0 .. FETCH_MAX - 1], fetch_index[0 .. FETCH_MAX - 1];
  ensures said: \result <= VIRTQ_STOPPED;
  ensures queue: virtq_ok(*space, *q);
  ensures segments: request_ok(*space, *q, *r);
  ensures taken: \result == VIRTQ_TAKEN ==> !r->refused;
  ensures malformed: \result == VIRTQ_MALFORMED ==> only_last(*r);
  ensures last: \result == VIRTQ_MALFORMED && r->count == 1 ==>
    chain_logged && chain_ended && r->refused && last_kept(*r);
  ensures lost: \result == VIRTQ_LOST ==> r->count == 0;
  ensures once: fetched_once;
  ensures known: \result != VIRTQ_STOPPED ==> fetched_known(*q, *r);
  ensures bounded: fetch_count <= q->size + 3;
  ensures state: \result == VIRTQ_STOPPED ? q->state != VIRTQ_READY :
    q->state == VIRTQ_READY;
  ensures only_breaks: q->state == \old(q->state) ||
    (\old(q->state) == VIRTQ_READY && q->state == VIRTQ_BROKEN);
  ensures held: \result == VIRTQ_TAKEN || \result == VIRTQ_MALFORMED ||
    \result == VIRTQ_LOST ==> r->head < q->size &&
    \at(q->held[\at(r->head, Post)], Pre) == 0 && q->held[r->head] == 1 &&
    q->in_flight == \old(q->in_flight) + 1 &&
    q->next_avail == (uint16_t)(\old(q->next_avail) + 1);
  ensures slot: \result == VIRTQ_TAKEN || \result == VIRTQ_MALFORMED ||
    \result == VIRTQ_LOST ==>
    entry_fetched(*q, \old(q->waiting) == 0 ? 1 : 0, \old(q->next_avail));
  ensures others: \forall integer i; 0 <= i < VIRTQ_SIZE_MAX &&
    i != r->head ==> q->held[i] == \old(*q).held[i];
  ensures none: \result == VIRTQ_EMPTY || \result == VIRTQ_GONE ==>
    q->next_avail == \old(q->next_avail) &&
    q->in_flight == \old(q->in_flight) &&
    \forall integer i; 0 <= i < VIRTQ_SIZE_MAX ==>
      q->held[i] == \old(*q).held[i];
*/
enum virtq_answer virtq_next(struct virtq *q, const struct prec_space *space,
			     struct virtq_request *r);

/*
 * Take the request at `head` without asking the avail ring: one that a driver
 * before us had in flight when it died.  VIRTQ_STOPPED also when the head is
 * out of range or in flight already; the queue is not broken by that.
 */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid(q) && virtq_ok(*space, *q) && !q->packed;
  requires request: \valid(r) && \separated(r, q, space);
  terminates \true;
  exits \false;
  assigns r->head, r->readable, r->count, r->refused, r->table_address,
    r->table_size,
    r->segment[0 .. VIRTQ_SEGMENTS_MAX - 1],
    q->in_flight, q->serial,
    q->stamp[0 .. VIRTQ_SIZE_MAX - 1], q->held[0 .. VIRTQ_SIZE_MAX - 1],
    chain_count, chain_last, chain_desc[0 .. CHAIN_MAX - 1],
    fetch_count, fetch_at[0 .. FETCH_MAX - 1],
    fetch_size[0 .. FETCH_MAX - 1], fetch_index[0 .. FETCH_MAX - 1];
  ensures said: \result == VIRTQ_TAKEN || \result == VIRTQ_MALFORMED ||
    \result == VIRTQ_LOST || \result == VIRTQ_STOPPED;
  ensures queue: virtq_ok(*space, *q);
  ensures segments: request_ok(*space, *q, *r);
  ensures taken: \result == VIRTQ_TAKEN ==> !r->refused;
  ensures malformed: \result == VIRTQ_MALFORMED ==> only_last(*r);
  ensures last: \result == VIRTQ_MALFORMED && r->count == 1 ==>
    chain_logged && chain_ended && r->refused && last_kept(*r);
  ensures lost: \result == VIRTQ_LOST ==> r->count == 0;
  ensures once: fetched_once;
  ensures known: \result != VIRTQ_STOPPED ==> fetched_known(*q, *r);
  ensures held: \result != VIRTQ_STOPPED ==> r->head == head &&
    head < q->size && \old(*q).held[head] == 0 && q->held[head] == 1 &&
    q->in_flight == \old(q->in_flight) + 1;
  ensures others: \forall integer i; 0 <= i < VIRTQ_SIZE_MAX &&
    (i != head || \result == VIRTQ_STOPPED) ==>
    q->held[i] == \old(*q).held[i];
  ensures refused: \result == VIRTQ_STOPPED ==>
    q->in_flight == \old(q->in_flight);
  ensures bounded: fetch_count <= q->size + 1;
*/
enum virtq_answer virtq_retake(struct virtq *q, const struct prec_space *space,
			       uint32_t head, struct virtq_request *r);

/*
 * Give the request back (2.7.8.2): `len` bytes were written into its writable
 * segments.  It is no longer in flight whatever this answers.
 *
 * The element is stored, then the index that publishes it, and nothing else.
 * PREC_GONE: the used ring is gone, or the state is not VIRTQ_READY; the client
 * will not hear of it, and of these stores a first few were made, or none.
 * PREC_INVALID: `head` was not in flight; nothing happened.
 */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid(q) && \separated(q, space) && virtq_ok(*space, *q) && !q->packed;
  terminates \true;
  exits \false;
  assigns q->held[0 .. VIRTQ_SIZE_MAX - 1], q->in_flight, q->next_used,
    store_count, store_at[0 .. 2], store_size[0 .. 2], store_value[0 .. 2];
  ensures queue: virtq_ok(*space, *q);
  behavior held:
    assumes held: head < q->size && q->held[head] != 0;
    assigns q->held[head], q->in_flight, q->next_used,
      store_count, store_at[0 .. 2], store_size[0 .. 2],
      store_value[0 .. 2];
    ensures said: \result == PREC_OK || \result == PREC_GONE;
    ensures free: q->held[head] == 0 &&
      q->in_flight == \old(q->in_flight) - 1;
    ensures all: \result == PREC_OK ? store_count == 3 :
      0 <= store_count <= 2;
    ensures stored: used_stored(*q, \old(q->next_used), head, len,
      store_count);
    ensures nowhere_else: stored_used(*q);
    ensures told: \result == PREC_OK ==>
      q->next_used == (uint16_t)(\old(q->next_used) + 1);
    ensures untold: \result == PREC_GONE ==>
      q->next_used == \old(q->next_used);
  behavior unheld:
    assumes unheld: !(head < q->size && q->held[head] != 0);
    assigns \nothing;
    ensures said: \result == PREC_INVALID;
  complete behaviors;
  disjoint behaviors;
*/
PREC_MUST_CHECK enum prec_status
virtq_complete(struct virtq *q, const struct prec_space *space, uint32_t head,
	       uint32_t len);

/*
 * Does the client want to be notified of what was completed since this was last
 * asked (2.7.7, 2.7.10)?  PREC_GONE: the avail ring cannot tell.
 */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid(q) && virtq_ok(*space, *q) && !q->packed;
  requires out: \valid(yes) && \separated(yes, space, q);
  terminates \true;
  exits \false;
  assigns *yes, q->notified, fetch_count, fetch_at[0], fetch_size[0];
  ensures said: \result == PREC_OK || \result == PREC_GONE;
  ensures queue: virtq_ok(*space, *q);
  ensures untouched: \result != PREC_OK ==> *yes == \old(*yes);
*/
PREC_MUST_CHECK enum prec_status
virtq_should_notify(struct virtq *q, const struct prec_space *space, bool *yes);

/*
 * Ask the client not to kick (on), or to kick again (off), 2.7.9, 2.7.10.  It
 * is a hint.  After `off` look at the ring once more before sleeping: what was
 * made available before the client saw this comes without a kick.
 */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid_read(q) && virtq_ok(*space, *q) && !q->packed;
  terminates \true;
  exits \false;
  assigns store_count, store_at[0], store_size[0], store_value[0];
  ensures said: \result == PREC_OK || \result == PREC_GONE;
  ensures all: \result == PREC_GONE || (q->event_index && on) ?
    store_count == 0 : store_count == 1;
  ensures flags: store_count == 1 && !q->event_index ==>
    store_is(0, q->used.address, 2, on ? VIRTQ_USED_F_NO_NOTIFY : 0);
  ensures avail_event: store_count == 1 && q->event_index ==>
    store_is(0, q->used.address + 4 + 8 * q->size, 2, q->next_avail);
  ensures nowhere_else: stored_used(*q);
*/
PREC_MUST_CHECK enum prec_status
virtq_suppress(const struct virtq *q, const struct prec_space *space, bool on);

#endif
