// SPDX-License-Identifier: MIT
#include "virtio/packed.h"

/*
 * What the device tells the client of a packed ring, and the places where each
 * side stands.
 */

/* A place in two rounds of the ring. */
/*@
  requires size: 1 <= size <= VIRTQ_SIZE_MAX && slot < size;
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures place: \result == place(size, slot, wrap);
  ensures bounded: \result < 2 * size;
*/
static uint32_t packed_place(uint32_t size, uint32_t slot, bool wrap)
{
	return wrap ? slot : slot + size;
}

enum prec_status packed_complete(struct virtq *q,
				 const struct prec_space *space, uint32_t id,
				 uint32_t len)
{
	uint16_t flags = len > 0 ? VIRTQ_DESC_F_WRITE : 0;
	uint32_t next;

	if (id >= q->size || !q->held[id])
		return PREC_INVALID;
	/* 2.8.6: one descriptor is used for the list; skip its other slots. */
	next = (uint32_t)q->next_used + q->held[id];
	/*@ ghost store_count = 0; */
	chain_release(q, id);
	if (q->state != VIRTQ_READY)
		return PREC_GONE;
	if (q->used_wrap)
		flags += PVIRTQ_DESC_F_AVAIL + PVIRTQ_DESC_F_USED;
	if (lent_store_packed(space, q->desc, q->next_used, len, (uint16_t)id))
		return PREC_GONE;
	/* Releases: a client that sees the flags also sees the other fields,
	 * the status byte and the data. */
	if (lent_store16(space, q->desc,
			 VIRTQ_DESC_SIZE * (uint64_t)q->next_used +
				 PVIRTQ_DESC_FLAGS,
			 flags))
		return PREC_GONE;
	if (next >= q->size) {
		next -= q->size;
		q->used_wrap = !q->used_wrap;
	}
	q->next_used = (uint16_t)next;
	return PREC_OK;
}

/* The distance from one place to another, in two rounds of the ring. */
/*@
  requires size: 1 <= size <= VIRTQ_SIZE_MAX;
  requires places: from < 2 * size && to < 2 * size;
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures far: \result < 2 * size &&
    (from + \result == to || from + \result == to + 2 * size);
*/
static uint32_t distance(uint32_t size, uint32_t from, uint32_t to)
{
	return to >= from ? to - from : to + 2 * size - from;
}

/* 2.8.10: notify if the descriptor in the slot of the event, with its wrap
 * counter, was used since the last check, or if the event is not a slot. */
/*@
  requires size: 1 <= size <= VIRTQ_SIZE_MAX;
  requires places: before < 2 * size && now < 2 * size;
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures passed: \result <==> place_passed(size, event, now, before);
*/
static bool passed(uint32_t size, uint16_t event, uint32_t now, uint32_t before)
{
	uint32_t slot = event % PVIRTQ_EVENT_WRAP;
	uint32_t place;

	if (slot >= size)
		return true;
	place = packed_place(size, slot, event >= PVIRTQ_EVENT_WRAP);
	return distance(size, before, place) < distance(size, before, now);
}

enum prec_status packed_should_notify(struct virtq *q,
				      const struct prec_space *space, bool *yes)
{
	uint16_t flags;
	uint16_t event;
	uint32_t now;
	bool wanted;

	if (q->state != VIRTQ_READY)
		return PREC_GONE;
	/*@ ghost fetch_count = 0; */
	now = packed_place(q->size, q->next_used, q->used_wrap);
	/* The used descriptor must be visible before the hint is read.
	 * Otherwise a client that asks to be notified, and then looks at the
	 * ring, could miss both. */
	lent_fence();
	if (lent_load16(space, q->avail, PVIRTQ_EVENT_FLAGS, &flags))
		return PREC_GONE;
	flags &= PVIRTQ_EVENT_F_MASK;
	wanted = flags != PVIRTQ_EVENT_F_DISABLE;
	if (flags == PVIRTQ_EVENT_F_DESC && q->event_index) {
		if (lent_load16(space, q->avail, PVIRTQ_EVENT_DESC, &event))
			return PREC_GONE;
		wanted = passed(q->size, event, now, q->notified);
	}
	*yes = wanted;
	q->notified = (uint16_t)now;
	return PREC_OK;
}

enum prec_status packed_ask_for_kick(const struct virtq *q,
				     const struct prec_space *space)
{
	uint16_t event = q->next_avail;
	enum prec_status status;

	/*@ ghost store_count = 0; */
	if (q->state != VIRTQ_READY)
		return PREC_GONE;
	if (q->avail_wrap)
		event += PVIRTQ_EVENT_WRAP;
	if (lent_store16(space, q->used, PVIRTQ_EVENT_DESC, event))
		return PREC_GONE;
	status = lent_store16(space, q->used, PVIRTQ_EVENT_FLAGS,
			      PVIRTQ_EVENT_F_DESC);
	/* The client sees the event before the caller looks at the ring once
	 * more. */
	lent_fence();
	return status;
}

enum prec_status packed_seek(struct virtq *q, uint32_t base)
{
	uint32_t avail = base % PVIRTQ_EVENT_WRAP;
	uint32_t used = base / 0x10000u % PVIRTQ_EVENT_WRAP;

	if (avail >= q->size || used >= q->size)
		return PREC_INVALID;
	q->next_avail = (uint16_t)avail;
	q->avail_wrap = base / PVIRTQ_EVENT_WRAP % 2 != 0;
	q->next_used = (uint16_t)used;
	q->used_wrap = base >= 0x80000000u;
	q->notified = (uint16_t)packed_place(q->size, used, q->used_wrap);
	return PREC_OK;
}

uint32_t packed_base(const struct virtq *q)
{
	uint32_t base = q->next_avail + 0x10000u * q->next_used;

	if (q->avail_wrap)
		base += PVIRTQ_EVENT_WRAP;
	if (q->used_wrap)
		base += 0x80000000u;
	return base;
}
