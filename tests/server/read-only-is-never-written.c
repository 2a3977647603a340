/* SPDX-License-Identifier: MIT */
/*
 * G12: rights narrow.  Memory lent for reading is never written, by whatever
 * way it was said that it is for reading: the descriptor of the region, the
 * descriptor in the ring.  Nor is a read-only export.
 */
#include "serve.h"

#define SIZE 16384u
#define DISK (1u << 20)
#define OWN  0xa5

static void open_client(struct client *client, uint32_t number, bool indirect,
			bool lend_read_only)
{
	struct client_options options = {
		.socket_path = backend.exports[number].socket_path,
		.region_count = 3,
		.buffer_size = SIZE,
		.indirect = indirect,
		.lend_read_only = lend_read_only,
	};

	CHECK(client_open(client, &options) == 0, "open: %s", client->error);
}

static void check_own(const uint8_t *data, const char *what)
{
	uint32_t i;

	for (i = 0; i < SIZE; i++)
		CHECK(data[i] == OWN, "%s: byte %u was written", what, i);
}

/* The status lies where it can be written, so the error is told. */
static void check_failed(struct client *client, const char *what)
{
	struct client_completion completion;

	CHECK(client_wait(client, 0, &completion, 2000) == 1,
	      "%s is not answered: %s", what, client->error);
	CHECK(completion.status == VIRTIO_BLK_S_IOERR, "%s: status %d", what,
	      completion.status);
}

/* A read into a region that was lent by an O_RDONLY descriptor. */
static void region(bool indirect)
{
	struct client client;
	int status;

	open_client(&client, 0, indirect, true);
	if (client_start(&client)) {
		CHECK(!client.lost || backend_alive(&backend), "%s",
		      client.error);
		printf("read-only region: refused (%s)\n", client.error);
		client_close(&client);
		return;
	}
	/* To be read it was lent: a write request takes its data from there. */
	client_pattern(client_data(&client, 0, 0), SIZE, 3, 0);
	status = client_io(&client, 0, VIRTIO_BLK_T_OUT, 0, SIZE);
	CHECK(status == VIRTIO_BLK_S_OK, "write from it: status %d", status);
	memset(client_data(&client, 0, 0), OWN, SIZE);
	DO(&client, client_submit(&client, 0, 0, VIRTIO_BLK_T_IN, 0, SIZE));
	DO(&client, client_kick(&client, 0));
	check_failed(&client, "a read into a read-only region");
	check_own(client_data(&client, 0, 0), "read-only region");
	client_close(&client);
}

/* A read request whose data descriptors are not marked as device-writable. */
static void direction(bool indirect)
{
	struct vring_desc *table;
	struct client client;

	open_client(&client, 0, indirect, false);
	DO(&client, client_start(&client));
	memset(client_data(&client, 0, 0), OWN, SIZE);
	DO(&client, client_prepare(&client, 0, 0, VIRTIO_BLK_T_IN, 0, SIZE));
	table = indirect ? client_at(&client, client.queues[0].slots[0].table)
			 : client.queues[0].ring.desc;
	table[1].flags &= (uint16_t)~VRING_DESC_F_WRITE;
	client_publish(&client, 0, 0);
	DO(&client, client_kick(&client, 0));
	check_failed(&client, "a read into a read-only buffer");
	check_own(client_data(&client, 0, 0), "read-only descriptor");
	client_close(&client);
}

static void export(const char *file)
{
	uint8_t bytes[SIZE];
	struct client client;
	uint32_t i, types[] = { VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_DISCARD,
				VIRTIO_BLK_T_WRITE_ZEROES };
	int fd, status;

	open_client(&client, 1, false, false);
	CHECK(client.offered >> VIRTIO_BLK_F_RO & 1,
	      "a read-only export does not offer VIRTIO_BLK_F_RO");
	DO(&client, client_start(&client));
	for (i = 0; i < 3; i++) {
		struct virtio_blk_discard_write_zeroes *piece =
			(void *)client_data(&client, 0, 0);

		memset(client_data(&client, 0, 0), OWN, SIZE);
		piece->sector = 0;
		piece->num_sectors = 8;
		piece->flags = 0;
		status = client_io(&client, 0, types[i], 0,
				   i ? sizeof(*piece) : SIZE);
		CHECK(status == VIRTIO_BLK_S_IOERR ||
			      status == VIRTIO_BLK_S_UNSUPP,
		      "request %u on a read-only export: status %d %s",
		      types[i], status, status < 0 ? client.error : "");
	}
	client_close(&client);
	fd = open(file, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0 && read(fd, bytes, SIZE) == SIZE, "%s", file);
	close(fd);
	for (i = 0; i < SIZE; i++)
		CHECK(bytes[i] == 0, "byte %u of a read-only file changed", i);
}

int main(void)
{
	char *only;
	int i;

	serve_init(30);
	backend_add(&backend, make_image("disk", DISK), 0);
	only = make_image("only", DISK);
	backend_add(&backend, only, 0);
	backend.exports[1].read_only = true;
	serve_start();
	for (i = 0; i < 2; i++) {
		region(i);
		direction(i);
	}
	export(only);
	return serve_end();
}
