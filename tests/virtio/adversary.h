/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TESTS_VIRTIO_ADVERSARY_H
#define PRECARIUM_TESTS_VIRTIO_ADVERSARY_H

/*
 * The accessors of virtio/lent.h as the prover has them: each load yields any
 * value or fails, each time anew, whatever was there before.  What is fetched
 * and stored is written down as in the ghost code there, by the same names, and
 * what a call requires is checked.  Include this first, then a unit of
 * src/virtio as a whole: it is the same source, over other accessors.
 */
#include "tests/library/clauses.h"

#define PRECARIUM_VIRTIO_LENT_RAW_H /* the machine's accessors stay outside */
#include "virtio/virtq.h"

/* What the client says: the test's. */
static uint16_t say16(uint64_t address);
static struct virtq_desc say_desc(uint32_t index, uint32_t table);
static struct virtio_blk_req_header say_header(void);
static void say_rest(uint8_t *bytes);

/* The log. */
static int fetch_count;
static uint64_t fetch_at[FETCH_MAX];
static uint64_t fetch_size[FETCH_MAX];
/* What it yielded, of the ring and its table; gone: nothing. */
static uint32_t fetch_from[FETCH_MAX];
static bool fetch_gone[FETCH_MAX];
static bool fetch_fenced[FETCH_MAX];
static bool fenced;
static uint8_t fetch_bytes[16 * (VIRTQ_SIZE_MAX + LENT_TABLE_MAX + 1)];
static uint32_t fetch_bytes_count;
static int store_count;
static uint64_t store_at[STORE_MAX];
static uint64_t store_size[STORE_MAX];
static uint64_t store_value[STORE_MAX];
/* The chain: what was fetched of the ring, and the table. */
static int desc_count;
static struct virtq_desc desc_log[VIRTQ_SIZE_MAX];
static uint32_t table_count;
static struct virtq_desc table_log[LENT_TABLE_MAX];
/* The first bytes that the device reads. */
static struct virtio_blk_req_header header_said;
static uint32_t header_count;
/* And what comes after. */
static uint8_t rest_said[LENT_BYTES_MAX];
static uint32_t rest_count;

static inline void log_begin(void)
{
	fetch_count = 0;
	fetch_bytes_count = 0;
	store_count = 0;
	fenced = false;
	desc_count = 0;
	table_count = 0;
	header_count = 0;
	rest_count = 0;
}

static inline bool span_granted(const struct prec_space *s, struct prec_span p)
{
	return p.index < s->count && p.rights == s->rights[p.index] &&
	       s->start[p.index] <= p.address && p.size <= PREC_ADDRESS_MAX &&
	       p.address + p.size <= s->end[p.index] &&
	       p.host - s->host[p.index] == p.address - s->start[p.index];
}

static inline bool readable_span(const struct prec_space *s, struct prec_span p)
{
	return span_granted(s, p) && rights_grant(p.rights, PREC_READ);
}

static inline bool writable_span(const struct prec_space *s, struct prec_span p)
{
	return span_granted(s, p) && rights_grant(p.rights, PREC_WRITE);
}

static inline bool load_allowed(const struct prec_space *s, struct prec_span p,
				uint64_t offset, uint64_t size)
{
	return readable_span(s, p) && offset + size <= p.size &&
	       fetch_count < FETCH_MAX;
}

static inline bool store_allowed(const struct prec_space *s, struct prec_span p,
				 uint64_t offset, uint64_t size)
{
	return writable_span(s, p) && offset + size <= p.size &&
	       store_count < STORE_MAX;
}

static inline bool table_allowed(const struct prec_space *s,
				 const struct lent_pieces *t, uint64_t size)
{
	uint64_t sum = 0;

	if (t->count < 1 || t->count > LENT_PIECES_MAX)
		return false;
	for (uint32_t i = 0; i < t->count; i++) {
		const struct prec_span *p = &t->piece[i];

		if (!readable_span(s, *p) || p->size == 0 ||
		    p->address != t->piece[0].address + sum)
			return false;
		sum += p->size;
	}
	return sum == size && fetch_count < FETCH_MAX;
}

/* True: it is there. */
static inline bool fetch_of(uint64_t address, uint64_t size)
{
	fetch_at[fetch_count] = address;
	fetch_size[fetch_count] = size;
	fetch_fenced[fetch_count] = fenced;
	fetch_gone[fetch_count] = chance(failing);
	return !fetch_gone[fetch_count++];
}

static inline bool fetch(const char *call, const struct prec_space *space,
			 struct prec_span span, uint64_t offset, uint64_t size)
{
	REQUIRES(call, "allowed", load_allowed(space, span, offset, size));
	return fetch_of(span.address + offset, size);
}

static inline bool fetch_table(const char *call, const struct prec_space *space,
			       const struct lent_pieces *pieces, uint32_t count)
{
	uint64_t size = 16 * (uint64_t)count;

	REQUIRES(call, "allowed", table_allowed(space, pieces, size));
	REQUIRES(call, "bounded", count <= LENT_TABLE_MAX);
	return fetch_of(pieces->piece[0].address, size);
}

/* Write down what the last fetch yielded; true: it is there. */
static inline bool yielded(bool there, const void *bytes, uint32_t size)
{
	int last = fetch_count - 1;

	REQUIRES("yielded", "room",
		 fetch_bytes_count + size <= sizeof(fetch_bytes));
	memcpy(fetch_bytes + fetch_bytes_count, bytes, size);
	fetch_from[last] = fetch_bytes_count;
	fetch_gone[last] = !there;
	fetch_bytes_count += size;
	return there;
}

