// SPDX-License-Identifier: MIT
#include "virtio/split.h"

/*
 * How a request is taken.  The avail index is fetched when all that was known
 * to be there is taken; then, per request, one avail entry, each descriptor of
 * the chain and, if it names one, one indirect table.  Each is copied into our
 * own memory by one fetch; what was fetched is never asked of the client again,
 * so a client that rewrites its rings meanwhile gains nothing.
 *
 * Errors of the ring (an index that jumps, a head that is none or is in flight)
 * leave nothing to complete: the queue is broken.  Errors of a chain belong to
 * its request alone.
 */

/* Append [address, address + size) to the request, cut where regions end. */
static bool append(struct virtq_request *r, const struct prec_space *space,
		   const struct virtq *q, uint64_t address, uint32_t size,
		   uint32_t rights)
{
	struct prec_span piece;

	while (size > 0) {
		if (r->count >= VIRTQ_SEGMENTS_MAX)
			return false;
		if (prec_space_piece(space, address, size, rights, &piece))
			return false;
		if (rights == PREC_WRITE && virtq_meets_rings(q, piece))
			return false;
		r->segment[r->count] = piece;
		r->count++;
		if (rights == PREC_READ)
			r->readable++;
		address += piece.size;
		size -= (uint32_t)piece.size;
	}
	return true;
}

enum step { STEP_BAD, STEP_LAST, STEP_MORE };

/* One descriptor of data (2.7.4.2: what the driver reads comes first). */
static enum step take_desc(struct virtq_request *r,
			   const struct prec_space *space,
			   const struct virtq *q, struct virtq_desc d)
{
	uint32_t rights = PREC_READ;

	if (d.flags & VIRTQ_DESC_F_INDIRECT)
		return STEP_BAD;
	if (d.flags & VIRTQ_DESC_F_WRITE)
		rights = PREC_WRITE;
	else if (r->readable != r->count)
		return STEP_BAD;
	if (!append(r, space, q, d.addr, d.len, rights))
		return STEP_BAD;
	return d.flags & VIRTQ_DESC_F_NEXT ? STEP_MORE : STEP_LAST;
}

/* The descriptors of a fetched table (2.7.5.3.2): `next` counts in the table.
 * Ends after `count` steps even if they run in a circle. */
static enum virtq_answer walk_table(struct virtq_request *r,
				    const struct prec_space *space,
				    const struct virtq *q,
				    const struct virtq_desc *table,
				    uint32_t count)
{
	uint32_t i = 0;
	uint32_t k;

	for (k = 0; k < count; k++) {
		enum step step = take_desc(r, space, q, table[i]);

		if (step == STEP_BAD)
			return VIRTQ_MALFORMED;
		if (step == STEP_LAST)
			return VIRTQ_TAKEN;
		i = table[i].next;
		if (i >= count)
			return VIRTQ_MALFORMED;
	}
	return VIRTQ_MALFORMED;
}

/* The rest of the chain is in a table of its own (2.7.5.3). */
static enum virtq_answer take_table(struct virtq_request *r,
				    const struct prec_space *space,
				    const struct virtq *q, struct virtq_desc d)
{
	struct virtq_desc table[CLIENT_TABLE_MAX];
	struct prec_span span;
	uint32_t count = d.len / VIRTQ_DESC_SIZE;

	if (d.len % VIRTQ_DESC_SIZE != 0)
		return VIRTQ_MALFORMED;
	if (count == 0 || count > CLIENT_TABLE_MAX)
		return VIRTQ_MALFORMED;
	if (prec_space_resolve(space, d.addr, d.len, PREC_READ, &span))
		return VIRTQ_MALFORMED;
	/* On the rings it would be fetched a second time. */
	if (virtq_meets_rings(q, span))
		return VIRTQ_MALFORMED;
	r->table_address = d.addr;
	r->table_size = d.len;
	if (client_load_table(space, span, count, table))
		return VIRTQ_LOST;
	return walk_table(r, space, q, table, count);
}

/* A new stamp for a new request. */
static void next_serial(struct virtq *q)
{
	uint32_t i;

	if (q->serial == 0xffffffffu) {
		for (i = 0; i < VIRTQ_SIZE_MAX; i++)
			q->stamp[i] = 0;
		q->serial = 0;
	}
	q->serial++;
}

static enum virtq_answer take_chain(struct virtq_request *r,
				    const struct prec_space *space,
				    struct virtq *q)
{
	struct virtq_desc d;
	uint32_t i = r->head;
	uint32_t k;

