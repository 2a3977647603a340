/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TESTS_VIRTIO_PACKED_SPECIFICATION_H
#define PRECARIUM_TESTS_VIRTIO_PACKED_SPECIFICATION_H

#include "ring-specification.h"

/*
 * A packed virtqueue as VIRTIO 1.2, clause 2.8, has it: a device that takes
 * every step singly, to lay beside the one that ships.  It is shown the same
 * memory: what the other was yielded, and no byte more, so that it decides from
 * the same values however memory changes.  What no device has to take (2.8
 * leaves it open) is marked as ours.
 */
struct packed_device {
	uint32_t size;
	uint64_t ring, driver_event, device_event;
	bool event_index;
	bool broken;
	/* 2.8.1: the next slot to be looked at and the next to be used, each
	 * with its wrap counter. */
	uint32_t avail_slot, used_slot;
	bool avail_wrap, used_wrap;
	/* Of each buffer id: how long its list in flight is; 0: none. */
	uint16_t in_flight[VIRTQ_SIZE_MAX];
	/* Where notifying was last weighed, and slots used since. */
	uint32_t weighed_slot;
	bool weighed_wrap;
	uint64_t used_since;
};

/* A request as the device should have it. */
struct packed_request {
	uint32_t id;
	uint32_t readable, count;
	struct prec_span segment[VIRTQ_SEGMENTS_MAX];
};

static inline void packed_reset(struct packed_device *d, const struct virtq *q)
{
	memset(d, 0, sizeof(*d));
	d->size = q->size;
	d->ring = q->desc.address;
	d->driver_event = q->avail.address;
	d->device_event = q->used.address;
	d->avail_wrap = true;
	d->used_wrap = true;
	d->weighed_wrap = true;
}

/* 2.8.1: a counter changes when the end of the ring has been passed. */
static inline void packed_step(const struct packed_device *d, uint32_t *slot,
			       bool *wrap)
{
	if (++*slot < d->size)
		return;
	*slot = 0;
	*wrap = !*wrap;
}

/* Which fetches this device has looked at. */
static bool shown[FETCH_MAX];

enum packed_sight { SEEN, UNSEEN, LOST };

/* What memory held.  UNSEEN: the other device did not look. */
static inline enum packed_sight packed_look(uint64_t at, uint32_t size,
					    void *out)
{
	for (int i = 0; i < fetch_count; i++) {
		if (at < fetch_at[i] || at + size > fetch_at[i] + fetch_size[i])
			continue;
		shown[i] = true;
		if (fetch_gone[i])
			return LOST;
		memcpy(out, fetch_bytes + fetch_from[i] + (at - fetch_at[i]),
		       size);
		return SEEN;
	}
	return UNSEEN;
}

/* It looked at nothing that decides nothing. */
static inline bool packed_all_shown(void)
{
	for (int i = 0; i < fetch_count; i++)
		if (!shown[i])
			return false;
	return true;
}

/* 2.8.1: available, as the wrap counter has it. */
static inline bool packed_is_available(uint16_t flags, bool wrap)
{
	bool avail = flags >> 7 & 1;
	bool used = flags >> 15 & 1;

	return avail == wrap && used != wrap;
}

static inline bool packed_off_rings(const struct packed_device *d, uint64_t at,
				    uint64_t size)
{
	return apart(at, size, d->ring, 16ull * d->size) &&
	       apart(at, size, d->driver_event, 4) &&
	       apart(at, size, d->device_event, 4);
}

/* Which region holds the address; -1: none. */
static inline int lent_by(const struct prec_space *s, uint64_t address)
{
	for (uint32_t i = 0; i < s->count; i++)
		if (s->start[i] <= address && address < s->end[i])
			return (int)i;
	return -1;
}

/* The pieces of an element (2.8.5), a region at a time.  False: it is not lent
 * with the right that is needed, is to be written over the rings, or there are
 * more pieces than are taken (ours). */
static inline bool packed_element(const struct packed_device *d,
				  const struct prec_space *s,
				  struct packed_request *r, uint64_t address,
				  uint32_t len, bool write)
{
	uint32_t right = write ? PREC_WRITE : PREC_READ;

	/* 2.8.17: what the device writes comes after what it reads. */
	if (!write && r->count > r->readable)
		return false;
	while (len > 0) {
		int i = lent_by(s, address);
		uint64_t size = len;

		if (i < 0 || !rights_grant(s->rights[i], right) ||
		    r->count == VIRTQ_SEGMENTS_MAX)
			return false;
		if (size > s->end[i] - address)
			size = s->end[i] - address;
		if (write && !packed_off_rings(d, address, size))
			return false;
		r->segment[r->count++] = (struct prec_span){
			.address = address,
			.size = size,
			.host = s->host[i] + (address - s->start[i]),
			.rights = s->rights[i],
			.index = (uint32_t)i,
		};
		if (!write)
			r->readable++;
		address += size;
		len -= (uint32_t)size;
	}
	return true;
}

