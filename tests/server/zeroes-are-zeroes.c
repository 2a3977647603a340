/* SPDX-License-Identifier: MIT */
/*
 * VIRTIO 1.2, 5.2.6: what was made zeroes reads as zeroes, whatever the file
 * system can do; what was discarded, and nothing else, may be forgotten; and a
 * request of many ranges has done them all when it succeeds.
 *
 * Disks: a file where files usually are, one on tmpfs, which knows no zeroing
 * and so has zeroes written, nothing, and block devices with sectors of 512 and
 * of 4,096 bytes, on loop devices where those are to be had.
 */
#include "serve.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <linux/magic.h>

#include "loop-device.h"

#define DISK	(8u << 20)
#define SECTORS (DISK / CLIENT_SECTOR)
#define SIZE	65536u
#define SEED	11u
#define UNMAP	1u

struct range {
	uint64_t sector;
	uint32_t sectors;
	uint32_t flags;
};

static void open_client(struct client *client, uint32_t export)
{
	struct client_options options = {
		.socket_path = backend.exports[export].socket_path,
		.region_count = 3,
		.buffer_size = SIZE,
	};

	CHECK(client_open(client, &options) == 0, "open: %s", client->error);
	CHECK(client_has(client, VIRTIO_BLK_F_DISCARD) &&
		      client_has(client, VIRTIO_BLK_F_WRITE_ZEROES),
	      "discard and write zeroes are not offered");
	DO(client, client_start(client));
}

static int ranges(struct client *client, uint32_t type,
		  const struct range *list, uint32_t count)
{
	uint32_t size = count * (uint32_t)sizeof(*list);

	memcpy(client_data(client, 0, 0), list, size);
	return client_io(client, 0, type, 0, size);
}

static void fill(struct client *client)
{
	for (uint64_t s = 0; s < SECTORS; s += SIZE / CLIENT_SECTOR) {
		client_pattern(client_data(client, 0, 0), SIZE, SEED, s);
		CHECK(client_io(client, 0, VIRTIO_BLK_T_OUT, s, SIZE) == 0,
		      "write: %s", client->error);
	}
}

static bool is_zero(const uint8_t *sector)
{
	return sector[0] == 0 && !memcmp(sector, sector + 1, CLIENT_SECTOR - 1);
}

static bool in(const struct range *list, uint32_t count, uint64_t sector)
{
	for (uint32_t i = 0; i < count; i++) {
		if (sector >= list[i].sector &&
		    sector - list[i].sector < list[i].sectors)
			return true;
	}
	return false;
}

/* In the ranges zeroes, or at least no other's data; outside what was. */
static void judge(struct client *client, const struct range *list,
		  uint32_t count, bool must, const char *what)
{
	for (uint64_t s = 0; s < SECTORS; s++) {
		const uint8_t *data =
			client_data(client, 0, 0) +
			s % (SIZE / CLIENT_SECTOR) * CLIENT_SECTOR;
		bool kept;

		if (s % (SIZE / CLIENT_SECTOR) == 0)
			CHECK(client_io(client, 0, VIRTIO_BLK_T_IN, s, SIZE) ==
				      0,
			      "read: %s", client->error);
		kept = client_verify(data, CLIENT_SECTOR, SEED, s) ==
		       CLIENT_SECTOR;
		if (in(list, count, s))
			CHECK(is_zero(data) || (!must && kept),
			      "%s: sector %llu is not zero", what,
			      (unsigned long long)s);
		else
			CHECK(kept, "%s: sector %llu is not what it was", what,
			      (unsigned long long)s);
	}
}

static const struct range some[] = {
	{ 0, 1, 0 },	       { 5, 3, 0 },	{ 64, 128, 0 },
	{ 1001, 777, 0 },      { 4096, 0, 0 },	{ 4096, 2048, 0 },
	{ 7000, 8, 0 },	       { 7004, 20, 0 }, { 8191, 100, 0 },
	{ SECTORS - 1, 1, 0 },
};
#define SOME (sizeof(some) / sizeof(some[0]))

