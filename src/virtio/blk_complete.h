/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_VIRTIO_BLK_COMPLETE_H
#define PRECARIUM_VIRTIO_BLK_COMPLETE_H

#include <stdbool.h>
#include <stdint.h>

#include "virtio/blk.h"
#include "virtio/vring.h"

/*
 * From the result of the I/O to the ring: how a block request is answered, and
 * the one call that gives it back to its client.
 */

/* How the I/O of a request ended. */
struct vblk_done {
	enum prec_status status;
	/* No region that the request names has lost memory since the request
	 * was taken; otherwise `moved` is not trusted. */
	bool same_epoch;
	uint64_t moved; /* bytes from the start of the data, certainly */
};

/* The answer: the status byte, and the used length, which counts if the status
 * byte could be stored. */
struct vblk_outcome {
	uint8_t status;
	uint32_t used;
};

/*@
  // 5.2.6: the status byte.  OK is answered only if all was done, to memory
  // that is still the same.
  logic integer status_of(struct vblk_request r, struct vblk_done done) =
    r.op == VBLK_ANSWER ? r.answer :
    done.status == PREC_OK && done.moved == r.bytes && done.same_epoch != 0 ?
      VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR;

  // 2.7.8.2: the bytes written from the start of the writable part on.
  logic integer used_of(struct vblk_request r, struct vblk_done done) =
    r.op != VBLK_READ && r.op != VBLK_IDENTIFY ? 1 :
    done.same_epoch == 0 ? 0 :
    done.moved == r.bytes ? r.bytes + 1 :
    done.moved < r.bytes ? done.moved : 0;
*/

/*
 * The used length counts bytes from the start of the writable part (2.7.8.2),
 * so it includes the status byte only if all data before it was written.
 */
/*@
  requires request: \valid_read(r) && r->bytes <= VBLK_BYTES_MAX;
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures told: \result.status == status_of(*r, done);
  ensures used: \result.used == used_of(*r, done);
  ensures granted: \result.used <= r->bytes + 1;
  ensures happened: \result.used <= done.moved + 1;
  ensures believed: r->op == VBLK_READ && !done.same_epoch ==>
    \result.used == 0;
  ensures only_status: r->op != VBLK_READ && r->op != VBLK_IDENTIFY ==>
    \result.used == 1;
*/
static inline struct vblk_outcome vblk_outcome(const struct vblk_request *r,
					       struct vblk_done done)
{
	struct vblk_outcome out = { VIRTIO_BLK_S_IOERR, 1 };
	bool whole = done.moved == r->bytes && done.same_epoch;

	if (r->op == VBLK_ANSWER) {
		out.status = r->answer;
		return out;
	}
	if (done.status == PREC_OK && whole)
		out.status = VIRTIO_BLK_S_OK;
	if (r->op == VBLK_READ || r->op == VBLK_IDENTIFY) {
		if (whole)
			out.used = (uint32_t)r->bytes + 1;
		else if (done.same_epoch && done.moved < r->bytes)
			out.used = (uint32_t)done.moved;
		else
			out.used = 0;
	}
	return out;
}

/* How far a request was given back. */
enum vblk_end {
	VBLK_TOLD = 0,	  /* the client can see that it has ended */
	VBLK_HELD,	  /* its status is stored; it is still in flight */
	VBLK_STATUS_GONE, /* nothing is stored; it is still in flight */
	VBLK_USED_GONE,	  /* its status is stored, and it is not in flight, but
			     the client does not learn of it */
};

/* Ghost: the store of the status byte; the ring begins the log of stores
 * anew. */
/*@ ghost
  int status_count;
  uint64_t status_at;
  uint64_t status_size;
  uint64_t status_value;
*/
#define STATUS_LOG status_count, status_at, status_size, status_value

/*@
  // The status byte was stored, and is this answer.
  predicate status_stored{L}(struct vblk_request r, integer value) =
    status_count == 1 && status_at == r.status.address && status_size == 1 &&
    status_value == value;

  // The request was given back to the ring, whether its client learns of it
  // or not.
  predicate given_back(integer end) = end == VBLK_TOLD || end == VBLK_USED_GONE;
*/

/*
 * Give the request back to its client (2.7.8, 2.8.6, 5.2.6): decide its answer,
 * store the status byte, once, then the used element with the used length, and
 * then what publishes it.  If one of these stores is lost, none is tried after
 * it.
 *
 * `hold`: stop before the ring, for one who has to do something in between,
 * such as marking the page of the status in a log of writes (VBLK_HELD).  Then
 * the next call on the ring is vring_complete, with the head of the request and
 * the used length of vblk_outcome.
 */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires queue: \valid(q) && \separated(q, space, r) && virtq_ok(*space, *q);
  requires request: \valid_read(r) && r->bytes <= VBLK_BYTES_MAX;
  requires place: writable_span(*space, r->status) && r->status.size == 1;
  requires held: r->head < q->size && q->held[r->head] != 0;
  terminates \true;
  exits \false;
  assigns q->held[0 .. VIRTQ_SIZE_MAX - 1], q->in_flight, q->next_used,
    q->used_wrap, STORES(0, 2), STATUS_LOG;
  ensures said: \result <= VBLK_USED_GONE;
  ensures queue: virtq_ok(*space, *q);
  ensures once: status_count == (\result == VBLK_STATUS_GONE ? 0 : 1);
  ensures stored: \result != VBLK_STATUS_GONE ==>
    status_stored(*r, status_of(*r, done));
  ensures earned: status_count == 1 && status_value == VIRTIO_BLK_S_OK ==>
    (r->op == VBLK_ANSWER ? r->answer == VIRTIO_BLK_S_OK :
      done.status == PREC_OK && done.moved == r->bytes &&
      done.same_epoch != 0);
  ensures hold: hold ? !given_back(\result) : \result != VBLK_HELD;
  ensures first: !given_back(\result) ==> *q == \old(*q) &&
    store_count == status_count;
  ensures free: given_back(\result) ==> q->held[r->head] == 0 &&
    q->in_flight == \old(q->in_flight) - 1;
  ensures all: given_back(\result) ==> (\result == VBLK_TOLD ?
    store_count == 3 : 0 <= store_count <= 2);
  ensures element: given_back(\result) ==> (q->packed ?
    packed_stored(*q, \old(q->next_used), \old(q->used_wrap), r->head,
      used_of(*r, done), store_count) :
    used_stored(*q, \old(q->next_used), r->head, used_of(*r, done),
      store_count));
  ensures untold: \result == VBLK_USED_GONE ==>
    q->next_used == \old(q->next_used) &&
    q->used_wrap == \old(q->used_wrap);
  ensures stopped: q->state != VIRTQ_READY && given_back(\result) ==>
    \result == VBLK_USED_GONE && store_count == 0;
*/
PREC_MUST_CHECK enum vblk_end vblk_complete(struct virtq *q,
					    const struct prec_space *space,
					    const struct vblk_request *r,
					    struct vblk_done done, bool hold);

#endif
