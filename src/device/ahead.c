// SPDX-License-Identifier: MIT
#include "device/ahead.h"

#include <stdlib.h>

#include <precarium/access.h>

#include "device/feature.h"
#include "device/layout.h"

/* Looks at one request, each after something was translated, after which it is
 * taken all the same, and fails: it needs more than the table holds. */
#define ROUNDS_MAX 4096u

/* Load what lies at addresses that are translated, in however many pieces.
 * False: it is gone, or not translated any more. */
static bool load(const struct iotlb *iotlb, uint64_t address, void *to,
		 uint64_t size)
{
	unsigned char *bytes = to;

	while (size > 0) {
		struct prec_span piece;

		if (prec_space_piece(&iotlb->space, address, size, PREC_READ,
				     &piece) != PREC_OK ||
		    prec_copy_in(bytes, piece, 0, piece.size).status != PREC_OK)
			return false;
		address += piece.size;
		bytes += piece.size;
		size -= piece.size;
	}
	return true;
}

/* Of the descriptor at this place of a table, which has the same size in both
 * layouts, so many bytes. */
static bool load_entry(const struct iotlb *iotlb, uint64_t table, uint32_t i,
		       void *to, uint64_t size)
{
	return load(iotlb, table + VIRTQ_DESC_SIZE * (uint64_t)i, to, size);
}

/* Is the data of a descriptor translated? */
static bool data_covered(struct iotlb *iotlb, uint64_t addr, uint32_t len,
			 uint16_t flags)
{
	return iotlb_covers(iotlb, addr, len,
			    flags & VIRTQ_DESC_F_WRITE ? PREC_WRITE
						       : PREC_READ);
}

/* The descriptors of a split ring, or of a table, from entry `i` on, as far as
 * they lead.  Ends at one that names a table, which *d then is, if `stops`. */
static bool follow(struct iotlb *iotlb, uint64_t table, uint32_t count,
		   uint32_t i, bool stops, struct virtq_desc *d)
{
	bool there = true;

	for (uint32_t k = 0; k < count && i < count; k++) {
		if (!load_entry(iotlb, table, i, d, sizeof(*d))) {
			d->flags = 0;
			break;
		}
		if (stops && d->flags & VIRTQ_DESC_F_INDIRECT)
			break;
		there &= data_covered(iotlb, d->addr, d->len, d->flags);
		if (!(d->flags & VIRTQ_DESC_F_NEXT) || iotlb_has_looked(iotlb))
			break;
		i = d->next;
	}
	return there;
}

/* A longer one is refused, translated or not. */
static bool split_table(struct iotlb *iotlb, uint64_t table, uint32_t len)
{
	uint32_t count = len / VIRTQ_DESC_SIZE;
	struct virtq_desc d;

	return count > LENT_TABLE_MAX ||
	       (iotlb_covers(iotlb, table, len, PREC_READ) &&
		follow(iotlb, table, count, 0, false, &d));
}

static bool split_chain(struct iotlb *iotlb, const struct virtq *q,
			uint32_t head)
{
	struct virtq_desc d = { .flags = 0 };
	bool there = follow(iotlb, q->desc.address, q->size, head, true, &d);

	if (d.flags & VIRTQ_DESC_F_INDIRECT)
		return split_table(iotlb, d.addr, d.len) && there;
	return there;
}

static bool packed_table(struct iotlb *iotlb, uint64_t table, uint32_t len)
{
	uint32_t count = len / VIRTQ_DESC_SIZE;
	bool there = true;
	struct pvirtq_desc d;

	if (count > LENT_TABLE_MAX)
		return true;
	if (!iotlb_covers(iotlb, table, len, PREC_READ))
		return false;
	for (uint32_t i = 0; i < count && !iotlb_has_looked(iotlb); i++) {
		if (!load_entry(iotlb, table, i, &d, sizeof(d)))
			break;
		there &= data_covered(iotlb, d.addr, d.len, d.flags);
	}
	return there;
}

static bool packed_desc(struct iotlb *iotlb, const struct pvirtq_desc *d)
{
	if (d->flags & VIRTQ_DESC_F_INDIRECT)
		return packed_table(iotlb, d->addr, d->len);
	return data_covered(iotlb, d->addr, d->len, d->flags);
}

static enum ahead answer(bool there)
{
	return there ? AHEAD_READY : AHEAD_WAITING;
}

/* What cannot be loaded is for the ring to find gone. */
static enum ahead look_at_split(struct iotlb *iotlb, const struct virtq *q)
{
	uint32_t slot = q->next_avail % q->size;
	uint16_t index, head;

	if (prec_load16(q->avail, VIRTQ_AVAIL_IDX, &index) != PREC_OK)
		return AHEAD_READY;
	if (q->waiting == 0 && index == q->next_avail)
		return AHEAD_EMPTY;
	if (prec_load16(q->avail, VIRTQ_AVAIL_RING + VIRTQ_AVAIL_ENTRY * slot,
			&head) != PREC_OK)
		return AHEAD_READY;
	return answer(split_chain(iotlb, q, head));
}

