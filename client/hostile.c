/* SPDX-License-Identifier: MIT */
#include "client/hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "client/memory.h"

uint64_t hostile_random(uint64_t *state)
{
	uint64_t value = *state += 0x9e3779b97f4a7c15ull;

	value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9ull;
	value = (value ^ value >> 27) * 0x94d049bb133111ebull;
	return value ^ value >> 31;
}

int hostile_truncate(struct client *client, uint32_t index, uint64_t size)
{
	struct client_region *region = &client->regions[index];

	region->torn = true;
	if (ftruncate(region->fd, (off_t)size))
		return client_fail(client, "truncate: %s", strerror(errno));
	return 0;
}

int hostile_punch(struct client *client, uint32_t index, uint64_t offset,
		  uint64_t size)
{
	/* Not torn: a hole in tmpfs reads as zeroes, here as in the server. */
	if (fallocate(client->regions[index].fd,
		      FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
		      (off_t)size))
		return client_fail(client, "punch: %s", strerror(errno));
	return 0;
}

int hostile_restore(struct client *client, uint32_t index)
{
	struct client_region *region = &client->regions[index];

	if (ftruncate(region->fd, (off_t)region->size))
		return client_fail(client, "grow: %s", strerror(errno));
	region->torn = false;
	return 0;
}

int hostile_shrink_and_grow(struct client *client, uint32_t region)
{
	if (hostile_truncate(client, region, 0))
		return -1;
	return hostile_restore(client, region);
}

int hostile_clog(struct client *client, uint32_t queue)
{
	int fd = client->queues[queue].call_fd;
	int flags = fcntl(fd, F_GETFL);
	eventfd_t signals;

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK))
		return client_fail(client, "fcntl: %s", strerror(errno));
	/* The largest value: one more blocks.  Beside the server's own signals
	 * it has no room, and would block us. */
	while (eventfd_write(fd, 0xfffffffffffffffeull)) {
		if (errno != EAGAIN)
			return client_fail(client, "eventfd: %s",
					   strerror(errno));
		eventfd_read(fd, &signals);
	}
	if (fcntl(fd, F_SETFL, flags & ~O_NONBLOCK))
		return client_fail(client, "fcntl: %s", strerror(errno));
	return 0;
}

static void spoil_header(struct client *client, enum hostile_chain kind)
{
	struct client_slot *slot = &client->queues[0].slots[0];
	struct virtio_blk_outhdr *header = client_at(client, slot->header);

	if (kind == HOSTILE_WILD_SECTOR)
		header->sector = 0xfffffffffffffff0ull;
	else
		header->type = 0x4711;
}

/* In the available ring itself. */
static void spoil_head(struct client_queue *queue)
{
	uint16_t last = (uint16_t)(queue->avail_index - 1);

	queue->ring.avail->ring[last % queue->ring.num] = 0xfffe;
}

static void spoil_loop(struct vring_desc *table, uint32_t count, bool all)
{
	uint32_t i;

	if (!all) {
		table[1].flags |= VRING_DESC_F_NEXT;
		table[1].next = 1;
		return;
	}
	for (i = 0; i < count; i++) {
		table[i] = table[i ? 1 : 0];
		table[i].flags |= VRING_DESC_F_NEXT;
		table[i].next = (uint16_t)((i + 1) % count);
	}
}

static void spoil_table(struct client *client, enum hostile_chain kind)
{
	struct client_queue *queue = &client->queues[0];
	struct client_slot *slot = &queue->slots[0];
	bool indirect = client_has(client, VIRTIO_RING_F_INDIRECT_DESC);
	struct vring_desc *head = &queue->ring.desc[slot->first];

	switch (kind) {
	case HOSTILE_NESTED_TABLE:
		head->flags |= VRING_DESC_F_INDIRECT;
		if (indirect)
			((struct vring_desc *)client_at(client, slot->table))
				->flags |= VRING_DESC_F_INDIRECT;
		break;
	case HOSTILE_ODD_TABLE:
		head->flags |= VRING_DESC_F_INDIRECT;
		head->len -= 3;
		break;
	case HOSTILE_OWN_TABLE:
		head[indirect ? 0 : 1].addr =
			client_address(client, slot->table);
		break;
	default: /* HOSTILE_OWN_RING */
		head[indirect ? 0 : 1].addr =
			client_address(client, queue->desc_place);
		break;
	}
}

/* table[0] is the header, table[1] data, table[2] the status. */
static void spoil_chain(struct client *client, struct vring_desc *table,
			uint32_t count, enum hostile_chain kind)
{
	struct client_region *region =
		&client->regions[client->queues[0].slots[0].data.region];

	switch (kind) {
	case HOSTILE_LOOP:
	case HOSTILE_LOOP_LONG:
		spoil_loop(table, count, kind == HOSTILE_LOOP_LONG);
		break;
	case HOSTILE_WILD_NEXT:
		table[1].next = 0xfff0;
		break;
	case HOSTILE_WILD_ADDRESS:
		table[1].addr = 0x7000;
		break;
	case HOSTILE_WRAP_ADDRESS:
		table[1].addr = 0xfffffffffffff000ull;
		table[1].len = 0x2000;
		break;
	case HOSTILE_EDGE:
		table[1].addr = region->address + region->size - 512;
		table[1].len = 4096;
		break;
	case HOSTILE_HUGE_LENGTH:
		table[1].len = 0xffffffff;
		break;
	case HOSTILE_ZERO_LENGTH:
		table[1].len = 0;
		break;
	case HOSTILE_NO_STATUS:
		table[2].flags = 0;
		break;
	case HOSTILE_HEADER_ONLY:
		table[0].flags = 0;
		break;
	case HOSTILE_SHORT_HEADER:
		table[0].len = 7;
		break;
	default:
		break;
	}
}

static void spoil_split(struct client *client, enum hostile_chain kind)
{
	struct client_queue *queue = &client->queues[0];
	struct client_slot *slot = &queue->slots[0];
	bool indirect = client_has(client, VIRTIO_RING_F_INDIRECT_DESC);

	switch (kind) {
	case HOSTILE_WILD_HEAD:
		spoil_head(queue);
		break;
	case HOSTILE_NESTED_TABLE:
	case HOSTILE_ODD_TABLE:
	case HOSTILE_OWN_TABLE:
	case HOSTILE_OWN_RING:
		spoil_table(client, kind);
		break;
	default:
		if (indirect)
			spoil_chain(client, client_at(client, slot->table), 3,
				    kind);
		else
			spoil_chain(client, queue->ring.desc, queue->ring.num,
				    kind);
		break;
	}
}

/* A server that polls the ring sees the chain as soon as it is published. */
int hostile_chain(struct client *client, enum hostile_chain kind, uint32_t type)
{
	struct client_queue *queue = &client->queues[0];
	bool packed = client_has(client, VIRTIO_F_RING_PACKED);

	if (client_prepare(client, 0, 0, type, 0, client->options.buffer_size))
		return -1;
	if (kind == HOSTILE_WILD_SECTOR || kind == HOSTILE_UNKNOWN_TYPE)
		spoil_header(client, kind);
	else if (packed)
		hostile_packed_chain(client, kind);
	else
		spoil_split(client, kind);
	if (kind == HOSTILE_WILD_INDEX && !packed)
		store_release(&queue->ring.avail->idx,
			      (uint16_t)(queue->avail_index + 39999));
	else
		client_publish(client, 0, 0);
	return client_kick(client, 0);
}
