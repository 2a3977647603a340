/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "client/memory.h"

uint64_t client_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint8_t *client_data(struct client *client, uint32_t queue, uint32_t slot)
{
	return client_at(client, client->queues[queue].slots[slot].data);
}

static void prepare(struct client *client, struct client_queue *queue,
		    struct client_slot *slot)
{
	struct vring *ring = &queue->ring;
	struct vring_desc *table;

	if (client_has(client, VIRTIO_RING_F_INDIRECT_DESC)) {
		table = client_at(client, slot->table);
		ring->desc[slot->first] = (struct vring_desc){
			.addr = client_address(client, slot->table),
			.len = client_fill_chain(client, slot, table, 0) *
			       (uint32_t)sizeof(*table),
			.flags = VRING_DESC_F_INDIRECT,
		};
	} else {
		client_fill_chain(client, slot, &ring->desc[slot->first],
				  slot->first);
	}
	ring->avail->ring[queue->avail_index++ % ring->num] = slot->first;
}

int client_prepare(struct client *client, uint32_t number, uint32_t index,
		   uint32_t type, uint64_t sector, uint32_t size)
{
	struct client_queue *queue = &client->queues[number];
	struct client_slot *slot = &queue->slots[index];
	struct virtio_blk_outhdr *header;
	uint8_t *status;

	if (slot->busy)
		return client_fail(client, "slot %u is in flight", index);
	if (size > client->options.buffer_size)
		return client_fail(client, "%u bytes do not fit", size);
	if (client->regions[0].torn ||
	    client->regions[slot->header.region].torn)
		return client_fail(client, "our own memory is torn");
	header = client_at(client, slot->header);
	header->type = type;
	header->ioprio = 0;
	header->sector = sector;
	status = client_at(client, slot->status);
	*status = CLIENT_STATUS_NONE;
	slot->type = type;
	slot->size = size;
	slot->sector = sector;
	slot->busy = true;
	queue->busy++;
	slot->started_ns = client_now_ns();
	if (client_has(client, VIRTIO_F_RING_PACKED))
		client_packed_prepare(client, queue, slot);
	else
		prepare(client, queue, slot);
	return 0;
}

void client_publish(struct client *client, uint32_t number, uint32_t index)
{
	struct client_queue *queue = &client->queues[number];

	/* The server that sees the index must see the chain. */
	if (client_has(client, VIRTIO_F_RING_PACKED))
		client_packed_publish(queue, &queue->slots[index]);
	else
		store_release(&queue->ring.avail->idx, queue->avail_index);
}

int client_submit(struct client *client, uint32_t queue, uint32_t slot,
		  uint32_t type, uint64_t sector, uint32_t size)
{
	if (client_prepare(client, queue, slot, type, sector, size))
		return -1;
	client_publish(client, queue, slot);
	return 0;
}

/* Does the server want to hear of what came since this was last asked?  A
 * ring starts with a kick, whatever it holds. */
static bool wants_kick(struct client *client, struct client_queue *queue)
{
	uint16_t before = queue->kick_index, event;
	struct vring *ring = &queue->ring;

	if (client->regions[0].torn)
		return true;
	if (client_has(client, VIRTIO_F_RING_PACKED))
		return client_packed_wants_kick(queue) || queue->fresh;
	queue->kick_index = queue->avail_index;
	if (queue->fresh)
		return true;
	if (!client_has(client, VIRTIO_RING_F_EVENT_IDX))
		return !(load_acquire(&ring->used->flags) &
			 VRING_USED_F_NO_NOTIFY);
	event = load_acquire((uint16_t *)&vring_avail_event(ring));
	return vring_need_event(event, queue->avail_index, before);
}

