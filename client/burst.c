// SPDX-License-Identifier: MIT
#include "client/burst.h"

#include <stdlib.h>

#include "client/memory.h"

/* Header, data, status. */
#define CHAIN 3u

int burst_init(struct burst *burst, struct client *client, uint32_t queue)
{
	uint32_t depth = client->options.depth, i;

	*burst = (struct burst){
		.client = client,
		.queue = &client->queues[queue],
		.number = queue,
		.packed = client_has(client, VIRTIO_F_RING_PACKED),
		.slots = calloc(depth, sizeof(*burst->slots)),
	};
	if (!burst->slots)
		return client_fail(client, "no memory for %u slots", depth);
	for (i = 0; i < depth; i++) {
		struct client_slot *slot = &burst->queue->slots[i];

		slot->type = VIRTIO_BLK_T_IN;
		slot->size = client->options.buffer_size;
		burst->slots[i] = (struct burst_slot){
			.header = client_at(client, slot->header),
			.status = client_at(client, slot->status),
			.data = client_at(client, slot->data),
		};
		burst->slots[i].header->ioprio = 0;
		/* A packed ring's are overwritten by the server. */
		if (!burst->packed)
			client_fill_chain(client, slot,
					  &burst->queue->ring.desc[slot->first],
					  slot->first);
	}
	return 0;
}

void burst_free(struct burst *burst)
{
	free(burst->slots);
	burst->slots = NULL;
}

/* A descriptor that is right is not written: the store would take its cache
 * line from the server, once for each request. */
static void put_split(struct client_queue *queue,
		      const struct client_slot *slot)
{
	struct vring *ring = &queue->ring;
	struct vring_desc *data = &ring->desc[slot->first + 1];
	uint16_t flags = slot->type == VIRTIO_BLK_T_IN
				 ? VRING_DESC_F_NEXT | VRING_DESC_F_WRITE
				 : VRING_DESC_F_NEXT;

	if (data->flags != flags)
		data->flags = flags;
	ring->avail->ring[queue->avail_index++ % ring->num] = slot->first;
}

void burst_put(struct burst *burst, uint32_t index, uint32_t type,
	       uint64_t sector)
{
	struct burst_slot *place = &burst->slots[index];
	struct client_slot *slot = &burst->queue->slots[index];

	place->header->type = type;
	place->header->sector = sector;
	*place->status = CLIENT_STATUS_NONE;
	slot->type = type;
	slot->sector = sector;
	slot->busy = true;
	burst->queue->busy++;
	if (!burst->packed) {
		put_split(burst->queue, slot);
		return;
	}
	client_packed_prepare(burst->client, burst->queue, slot);
	client_packed_publish(burst->queue, slot);
}

int burst_publish(struct burst *burst)
{
	struct client_queue *queue = burst->queue;

	/* The server that sees the index must see the chains. */
	if (!burst->packed)
		store_release(&queue->ring.avail->idx, queue->avail_index);
	return client_kick(burst->client, burst->number);
}

static int take_split(struct burst *burst, uint32_t *index)
{
	struct client_queue *queue = burst->queue;
	struct vring_used *used = queue->ring.used;
	uint32_t id;

	if (load_acquire(&used->idx) == queue->used_index)
		return 0;
	id = used->ring[queue->used_index % queue->ring.num].id;
	*index = id / CHAIN;
	if (id % CHAIN != 0 || *index >= burst->client->options.depth ||
	    !queue->slots[*index].busy)
		return client_fail(burst->client,
				   "completion of %u, which is not in flight",
				   id);
	queue->used_index++;
	return 1;
}

int burst_take(struct burst *burst, uint32_t *index)
{
	struct client_queue *queue = burst->queue;
	uint32_t length;
	int found;

	found = burst->packed ? client_packed_take(burst->client, queue, index,
						   &length)
			      : take_split(burst, index);
	if (found != 1)
		return found;
	queue->slots[*index].busy = false;
	queue->busy--;
	return 1;
}

void burst_want_call(struct burst *burst)
{
	client_want_call(burst->client, burst->queue);
}
