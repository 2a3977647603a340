/* SPDX-License-Identifier: MIT */
/*
 * O_DIRECT wants aligned memory, and clients choose theirs: whatever the
 * alignment of buffer, size and sector, the data is right, and a cut buffer is
 * an error, as through the page cache.
 *
 * Disks: a file where files usually are, and block devices with sectors of 512
 * and of 4,096 bytes, on loop devices where those are to be had.
 */
#include "serve.h"

#include "loop-device.h"

#define DISK (4u << 20)
#define SIZE (64u << 10)

static const uint32_t shifts[] = { 0, 1, 2, 8, 511, 512, 1024, 4095, 4096 };
static const uint32_t sizes[] = { 512, 1024, 4096, 4608, 12288, SIZE };

static void open_client(struct client *client, uint32_t export,
			uint32_t segments)
{
	struct client_options options = {
		.socket_path = backend.exports[export].socket_path,
		.region_count = 3,
		.region_size = 1u << 20,
		.buffer_size = SIZE,
		.segments = segments,
	};

	CHECK(client_open(client, &options) == 0, "open: %s", client->error);
	DO(client, client_start(client));
}

static void round_trip(struct client *client, uint32_t shift, uint32_t size,
		       uint64_t sector)
{
	struct client_place *place = &client->queues[0].slots[0].data;
	uint64_t start = place->offset;
	uint64_t seed = shift * 100000ull + size + sector;
	int status;

	place->offset = start + shift;
	client_pattern(client_data(client, 0, 0), size, seed, sector);
	status = client_io(client, 0, VIRTIO_BLK_T_OUT, sector, size);
	CHECK(status == 0, "write of %u at %llu, shifted by %u: status %d %s",
	      size, (unsigned long long)sector, shift, status, client->error);
	/* Read by another way: what was written direct and is read cached, or
	 * the other way round, must be the same. */
	place->offset = start + (shift % 512 ? 0 : 1);
	memset(client_data(client, 0, 0), 0, size);
	status = client_io(client, 0, VIRTIO_BLK_T_IN, sector, size);
	CHECK(status == 0, "read of %u: status %d %s", size, status,
	      client->error);
	CHECK(client_verify(client_data(client, 0, 0), size, seed, sector) ==
		      size,
	      "%u bytes at %llu, shifted by %u: other data", size,
	      (unsigned long long)sector, shift);
	place->offset = start;
}

static void cut(uint32_t export, uint32_t type)
{
	struct client_completion completion;
	struct client client;

	for (uint32_t pages = 0; pages < SIZE / 4096; pages += 5) {
		uint64_t start;

		open_client(&client, export, 1);
		start = client.queues[0].slots[0].data.offset;
		DO(&client, client_prepare(&client, 0, 0, type, 0, SIZE));
		DO(&client, hostile_truncate(&client, 2, start + pages * 4096));
		client_publish(&client, 0, 0);
		DO(&client, client_kick(&client, 0));
		CHECK(client_wait(&client, 0, &completion, 5000) == 1,
		      "cut: no answer");
		CHECK(completion.status == VIRTIO_BLK_S_IOERR,
		      "cut at %u pages: status %u", pages, completion.status);
		client_close(&client);
	}
}

/* Not every file system has O_DIRECT. */
static char *direct_image(void)
{
	char *disk = make_image("disk", DISK), *with;
	int fd = open(disk, O_RDWR | O_DIRECT | O_CLOEXEC);

	if (fd < 0) {
		backend_free(&backend);
		exit(SKIP);
	}
	close(fd);
	CHECK(asprintf(&with, "%s,direct", disk) > 0, "memory");
	free(disk);
	return with;
}

static void any_alignment(uint32_t export)
{
	const uint64_t sectors[] = { 0, 1, 7, 8, 1000 };
	struct client client;

	for (uint32_t segments = 1; segments <= 8; segments *= 8) {
		open_client(&client, export, segments);
		for (size_t i = 0; i < sizeof(shifts) / sizeof(shifts[0]); i++)
			for (size_t j = 0; j < sizeof(sizes) / sizeof(sizes[0]);
			     j++)
				for (size_t k = 0; k < 5; k++)
					round_trip(&client, shifts[i], sizes[j],
						   sectors[k]);
		client_close(&client);
	}
	cut(export, VIRTIO_BLK_T_IN);
	cut(export, VIRTIO_BLK_T_OUT);
}

int main(void)
{
	static const uint32_t sectors[2] = { 512, 4096 };
	char paths[2][LOOP_DEVICE_PATH];
	int loops[2] = { -1, -1 };

	serve_init(60);
	backend_add(&backend, direct_image(), 0);
	for (int i = 0; i < 2; i++) {
		char *file = make_image(i ? "b" : "a", DISK);

		loops[i] = loop_device_on(file, sectors[i], paths[i]);
		free(file);
		if (loops[i] < 0) {
			printf("block devices are not looked at: a loop device "
			       "cannot be had: %s\n",
			       strerror(errno));
			break;
		}
		backend.exports[backend_add(&backend, paths[i], 0)].direct =
			true;
	}
	serve_start();
	for (uint32_t export = 0; export < backend.export_count; export ++)
		any_alignment(export);
	serve_end();
	for (int i = 0; i < 2; i++)
		close(loops[i]);
	return 0;
}
