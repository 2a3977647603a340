// SPDX-License-Identifier: MIT
#include "program/bench/bench.h"

#include <stdlib.h>

/* The default area for verification, which writes and reads all of it. */
#define VERIFIED_AREA (16ull << 20)

int disk_init(struct disk *disk, const struct bench_options *options,
	      uint64_t capacity)
{
	uint64_t area = options->area;

	if (!area)
		area = options->verify && capacity > VERIFIED_AREA
			       ? VERIFIED_AREA
			       : capacity;
	*disk = (struct disk){
		.block_size = options->block_size,
		.block_count = area / options->block_size,
		.read_share = options->read_share,
		.sequential = options->sequential,
		.random = 0x9e3779b97f4a7c15ull,
	};
	if (!options->verify)
		return 0;
	disk->rounds = calloc(disk->block_count, sizeof(*disk->rounds));
	disk->busy = calloc(disk->block_count, sizeof(*disk->busy));
	return disk->rounds && disk->busy ? 0 : -1;
}

void disk_free(struct disk *disk)
{
	free(disk->rounds);
	free(disk->busy);
	disk->rounds = NULL;
	disk->busy = NULL;
}

void disk_begin(struct disk *disk, enum disk_phase phase)
{
	disk->phase = phase;
	disk->next = 0;
}

/* xorshift64*, whose high bits are the good ones. */
static uint32_t draw(struct disk *disk)
{
	disk->random ^= disk->random >> 12;
	disk->random ^= disk->random << 25;
	disk->random ^= disk->random >> 27;
	return (uint32_t)(disk->random * 0x2545f4914f6cdd1dull >> 32);
}

static uint64_t pick(struct disk *disk)
{
	if (disk->sequential)
		return disk->next++ % disk->block_count;
	/* Two draws where 32 bits are too few to reach every block. */
	if (disk->block_count > UINT32_MAX)
		return ((uint64_t)draw(disk) << 32 | draw(disk)) %
		       disk->block_count;
	return (uint64_t)draw(disk) * disk->block_count >> 32;
}

bool disk_next(struct disk *disk, struct disk_request *request)
{
	if (disk->phase != DISK_LOAD) {
		request->block = disk->next++;
		request->write = disk->phase == DISK_FILL;
		return request->block < disk->block_count;
	}
	request->write =
		disk->read_share < 100 && draw(disk) % 100 >= disk->read_share;
	request->block = pick(disk);
	if (!disk->busy)
		return true;
	/* Two requests for a block could end in either order.  There are more
	 * blocks than requests in flight. */
	while (disk->busy[request->block])
		request->block = (request->block + 1) % disk->block_count;
	return true;
}

uint64_t disk_sector(const struct disk *disk, uint64_t block)
{
	return block * (disk->block_size / CLIENT_SECTOR);
}

void disk_prepare(struct disk *disk, const struct disk_request *request,
		  uint8_t *data)
{
	if (!disk->busy)
		return;
	disk->busy[request->block] = true;
	if (request->write)
		client_pattern(data, disk->block_size,
			       ++disk->rounds[request->block],
			       disk_sector(disk, request->block));
}

size_t disk_done(struct disk *disk, const struct disk_request *request,
		 const uint8_t *data)
{
	if (!disk->busy)
		return disk->block_size;
	disk->busy[request->block] = false;
	if (request->write)
		return disk->block_size;
	return client_verify(data, disk->block_size,
			     disk->rounds[request->block],
			     disk_sector(disk, request->block));
}
