/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_VIRTIO_LENT_RAW_H
#define PRECARIUM_VIRTIO_LENT_RAW_H

#include <precarium/access.h>

/*
 * The implementation of the calls of lent.h.  The prover does not read this
 * file; review and tests check that it meets the contracts.  No range is
 * checked here, because the contracts require that the caller has done so.
 */

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "precarium: wire structs are laid out for little-endian processors"
#endif

/* Sixteen bytes in two loads.  A descriptor or header need not be a consistent
 * snapshot; only each field must be. */
static inline enum prec_status lent_raw_desc(uint64_t host,
					     struct virtq_desc *out)
{
	uint64_t low;
	uint64_t high;

	if (prec_raw_load64(host, &low) || prec_raw_load64(host + 8, &high))
		return PREC_GONE;
	out->addr = low;
	out->len = (uint32_t)high;
	out->flags = (uint16_t)(high >> 32);
	out->next = (uint16_t)(high >> 48);
	return PREC_OK;
}

static inline enum prec_status lent_load16(const struct prec_space *space,
					   struct prec_span span,
					   uint64_t offset, uint16_t *out)
{
	(void)space;
	return prec_raw_load16(span.host + offset, out);
}

static inline enum prec_status lent_load_desc(const struct prec_space *space,
					      struct prec_span span,
					      uint32_t index,
					      struct virtq_desc *out)
{
	(void)space;
	return lent_raw_desc(span.host + 16 * (uint64_t)index, out);
}

/* The next byte of a table. */
struct lent_place {
	const struct prec_span *piece;
	uint64_t offset;
};

/* A descriptor across an edge of two regions, byte by byte. */
static inline enum prec_status lent_raw_seam(struct lent_place *at,
					     struct virtq_desc *out)
{
	union {
		uint8_t byte[sizeof(*out)];
		struct virtq_desc desc;
	} whole;

	for (uint32_t i = 0; i < sizeof(whole.byte); i++) {
		if (at->offset == at->piece->size) {
			at->piece++;
			at->offset = 0;
		}
		if (prec_raw_load8(at->piece->host + at->offset,
				   &whole.byte[i]))
			return PREC_GONE;
		at->offset++;
	}
	*out = whole.desc;
	return PREC_OK;
}

/* The next descriptor of a table. */
static inline enum prec_status lent_raw_entry(struct lent_place *at,
					      struct virtq_desc *out)
{
	uint64_t host = at->piece->host + at->offset;

	if (at->piece->size - at->offset < sizeof(*out))
		return lent_raw_seam(at, out);
	at->offset += sizeof(*out);
	return lent_raw_desc(host, out);
}

static inline enum prec_status lent_load_table(const struct prec_space *space,
					       const struct lent_pieces *pieces,
					       uint32_t count,
					       struct virtq_desc *out)
{
	struct lent_place at = { pieces->piece, 0 };

	(void)space;
	for (uint32_t i = 0; i < count; i++)
		if (lent_raw_entry(&at, out + i))
			return PREC_GONE;
	return PREC_OK;
}

static inline enum prec_status lent_load_packed(const struct prec_space *space,
						struct prec_span span,
						uint32_t index,
						struct pvirtq_desc *out)
{
	(void)space;
	uint64_t at = span.host + 16 * (uint64_t)index;

	if (prec_raw_load64(at, &out->addr) ||
	    prec_raw_load32(at + 8, &out->len) ||
	    prec_raw_load16(at + 12, &out->id))
		return PREC_GONE;
	return PREC_OK;
}

/* Laid out like struct virtq_desc, except that the last two fields are swapped:
 * the flags come last. */
static inline enum prec_status
lent_load_packed_table(const struct prec_space *space,
		       const struct lent_pieces *pieces, uint32_t count,
		       struct pvirtq_desc *out)
{
	struct lent_place at = { pieces->piece, 0 };
	struct virtq_desc d;

	(void)space;
	for (uint32_t i = 0; i < count; i++) {
		if (lent_raw_entry(&at, &d))
			return PREC_GONE;
		out[i].addr = d.addr;
		out[i].len = d.len;
		out[i].id = d.flags;
		out[i].flags = d.next;
	}
	return PREC_OK;
}

static inline enum prec_status
lent_load_header(const struct prec_space *space, struct prec_span span,
		 struct virtio_blk_req_header *out)
{
	(void)space;
	uint64_t low;
	uint64_t high;

	if (prec_raw_load64(span.host, &low) ||
	    prec_raw_load64(span.host + 8, &high))
		return PREC_GONE;
	out->type = (uint32_t)low;
	out->reserved = (uint32_t)(low >> 32);
	out->sector = high;
	return PREC_OK;
}

static inline enum prec_status lent_load_bytes(const struct prec_space *space,
					       struct prec_span span,
					       uint32_t count, uint8_t *bytes,
					       uint32_t at)
{
	(void)space;
	for (uint32_t i = 0; i < count; i++)
		if (prec_raw_load8(span.host + i, bytes + at + i))
			return PREC_GONE;
	return PREC_OK;
}

static inline enum prec_status lent_store8(const struct prec_space *space,
					   struct prec_span span,
					   uint64_t offset, uint8_t value)
{
	(void)space;
	return prec_raw_store8(span.host + offset, value);
}

static inline enum prec_status lent_store16(const struct prec_space *space,
					    struct prec_span span,
					    uint64_t offset, uint16_t value)
{
	(void)space;
	return prec_raw_store16(span.host + offset, value);
}

static inline enum prec_status lent_store_used(const struct prec_space *space,
					       struct prec_span span,
					       uint32_t slot,
					       struct virtq_used_elem elem)
{
	(void)space;
	/* Aligned to 4 bytes only (2.7), so two stores: neither can cross a
	 * cache line. */
	uint64_t at = span.host + 4 + 8 * (uint64_t)slot;

	if (prec_raw_store32(at, elem.id))
		return PREC_GONE;
	return prec_raw_store32(at + 4, elem.len);
}

static inline enum prec_status lent_store_packed(const struct prec_space *space,
						 struct prec_span span,
						 uint32_t index, uint32_t len,
						 uint16_t id)
{
	(void)space;
	uint64_t at = span.host + 16 * (uint64_t)index;

	if (prec_raw_store32(at + 8, len))
		return PREC_GONE;
	return prec_raw_store16(at + 12, id);
}

static inline void lent_fence(void)
{
	prec_raw_fence();
}

#endif
