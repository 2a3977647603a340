/* SPDX-License-Identifier: MIT */
/*
 * A shared image is used by several hosts in turn, each with a page cache of
 * its own.  When the rings of a machine stop, what it wrote is on the storage
 * before that is said, and when it has gone, soon after; when rings start, what
 * another host has written since is what they read.
 *
 * The image is a loop device, which has a page cache; the other host reads and
 * writes the file below it.
 */
#include "log-lines.h"

#include <errno.h>
#include <poll.h>

#include "loop-device.h"

#define DISK (1u << 20)
#define SIZE 4096u

static int storage;

static void open_client(struct client *client)
{
	const struct client_options options = {
		.socket_path = backend.exports[0].socket_path,
		.buffer_size = SIZE,
	};

	CHECK(client_open(client, &options) == 0, "open: %s", client->error);
	DO(client, client_start(client));
}

static void write_here(struct client *client, uint8_t byte)
{
	memset(client_data(client, 0, 0), byte, SIZE);
	CHECK(client_io(client, 0, VIRTIO_BLK_T_OUT, 0, SIZE) == 0, "write: %s",
	      client->error);
}

static void reads(struct client *client, uint8_t byte, const char *when)
{
	CHECK(client_io(client, 0, VIRTIO_BLK_T_IN, 0, SIZE) == 0, "read: %s",
	      client->error);
	CHECK(client_data(client, 0, 0)[0] == byte,
	      "%s: 0x%02x is read, written was 0x%02x", when,
	      client_data(client, 0, 0)[0], byte);
}

static uint8_t other_host_reads(void)
{
	uint8_t byte = 0;

	CHECK(pread(storage, &byte, 1, 0) == 1, "the storage: %s",
	      strerror(errno));
	return byte;
}

static void other_host_writes(uint8_t byte)
{
	uint8_t block[SIZE];

	memset(block, byte, sizeof(block));
	CHECK(pwrite(storage, block, SIZE, 0) == SIZE, "the storage: %s",
	      strerror(errno));
}

static void there_and_back(struct client *client)
{
	for (uint8_t round = 0; round < 5; round++) {
		write_here(client, 0x10 + round);
		DO(client, client_stop(client));
		CHECK(other_host_reads() == 0x10 + round,
		      "the other host reads 0x%02x, written was 0x%02x",
		      other_host_reads(), 0x10 + round);
		other_host_writes(0x20 + round);
		DO(client, client_start(client));
		reads(client, 0x20 + round, "back on this host");
	}
}

/* Nobody is told, but it must not come when another host has the image. */
static void gone(struct client *client)
{
	uint64_t end = client_now_ns() + 20000000000ull;

	write_here(client, 0x77);
	client_close(client);
	while (lines_in_log("ended: closed by the client") == 0) {
		CHECK(client_now_ns() < end, "the client has not ended");
		poll(NULL, 0, 2);
	}
	CHECK(other_host_reads() == 0x77,
	      "its client has ended, and the other host reads 0x%02x",
	      other_host_reads());
}

int main(void)
{
	char path[LOOP_DEVICE_PATH], *file;
	struct client client;
	int fd;

	serve_init(60);
	file = make_image("storage", DISK);
	storage = open(file, O_RDWR | O_CLOEXEC);
	fd = loop_device_on(file, 512, path);
	free(file);
	if (fd < 0) {
		printf("skipped: a loop device cannot be had: %s\n",
		       strerror(errno));
		backend_free(&backend);
		return SKIP;
	}
	backend_add(&backend, path, 0);
	backend.exports[0].shared = true;
	serve_start();
	open_client(&client);
	there_and_back(&client);
	gone(&client);
	close(fd);
	close(storage);
	return serve_end();
}