static bool is_available(uint16_t flags, bool wrap)
{
	return !(flags & PVIRTQ_DESC_F_AVAIL) != wrap &&
	       !(flags & PVIRTQ_DESC_F_USED) == wrap;
}

static enum ahead look_at_packed(struct iotlb *iotlb, const struct virtq *q)
{
	uint32_t slot = q->next_avail;
	bool wrap = q->avail_wrap;
	bool there = true;

	for (uint32_t k = 0; k < q->size && !iotlb_has_looked(iotlb); k++) {
		struct pvirtq_desc d;

		if (!load_entry(iotlb, q->desc.address, slot, &d, sizeof(d)))
			return AHEAD_READY;
		if (!is_available(d.flags, wrap))
			return k == 0 ? AHEAD_EMPTY : answer(there);
		/* The flags come first: they publish the rest. */
		prec_raw_load_fence();
		if (!load_entry(iotlb, q->desc.address, slot, &d,
				PVIRTQ_DESC_FLAGS))
			return AHEAD_READY;
		there &= packed_desc(iotlb, &d);
		if (!(d.flags & VIRTQ_DESC_F_NEXT))
			break;
		if (++slot == q->size) {
			slot = 0;
			wrap = !wrap;
		}
	}
	return answer(there);
}

/* A request that the previous server had taken. */
static enum ahead look_at_left(struct queue *queue)
{
	struct iotlb *iotlb = queue->device->iotlb;
	struct inflight_queue *log = &queue->inflight;
	struct pvirtq_desc *list;
	bool there = true;
	uint16_t num;

	if (!queue->virtq->packed)
		return answer(split_chain(iotlb, queue->virtq,
					  log->left[log->left_first].head));
	list = inflight_packed_peek(log, &num);
	for (uint16_t i = 0; list && i < num; i++)
		there &= packed_desc(iotlb, &list[i]);
	free(list);
	return answer(there);
}

static bool area(struct queue *queue, uint64_t address, uint64_t size,
		 uint32_t rights)
{
	return iotlb_covers(queue->device->iotlb, address, size, rights);
}

static bool look_at_rings(struct queue *queue)
{
	const struct ring_addr *addr = &queue->addr;
	uint64_t n = queue->num;
	uint64_t avail = VIRTQ_AVAIL_RING + VIRTQ_AVAIL_ENTRY * n + 2;
	uint64_t used = VIRTQ_USED_RING + VIRTQ_USED_ENTRY * n + 2;
	uint32_t desc = PREC_READ;
	bool there;

	if (device_packed(queue->device)) {
		avail = used = PVIRTQ_EVENT_SIZE;
		desc = PREC_READ | PREC_WRITE;
	}
	iotlb_look(queue->device->iotlb);
	there = area(queue, addr->descriptors, VIRTQ_DESC_SIZE * n, desc);
	there &= area(queue, addr->available, avail, PREC_READ);
	there &= area(queue, addr->used, used, PREC_READ | PREC_WRITE);
	queue_wait_for_translation(queue, !there);
	return there;
}

bool ahead_rings(struct queue *queue)
{
	struct iotlb *iotlb = queue->device->iotlb;
	bool there;

	pthread_mutex_lock(&iotlb->lock);
	there = look_at_rings(queue);
	pthread_mutex_unlock(&iotlb->lock);
	return there;
}

/* Again, where they are now. */
static bool find_rings(struct queue *queue)
{
	if (!look_at_rings(queue))
		return false;
	if (virtq_rebase(queue->virtq, device_space(queue->device)) != PREC_OK)
		queue_break(queue, device_why_no_rings(queue->device));
	return !queue->broken;
}

static enum ahead look(struct queue *queue)
{
	struct iotlb *iotlb = queue->device->iotlb;
	const struct virtq *q = queue->virtq;

	if (q->state == VIRTQ_DETACHED && !find_rings(queue))
		return AHEAD_WAITING;
	if (q->state != VIRTQ_READY)
		return AHEAD_READY;
	iotlb_look(iotlb);
	if (inflight_is_left(&queue->inflight))
		return look_at_left(queue);
	return q->packed ? look_at_packed(iotlb, q) : look_at_split(iotlb, q);
}

/* True: it has been looked at often enough, after translations that did not
 * help. */
static bool is_tired(struct queue *queue)
{
	const struct iotlb *iotlb = queue->device->iotlb;

	if (queue->updates_seen != iotlb->updates)
		queue->rounds++;
	queue->updates_seen = iotlb->updates;
	return queue->rounds > ROUNDS_MAX;
}

static enum ahead look_patiently(struct queue *queue)
{
	enum ahead found = look(queue);

	if (found == AHEAD_WAITING && is_tired(queue))
		found = AHEAD_READY;
	if (found != AHEAD_WAITING)
		queue->rounds = 0;
	queue_wait_for_translation(queue, found == AHEAD_WAITING);
	return found;
}

enum ahead ahead_look(struct queue *queue)
{
	struct iotlb *iotlb = queue->device->iotlb;
	enum ahead found;

	pthread_mutex_lock(&iotlb->lock);
	found = look_patiently(queue);
	pthread_mutex_unlock(&iotlb->lock);
	return found;
}
