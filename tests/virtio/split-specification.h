/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TESTS_VIRTIO_SPLIT_SPECIFICATION_H
#define PRECARIUM_TESTS_VIRTIO_SPLIT_SPECIFICATION_H

#include "ring-specification.h"

/*
 * Which chains of a split ring are malformed, by clauses 2.7.4 to 2.7.5.3 of
 * VIRTIO 1.2: decided anew from the descriptors that were fetched, which the
 * log has in their order.  What no device has to take is marked as ours.
 */

/* Which entry lends the byte with this right; -1: none. */
static inline int lent_for(const struct prec_space *s, uint64_t address,
			   uint32_t right)
{
	for (uint32_t i = 0; i < s->count; i++)
		if (s->start[i] <= address && address < s->end[i] &&
		    rights_grant(s->rights[i], right))
			return (int)i;
	return -1;
}

/* The segments of an element; false: it cannot be carried out.  2.7.4.2: what
 * is read comes first.  At most so many segments are taken (ours). */
static inline bool element_fits(const struct prec_space *s,
				const struct virtq *q, int k,
				uint32_t *segments, uint32_t *written)
{
	bool write = element_written(k);
	uint64_t at = element_addr[k];
	uint64_t left = element_len[k];

	if (!write && *written > 0)
		return false;
	while (left > 0) {
		int i = lent_for(s, at, write ? PREC_WRITE : PREC_READ);
		struct prec_span piece = { .address = at, .size = left };

		if (i < 0 || *segments == VIRTQ_SEGMENTS_MAX)
			return false;
		if (piece.size > s->end[i] - at)
			piece.size = s->end[i] - at;
		if (write && !off_rings(q, piece))
			return false;
		++*segments;
		*written += write;
		at += piece.size;
		left -= piece.size;
	}
	return true;
}

/* Is it lent to be read, in no more regions than a table may lie in (ours)? */
static inline bool table_lent(const struct prec_space *s, uint64_t at,
			      uint64_t len)
{
	uint32_t regions = 0;

	for (uint64_t size; len > 0; regions++, at += size, len -= size) {
		int i = lent_for(s, at, PREC_READ);

		if (i < 0)
			return false;
		size = s->end[i] - at < len ? s->end[i] - at : len;
	}
	return regions <= LENT_PIECES_MAX;
}

/* 2.7.5.3.1.  At most so many entries, and off the rings (ours). */
static inline bool names_table(const struct prec_space *s,
			       const struct virtq *q, struct virtq_desc d)
{
	return !(d.flags & VIRTQ_DESC_F_NEXT) && d.len > 0 && d.len % 16 == 0 &&
	       d.len / 16 <= LENT_TABLE_MAX && table_lent(s, d.addr, d.len) &&
	       apart(d.addr, d.len, q->desc.address, q->desc.size) &&
	       apart(d.addr, d.len, q->avail.address, q->avail.size) &&
	       apart(d.addr, d.len, q->used.address, q->used.size);
}

/* Do these descriptors, of a ring or table of so many, lead to an end?  They
 * were followed as far as that is possible. */
static inline bool ends(const struct virtq_desc *first, uint32_t size)
{
	uint32_t i = 0;

	for (uint32_t k = 0; k < size; k++) {
		if (first[i].flags & VIRTQ_DESC_F_INDIRECT)
			return false;
		if (!(first[i].flags & VIRTQ_DESC_F_NEXT))
			return true;
		i = first[i].next;
		if (i >= size)
			return false;
	}
	return false;
}

static inline uint64_t desc_address(const struct virtq *q, int k)
{
	int m = 0;

	/* those of the avail ring come first */
	while (fetch_size[m] != 16 || !inside_ring(q->desc, fetch_at[m], 16))
		m++;
	return fetch_at[m + k];
}

/* The last descriptor of the ring that was fetched leads on; can it not be
 * followed? */
static inline bool leads_astray(const struct virtq *q)
{
	struct virtq_desc last = desc_log[desc_count - 1];

	if (last.next >= q->size || desc_count == (int)q->size)
		return true;
	for (int k = 0; k < desc_count; k++)
		if (desc_address(q, k) == q->desc.address + 16ull * last.next)
			return true;
	return false;
}

/* After elements_read(), and if nothing was lost. */
static inline bool chain_malformed(const struct prec_space *s,
				   const struct virtq *q)
{
	struct virtq_desc last = desc_log[desc_count - 1];
	uint32_t segments = 0, written = 0;

	if (last.flags & VIRTQ_DESC_F_INDIRECT) {
		if (!names_table(s, q, last) || !ends(table_log, table_count))
			return true;
	} else if (last.flags & VIRTQ_DESC_F_NEXT) {
		return leads_astray(q);
	}
	for (int k = 0; k < element_count; k++)
		if (!element_fits(s, q, k, &segments, &written))
			return true;
	return false;
}

/* Element k is the descriptor that the still image has at this address. */
static inline bool element_still(int k, uint64_t at)
{
	return k < element_count && element_addr[k] == still(at, 8) &&
	       element_len[k] == still(at + 8, 4) &&
	       element_flags[k] == still(at + 12, 2);
}

/* The snapshot: whoever follows the chain in the still image, and fetches
 * nothing, finds the elements and no more. */
static inline bool chain_still(const struct virtq *q,
			       const struct virtq_request *r)
{
	uint64_t base = q->desc.address;
	uint64_t index = r->head;
	bool in_table = false;
	int k = 0;

	while (k <= element_count) {
		uint64_t at = base + 16 * index;
		uint64_t flags = still(at + 12, 2);

		if (flags & VIRTQ_DESC_F_INDIRECT) {
			if (in_table || flags & VIRTQ_DESC_F_NEXT)
				return false;
			in_table = true;
			base = still(at, 8);
			index = 0;
			if (base != r->table_address ||
			    still(at + 8, 4) != r->table_size)
				return false;
			continue;
		}
		if (!element_still(k++, at))
			return false;
		if (!(flags & VIRTQ_DESC_F_NEXT))
			break;
		index = still(at + 14, 2);
	}
	return k == element_count && in_table == (r->table_size > 0);
}

/* 2.7.6: the entry for this index in the still image is the head. */
static inline bool head_still(const struct virtq *q, const struct virtq *before,
			      uint32_t head)
{
	uint16_t index = before->next_avail;

	return head == still(q->avail.address + 4 + 2ull * (index % q->size),
			     2) &&
	       (before->waiting > 0 ||
		still(q->avail.address + VIRTQ_AVAIL_IDX, 2) != index);
}

/* 2.7.7, 2.7.10: by the wish that was fetched. */
static inline bool split_wanted(const struct virtq *q, uint16_t before)
{
	uint16_t wish = fetch_value(0);

	if (!q->event_index)
		return !(wish & VIRTQ_AVAIL_F_NO_INTERRUPT);
	return (uint16_t)(q->next_used - wish - 1) <
	       (uint16_t)(q->next_used - before);
}

#endif
