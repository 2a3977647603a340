/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TESTS_VIRTIO_RING_SPECIFICATION_H
#define PRECARIUM_TESTS_VIRTIO_RING_SPECIFICATION_H

#include "adversary.h"

#include "virtio/blk.h"

/* The predicates of virtio/lent.h, virtq.h, chain.h, split.h and blk.h in C, by
 * their names and in their order. */

static inline bool apart(uint64_t a, uint64_t a_size, uint64_t b,
			 uint64_t b_size)
{
	return a + a_size <= b || b + b_size <= a;
}

static inline bool fetched_once(void)
{
	for (int j = 1; j < fetch_count; j++)
		for (int i = 0; i < j; i++)
			if (!apart(fetch_at[i], fetch_size[i], fetch_at[j],
				   fetch_size[j]))
				return false;
	return fetch_count <= FETCH_MAX;
}

static inline bool store_is(int i, uint64_t at, uint64_t size, uint64_t value)
{
	return store_at[i] == at && store_size[i] == size &&
	       store_value[i] == value;
}

static inline bool virtq_stamped(const struct virtq *q)
{
	for (uint32_t i = 0; i < q->size; i++)
		if (q->stamp[i] > q->serial)
			return false;
	return true;
}

static inline bool rings_sized(const struct virtq *q)
{
	return q->size >= 1 && q->desc.size == 16ull * q->size &&
	       q->avail.size == (q->packed ? 4 : 6 + 2ull * q->size) &&
	       q->used.size == (q->packed ? 4 : 6 + 8ull * q->size) &&
	       q->desc.address + q->desc.size <= PREC_ADDRESS_MAX &&
	       q->avail.address + q->avail.size <= PREC_ADDRESS_MAX &&
	       q->used.address + q->used.size <= PREC_ADDRESS_MAX;
}

static inline bool off_one(struct prec_span a, struct prec_span b)
{
	return apart(a.address, a.size, b.address, b.size);
}

static inline bool rings_apart(const struct virtq *q)
{
	return off_one(q->desc, q->avail) && off_one(q->desc, q->used) &&
	       off_one(q->avail, q->used);
}

static inline bool rings_granted(const struct prec_space *s,
				 const struct virtq *q)
{
	return readable_span(s, q->desc) && readable_span(s, q->avail) &&
	       readable_span(s, q->used) && writable_span(s, q->used) &&
	       (!q->packed || writable_span(s, q->desc));
}

static inline bool slots_ok(const struct virtq *q)
{
	for (uint32_t i = 0; i < q->size; i++)
		if (q->held[i] > q->size)
			return false;
	return q->next_avail < q->size && q->next_used < q->size &&
	       q->notified < 2 * q->size;
}

static inline uint32_t held_below(const uint16_t *held, uint32_t n)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < n; i++)
		sum += held[i] != 0;
	return sum;
}

static inline bool virtq_counted(const struct virtq *q)
{
	return q->in_flight == held_below(q->held, q->size);
}

static inline bool virtq_whole(const struct virtq *q)
{
	if (q->state > VIRTQ_BROKEN || q->size > VIRTQ_SIZE_MAX ||
	    q->waiting > q->size || !virtq_stamped(q) || !virtq_counted(q))
		return false;
	return (q->state != VIRTQ_READY && q->state != VIRTQ_DETACHED) ||
	       (rings_sized(q) && rings_apart(q) &&
		(!q->packed || slots_ok(q)));
}

static inline bool virtq_ok(const struct prec_space *s, const struct virtq *q)
{
	return virtq_whole(q) &&
	       (q->state != VIRTQ_READY || rings_granted(s, q));
}

static inline bool off_rings(const struct virtq *q, struct prec_span p)
{
	return off_one(p, q->desc) && off_one(p, q->avail) &&
	       off_one(p, q->used);
}

