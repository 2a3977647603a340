/* SPDX-License-Identifier: MIT */
/*
 * G10: a direct write that was in flight when its server was killed may reach
 * the disk long after the process is gone.  The next server does not serve the
 * image before it has: a write that it acknowledged could be overwritten.
 *
 * The disk is a block device on a file whose writes the test holds back.
 */
#include "serve.h"

#include <poll.h>

#include "held-disk.h"
#include "loop-device.h"

#define DISK	 (16u << 20)
#define SIZE	 65536u
#define DEPTH	 8u
#define SLACK_MS 20000

static void open_client(struct client *client)
{
	const struct client_options options = {
		.socket_path = backend.exports[0].socket_path,
		.region_count = 3,
		.depth = DEPTH,
		.buffer_size = SIZE,
		.timeout_ms = SLACK_MS,
	};

	CHECK(client_open(client, &options) == 0, "open: %s", client->error);
	DO(client, client_start(client));
}

/* Killed when writes are with the disk, which does not answer. */
static void die_with_writes_in_flight(void)
{
	uint64_t end = client_now_ns() + SLACK_MS * 1000000ull;
	struct client client;

	open_client(&client);
	held_disk_hold();
	for (uint32_t i = 0; i < DEPTH; i++)
		DO(&client, client_submit(&client, 0, i, VIRTIO_BLK_T_OUT,
					  i * (SIZE / CLIENT_SECTOR), SIZE));
	DO(&client, client_kick(&client, 0));
	while (held_disk_waiting() == 0) {
		CHECK(client_now_ns() < end, "no write came to the disk");
		poll(NULL, 0, 2);
	}
	backend_kill(&backend);
	CHECK(held_disk_waiting() > 0, "the write ended with its server");
	client_close(&client);
}

int main(void)
{
	char path[LOOP_DEVICE_PATH], *disk;
	struct client client;
	int fd;

	if (!held_disk_prepare()) {
		puts("skipped: no /dev/fuse, or no mount namespace");
		return SKIP;
	}
	serve_init(60);
	disk = make_image("held", DISK);
	fd = held_disk_start(disk, DISK) ? loop_device_on(disk, 512, path) : -1;
	if (fd < 0) {
		puts("skipped: FUSE cannot be mounted, or no loop device had");
		held_disk_stop();
		backend_free(&backend);
		free(disk);
		return SKIP;
	}
	let_go = held_disk_stop;
	backend_add(&backend, path, 0);
	backend.exports[0].direct = true;
	serve_start();
	die_with_writes_in_flight();
	CHECK(backend_start(&backend) != 0,
	      "served while writes of the last server were in flight");
	CHECK(strstr(backend.error, "still in flight"), "%s", backend.error);
	held_disk_release();
	serve_start();
	open_client(&client);
	CHECK(client_io(&client, 0, VIRTIO_BLK_T_OUT, 0, SIZE) == 0,
	      "write: %s", client.error);
	client_close(&client);
	CHECK(backend_stop(&backend) == 0, "%s", backend.error);
	close(fd);
	held_disk_stop();
	backend_free(&backend);
	free(disk);
	return 0;
}