static void file_is_zeroed(uint32_t export, uint32_t flags)
{
	struct range list[SOME];
	struct client client;

	open_client(&client, export);
	fill(&client);
	memcpy(list, some, sizeof(list));
	for (uint32_t i = 0; i < SOME; i++)
		list[i].flags = flags;
	CHECK(ranges(&client, VIRTIO_BLK_T_WRITE_ZEROES, list, SOME) == 0,
	      "write zeroes: %s", client.error);
	judge(&client, list, SOME, true, flags ? "unmap" : "zeroes");
	client_close(&client);
}

/* More than one window of written zeroes. */
static void all_is_zeroed(uint32_t export)
{
	const struct range all = { 0, SECTORS, 0 };
	struct client client;

	open_client(&client, export);
	fill(&client);
	CHECK(ranges(&client, VIRTIO_BLK_T_WRITE_ZEROES, &all, 1) == 0,
	      "write zeroes: %s", client.error);
	judge(&client, &all, 1, true, "all");
	client_close(&client);
}

static void file_is_discarded(uint32_t export)
{
	struct client client;

	open_client(&client, export);
	fill(&client);
	CHECK(ranges(&client, VIRTIO_BLK_T_DISCARD, some, SOME) == 0,
	      "discard: %s", client.error);
	judge(&client, some, SOME, false, "discard");
	client_close(&client);
}

static uint64_t allocated(const char *path)
{
	struct stat st;

	CHECK(stat(path, &st) == 0, "%s: no image", path);
	CHECK(st.st_size == DISK, "%s: %lld bytes", path,
	      (long long)st.st_size);
	return (uint64_t)st.st_blocks * 512;
}

/* Discarding gives the blocks back, where the file system can; zeroes without
 * unmap keep them. */
static void blocks_go_back(uint32_t export, const char *path)
{
	const struct range all = { 0, SECTORS, 0 };
	const struct range all_unmapped = { 0, SECTORS, UNMAP };
	struct client client;

	open_client(&client, export);
	fill(&client);
	CHECK(ranges(&client, VIRTIO_BLK_T_WRITE_ZEROES, &all, 1) == 0,
	      "write zeroes: %s", client.error);
	CHECK(allocated(path) >= DISK, "%s: zeroes were unmapped", path);
	CHECK(ranges(&client, VIRTIO_BLK_T_DISCARD, &all, 1) == 0,
	      "discard: %s", client.error);
	CHECK(allocated(path) < DISK / 2, "%s: nothing was given back", path);
	fill(&client);
	CHECK(ranges(&client, VIRTIO_BLK_T_WRITE_ZEROES, &all_unmapped, 1) == 0,
	      "unmap: %s", client.error);
	CHECK(allocated(path) < DISK / 2, "%s: nothing was unmapped", path);
	client_close(&client);
}