static inline bool store(const char *call, const struct prec_space *space,
			 struct prec_span span, uint64_t offset, uint64_t size,
			 uint64_t value)
{
	REQUIRES(call, "allowed", store_allowed(space, span, offset, size));
	fenced = false;
	if (chance(failing))
		return false;
	store_at[store_count] = span.address + offset;
	store_size[store_count] = size;
	store_value[store_count] = value;
	store_count++;
	return true;
}

/* Where an access fails the output means nothing: it is written anyway. */
static inline enum prec_status lent_load16(const struct prec_space *space,
					   struct prec_span span,
					   uint64_t offset, uint16_t *out)
{
	bool there = fetch("lent_load16", space, span, offset, 2);

	*out = say16(span.address + offset);
	return yielded(there, out, 2) ? PREC_OK : PREC_GONE;
}

static inline enum prec_status lent_load_desc(const struct prec_space *space,
					      struct prec_span span,
					      uint32_t index,
					      struct virtq_desc *out)
{
	bool there =
		fetch("lent_load_desc", space, span, 16 * (uint64_t)index, 16);

	*out = say_desc(index, 0);
	if (there)
		desc_log[desc_count++] = *out;
	return yielded(there, out, 16) ? PREC_OK : PREC_GONE;
}

static inline enum prec_status lent_load_table(const struct prec_space *space,
					       const struct lent_pieces *pieces,
					       uint32_t count,
					       struct virtq_desc *out)
{
	bool there = fetch_table("lent_load_table", space, pieces, count);

	for (uint32_t i = 0; i < count; i++)
		table_log[i] = out[i] = say_desc(i, count);
	if (there)
		table_count = count;
	return yielded(there, out, 16 * count) ? PREC_OK : PREC_GONE;
}

/* Packed rings: their descriptors say what those of split ones say, and an id
 * where those have the next. */
static inline enum prec_status lent_load_packed(const struct prec_space *space,
						struct prec_span span,
						uint32_t index,
						struct pvirtq_desc *out)
{
	bool there = fetch("lent_load_packed", space, span,
			   16 * (uint64_t)index, 14);
	struct virtq_desc d = say_desc(index, 0);

	*out = (struct pvirtq_desc){ d.addr, d.len, d.next, d.flags };
	return yielded(there, out, 14) ? PREC_OK : PREC_GONE;
}

static inline enum prec_status
lent_load_packed_table(const struct prec_space *space,
		       const struct lent_pieces *pieces, uint32_t count,
		       struct pvirtq_desc *out)
{
	bool there =
		fetch_table("lent_load_packed_table", space, pieces, count);

	for (uint32_t i = 0; i < count; i++) {
		struct virtq_desc d = say_desc(i, count);

		out[i] = (struct pvirtq_desc){ d.addr, d.len, d.next, d.flags };
	}
	return yielded(there, out, 16 * count) ? PREC_OK : PREC_GONE;
}

static inline enum prec_status
lent_load_header(const struct prec_space *space, struct prec_span span,
		 struct virtio_blk_req_header *out)
{
	bool there = fetch("lent_load_header", space, span, 0, 16);

	*out = header_said = say_header();
	header_count = sizeof(header_said);
	return there ? PREC_OK : PREC_GONE;
}

static inline enum prec_status lent_load_bytes(const struct prec_space *space,
					       struct prec_span span,
					       uint32_t count, uint8_t *bytes,
					       uint32_t at)
{
	bool there = fetch("lent_load_bytes", space, span, 0, count);

	REQUIRES("lent_load_bytes", "room", at + count <= LENT_BYTES_MAX);
	if (header_count < sizeof(header_said)) {
		REQUIRES("lent_load_bytes", "room of a header",
			 at + count <= sizeof(header_said));
		if (at == 0)
			header_said = say_header();
		memcpy(bytes + at, (unsigned char *)&header_said + at, count);
		header_count = at + count;
	} else {
		if (at == 0)
			say_rest(rest_said);
		memcpy(bytes + at, rest_said + at, count);
		rest_count = at + count;
	}
	return there ? PREC_OK : PREC_GONE;
}

static inline enum prec_status lent_store8(const struct prec_space *space,
					   struct prec_span span,
					   uint64_t offset, uint8_t value)
{
	return store("lent_store8", space, span, offset, 1, value) ? PREC_OK
								   : PREC_GONE;
}

static inline enum prec_status lent_store16(const struct prec_space *space,
					    struct prec_span span,
					    uint64_t offset, uint16_t value)
{
	return store("lent_store16", space, span, offset, 2, value) ? PREC_OK
								    : PREC_GONE;
}

static inline enum prec_status lent_store_used(const struct prec_space *space,
					       struct prec_span span,
					       uint32_t slot,
					       struct virtq_used_elem elem)
{
	uint64_t at = 4 + 8 * (uint64_t)slot;

	return store("lent_store_used", space, span, at, 4, elem.id) &&
			       store("lent_store_used", space, span, at + 4, 4,
				     elem.len)
		       ? PREC_OK
		       : PREC_GONE;
}

static inline enum prec_status lent_store_packed(const struct prec_space *space,
						 struct prec_span span,
						 uint32_t index, uint32_t len,
						 uint16_t id)
{
	uint64_t at = 16 * (uint64_t)index;

	return store("lent_store_packed", space, span, at + 8, 4, len) &&
			       store("lent_store_packed", space, span, at + 12,
				     2, id)
		       ? PREC_OK
		       : PREC_GONE;
}

static inline void lent_fence(void)
{
	fenced = true;
}

/* The number of two bytes that fetch m brought. */
static inline uint16_t fetch_value(int m)
{
	uint16_t value;

	memcpy(&value, fetch_bytes + fetch_from[m], sizeof(value));
	return value;
}

#endif
