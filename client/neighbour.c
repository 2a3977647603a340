/* SPDX-License-Identifier: MIT */
#include "client/neighbour.h"

#include <stdlib.h>
#include <string.h>

#include "client/hostile.h"

/* One in so many requests is a flush. */
#define FLUSH_EACH 64

static uint32_t bucket_of(uint64_t ns)
{
	uint32_t power;

	if (ns < 32)
		return (uint32_t)ns / 2;
	power = 63 - (uint32_t)__builtin_clzll(ns);
	return (power - 4) * 16 + (uint32_t)(ns >> (power - 4) & 15);
}

static uint64_t bucket_end(uint32_t bucket)
{
	uint32_t power = bucket / 16 + 4;

	if (bucket < 16)
		return 2ull * bucket;
	return (16ull + bucket % 16 + 1) << (power - 4);
}

uint64_t neighbour_quantile_ns(const struct neighbour_counts *counts,
			       double share)
{
	uint64_t all = 0, sum = 0;
	uint32_t i;

	for (i = 0; i < NEIGHBOUR_BUCKETS; i++)
		all += counts->latency[i];
	for (i = 0; i < NEIGHBOUR_BUCKETS; i++) {
		sum += counts->latency[i];
		if (sum > 0 && (double)sum >= share * (double)all)
			return bucket_end(i);
	}
	return 0;
}

void neighbour_add(struct neighbour_counts *sum,
		   const struct neighbour_counts *counts)
{
	uint32_t i;

	sum->requests += counts->requests;
	sum->written += counts->written;
	sum->verified += counts->verified;
	sum->flushes += counts->flushes;
	if (counts->slowest_ns > sum->slowest_ns)
		sum->slowest_ns = counts->slowest_ns;
	for (i = 0; i < NEIGHBOUR_BUCKETS; i++)
		sum->latency[i] += counts->latency[i];
}

int neighbour_init(struct neighbour *neighbour, struct client *client,
		   struct neighbour_counts *counts, uint64_t seed,
		   uint64_t first_sector, uint32_t block_max)
{
	uint64_t sectors = client->options.buffer_size / CLIENT_SECTOR;
	uint64_t room = client->capacity > first_sector
				? (client->capacity - first_sector) / sectors
				: 0;

	memset(neighbour, 0, sizeof(*neighbour));
	if (room == 0 || block_max == 0 ||
	    room < (uint64_t)client->options.depth *
			    client->options.queue_count)
		return client_fail(client, "the disk is too small");
	neighbour->client = client;
	neighbour->counts = counts;
	neighbour->seed = neighbour->random = seed;
	neighbour->first_sector = first_sector;
	neighbour->block_count = room < block_max ? (uint32_t)room : block_max;
	neighbour->written = calloc(neighbour->block_count, sizeof(uint32_t));
	neighbour->pending = calloc(neighbour->block_count, sizeof(uint32_t));
	if (!neighbour->written || !neighbour->pending) {
		neighbour_free(neighbour);
		return client_fail(client, "no memory for generations");
	}
	return 0;
}

void neighbour_free(struct neighbour *neighbour)
{
	free(neighbour->written);
	free(neighbour->pending);
	neighbour->written = neighbour->pending = NULL;
}

static uint64_t sector_of(const struct neighbour *neighbour, uint32_t block)
{
	return neighbour->first_sector +
	       (uint64_t)block *
		       (neighbour->client->options.buffer_size / CLIENT_SECTOR);
}

static uint64_t seed_of(const struct neighbour *neighbour, uint32_t generation)
{
	return neighbour->seed << 32 ^ generation;
}

static int submit(struct neighbour *neighbour, uint32_t queue, uint32_t slot,
		  uint32_t block, bool write)
{
	struct client *client = neighbour->client;
	uint32_t size = client->options.buffer_size;
	uint64_t sector = sector_of(neighbour, block);
	uint8_t *data = client_data(client, queue, slot);

	neighbour->pending[block] = neighbour->written[block] + write;
	if (write)
		client_pattern(data, size,
			       seed_of(neighbour, neighbour->pending[block]),
			       sector);
	else
		memset(data, 0xee, size);
	return client_submit(client, queue, slot,
			     write ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN, sector,
			     size);
}

/* A block that is not in flight, or -1: a few draws are enough. */
static int64_t draw_block(struct neighbour *neighbour)
{
	int tries;

	for (tries = 0; tries < 16; tries++) {
		uint32_t block = (uint32_t)(hostile_random(&neighbour->random) %
					    neighbour->block_count);

		if (!neighbour->pending[block])
			return block;
	}
	return -1;
}