/* The answers of 5.2.6.2, and a read-only device. */
static void answers(uint32_t export, uint32_t read_only)
{
	const struct range good = { 0, 1, 0 }, flagged = { 0, 1, 2 },
			   unmap = { 0, 1, UNMAP }, outside = { SECTORS, 1, 0 },
			   wraps = { UINT64_MAX, 2, 0 };
	const uint32_t discard = VIRTIO_BLK_T_DISCARD,
		       zeroes = VIRTIO_BLK_T_WRITE_ZEROES;
	struct client_options options = {
		.socket_path = backend.exports[read_only].socket_path,
	};
	struct client client;

	open_client(&client, export);
	CHECK(ranges(&client, discard, &flagged, 1) == 2 &&
		      ranges(&client, zeroes, &flagged, 1) == 2 &&
		      ranges(&client, discard, &unmap, 1) == 2,
	      "unknown flags are not UNSUPP");
	CHECK(ranges(&client, discard, &outside, 1) == 1 &&
		      ranges(&client, zeroes, &wraps, 1) == 1,
	      "a range outside is not IOERR");
	CHECK(client_io(&client, 0, discard, 0, 15) == 1 &&
		      client_io(&client, 0, zeroes, 0, 17 * 16) == 1,
	      "a wrong length is not IOERR");
	CHECK(ranges(&client, zeroes, &good, 1) == 0, "good: %s", client.error);
	/* Not agreed on, not served. */
	client.features &= ~(1ull << VIRTIO_BLK_F_DISCARD);
	DO(&client, client_stop(&client));
	DO(&client, client_start(&client));
	CHECK(ranges(&client, discard, &good, 1) == 2, "not agreed on");
	client_close(&client);
	CHECK(client_open(&client, &options) == 0, "open: %s", client.error);
	CHECK(!client_has(&client, VIRTIO_BLK_F_DISCARD) &&
		      !client_has(&client, VIRTIO_BLK_F_WRITE_ZEROES),
	      "a read-only device offers them");
	DO(&client, client_start(&client));
	CHECK(ranges(&client, zeroes, &good, 1) == 1, "read-only");
	client_close(&client);
}

#define LOOPS 2u

static struct {
	char *file;
	char path[LOOP_DEVICE_PATH];
	int fd;
	uint32_t export;
} loops[LOOPS];

static bool add_loops(void)
{
	static const uint32_t sectors[LOOPS] = { 512, 4096 };

	for (uint32_t i = 0; i < LOOPS; i++) {
		loops[i].file = make_image(i ? "loop-4096" : "loop-512", DISK);
		loops[i].fd = loop_device_on(loops[i].file, sectors[i],
					     loops[i].path);
		if (loops[i].fd < 0) {
			printf("block devices are not looked at: a loop device "
			       "cannot be had: %s\n",
			       strerror(errno));
			return false;
		}
		loops[i].export = backend_add(&backend, loops[i].path, 0);
	}
	return true;
}

static bool on(const char *path, uint32_t magic)
{
	struct statfs about;

	return statfs(path, &about) == 0 && (uint32_t)about.f_type == magic;
}

static bool gives_back(const char *path)
{
	return on(path, EXT4_SUPER_MAGIC) || on(path, XFS_SUPER_MAGIC) ||
	       on(path, TMPFS_MAGIC);
}

static void all_of(uint32_t export, uint32_t read_only)
{
	file_is_zeroed(export, 0);
	file_is_zeroed(export, UNMAP);
	all_is_zeroed(export);
	file_is_discarded(export);
	answers(export, read_only);
}

static void all_of_loops(uint32_t read_only)
{
	for (uint32_t i = 0; i < LOOPS; i++) {
		all_of(loops[i].export, read_only);
		if (gives_back(loops[i].file))
			blocks_go_back(loops[i].export, loops[i].file);
		close(loops[i].fd);
	}
}

int main(void)
{
	char memory[100], *disk, *other;
	bool looped;
	int fd;

	serve_init(60);
	disk = make_image("disk", DISK);
	other = make_image("other", DISK);
	snprintf(memory, sizeof(memory), "/dev/shm/precarium-XXXXXX");
	fd = mkstemp(memory);
	CHECK(fd >= 0 && ftruncate(fd, DISK) == 0, "%s: no image", memory);
	backend_add(&backend, disk, 0);
	backend_add(&backend, memory, 0);
	backend_add(&backend, NULL, DISK);
	backend_add(&backend, other, 0);
	backend.exports[3].read_only = true;
	looped = add_loops();
	serve_start();
	unlink(memory);
	all_of(0, 3);
	all_of(1, 3);
	answers(2, 3);
	if (gives_back(disk))
		blocks_go_back(0, disk);
	if (looped)
		all_of_loops(3);
	close(fd);
	return serve_end();
}
