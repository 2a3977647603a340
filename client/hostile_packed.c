/* SPDX-License-Identifier: MIT */
/* What hostile.c does to a split ring, done to a packed one. */
#include "client/hostile.h"

#include "client/memory.h"

/* A list is where it was put, in the ring or in a table of its own. */
struct spoilt {
	struct client *client;
	struct client_queue *queue;
	struct client_slot *slot;
	struct vring_packed_desc *table; /* NULL: in the ring */
	uint32_t first;
};

static struct vring_packed_desc *in_ring(struct spoilt *spoilt, uint32_t i)
{
	return client_packed_desc(spoilt->queue, spoilt->first + i);
}

static struct vring_packed_desc *element(struct spoilt *spoilt, uint32_t i)
{
	return spoilt->table ? &spoilt->table[i] : in_ring(spoilt, i);
}

/* Those of the first descriptor in the ring are still to be published. */
static uint16_t *flags_of(struct spoilt *spoilt, uint32_t i)
{
	if (spoilt->table)
		return &spoilt->table[i].flags;
	return i == 0 ? &spoilt->slot->flags : &in_ring(spoilt, i)->flags;
}

static uint16_t *last_flags(struct spoilt *spoilt)
{
	uint32_t last = spoilt->slot->count - 1u;

	return last == 0 ? &spoilt->slot->flags : &in_ring(spoilt, last)->flags;
}

/* The whole ring is one list, in which this one begins. */
static void endless(struct spoilt *spoilt)
{
	uint16_t flags = spoilt->slot->flags | VRING_DESC_F_NEXT;
	uint32_t i;

	spoilt->slot->flags = flags;
	for (i = 1; i < spoilt->queue->ring.num; i++) {
		if (spoilt->first + i == spoilt->queue->ring.num)
			flags ^= 1u << VRING_PACKED_DESC_F_AVAIL |
				 1u << VRING_PACKED_DESC_F_USED;
		*in_ring(spoilt, i) = *in_ring(spoilt, 0);
		in_ring(spoilt, i)->flags = flags;
	}
}

/* One more request, by the same id. */
static void again(struct spoilt *spoilt)
{
	struct vring_packed_desc *next = in_ring(spoilt, spoilt->slot->count);
	struct vring_packed_desc last =
		*in_ring(spoilt, spoilt->slot->count - 1u);

	last.flags =
		VRING_DESC_F_WRITE | client_packed_available(spoilt->queue);
	*next = last;
}

static bool spoil_ring(struct spoilt *spoilt, enum hostile_chain kind)
{
	struct vring_packed_desc *head = in_ring(spoilt, 0);
	struct vring_packed_desc *last =
		in_ring(spoilt, spoilt->slot->count - 1u);

	switch (kind) {
	case HOSTILE_LOOP:
	case HOSTILE_WILD_NEXT: /* where nothing is available */
		*last_flags(spoilt) |= VRING_DESC_F_NEXT;
		return true;
	case HOSTILE_LOOP_LONG:
		endless(spoilt);
		return true;
	case HOSTILE_WILD_HEAD:
		last->id = 0xfffe;
		return true;
	case HOSTILE_WILD_INDEX:
		again(spoilt);
		return true;
	case HOSTILE_ODD_TABLE:
		spoilt->slot->flags |= VRING_DESC_F_INDIRECT;
		head->len -= 3;
		return true;
	default:
		return false;
	}
}

static void spoil_data(struct spoilt *spoilt, enum hostile_chain kind)
{
	struct client *client = spoilt->client;
	struct client_region *region =
		&client->regions[spoilt->slot->data.region];
	struct vring_packed_desc *data = element(spoilt, 1);

	switch (kind) {
	case HOSTILE_WILD_ADDRESS:
		data->addr = 0x7000;
		break;
	case HOSTILE_WRAP_ADDRESS:
		data->addr = 0xfffffffffffff000ull;
		data->len = 0x2000;
		break;
	case HOSTILE_EDGE:
		data->addr = region->address + region->size - 512;
		data->len = 4096;
		break;
	case HOSTILE_HUGE_LENGTH:
		data->len = 0xffffffff;
		break;
	case HOSTILE_ZERO_LENGTH:
		data->len = 0;
		break;
	case HOSTILE_OWN_TABLE:
		data->addr = client_address(client, spoilt->slot->table);
		break;
	default: /* HOSTILE_OWN_RING */
		data->addr = client_address(client, spoilt->queue->desc_place);
		break;
	}
}

static void spoil_list(struct spoilt *spoilt, enum hostile_chain kind)
{
	switch (kind) {
	case HOSTILE_NO_STATUS:
		*flags_of(spoilt, 2) &= (uint16_t)~VRING_DESC_F_WRITE;
		break;
	case HOSTILE_HEADER_ONLY:
		if (spoilt->table)
			in_ring(spoilt, 0)->len = sizeof(*spoilt->table);
		else
			spoilt->slot->flags &= (uint16_t)~VRING_DESC_F_NEXT;
		break;
	case HOSTILE_SHORT_HEADER:
		element(spoilt, 0)->len = 7;
		break;
	case HOSTILE_NESTED_TABLE:
		*flags_of(spoilt, 0) |= VRING_DESC_F_INDIRECT;
		break;
	default:
		spoil_data(spoilt, kind);
		break;
	}
}

void hostile_packed_chain(struct client *client, enum hostile_chain kind)
{
	struct client_queue *queue = &client->queues[0];
	struct spoilt spoilt = {
		.client = client,
		.queue = queue,
		.slot = &queue->slots[0],
	};

	if (client_has(client, VIRTIO_RING_F_INDIRECT_DESC))
		spoilt.table = client_at(client, spoilt.slot->table);
	spoilt.first = spoilt.slot->place;
	if (!spoil_ring(&spoilt, kind))
		spoil_list(&spoilt, kind);
}