static inline bool segment_ok(const struct prec_space *s, const struct virtq *q,
			      const struct virtq_request *r, uint32_t i)
{
	struct prec_span p = r->segment[i];

	if (!span_granted(s, p) || p.size == 0 || p.size > 0xffffffff)
		return false;
	if (i < r->readable)
		return rights_grant(p.rights, PREC_READ);
	return rights_grant(p.rights, PREC_WRITE) && off_rings(q, p);
}

static inline bool request_ok(const struct prec_space *s, const struct virtq *q,
			      const struct virtq_request *r)
{
	if (r->readable > r->count || r->count > VIRTQ_SEGMENTS_MAX ||
	    r->table_address + r->table_size > PREC_ADDRESS_MAX)
		return false;
	for (uint32_t i = 0; i < r->count; i++)
		if (!segment_ok(s, q, r, i))
			return false;
	return true;
}

static inline bool only_last(const struct virtq_request *r)
{
	return r->readable == 0 && r->count <= 1 &&
	       (r->count == 0 || r->segment[0].size == 1);
}

static inline bool inside_ring(struct prec_span ring, uint64_t at,
			       uint64_t size)
{
	return ring.address <= at && at + size <= ring.address + ring.size;
}

static inline bool fetched_known(const struct virtq *q,
				 const struct virtq_request *r)
{
	for (int i = 0; i < fetch_count; i++)
		if (!inside_ring(q->desc, fetch_at[i], fetch_size[i]) &&
		    !inside_ring(q->avail, fetch_at[i], fetch_size[i]) &&
		    !(fetch_at[i] == r->table_address &&
		      fetch_size[i] == r->table_size))
			return false;
	return true;
}

static inline bool stored_used(const struct virtq *q)
{
	for (int i = 0; i < store_count; i++)
		if (!inside_ring(q->used, store_at[i], store_size[i]))
			return false;
	return true;
}

/* The elements of the chain in hand, in its order, from what was fetched. */
static int element_count;
static int element_room;
static uint64_t element_addr[VIRTQ_SIZE_MAX + LENT_TABLE_MAX];
static uint32_t element_len[VIRTQ_SIZE_MAX + LENT_TABLE_MAX];
static uint16_t element_flags[VIRTQ_SIZE_MAX + LENT_TABLE_MAX];

static inline bool element_written(int k)
{
	return element_flags[k] & VIRTQ_DESC_F_WRITE;
}

static inline bool has_room(int k)
{
	return element_written(k) && element_len[k] > 0;
}

static inline void element_add(struct virtq_desc d)
{
	element_addr[element_count] = d.addr;
	element_len[element_count] = d.len;
	element_flags[element_count] = d.flags;
	if (has_room(element_count))
		element_room = element_count;
	element_count++;
}

static inline void elements_read(void)
{
	uint32_t i = 0;

	element_count = 0;
	element_room = -1;
	for (int k = 0; k < desc_count; k++)
		if (!(desc_log[k].flags & VIRTQ_DESC_F_INDIRECT))
			element_add(desc_log[k]);
	for (uint32_t k = 0; k < table_count && i < table_count; k++) {
		if (table_log[i].flags & VIRTQ_DESC_F_INDIRECT)
			break;
		element_add(table_log[i]);
		if (!(table_log[i].flags & VIRTQ_DESC_F_NEXT))
			break;
		i = table_log[i].next;
	}
}

/* The segments from `first` on that are [address, address + size), in order,
 * each byte once: where they end, or -1. */
static inline int64_t covers(const struct virtq_request *r, uint32_t first,
			     uint64_t address, uint64_t size)
{
	uint32_t i = first;

	while (size > 0) {
		if (i >= r->count || r->segment[i].address != address ||
		    r->segment[i].size > size)
			return -1;
		address += r->segment[i].size;
		size -= r->segment[i].size;
		i++;
	}
	return i;
}

/* The whole chain: what was fetched is what is handed out, in order, the
 * readable before the writable, and nothing else. */
