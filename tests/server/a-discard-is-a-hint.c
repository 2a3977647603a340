/* SPDX-License-Identifier: MIT */
/*
 * VIRTIO 1.2, 5.2.6: a discard is a hint, which no error of the disk makes
 * fail; and zeroes are written where the disk has no better way, whatever it
 * says of the better ones.  A block device gets discards as what they are.
 */
#include "serve.h"

#include <errno.h>
#include <sys/utsname.h>

#include <poll.h>

#include "on-held-disk.h"
#include "log-lines.h"
#include "loop-device.h"

#define DISK  (4u << 20)
#define SIZE  65536u
#define SEED  5u
#define UNMAP 1u

static const int errors[] = { EBUSY, EPERM,  ENOTTY, EOPNOTSUPP, EINVAL,
			      EIO,   ENOSPC, EACCES, ETXTBSY };
#define ERRORS (sizeof(errors) / sizeof(errors[0]))

struct range {
	uint64_t sector;
	uint32_t sectors;
	uint32_t flags;
};

static int range(struct client *client, uint32_t type, uint32_t flags)
{
	const struct range range = { 8, SIZE / CLIENT_SECTOR, flags };

	memcpy(client_data(client, 0, 0), &range, sizeof(range));
	return client_io(client, 0, type, 0, sizeof(range));
}

static void open_client(struct client *client, uint32_t export)
{
	const struct client_options options = {
		.socket_path = backend.exports[export].socket_path,
		.buffer_size = SIZE,
	};

	CHECK(client_open(client, &options) == 0, "open: %s", client->error);
	DO(client, client_start(client));
}

static void fill(struct client *client)
{
	client_pattern(client_data(client, 0, 0), SIZE, SEED, 8);
	CHECK(client_io(client, 0, VIRTIO_BLK_T_OUT, 8, SIZE) == 0, "write: %s",
	      client->error);
}

static void is_zero(struct client *client, const char *what)
{
	const uint8_t *data = client_data(client, 0, 0);

	CHECK(client_io(client, 0, VIRTIO_BLK_T_IN, 8, SIZE) == 0, "read: %s",
	      client->error);
	CHECK(data[0] == 0 && !memcmp(data, data + 1, SIZE - 1),
	      "%s: zeroes were not written", what);
}

static void all(struct client *client, const char *what)
{
	fill(client);
	CHECK(range(client, VIRTIO_BLK_T_DISCARD, 0) == 0,
	      "%s: a discard failed: %s", what, client->error);
	fill(client);
	CHECK(range(client, VIRTIO_BLK_T_WRITE_ZEROES, 0) == 0,
	      "%s: write zeroes failed: %s", what, client->error);
	is_zero(client, what);
	fill(client);
	CHECK(range(client, VIRTIO_BLK_T_WRITE_ZEROES, UNMAP) == 0,
	      "%s: zeroes that may be unmapped failed: %s", what,
	      client->error);
	is_zero(client, what);
}

/* So many clients have ended: the lane of the last one is closed, and the next
 * one's knows nothing of what the file system lacks. */
static void await_end(size_t count)
{
	uint64_t end = client_now_ns() + 20000000000ull;

	while (lines_in_log("ended: closed by the client") < count) {
		CHECK(client_now_ns() < end, "the client has not ended");
		poll(NULL, 0, 2);
	}
}

/* A file system that refuses in every way that one can. */
static void file_system(void)
{
	struct client client;

	for (size_t i = 0; i < ERRORS; i++) {
		uint32_t before = held_disk_fallocates();

		held_disk_refuse_fallocate(errors[i]);
		open_client(&client, 0);
		all(&client, strerror(errors[i]));
		client_close(&client);
		await_end(i + 1);
		CHECK(held_disk_fallocates() > before,
		      "%s: the disk was not asked", strerror(errors[i]));
	}
}

static bool linux_is_from(int major, int minor)
{
	struct utsname name;
	int a = 0, b = 0;

	uname(&name);
	return sscanf(name.release, "%d.%d", &a, &b) == 2 &&
	       (a > major || (a == major && b >= minor));
}

/* Discards of a block device so far, as the kernel counts them.  -1: it does
 * not. */
static long long discards(const char *path)
{
	char name[80], line[300] = "";
	long long count = -1;
	FILE *stat;

	snprintf(name, sizeof(name), "/sys/block/%s/stat",
		 strrchr(path, '/') + 1);
	stat = fopen(name, "re");
	if (!stat || !fgets(line, sizeof(line), stat) ||
	    sscanf(line, "%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%lld", &count) != 1)
		count = -1;
	if (stat)
		fclose(stat);
	return count;
}

/* The kernel refuses to punch a device that somebody has to himself. */
static void device_in_use(const char *path)
{
	int alone = open(path, O_RDWR | O_EXCL | O_CLOEXEC);
	struct client client;

	CHECK(alone >= 0, "%s: %s", path, strerror(errno));
	open_client(&client, 1);
	all(&client, "a device in use");
	client_close(&client);
	close(alone);
}

static void device(const char *path)
{
	long long before = discards(path);
	struct client client;

	open_client(&client, 1);
	all(&client, "a device");
	CHECK(range(&client, VIRTIO_BLK_T_DISCARD, 0) == 0, "a discard failed");
	client_close(&client);
	if (before < 0 || !linux_is_from(6, 12))
		puts("not looked at: how a device discards; Linux from 6.12 "
		     "on, and /sys, are needed");
	else
		CHECK(discards(path) > before,
		      "a discard did not reach the device as a discard");
	device_in_use(path);
}

int main(void)
{
	char path[LOOP_DEVICE_PATH], *disk, *file;
	int data_fd, loop_fd;

	disk = begin_on_held_disk(DISK, &data_fd);
	file = make_image("file", DISK);
	loop_fd = loop_device_on(file, 512, path);
	free(file);
	if (loop_fd >= 0)
		backend_add(&backend, path, 0);
	serve_start();
	file_system();
	if (loop_fd >= 0)
		device(path);
	else
		puts("not looked at: block devices; a loop device is needed");
	CHECK(backend_stop(&backend) == 0, "%s", backend.error);
	if (loop_fd >= 0)
		close(loop_fd);
	held_disk_stop();
	backend_free(&backend);
	free(disk);
	return 0;
}