	next_serial(q);
	for (k = 0; k < q->size; k++) {
		enum step step;

		if (q->stamp[i] == q->serial)
			return VIRTQ_MALFORMED;
		q->stamp[i] = q->serial;
		if (client_load_desc(space, q->desc, i, &d))
			return VIRTQ_LOST;
		if (d.flags & VIRTQ_DESC_F_INDIRECT) {
			/* 2.7.5.3.1: NEXT must not be set with it; 2.7.5.3.2:
			 * WRITE is ignored.  Descriptors may precede it. */
			if (d.flags & VIRTQ_DESC_F_NEXT)
				return VIRTQ_MALFORMED;
			return take_table(r, space, q, d);
		}
		step = take_desc(r, space, q, d);
		if (step == STEP_BAD)
			return VIRTQ_MALFORMED;
		if (step == STEP_LAST)
			return VIRTQ_TAKEN;
		i = d.next;
		if (i >= q->size)
			return VIRTQ_MALFORMED;
	}
	return VIRTQ_MALFORMED;
}

/* A head is taken once: a client that offers it again while it is in flight
 * would have it completed twice. */
static bool hold(struct virtq *q, uint32_t head)
{
	if (head >= q->size || q->held[head])
		return false;
	q->held[head] = 1;
	q->in_flight++;
	return true;
}

static void begin(struct virtq_request *r)
{
	r->head = 0;
	r->readable = 0;
	r->count = 0;
	r->table_address = 0;
	r->table_size = 0;
}

/* How many entries wait?  The load acquires: entries and descriptors that the
 * client stored before it moved the index are there (2.7.13.3). */
static enum virtq_answer look(struct virtq *q, const struct prec_space *space)
{
	uint16_t index;
	uint32_t waiting;

	if (client_load16(space, q->avail, VIRTQ_AVAIL_IDX, &index))
		return VIRTQ_GONE;
	waiting = (uint16_t)(index - q->next_avail);
	if (waiting > q->size) {
		q->state = VIRTQ_BROKEN;
		return VIRTQ_STOPPED;
	}
	q->waiting = waiting;
	return waiting ? VIRTQ_TAKEN : VIRTQ_EMPTY;
}

enum virtq_answer virtq_next(struct virtq *q, const struct prec_space *space,
			     struct virtq_request *r)
{
	enum virtq_answer answer;
	uint32_t slot;
	uint16_t head;

	begin(r);
	if (q->state != VIRTQ_READY)
		return VIRTQ_STOPPED;
	if (q->waiting == 0) {
		answer = look(q, space);
		if (answer != VIRTQ_TAKEN)
			return answer;
	}
	slot = q->next_avail % q->size;
	if (client_load16(space, q->avail,
			  VIRTQ_AVAIL_RING + VIRTQ_AVAIL_ENTRY * (uint64_t)slot,
			  &head))
		return VIRTQ_GONE;
	q->next_avail++;
	q->waiting--;
	if (!hold(q, head)) {
		q->state = VIRTQ_BROKEN;
		return VIRTQ_STOPPED;
	}
	r->head = head;
	return take_chain(r, space, q);
}

enum virtq_answer virtq_retake(struct virtq *q, const struct prec_space *space,
			       uint32_t head, struct virtq_request *r)
{
	begin(r);
	if (q->state != VIRTQ_READY || !hold(q, head))
		return VIRTQ_STOPPED;
	r->head = head;
	return take_chain(r, space, q);
}

enum prec_status virtq_complete(struct virtq *q, const struct prec_space *space,
				uint32_t head, uint32_t len)
{
	struct virtq_used_elem elem = { head, len };
	uint32_t slot;

	if (head >= q->size || !q->held[head])
		return PREC_INVALID;
	q->held[head] = 0;
	q->in_flight--;
	if (q->state != VIRTQ_READY)
		return PREC_GONE;
	slot = q->next_used % q->size;
	if (client_store_used(space, q->used, slot, elem))
		return PREC_GONE;
	/* Releases: the client that sees the index sees the element, the status
	 * byte and the data (2.7.8.2, 2.7.14). */
	if (client_store16(space, q->used, VIRTQ_USED_IDX,
			   (uint16_t)(q->next_used + 1)))
		return PREC_GONE;
	q->next_used++;
	return PREC_OK;
}

/* 2.7.10: notify when the index passed the event since it was last weighed. */
static bool passed(uint16_t event, uint16_t now, uint16_t before)
{
	return (uint16_t)(now - event - 1) < (uint16_t)(now - before);
}

enum prec_status virtq_should_notify(struct virtq *q,
				     const struct prec_space *space, bool *yes)
{
	uint64_t at = VIRTQ_AVAIL_FLAGS;
	uint16_t value;

	if (q->state != VIRTQ_READY)
		return PREC_GONE;
	if (q->event_index)
		at = VIRTQ_AVAIL_RING + VIRTQ_AVAIL_ENTRY * (uint64_t)q->size;
	/* The used index is out before the hint is read: else a client that
	 * asks to be notified, and then looks, misses both (2.7.7.2). */
	client_fence();
	if (client_load16(space, q->avail, at, &value))
		return PREC_GONE;
	if (q->event_index)
		*yes = passed(value, q->next_used, q->notified);
	else
		*yes = !(value & VIRTQ_AVAIL_F_NO_INTERRUPT);
	q->notified = q->next_used;
	return PREC_OK;
}