/* Where the client can be told that its request failed (5.2.6: the status is
 * the last byte that the device writes): that byte alone, if it is lent.  None
 * is kept of what comes before element k, which was refused (ours). */
static inline void packed_keep_last(const struct packed_device *d,
				    const struct prec_space *s,
				    struct packed_request *r, int k)
{
	r->readable = 0;
	r->count = 0;
	if (element_room >= k && element_addr[element_room] <= PREC_ADDRESS_MAX)
		(void)packed_element(d, s, r,
				     element_addr[element_room] +
					     element_len[element_room] - 1,
				     1, true);
}

static inline void element_of(struct pvirtq_desc d)
{
	element_add((struct virtq_desc){ d.addr, d.len, d.flags, 0 });
}

/* Is it lent to be read, in no more regions than a table may lie in (ours)? */
static inline bool packed_table_lent(const struct prec_space *s, uint64_t at,
				     uint64_t len)
{
	uint32_t regions = 0;

	for (uint64_t size; len > 0; regions++, at += size, len -= size) {
		int i = lent_by(s, at);

		if (i < 0 || !rights_grant(s->rights[i], PREC_READ))
			return false;
		size = s->end[i] - at < len ? s->end[i] - at : len;
	}
	return regions <= LENT_PIECES_MAX;
}

/* 2.8.7: a table is of whole descriptors, whose number is its length, and of
 * their flags only WRITE counts.  It is at most so long, and off the rings
 * (ours). */
static inline enum virtq_answer packed_table(const struct packed_device *d,
					     const struct prec_space *s,
					     uint64_t at, uint32_t len)
{
	struct pvirtq_desc entry;

	if (len == 0 || len % 16 != 0 || len / 16 > LENT_TABLE_MAX)
		return VIRTQ_MALFORMED;
	if (!packed_table_lent(s, at, len) || !packed_off_rings(d, at, len))
		return VIRTQ_MALFORMED;
	for (uint64_t end = at + len; at < end; at += 16) {
		enum packed_sight sight = packed_look(at, 16, &entry);

		ENSURES("packed table", "looked at", sight != UNSEEN);
		if (sight == LOST)
			return VIRTQ_LOST;
		element_of(entry);
	}
	return VIRTQ_TAKEN;
}

/* A list of descriptors, whole: what it asks for, and how it is answered. */
static inline enum virtq_answer packed_list(const struct packed_device *d,
					    const struct prec_space *s,
					    const struct pvirtq_desc *list,
					    uint32_t count,
					    struct packed_request *r)
{
	enum virtq_answer answer = VIRTQ_TAKEN;

	element_count = 0;
	element_room = -1;
	for (uint32_t k = 0; k < count; k++) {
		if (!(list[k].flags & VIRTQ_DESC_F_INDIRECT))
			element_of(list[k]);
		else if (count > 1) /* 2.8.19: never in a list */
			return VIRTQ_MALFORMED;
		else
			answer = packed_table(d, s, list[k].addr, list[k].len);
	}
	for (int k = 0; k < element_count && answer == VIRTQ_TAKEN; k++)
		if (!packed_element(d, s, r, element_addr[k], element_len[k],
				    element_written(k))) {
			packed_keep_last(d, s, r, k);
			answer = VIRTQ_MALFORMED;
		}
	return answer;
}

/* 2.8.13: the id is in the last descriptor.  It is smaller than the ring
 * (ours), and no other request's that is in flight. */
static inline bool packed_hold(struct packed_device *d, uint32_t id,
			       uint32_t count)
{
	if (id >= d->size || d->in_flight[id])
		return false;
	d->in_flight[id] = (uint16_t)count;
	return true;
}

static inline enum virtq_answer packed_break(struct packed_device *d)
{
	d->broken = true;
	return VIRTQ_STOPPED;
}

/* One descriptor of the ring.  EMPTY: it is not available. */
static inline enum virtq_answer packed_descriptor(const struct packed_device *d,
						  uint32_t slot, bool wrap,
						  struct pvirtq_desc *out)
{
	uint64_t at = d->ring + 16ull * slot;
	enum packed_sight sight = packed_look(at + 14, 2, &out->flags);

	ENSURES("packed ring", "looked at", sight != UNSEEN);
	if (sight == LOST)
		return VIRTQ_GONE;
	if (!packed_is_available(out->flags, wrap))
		return VIRTQ_EMPTY;
	sight = packed_look(at, 14, out);
	ENSURES("packed ring", "taken if there", sight != UNSEEN);
	return sight == LOST ? VIRTQ_GONE : VIRTQ_TAKEN;
}

/* 2.8.6: descriptors follow each other until one without NEXT; all of them are
 * available when the first is.  2.8.17: no more than the ring has. */
static inline enum virtq_answer packed_take(struct packed_device *d,
					    const struct prec_space *s,
					    struct packed_request *r)
{
	static struct pvirtq_desc list[VIRTQ_SIZE_MAX];
	uint32_t slot = d->avail_slot;
	bool wrap = d->avail_wrap;
	uint32_t count = 0;

