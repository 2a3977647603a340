/* SPDX-License-Identifier: MIT */
/*
 * Where rings, headers, status bytes and buffers lie.  The three parts of a
 * ring, the headers, the status bytes and each buffer start on pages of their
 * own, so that a hostile act can take one away and leave the others.
 */
#include <stdlib.h>
#include <string.h>

#include "client/memory.h"

#define PAGE	  4096u
#define DESC_SIZE ((uint64_t)sizeof(struct vring_desc))

static uint64_t pages(uint64_t size)
{
	return (size + PAGE - 1) / PAGE * PAGE;
}

uint64_t client_ring_need(const struct client_options *options)
{
	uint64_t size = options->queue_size;
	uint64_t ring = pages(size * DESC_SIZE) + pages(8 + 2 * size) +
			pages(8 + 8 * size);
	uint64_t table = (2 + options->segments) * DESC_SIZE;
	uint64_t each =
		pages(options->depth * sizeof(struct virtio_blk_outhdr)) +
		pages(options->depth) + pages(options->depth * table) +
		options->depth * pages(options->buffer_size);

	return options->queue_count * (ring + each);
}

static uint32_t data_region(const struct client_options *options,
			    uint32_t number)
{
	uint32_t count = options->region_count;

	return count > 2 ? 2 + number % (count - 2) : count - 1;
}

static int place_ring(struct client *client, struct client_queue *queue)
{
	uint64_t size = client->options.queue_size;

	if (client_memory_place(client, 0, size * DESC_SIZE, PAGE,
				&queue->desc_place) ||
	    client_memory_place(client, 0, 6 + 2 * size, PAGE,
				&queue->avail_place) ||
	    client_memory_place(client, 0, 6 + 8 * size, PAGE,
				&queue->used_place))
		return -1;
	queue->ring.num = (unsigned int)size;
	queue->ring.desc = client_at(client, queue->desc_place);
	queue->ring.avail = client_at(client, queue->avail_place);
	queue->ring.used = client_at(client, queue->used_place);
	return 0;
}

static int place_slots(struct client *client, struct client_queue *queue,
		       uint32_t number)
{
	const struct client_options *options = &client->options;
	uint32_t control = options->region_count > 1;
	uint64_t table = (2 + options->segments) * DESC_SIZE;
	struct client_slot *slots = queue->slots;
	uint32_t depth = options->depth, i;

	for (i = 0; i < depth; i++)
		if (client_memory_place(client, control,
					sizeof(struct virtio_blk_outhdr),
					i ? 16 : PAGE, &slots[i].header))
			return -1;
	for (i = 0; i < depth; i++)
		if (client_memory_place(client, control, 1, i ? 1 : PAGE,
					&slots[i].status))
			return -1;
	for (i = 0; i < depth; i++)
		if (client_memory_place(client, control, table, i ? 16 : PAGE,
					&slots[i].table))
			return -1;
	for (i = 0; i < depth; i++)
		if (client_memory_place(
			    client, data_region(options, number * depth + i),
			    options->buffer_size, PAGE, &slots[i].data))
			return -1;
	return 0;
}

int client_ring_place(struct client *client)
{
	uint32_t i;

	for (i = 0; i < client->options.queue_count; i++) {
		struct client_queue *queue = &client->queues[i];

		queue->slots =
			calloc(client->options.depth, sizeof(*queue->slots));
		if (!queue->slots)
			return client_fail(client, "no memory for %u slots",
					   client->options.depth);
		if (place_ring(client, queue) || place_slots(client, queue, i))
			return -1;
	}
	return 0;
}

void client_queue_reset(struct client *client, uint32_t index)
{
	struct client_queue *queue = &client->queues[index];
	uint32_t size = client->options.queue_size;
	uint32_t each = client_has(client, VIRTIO_RING_F_INDIRECT_DESC)
				? 1
				: 2 + client->options.segments;

	memset(queue->ring.desc, 0, size * sizeof(struct vring_desc));
	memset(queue->ring.avail, 0, 6 + 2 * (size_t)size);
	memset(queue->ring.used, 0, 6 + 8 * (size_t)size);
	if (client->options.polling)
		queue->ring.avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	if (client_has(client, VIRTIO_F_RING_PACKED))
		client_packed_reset(client, queue);
	queue->avail_index = queue->used_index = 0;
	queue->kick_index = 0;
	queue->fresh = true;
	queue->busy = 0;
	for (uint32_t j = 0; j < client->options.depth; j++) {
		queue->slots[j].first = (uint16_t)(j * each);
		queue->slots[j].busy = false;
	}
}

/* Rings as a server finds them after a reset of the device. */
void client_ring_reset(struct client *client)
{
	for (uint32_t i = 0; i < client->options.queue_count; i++)
		client_queue_reset(client, i);
}