static inline bool elements_covered(const struct virtq_request *r)
{
	int64_t first = 0;

	for (int k = 0; k < element_count; k++) {
		int64_t end = covers(r, (uint32_t)first, element_addr[k],
				     element_len[k]);

		if (end < 0 || (has_room(k) && r->readable > first) ||
		    (!element_written(k) && end > r->readable))
			return false;
		first = end;
	}
	return first == r->count;
}

static inline bool last_kept(const struct virtq_request *r)
{
	return element_room >= 0 &&
	       r->segment[0].address == element_addr[element_room] +
						element_len[element_room] - 1;
}

static inline bool answer_told(const struct virtq_request *r,
			       enum virtq_answer answer)
{
	switch (answer) {
	case VIRTQ_TAKEN:
		return !r->refused && elements_covered(r);
	case VIRTQ_MALFORMED:
		return only_last(r) &&
		       (r->count == 0 || (r->refused && last_kept(r)));
	case VIRTQ_LOST:
		return r->count == 0;
	default:
		return true;
	}
}

static inline bool entry_fetched(const struct virtq *q, int m, uint16_t index)
{
	return m < fetch_count && fetch_size[m] == 2 &&
	       fetch_at[m] == q->avail.address + 4 + 2ull * (index % q->size);
}

static inline bool index_fetched(const struct virtq *q, int m)
{
	return m < fetch_count && fetch_size[m] == 2 &&
	       fetch_at[m] == q->avail.address + VIRTQ_AVAIL_IDX;
}

/* The entries that are available, of a queue as it was before. */
static inline uint32_t seen_available(const struct virtq *before)
{
	return before->waiting
		       ? before->waiting
		       : (uint16_t)(fetch_value(0) - before->next_avail);
}

/* A lost request has lost its last fetch, any other none. */
static inline bool losses_told(enum virtq_answer answer)
{
	bool lost = answer == VIRTQ_LOST || answer == VIRTQ_GONE;

	for (int m = 0; m < fetch_count - lost; m++)
		if (fetch_gone[m])
			return false;
	return !lost || (fetch_count > 0 && fetch_gone[fetch_count - 1]);
}

/* The bytes that the still image has there, as a number: each as it was
 * fetched. */
static inline uint64_t still(uint64_t at, uint32_t size)
{
	static int near; /* mostly it is the fetch after the last one */
	uint64_t value = 0;

	for (int i = 0; i < fetch_count; i++) {
		int m = (near + i) % fetch_count;

		if (at < fetch_at[m] || at + size > fetch_at[m] + fetch_size[m])
			continue;
		near = m;
		memcpy(&value, fetch_bytes + fetch_from[m] + (at - fetch_at[m]),
		       size);
		return value;
	}
	return ~0ull;
}

static inline bool used_stored(const struct virtq *q, uint16_t index,
			       uint32_t id, uint32_t len, int count)
{
	uint64_t at = q->used.address + 4 + 8ull * (index % q->size);

	return (count <= 0 || store_is(0, at, 4, id)) &&
	       (count <= 1 || store_is(1, at + 4, 4, len)) &&
	       (count <= 2 ||
		store_is(2, q->used.address + 2, 2, (uint16_t)(index + 1)));
}

static inline bool chain_ended(void)
{
	return element_count > 0 &&
	       !(element_flags[element_count - 1] & VIRTQ_DESC_F_NEXT);
}

static inline uint64_t span_total(const struct virtq_request *r, uint32_t first,
				  uint32_t last)
{
	uint64_t sum = 0;

	for (uint32_t i = first; i < last; i++)
		sum += r->segment[i].size;
	return sum;
}

static inline uint64_t last_byte(const struct virtq_request *c)
{
	return c->segment[c->count - 1].address +
	       c->segment[c->count - 1].size - 1;
}

static inline bool transfer_ok(const struct vblk_device *d,
			       const struct vblk_request *r)
{
	return r->bytes > 0 && r->bytes % VIRTIO_BLK_SECTOR == 0 &&
	       r->sector <= d->capacity &&
	       r->offset == r->sector * VIRTIO_BLK_SECTOR &&
	       r->offset + r->bytes <= d->capacity * VIRTIO_BLK_SECTOR;
}