static int fill_slot(struct neighbour *neighbour, uint32_t queue, uint32_t slot)
{
	uint64_t draw = hostile_random(&neighbour->random);
	int64_t block = draw_block(neighbour);

	if (draw % FLUSH_EACH == 0)
		return client_submit(neighbour->client, queue, slot,
				     VIRTIO_BLK_T_FLUSH, 0, 0);
	if (block < 0)
		return 0;
	return submit(neighbour, queue, slot, (uint32_t)block,
		      !neighbour->written[block] || draw >> 32 & 1);
}

static int check_data(struct neighbour *neighbour, uint32_t queue,
		      uint32_t slot, uint32_t block)
{
	struct client *client = neighbour->client;
	uint32_t size = client->options.buffer_size;
	size_t good =
		client_verify(client_data(client, queue, slot), size,
			      seed_of(neighbour, neighbour->written[block]),
			      sector_of(neighbour, block));

	if (good < size)
		return client_fail(client, "WRONG DATA in block %u, byte %zu",
				   block, good);
	/* Whoever shows progress reads it from another thread. */
	__atomic_store_n(&neighbour->counts->verified,
			 neighbour->counts->verified + size, __ATOMIC_RELAXED);
	return 0;
}

static int complete(struct neighbour *neighbour, uint32_t queue,
		    const struct client_completion *completion)
{
	struct neighbour_counts *counts = neighbour->counts;
	struct client *client = neighbour->client;
	uint32_t size = client->options.buffer_size, block;
	struct client_slot *slot =
		&client->queues[queue].slots[completion->slot];

	if (completion->status != VIRTIO_BLK_S_OK)
		return client_fail(client,
				   "request %u at sector %llu: status "
				   "%u",
				   completion->type,
				   (unsigned long long)slot->sector,
				   completion->status);
	counts->requests++;
	counts->latency[bucket_of(completion->latency_ns)]++;
	if (completion->latency_ns > counts->slowest_ns)
		counts->slowest_ns = completion->latency_ns;
	if (completion->type == VIRTIO_BLK_T_FLUSH) {
		counts->flushes++;
		return 0;
	}
	block = (uint32_t)((slot->sector - neighbour->first_sector) /
			   (size / CLIENT_SECTOR));
	neighbour->written[block] = neighbour->pending[block];
	neighbour->pending[block] = 0;
	if (completion->type == VIRTIO_BLK_T_IN)
		return check_data(neighbour, queue, completion->slot, block);
	counts->written += size;
	return 0;
}

/* At least one completion of the queue, and all that is there. */
static int take(struct neighbour *neighbour, uint32_t queue)
{
	struct client *client = neighbour->client;
	uint32_t patience = client->options.timeout_ms;
	struct client_completion completion;
	int found;

	while (client->queues[queue].busy) {
		found = client_wait(client, queue, &completion, patience);
		if (found < 0)
			return -1;
		if (found == 0 && patience > 0)
			return client_fail(client, "no completion for %u ms",
					   patience);
		if (found == 0)
			break;
		if (complete(neighbour, queue, &completion))
			return -1;
		patience = 0;
	}
	return 0;
}

int neighbour_step(struct neighbour *neighbour)
{
	struct client *client = neighbour->client;
	uint32_t queue, slot;

	for (queue = 0; queue < client->options.queue_count; queue++) {
		for (slot = 0; slot < client->options.depth; slot++)
			if (!client->queues[queue].slots[slot].busy &&
			    fill_slot(neighbour, queue, slot))
				return -1;
		if (client_kick(client, queue))
			return -1;
	}
	for (queue = 0; queue < client->options.queue_count; queue++)
		if (take(neighbour, queue))
			return -1;
	return 0;
}

int neighbour_drain(struct neighbour *neighbour)
{
	struct client *client = neighbour->client;
	uint32_t queue;

	for (queue = 0; queue < client->options.queue_count; queue++)
		while (client->queues[queue].busy)
			if (take(neighbour, queue))
				return -1;
	return 0;
}

int neighbour_sweep(struct neighbour *neighbour)
{
	struct client *client = neighbour->client;
	uint32_t depth = client->options.depth, slot = 0, block;

	if (neighbour_drain(neighbour))
		return -1;
	for (block = 0; block < neighbour->block_count; block++) {
		if (!neighbour->written[block])
			continue;
		if (submit(neighbour, 0, slot, block, false))
			return -1;
		if (++slot < depth)
			continue;
		if (client_kick(client, 0) || neighbour_drain(neighbour))
			return -1;
		slot = 0;
	}
	if (client_kick(client, 0) || neighbour_drain(neighbour))
		return -1;
	if (client_io(client, 0, VIRTIO_BLK_T_FLUSH, 0, 0) != VIRTIO_BLK_S_OK)
		return client_fail(client, "the last flush failed");
	return 0;
}