enum prec_status virtq_suppress(const struct virtq *q,
				const struct prec_space *space, bool on)
{
	enum prec_status status = PREC_OK;

	if (q->state != VIRTQ_READY)
		return PREC_GONE;
	if (!q->event_index)
		status = client_store16(space, q->used, VIRTQ_USED_FLAGS,
					on ? VIRTQ_USED_F_NO_NOTIFY : 0);
	else if (!on)
		status = client_store16(space, q->used,
					VIRTQ_USED_RING + VIRTQ_USED_ENTRY *
							      (uint64_t)q->size,
					q->next_avail);
	/* The hint is out before the caller looks at the ring once more. */
	client_fence();
	return status;
}

void virtq_seek(struct virtq *q, uint16_t avail, uint16_t used)
{
	q->next_avail = avail;
	q->next_used = used;
	q->notified = used;
	q->waiting = 0;
}

enum prec_status virtq_used_index(const struct virtq *q,
				  const struct prec_space *space,
				  uint16_t *index)
{
	if (q->state != VIRTQ_READY)
		return PREC_GONE;
	return client_load16(space, q->used, VIRTQ_USED_IDX, index);
}

struct rings {
	struct prec_span desc;
	struct prec_span avail;
	struct prec_span used;
};

/* An area of the queue: one region, so that its address here is one number. */
static enum prec_status find_ring(const struct prec_space *space,
				  uint64_t address, uint64_t size,
				  uint32_t rights, uint32_t align,
				  struct prec_span *span)
{
	struct prec_span found;
	enum prec_status status;

	status = prec_space_resolve(space, address, size, rights, &found);
	if (status != PREC_OK)
		return status;
	/* Here too: an index that lies across two cache lines tears. */
	if (address % align != 0 || found.host % align != 0)
		return PREC_INVALID;
	*span = found;
	return PREC_OK;
}

static enum prec_status find_rings(const struct prec_space *space,
				   uint32_t size, uint64_t desc, uint64_t avail,
				   uint64_t used, struct rings *rings)
{
	uint64_t n = size;
	enum prec_status status;

	status = find_ring(space, desc, VIRTQ_DESC_SIZE * n, PREC_READ,
			   VIRTQ_DESC_ALIGN, &rings->desc);
	if (status != PREC_OK)
		return status;
	status = find_ring(space, avail,
			   VIRTQ_AVAIL_RING + VIRTQ_AVAIL_ENTRY * n + 2,
			   PREC_READ, VIRTQ_AVAIL_ALIGN, &rings->avail);
	if (status != PREC_OK)
		return status;
	return find_ring(
	    space, used, VIRTQ_USED_RING + VIRTQ_USED_ENTRY * n + 2,
	    PREC_READ | PREC_WRITE, VIRTQ_USED_ALIGN, &rings->used);
}

static bool overlap(struct prec_span a, struct prec_span b)
{
	return a.address + a.size > b.address && b.address + b.size > a.address;
}

enum prec_status virtq_setup(struct virtq *q, const struct prec_space *space,
			     uint32_t size, uint64_t desc, uint64_t avail,
			     uint64_t used)
{
	struct rings rings;
	enum prec_status status;
	uint32_t i;

	if (size == 0 || size > VIRTQ_SIZE_MAX || (size & (size - 1)) != 0)
		return PREC_INVALID;
	status = find_rings(space, size, desc, avail, used, &rings);
	if (status != PREC_OK)
		return status;
	if (overlap(rings.desc, rings.avail) ||
	    overlap(rings.desc, rings.used) || overlap(rings.avail, rings.used))
		return PREC_OVERLAP;
	q->size = size;
	q->desc = rings.desc;
	q->avail = rings.avail;
	q->used = rings.used;
	q->waiting = 0;
	q->in_flight = 0;
	q->next_avail = 0;
	q->next_used = 0;
	q->notified = 0;
	q->event_index = false;
	q->serial = 0;
	for (i = 0; i < VIRTQ_SIZE_MAX; i++) {
		q->stamp[i] = 0;
		q->held[i] = 0;
	}
	q->state = VIRTQ_READY;
	return PREC_OK;
}

enum prec_status virtq_rebase(struct virtq *q, const struct prec_space *space)
{
	struct rings rings;

	if (q->state != VIRTQ_READY && q->state != VIRTQ_DETACHED)
		return PREC_GONE;
	if (find_rings(space, q->size, q->desc.address, q->avail.address,
		       q->used.address, &rings)) {
		q->state = VIRTQ_DETACHED;
		return PREC_GONE;
	}
	q->desc = rings.desc;
	q->avail = rings.avail;
	q->used = rings.used;
	q->state = VIRTQ_READY;
	return PREC_OK;
}
