/* SPDX-License-Identifier: MIT */
/*
 * A client goes while the storage still has a write of it.  The rings of the
 * next one start when that has ended: else it would land on what the next one
 * has written, and been told is written.  The same holds for a shared image.
 *
 * The disk is a file system that answers late.
 */
#include <poll.h>

#include "serve.h"

#include "on-held-disk.h"
#include "log-lines.h"

#define DISK (1u << 20)
#define SIZE 4096u

static void open_client(struct client *client)
{
	const struct client_options options = {
		.socket_path = backend.exports[0].socket_path,
		.buffer_size = SIZE,
		.timeout_ms = 20000,
	};

	CHECK(client_open(client, &options) == 0, "open: %s", client->error);
	DO(client, client_start(client));
}

static void submit_write(struct client *client, uint8_t byte)
{
	memset(client_data(client, 0, 0), byte, SIZE);
	DO(client, client_submit(client, 0, 0, VIRTIO_BLK_T_OUT, 0, SIZE));
	DO(client, client_kick(client, 0));
}

/* Gone, with a write that the disk has and does not answer. */
static void leave_a_write(void)
{
	uint64_t end = client_now_ns() + 20000000000ull;
	struct client client;

	open_client(&client);
	held_disk_hold_writes(1);
	submit_write(&client, 0xa1);
	while (held_disk_waiting() == 0) {
		CHECK(client_now_ns() < end, "no write came to the disk");
		poll(NULL, 0, 2);
	}
	client_close(&client);
}

/* True: there was nothing to wait for. */
static bool finish_write(struct client *client, int timeout_ms)
{
	struct client_completion done;
	int got = client_wait(client, 0, &done, (uint32_t)timeout_ms);

	CHECK(got >= 0, "%s", client->error);
	CHECK(got == 0 || done.status == VIRTIO_BLK_S_OK, "write: status %u",
	      done.status);
	return got;
}

static void release(void)
{
	uint64_t end = client_now_ns() + 20000000000ull;

	held_disk_release();
	while (held_disk_waiting() > 0) {
		CHECK(client_now_ns() < end, "the disk did not answer");
		poll(NULL, 0, 2);
	}
}

/* So many more clients have ended, with all that the disk had of them. */
static void await_end(uint32_t count)
{
	uint64_t end = client_now_ns() + 20000000000ull;
	static uint32_t ended;

	ended += count;
	while (lines_in_log("ended: closed by the client") < ended) {
		CHECK(client_now_ns() < end, "the clients have not ended");
		poll(NULL, 0, 2);
	}
}

/* False: the next client was there before the server saw the first one go. */
static bool the_last_write_stays(void)
{
	struct client client;
	bool early;

	leave_a_write();
	open_client(&client);
	submit_write(&client, 0xb2);
	/* Had it not to wait, it would be answered at once. */
	early = finish_write(&client, 300);
	release();
	if (!early)
		CHECK(finish_write(&client, 20000), "never served");
	CHECK(client_io(&client, 0, VIRTIO_BLK_T_IN, 0, SIZE) == 0, "read: %s",
	      client.error);
	if (!early || !backend.exports[0].shared)
		CHECK(client_data(&client, 0, 0)[0] == 0xb2,
		      "an acknowledged byte is now 0x%02x: what a client that "
		      "has gone had written, late",
		      client_data(&client, 0, 0)[0]);
	client_close(&client);
	await_end(2);
	return !early;
}

/* On a shared image a client that is there may write, whoever else does: there
 * is nothing to see unless the server knows that the other has gone. */
static void with(char *disk, int data, bool shared)
{
	int tries = 5;

	CHECK(held_disk_start_file(disk, DISK, data), "FUSE");
	backend.exports[0].shared = shared;
	serve_start();
	while (!the_last_write_stays())
		CHECK(shared && --tries,
		      "served while the disk had a write of another client");
	CHECK(backend_stop(&backend) == 0, "%s", backend.error);
	held_disk_stop();
}

int main(void)
{
	char *disk;
	int data;

	disk = begin_on_held_disk(DISK, &data);
	held_disk_stop();
	with(disk, data, false);
	with(disk, data, true);
	close(data);
	backend_free(&backend);
	free(disk);
	return 0;
}
