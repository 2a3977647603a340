// SPDX-License-Identifier: MIT
#include "device/layout.h"

#include <precarium/access.h>

/* 2.8.1: of a device that was reset the counters are 1. */
#define PACKED_BEGIN 0x80008000u

/*
 * User-Mode Linux gives each ring the base 0, which is the start of an even
 * round of a packed one.  Before that the first slot was available in an odd
 * round, or used in it, and keeps one of the marks (2.8.1).  A ring that begins
 * has neither, until the driver uses it, which is after it is started.
 */
static enum prec_status believe_base(const struct virtq *q, uint32_t *place)
{
	enum prec_status status;
	uint16_t flags;

	if (*place != 0)
		return PREC_OK;
	status = prec_load16(q->desc, PVIRTQ_DESC_FLAGS, &flags);
	if (status == PREC_OK &&
	    !(flags & (PVIRTQ_DESC_F_AVAIL | PVIRTQ_DESC_F_USED)))
		*place = PACKED_BEGIN;
	return status;
}

/*
 * DPDK's front-end names the available half of a base only, as 0x8000 for a
 * ring that begins.  A used half of 0 is the start of an even round, and the
 * available half cannot be a round ahead of it: so the two are the same.
 */
static uint32_t both_halves(uint32_t place)
{
	return place >> 15 == 1 ? place << 16 | place : place;
}

/* The client does not know where a packed ring was when the previous server
 * died: the log does. */
static enum prec_status find_packed_place(struct virtq *q,
					  struct inflight_queue *log,
					  bool has_base, uint32_t base,
					  uint32_t *taken)
{
	uint32_t place = has_base ? both_halves(base) : PACKED_BEGIN;
	bool recovered;
	enum prec_status status = believe_base(q, &place);

	if (status != PREC_OK)
		return status;
	status = inflight_packed_read(log, q, &place, &recovered, taken);

	return status == PREC_OK ? packed_seek(q, place) : status;
}

/* The used index is the ring's to say, as it is for every back-end that takes
 * over from another; a lie harms the client alone. */
static enum prec_status find_split_place(struct virtq *q,
					 const struct prec_space *space,
					 struct inflight_queue *log,
					 uint16_t place, uint32_t *taken)
{
	enum prec_status status;
	bool recovered;
	uint16_t used;

	status = split_used_index(q, space, &used);
	if (status != PREC_OK)
		return status;
	status = inflight_split_read(log, q->size, used, &recovered, taken);
	if (status == PREC_RANGE || status == PREC_SYSTEM)
		return status;
	if (recovered)
		place = (uint16_t)(used + *taken);
	split_seek(q, place, used);
	return PREC_OK;
}

enum prec_status layout_find_place(struct virtq *q,
				   const struct prec_space *space,
				   struct inflight_queue *log, bool has_base,
				   uint32_t base, uint32_t *taken)
{
	*taken = 0;
	return q->packed
		       ? find_packed_place(q, log, has_base, base, taken)
		       : find_split_place(q, space, log, (uint16_t)base, taken);
}

bool layout_retake(struct virtq *q, const struct prec_space *space,
		   struct inflight_queue *log, struct virtq_request *r,
		   enum virtq_answer *answer)
{
	uint16_t head;

	if (q->state != VIRTQ_READY)
		return false;
	if (q->packed)
		return inflight_packed_next(log, q, space, r, answer);
	if (!inflight_split_next(log, &head))
		return false;
	*answer = split_retake(q, space, head, r);
	return true;
}