int client_kick(struct client *client, uint32_t number)
{
	struct client_queue *queue = &client->queues[number];

	/* Our index must be out before we read the server's wish: it publishes
	 * its wish, then looks at the index. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!wants_kick(client, queue))
		return 0;
	queue->fresh = false;
	queue->kicks++;
	if (eventfd_write(queue->kick_fd, 1) && errno != EAGAIN)
		return client_fail(client, "kick: %s", strerror(errno));
	return 0;
}

/* The next of the used ring: which request, by the descriptor it began at. */
static int take_split(struct client *client, struct client_queue *queue,
		      uint32_t *first, uint32_t *length)
{
	uint32_t place = queue->used_index % queue->ring.num;
	uint16_t ahead;

	ahead = (uint16_t)(load_acquire(&queue->ring.used->idx) -
			   queue->used_index);
	if (ahead == 0)
		return 0;
	if (ahead > queue->busy)
		return client_fail(client, "%u completions of %u requests",
				   ahead, queue->busy);
	*first = queue->ring.used->ring[place].id;
	*length = queue->ring.used->ring[place].len;
	queue->used_index++;
	return 1;
}

static int take(struct client *client, struct client_queue *queue,
		struct client_completion *completion)
{
	bool packed = client_has(client, VIRTIO_F_RING_PACKED);
	uint32_t id = 0, i;
	int found;

	found = packed ? client_packed_take(client, queue, &id,
					    &completion->length)
		       : take_split(client, queue, &id, &completion->length);
	if (found != 1)
		return found;
	for (i = 0; i < client->options.depth; i++) {
		struct client_slot *slot = &queue->slots[i];

		if (!slot->busy || (packed ? i : slot->first) != id)
			continue;
		slot->busy = false;
		queue->busy--;
		completion->slot = i;
		completion->type = slot->type;
		completion->latency_ns = client_now_ns() - slot->started_ns;
		completion->status = CLIENT_STATUS_NONE;
		client_peek(client, slot->status, &completion->status, 1);
		return 1;
	}
	return client_fail(client, "completion of %u, which is not in flight",
			   id);
}

static bool hung_up(struct client *client, int timeout_ms, int call_fd)
{
	struct pollfd pollers[2] = {
		{ .fd = client->socket, .events = POLLRDHUP },
		{ .fd = call_fd, .events = POLLIN },
	};

	if (poll(pollers, call_fd >= 0 ? 2 : 1, timeout_ms) > 0 &&
	    pollers[0].revents) {
		client->lost = true;
		client_fail(client, "the server hung up");
		return true;
	}
	return false;
}

void client_want_call(struct client *client, struct client_queue *queue)
{
	if (!client_has(client, VIRTIO_RING_F_EVENT_IDX))
		;
	else if (client_has(client, VIRTIO_F_RING_PACKED))
		client_packed_want_call(queue);
	else
		store_release(&vring_used_event(&queue->ring),
			      queue->used_index);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

int client_wait(struct client *client, uint32_t number,
		struct client_completion *completion, uint32_t timeout_ms)
{
	struct client_queue *queue = &client->queues[number];
	uint64_t end = client_now_ns() + timeout_ms * 1000000ull;
	bool polling = client->options.polling;
	eventfd_t calls;
	uint64_t now;
	uint32_t round;
	int found;

	if (client->regions[0].torn)
		return client_fail(client, "our own rings are torn");
	for (round = 0;; round++) {
		found = take(client, queue, completion);
		if (found)
			return found;
		if (polling && round % 256 != 255)
			continue;
		if (!polling) {
			client_want_call(client, queue);
			found = take(client, queue, completion);
			if (found)
				return found;
		}
		now = client_now_ns();
		if (hung_up(client,
			    polling || now >= end
				    ? 0
				    : (int)((end - now) / 1000000) + 1,
			    polling ? -1 : queue->call_fd)) {
			/* What came before the end still counts. */
			found = take(client, queue, completion);
			return found ? found : -1;
		}
		if (!polling)
			eventfd_read(queue->call_fd, &calls);
		if (now >= end)
			return 0;
	}
}

int client_io(struct client *client, uint32_t queue, uint32_t type,
	      uint64_t sector, uint32_t size)
{
	struct client_completion completion = { .status = CLIENT_STATUS_NONE };
	int found;

	if (client_submit(client, queue, 0, type, sector, size) ||
	    client_kick(client, queue))
		return -1;
	found = client_wait(client, queue, &completion,
			    client->options.timeout_ms);
	if (found < 0)
		return -1;
	if (found == 0)
		return client_fail(client,
				   "request %u at sector %llu: no "
				   "answer for %u ms",
				   type, (unsigned long long)sector,
				   client->options.timeout_ms);
	return completion.status;
}

/* A step of splitmix64: every word differs with seed and place. */
static uint64_t mix(uint64_t value)
{
	value += 0x9e3779b97f4a7c15ull;
	value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9ull;
	value = (value ^ value >> 27) * 0x94d049bb133111ebull;
	return value ^ value >> 31;
}

static uint64_t word_at(uint64_t seed, uint64_t byte)
{
	return mix(seed ^ mix(byte));
}

void client_pattern(void *bytes, size_t size, uint64_t seed, uint64_t sector)
{
	uint64_t first = sector * CLIENT_SECTOR, word;
	size_t i;

	for (i = 0; i + sizeof(word) <= size; i += sizeof(word)) {
		word = word_at(seed, first + i);
		memcpy((uint8_t *)bytes + i, &word, sizeof(word));
	}
}

size_t client_verify(const void *bytes, size_t size, uint64_t seed,
		     uint64_t sector)
{
	uint64_t first = sector * CLIENT_SECTOR, word;
	size_t i, j;

	for (i = 0; i + sizeof(word) <= size; i += sizeof(word)) {
		word = word_at(seed, first + i);
		if (!memcmp((const uint8_t *)bytes + i, &word, sizeof(word)))
			continue;
		for (j = 0; j < sizeof(word); j++)
			if (((const uint8_t *)bytes)[i + j] !=
			    (uint8_t)(word >> 8 * j))
				return i + j;
	}
	return size;
}