static inline bool range_ok(const struct vblk_device *d, struct store_range g)
{
	return g.size % VIRTIO_BLK_SECTOR == 0 &&
	       g.offset % VIRTIO_BLK_SECTOR == 0 &&
	       g.size <= VBLK_RANGE_SECTORS_MAX * VIRTIO_BLK_SECTOR &&
	       g.offset <= d->capacity * VIRTIO_BLK_SECTOR &&
	       g.offset + g.size <= d->capacity * VIRTIO_BLK_SECTOR;
}

static inline bool of_ranges(const struct vblk_request *r)
{
	return r->op == VBLK_DISCARD || r->op == VBLK_ZEROES;
}

static inline bool ranges_decided(const struct vblk_device *d,
				  const struct vblk_request *r,
				  const struct vblk_ranges *w)
{
	uint64_t total = 0;

	if (d->read_only || w->count > VBLK_RANGES_MAX || r->count != 0)
		return false;
	for (uint32_t i = 0; i < w->count; i++) {
		if (!range_ok(d, w->range[i]) ||
		    (r->op == VBLK_DISCARD && w->range[i].unmap))
			return false;
		total += w->range[i].size;
	}
	return 0 < r->bytes && r->bytes == total &&
	       (r->op == VBLK_DISCARD ? d->discard : d->write_zeroes);
}

/* The ranges are those that were fetched. */
static inline bool ranges_said(const struct vblk_ranges *w)
{
	for (uint32_t i = 0; i < w->count && i < VBLK_RANGES_MAX; i++) {
		const uint8_t *at = rest_said + VIRTIO_BLK_RANGE_SIZE * i;
		uint64_t sector;
		uint32_t sectors, flags;

		memcpy(&sector, at, 8);
		memcpy(&sectors, at + 8, 4);
		memcpy(&flags, at + 12, 4);
		if (w->range[i].offset != sector * VIRTIO_BLK_SECTOR ||
		    w->range[i].size != sectors * (uint64_t)VIRTIO_BLK_SECTOR ||
		    w->range[i].unmap != (flags == VIRTIO_BLK_RANGE_UNMAP))
			return false;
	}
	return w->count * VIRTIO_BLK_RANGE_SIZE == rest_count;
}

/* The fetches from `base` on are all that the device reads, each byte once. */
static inline bool fetched_all(const struct virtq_request *c, int base)
{
	uint64_t part = 0;
	uint32_t i = 0;

	for (int m = base; m < fetch_count; m++) {
		if (i >= c->readable ||
		    fetch_at[m] != c->segment[i].address + part)
			return false;
		part += fetch_size[m];
		if (part < c->segment[i].size)
			continue;
		if (part > c->segment[i].size)
			return false;
		part = 0;
		i++;
	}
	return i == c->readable;
}

static inline bool decision_ok(const struct vblk_device *d,
			       const struct prec_space *s,
			       const struct virtq_request *c,
			       const struct vblk_request *r,
			       const struct vblk_ranges *w)
{
	if (r->op > VBLK_ZEROES || r->head != c->head ||
	    !writable_span(s, r->status) || r->status.size != 1 ||
	    r->first + r->count > c->count || r->bytes > VBLK_BYTES_MAX)
		return false;
	if (of_ranges(r))
		return ranges_decided(d, r, w);
	if (r->bytes != span_total(c, r->first, r->first + r->count))
		return false;
	switch (r->op) {
	case VBLK_READ:
		return r->first >= c->readable && transfer_ok(d, r);
	case VBLK_WRITE:
		return r->first + r->count <= c->readable && !d->read_only &&
		       transfer_ok(d, r);
	case VBLK_IDENTIFY:
		return r->first >= c->readable && r->bytes > 0 &&
		       r->bytes <= VBLK_ID_MAX;
	case VBLK_ANSWER:
		return r->count == 0 && r->answer <= VIRTIO_BLK_S_UNSUPP;
	default:
		return r->count == 0;
	}
}

#endif
