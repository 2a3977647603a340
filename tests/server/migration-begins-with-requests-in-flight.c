/* SPDX-License-Identifier: MIT */
/*
 * A migration begins while the disk does not answer: the client is not kept
 * waiting, and what its requests write when they end is in the log of writes.
 */
#include "dirty-log.h"

#include <poll.h>
#include <sys/mman.h>

#include "on-held-disk.h"

#define DISK  (4u << 20)
#define SIZE  16384u
#define DEPTH 8u

static uint8_t *bitmap;

static uint64_t make_bitmap(struct client *client, int *fd)
{
	const struct client_region *last =
		&client->regions[client->options.region_count - 1];
	uint64_t size = (last->address + last->size) / PAGE / 8 + 8;

	*fd = memfd_create("bitmap", MFD_CLOEXEC);
	CHECK(*fd >= 0 && ftruncate(*fd, (off_t)size) == 0, "memfd");
	bitmap = mmap(NULL, size, PROT_READ, MAP_SHARED, *fd, 0);
	CHECK(bitmap != MAP_FAILED, "mmap");
	return size;
}

static void is_named(uint64_t address, uint64_t size, const char *what)
{
	for (uint64_t page = address / PAGE;
	     page <= (address + size - 1) / PAGE; page++)
		CHECK(bitmap[page / 8] >> page % 8 & 1,
		      "page %llu of %s is not in the log",
		      (unsigned long long)page, what);
}

static void begin(struct client *client)
{
	held_disk_hold();
	for (uint32_t i = 0; i < DEPTH; i++)
		DO(client, client_submit(client, 0, i, VIRTIO_BLK_T_IN,
					 i * (SIZE / CLIENT_SECTOR), SIZE));
	DO(client, client_kick(client, 0));
	while (held_disk_waiting() == 0)
		poll(NULL, 0, 2);
}

static void end(struct client *client)
{
	struct client_completion completion;

	held_disk_release();
	while (client->queues[0].busy) {
		CHECK(client_wait(client, 0, &completion, 10000) == 1,
		      "no answer: %s", client->error);
		CHECK(completion.status == 0, "status %u", completion.status);
	}
}

static void migration(bool packed)
{
	const struct client_options options = {
		.socket_path = backend.exports[0].socket_path,
		.depth = DEPTH,
		.buffer_size = SIZE,
		.region_count = 3,
		.packed = packed,
	};
	struct client client;
	uint64_t size;
	int fd;

	CHECK(client_open(&client, &options) == 0, "open: %s", client.error);
	DO(&client, client_start(&client));
	size = make_bitmap(&client, &fd);
	begin(&client);
	CHECK(log_base(&client, size, 0, fd) == 0, "%s", client.error);
	log_rings(&client);
	CHECK(held_disk_waiting() > 0, "nothing is in flight any more");
	end(&client);
	DO(&client, client_stop(&client));
	for (uint32_t i = 0; i < DEPTH; i++)
		is_named(
			client_address(&client, client.queues[0].slots[i].data),
			SIZE, "data");
	is_named(client_address(&client, packed ? client.queues[0].desc_place
						: client.queues[0].used_place),
		 1, "the ring");
	munmap(bitmap, size);
	close(fd);
	client_close(&client);
}

int main(void)
{
	(void)begin_on_held_disk(DISK, NULL);
	serve_start();
	migration(false);
	migration(true);
	CHECK(backend_stop(&backend) == 0, "%s", backend.error);
	held_disk_stop();
	backend_free(&backend);
	return 0;
}
