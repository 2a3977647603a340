/* SPDX-License-Identifier: MIT */
/*
 * With `direct`, whatever the alignment of a client's memory: if one request
 * went through the page cache, the page that it left there would later be
 * written over what others had written past the cache.  And a part of a block,
 * which O_DIRECT cannot write, leaves alone what others write to the same block
 * at the same time.
 *
 * Disks: a file where files usually are, and block devices with sectors of 512
 * and of 4,096 bytes, on loop devices where those are to be had.
 */
#include "serve.h"

#include <errno.h>
#include <sys/mman.h>

#include "loop-device.h"

#define DISK   (4u << 20)
#define SIZE   16384u
#define PAGE   4096u
#define DEPTH  8u
#define ROUNDS 40u

static void open_client(struct client *client, uint32_t export)
{
	const struct client_options options = {
		.socket_path = backend.exports[export].socket_path,
		.region_count = 3,
		.depth = DEPTH,
		.buffer_size = SIZE,
	};

	CHECK(client_open(client, &options) == 0, "open: %s", client->error);
	DO(client, client_start(client));
}

static int zero(struct client *client, uint64_t sector, uint32_t sectors)
{
	const struct {
		uint64_t sector;
		uint32_t sectors, flags;
	} range = { sector, sectors, 0 };

	memcpy(client_data(client, 0, 0), &range, sizeof(range));
	return client_io(client, 0, VIRTIO_BLK_T_WRITE_ZEROES, 0,
			 sizeof(range));
}

/* Pages of the file that the cache holds. */
static uint32_t pages_cached(int fd)
{
	unsigned char there[DISK / PAGE];
	void *map = mmap(NULL, DISK, PROT_READ, MAP_SHARED, fd, 0);
	uint32_t count = 0;

	CHECK(map != MAP_FAILED && mincore(map, DISK, there) == 0, "mincore");
	munmap(map, DISK);
	for (uint32_t i = 0; i < DISK / PAGE; i++)
		count += there[i] & 1;
	return count;
}

/* Requests of which O_DIRECT refuses the memory, the place, or both. */
static void unaligned(struct client *client)
{
	struct client_place *place = &client->queues[0].slots[0].data;
	uint64_t start = place->offset;

	for (uint32_t shift = 0; shift < 3; shift++) {
		for (uint64_t sector = 0; sector < 20; sector++) {
			place->offset = start + shift;
			CHECK(client_io(client, 0, VIRTIO_BLK_T_OUT, sector,
					512 << sector % 4) == 0 &&
				      client_io(client, 0, VIRTIO_BLK_T_IN,
						sector, 1024) == 0,
			      "sector %llu, shifted by %u: %s",
			      (unsigned long long)sector, shift, client->error);
		}
	}
	place->offset = start;
	CHECK(zero(client, 100, 1) == 0 && zero(client, 103, 40) == 0,
	      "zeroes: %s", client->error);
}

static void past_the_cache(uint32_t export, int fd)
{
	struct client client;

	open_client(&client, export);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	CHECK(pages_cached(fd) == 0, "export %u: the cache is not empty",
	      export);
	unaligned(&client);
	CHECK(pages_cached(fd) == 0, "export %u: %u pages are in the cache",
	      export, pages_cached(fd));
	client_close(&client);
}

static void check_sector(const uint8_t *data, uint64_t seed, uint64_t sector,
			 const char *what)
{
	CHECK(client_verify(data, CLIENT_SECTOR, seed, sector) == CLIENT_SECTOR,
	      "%s: an acknowledged write of sector %llu is lost", what,
	      (unsigned long long)sector);
}

static void wait_all(struct client *client, uint32_t count)
{
	struct client_completion done;

	DO(client, client_kick(client, 0));
	while (count--)
		CHECK(client_wait(client, 0, &done, 5000) == 1 &&
			      done.status == VIRTIO_BLK_S_OK,
		      "write: %s", client->error);
}

static const uint8_t *read_block(struct client *client, uint64_t sector)
{
	CHECK(client_io(client, 0, VIRTIO_BLK_T_IN, sector, PAGE) == 0,
	      "read: %s", client->error);
	return client_data(client, 0, 0);
}

/* All sectors of a block at once. */
static void neighbours(struct client *client, uint64_t seed)
{
	const uint8_t *data;

	for (uint32_t i = 0; i < DEPTH; i++) {
		client_pattern(client_data(client, 0, i), 512, seed, 64 + i);
		DO(client,
		   client_submit(client, 0, i, VIRTIO_BLK_T_OUT, 64 + i, 512));
	}
	wait_all(client, DEPTH);
	data = read_block(client, 64);
	for (uint32_t i = 0; i < DEPTH; i++)
		check_sector(data + (size_t)i * 512, seed, 64 + i,
			     "neighbours");
}

/* Parts of two blocks, beside a write of both. */
static void part_and_whole(struct client *client, uint64_t seed)
{
	const uint8_t *data;

	for (uint32_t i = 0; i < 3; i++) {
		uint64_t sector = i == 1 ? 128 : 129 + 4 * i;
		uint32_t size = i == 1 ? 2 * PAGE : 512;

		client_pattern(client_data(client, 0, i), size, seed + i,
			       sector);
		DO(client,
		   client_submit(client, 0, i, VIRTIO_BLK_T_OUT, sector, size));
	}
	wait_all(client, 3);
	for (uint64_t sector = 128; sector < 144; sector++) {
		data = read_block(client, sector);
		if (sector != 129 && sector != 137)
			check_sector(data, seed + 1, sector, "part and whole");
	}
}

static void parts_of_blocks(uint32_t export)
{
	struct client client;

	open_client(&client, export);
	for (uint64_t round = 1; round <= ROUNDS; round++) {
		neighbours(&client, 10 * round);
		part_and_whole(&client, 10 * round);
	}
	client_close(&client);
}

/* Add an export of a loop device.  -1: it cannot be had. */
static int add_loop(const char *name, uint32_t sector)
{
	static char paths[2][LOOP_DEVICE_PATH];
	static uint32_t count;
	char *file = make_image(name, DISK);
	int fd = loop_device_on(file, sector, paths[count]);

	free(file);
	if (fd >= 0)
		backend.exports[backend_add(&backend, paths[count++], 0)]
			.direct = true;
	return fd;
}

int main(void)
{
	char *disk;
	int fds[3];

	serve_init(60);
	disk = make_image("disk", DISK);
	fds[0] = open(disk, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (fds[0] < 0) {
		puts("skipped: no O_DIRECT where temporary files are");
		backend_free(&backend);
		return SKIP;
	}
	backend.exports[backend_add(&backend, disk, 0)].direct = true;
	fds[1] = add_loop("512", 512);
	fds[2] = fds[1] >= 0 ? add_loop("4096", 4096) : -1;
	if (fds[2] < 0)
		printf("block devices are not looked at: a loop device cannot "
		       "be had: %s\n",
		       strerror(errno));
	serve_start();
	for (uint32_t i = 0; i < backend.export_count; i++) {
		past_the_cache(i, fds[i]);
		parts_of_blocks(i);
	}
	serve_end();
	for (uint32_t i = 0; i < 3; i++)
		close(fds[i]);
	free(disk);
	return 0;
}
