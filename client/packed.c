/* SPDX-License-Identifier: MIT */
/*
 * Packed rings, the guest's side (VIRTIO 1.2, 2.8).  The buffer id of a request
 * is the number of its slot.
 */
#include <string.h>

#include "client/memory.h"

#define AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define USED  (1u << VRING_PACKED_DESC_F_USED)
#define WRAP  (1u << VRING_PACKED_EVENT_F_WRAP_CTR)

struct vring_packed_desc *client_packed_desc(struct client_queue *queue,
					     uint32_t index)
{
	return (struct vring_packed_desc *)(void *)queue->ring.desc +
	       index % queue->ring.num;
}

/* Where the client says when it wants to be called, and where the server says
 * when it wants to be kicked. */
static struct vring_packed_desc_event *our_event(struct client_queue *queue)
{
	return (struct vring_packed_desc_event *)(void *)queue->ring.avail;
}

static struct vring_packed_desc_event *its_event(struct client_queue *queue)
{
	return (struct vring_packed_desc_event *)(void *)queue->ring.used;
}

void client_packed_reset(struct client *client, struct client_queue *queue)
{
	memset(our_event(queue), 0, sizeof(*our_event(queue)));
	memset(its_event(queue), 0, sizeof(*its_event(queue)));
	if (client->options.polling)
		our_event(queue)->flags = VRING_PACKED_EVENT_FLAG_DISABLE;
	queue->avail_wrap = queue->used_wrap = true;
}

uint32_t client_packed_base(const struct client_queue *queue)
{
	return queue->avail_index | (queue->avail_wrap ? WRAP : 0u) |
	       (uint32_t)queue->used_index << 16 |
	       (queue->used_wrap ? WRAP : 0u) << 16;
}

void client_packed_step(struct client_queue *queue, uint16_t *index, bool *wrap,
			uint32_t count)
{
	uint32_t next = *index + count;

	if (next >= queue->ring.num) {
		next -= queue->ring.num;
		*wrap = !*wrap;
	}
	*index = (uint16_t)next;
}

uint16_t client_packed_available(const struct client_queue *queue)
{
	return queue->avail_wrap ? AVAIL : USED;
}

static struct vring_packed_desc packed(const struct vring_desc *desc,
				       uint16_t id)
{
	return (struct vring_packed_desc){
		.addr = desc->addr,
		.len = desc->len,
		.id = id,
		.flags = desc->flags,
	};
}

/* All descriptors of the list, without the flags of the first one: they publish
 * it. */
static void put(struct client_queue *queue, struct client_slot *slot,
		const struct vring_desc *chain, uint32_t count)
{
	uint16_t id = (uint16_t)(slot - queue->slots);
	uint32_t i;

	slot->place = queue->avail_index;
	for (i = 0; i < count; i++) {
		struct vring_packed_desc *place =
			client_packed_desc(queue, queue->avail_index);
		struct vring_packed_desc desc = packed(&chain[i], id);
		uint16_t flags = desc.flags | client_packed_available(queue);

		if (i == 0)
			slot->flags = flags;
		desc.flags = i == 0 ? place->flags : flags;
		*place = desc;
		client_packed_step(queue, &queue->avail_index,
				   &queue->avail_wrap, 1);
	}
	slot->count = (uint16_t)count;
}

void client_packed_publish(struct client_queue *queue,
			   const struct client_slot *slot)
{
	store_release(&client_packed_desc(queue, slot->place)->flags,
		      slot->flags);
}

void client_packed_prepare(struct client *client, struct client_queue *queue,
			   struct client_slot *slot)
{
	struct vring_desc chain[CLIENT_SEGMENTS_MAX + 2];
	uint32_t count = client_fill_chain(client, slot, chain, 0), i;
	struct vring_packed_desc *table;
	struct vring_desc head = { .flags = VRING_DESC_F_INDIRECT };

	if (!client_has(client, VIRTIO_RING_F_INDIRECT_DESC)) {
		put(queue, slot, chain, count);
		return;
	}
	table = client_at(client, slot->table);
	for (i = 0; i < count; i++) {
		table[i] = packed(&chain[i], 0);
		/* 2.8.19: no flag but this. */
		table[i].flags &= VRING_DESC_F_WRITE;
	}
	head.addr = client_address(client, slot->table);
	head.len = count * (uint32_t)sizeof(*table);
	put(queue, slot, &head, 1);
}

/* A place in two rounds of the ring. */
static uint32_t place(const struct client_queue *queue, uint32_t index,
		      bool wrap)
{
	return wrap ? index : index + queue->ring.num;
}

static uint32_t ahead(const struct client_queue *queue, uint32_t from,
		      uint32_t to)
{
	return (to + 2 * queue->ring.num - from) % (2 * queue->ring.num);
}

/* Was the descriptor at which the server wants a kick made available since this
 * was last asked? */
bool client_packed_wants_kick(struct client_queue *queue)
{
	uint32_t before = queue->kick_index, event, now;
	uint16_t flags = load_acquire(&its_event(queue)->flags) & 3;

	now = place(queue, queue->avail_index, queue->avail_wrap);
	queue->kick_index = (uint16_t)now;
	if (flags != VRING_PACKED_EVENT_FLAG_DESC)
		return flags != VRING_PACKED_EVENT_FLAG_DISABLE;
	event = load_acquire(&its_event(queue)->off_wrap);
	event = place(queue, event % WRAP, event & WRAP);
	return ahead(queue, before, event) < ahead(queue, before, now);
}

void client_packed_want_call(struct client_queue *queue)
{
	uint16_t event = queue->used_index;

	if (queue->used_wrap)
		event |= WRAP;
	store_release(&our_event(queue)->off_wrap, event);
	store_release(&our_event(queue)->flags, VRING_PACKED_EVENT_FLAG_DESC);
}

/* 1: the id and length of the next used descriptor. */
int client_packed_take(struct client *client, struct client_queue *queue,
		       uint32_t *id, uint32_t *length)
{
	struct vring_packed_desc *desc =
		client_packed_desc(queue, queue->used_index);
	uint16_t used = queue->used_wrap ? AVAIL | USED : 0;
	uint16_t flags = load_acquire(&desc->flags);

	if ((flags & (AVAIL | USED)) != used)
		return 0;
	*id = desc->id;
	*length = flags & VRING_DESC_F_WRITE ? desc->len : 0;
	if (*id >= client->options.depth || !queue->slots[*id].busy)
		return client_fail(client,
				   "completion of %u, which is not in flight",
				   *id);
	client_packed_step(queue, &queue->used_index, &queue->used_wrap,
			   queue->slots[*id].count);
	return 1;
}