	do {
		enum virtq_answer there;

		if (count == d->size)
			return packed_break(d);
		there = packed_descriptor(d, slot, wrap, &list[count]);
		if (there == VIRTQ_GONE || (there == VIRTQ_EMPTY && count == 0))
			return there;
		if (there == VIRTQ_EMPTY)
			return packed_break(d);
		packed_step(d, &slot, &wrap);
		count++;
	} while (list[count - 1].flags & VIRTQ_DESC_F_NEXT);
	if (!packed_hold(d, list[count - 1].id, count))
		return packed_break(d);
	d->avail_slot = slot;
	d->avail_wrap = wrap;
	r->id = list[count - 1].id;
	return packed_list(d, s, list, count, r);
}

/* A list that somebody claims was in flight: likewise, but for the ring. */
static inline enum virtq_answer
packed_take_again(struct packed_device *d, const struct prec_space *s,
		  const struct pvirtq_desc *list, uint32_t count,
		  struct packed_request *r)
{
	if (count == 0 || count > d->size)
		return packed_break(d);
	for (uint32_t k = 0; k < count; k++)
		if ((list[k].flags & VIRTQ_DESC_F_NEXT) != (k + 1 < count))
			return packed_break(d);
	if (!packed_hold(d, list[count - 1].id, count))
		return packed_break(d);
	r->id = list[count - 1].id;
	return packed_list(d, s, list, count, r);
}

/* The used descriptor, byte by byte as it was stored; 2.8.2: whoever sees the
 * flags sees the rest, so they come last. */
struct packed_used {
	uint8_t byte[16];
	bool stored[16];
	bool elsewhere; /* or after the flags */
};

static inline struct packed_used packed_stores(const struct packed_device *d)
{
	uint64_t at = d->ring + 16ull * d->used_slot;
	struct packed_used used = { .elsewhere = false };

	for (int i = 0; i < store_count; i++) {
		uint64_t to = store_at[i] - at;

		if (store_at[i] < at || to + store_size[i] > 16 ||
		    used.stored[14]) {
			used.elsewhere = true;
			continue;
		}
		memcpy(used.byte + to, &store_value[i], store_size[i]);
		memset(used.stored + to, true, store_size[i]);
	}
	return used;
}

/* 2.8.1: both bits are the wrap counter.  2.8.3: WRITE, if anything was
 * written; 2.8.4: how much; nothing else is asked of a used descriptor, and it
 * has no address. */
static inline bool packed_is_used(const struct packed_device *d,
				  const struct packed_used *u, uint32_t id,
				  uint32_t len)
{
	uint32_t said_len;
	uint16_t said_id, flags, both = 1u << 7 | 1u << 15;

	for (int i = 0; i < 16; i++)
		if (u->stored[i] != (i >= 8))
			return false;
	memcpy(&said_len, u->byte + 8, 4);
	memcpy(&said_id, u->byte + 12, 2);
	memcpy(&flags, u->byte + 14, 2);
	return !u->elsewhere && said_len == len && said_id == id &&
	       (flags & both) == (d->used_wrap ? both : 0) &&
	       (flags & ~both) == (len > 0 ? VIRTQ_DESC_F_WRITE : 0);
}

/* 2.8.6: a list is used by one descriptor, and the others are skipped. */
static inline void packed_skip(struct packed_device *d, uint32_t slots)
{
	for (uint32_t k = 0; k < slots; k++)
		packed_step(d, &d->used_slot, &d->used_wrap);
	d->used_since += slots;
}

/* 2.8.10: DISABLE is obeyed; DESC, where it was agreed on, is when the slot is
 * passed with this wrap counter.  All else is ENABLE: one notification too many
 * harms nobody. */
static inline bool packed_notifies(const struct packed_device *d)
{
	uint32_t slot = d->weighed_slot;
	bool wrap = d->weighed_wrap;
	uint16_t flags = 0, event = 0;

	ENSURES("packed events", "looked at",
		packed_look(d->driver_event + 2, 2, &flags) == SEEN);
	if ((flags & 3) == 1)
		return false;
	if ((flags & 3) != 2 || !d->event_index)
		return true;
	ENSURES("packed events", "looked at",
		packed_look(d->driver_event, 2, &event) == SEEN);
	if ((event & 0x7fff) >= d->size)
		return true;
	for (uint64_t k = 0; k < d->used_since; k++) {
		if (slot == (event & 0x7fff) && wrap == event >> 15)
			return true;
		packed_step(d, &slot, &wrap);
	}
	return false;
}

static inline void packed_weighed(struct packed_device *d)
{
	d->weighed_slot = d->used_slot;
	d->weighed_wrap = d->used_wrap;
	d->used_since = 0;
}

/* As vhost-user has them in a message: 15 bits of slot, then the counter. */
static inline uint32_t packed_places(const struct packed_device *d)
{
	return d->avail_slot | (uint32_t)d->avail_wrap << 15 |
	       d->used_slot << 16 | (uint32_t)d->used_wrap << 31;
}

#endif
