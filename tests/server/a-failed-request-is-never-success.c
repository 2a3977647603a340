/* SPDX-License-Identifier: MIT */
/*
 * G5: a request that could not be carried out is not taken for one that was.
 *
 * Guests use the memory of a request again, status byte and all, and look at
 * nothing else: where the last request left a 0, a chain that comes back
 * without a status has succeeded.  So with a stale 0 there, the server writes
 * an error and goes on; where the status byte itself is out of reach, it does
 * not give the chain back.
 */
#include "serve.h"

#define SIZE 8192u

static uint32_t failures;

static void open_client(struct client *client, bool indirect)
{
	struct client_options options = {
		.socket_path = backend.exports[0].socket_path,
		.region_count = 3,
		.buffer_size = SIZE,
		.indirect = indirect,
	};

	CHECK(client_open(client, &options) == 0, "open: %s", client->error);
	DO(client, client_start(client));
}

static void fails(const char *what, int kind, const char *why, int status)
{
	fprintf(stderr, "%s %d: %s, status %d\n", what, kind, why, status);
	failures++;
}

/* It is answered with an error, and so is what follows, in its own way. */
static void judge(struct client *client, const char *what, int kind)
{
	struct client_completion completion;
	int status;

	if (client_wait(client, 0, &completion, 2000) != 1) {
		fails(what, kind, "not answered", -1);
	} else if (completion.status != VIRTIO_BLK_S_IOERR) {
		fails(what, kind, "wrong answer", completion.status);
	} else {
		status = client_io(client, 0, VIRTIO_BLK_T_FLUSH, 0, 0);
		if (status != VIRTIO_BLK_S_OK)
			fails(what, kind, "the queue stands still", status);
	}
	client_close(client);
}

/* It is not given back. */
static void judge_silent(struct client *client, const char *what, int kind)
{
	struct client_completion completion;

	if (client_wait(client, 0, &completion, 100) == 1)
		fails(what, kind, "came back", completion.status);
	client_close(client);
}

/* The chain of slot 0 names memory that was never lent, as its data. */
static void wild_data(bool indirect, uint32_t type)
{
	struct vring_desc *table;
	struct client client;

	open_client(&client, indirect);
	DO(&client, client_prepare(&client, 0, 0, type, 0, SIZE));
	table = indirect ? client_at(&client, client.queues[0].slots[0].table)
			 : client.queues[0].ring.desc;
	table[1].addr = 0x7000;
	*(uint8_t *)client_at(&client, client.queues[0].slots[0].status) = 0;
	client_publish(&client, 0, 0);
	DO(&client, client_kick(&client, 0));
	judge(&client, indirect ? "wild data, indirect" : "wild data",
	      (int)type);
}

/* The status is in memory that was never lent; the data there, or not. */
static void wild_status(bool indirect, bool wild_data)
{
	struct vring_desc *table;
	struct client client;

	open_client(&client, indirect);
	DO(&client, client_prepare(&client, 0, 0, VIRTIO_BLK_T_IN, 0, SIZE));
	table = indirect ? client_at(&client, client.queues[0].slots[0].table)
			 : client.queues[0].ring.desc;
	if (wild_data)
		table[1].addr = 0x7000;
	table[2].addr = 0x6000;
	*(uint8_t *)client_at(&client, client.queues[0].slots[0].status) = 0;
	client_publish(&client, 0, 0);
	DO(&client, client_kick(&client, 0));
	judge_silent(&client,
		     indirect ? "wild status, indirect" : "wild status",
		     wild_data);
}

/* The chain cannot be followed to its end. */
static void no_end(void)
{
	struct client client;

	open_client(&client, false);
	DO(&client, client_prepare(&client, 0, 0, VIRTIO_BLK_T_IN, 0, SIZE));
	client.queues[0].ring.desc[2].flags |= VRING_DESC_F_NEXT;
	client.queues[0].ring.desc[2].next = 1;
	*(uint8_t *)client_at(&client, client.queues[0].slots[0].status) = 0;
	client_publish(&client, 0, 0);
	DO(&client, client_kick(&client, 0));
	judge_silent(&client, "no end", 0);
}

/* The region of the data is taken back politely, then named. */
static void taken_back(uint32_t type)
{
	struct client client;

	open_client(&client, false);
	DO(&client, client_take_back(&client, 2));
	DO(&client, client_prepare(&client, 0, 0, type, 0, SIZE));
	*(uint8_t *)client_at(&client, client.queues[0].slots[0].status) = 0;
	client_publish(&client, 0, 0);
	DO(&client, client_kick(&client, 0));
	judge(&client, "taken back", (int)type);
}

/* The header is gone, the status byte is not. */
static void header_gone(void)
{
	struct client_slot *slot;
	struct client client;
	struct client_place header;

	open_client(&client, false);
	slot = &client.queues[0].slots[0];
	header = slot->header;
	slot->header = slot->data;
	DO(&client, client_prepare(&client, 0, 0, VIRTIO_BLK_T_FLUSH, 0, 0));
	slot->header = header;
	*(uint8_t *)client_at(&client, slot->status) = 0;
	DO(&client, hostile_truncate(&client, 2, 0));
	client_publish(&client, 0, 0);
	DO(&client, client_kick(&client, 0));
	judge(&client, "header gone", 0);
}

/* The data is gone: the ordinary case. */
static void data_gone(uint32_t type)
{
	struct client client;

	open_client(&client, false);
	DO(&client, client_prepare(&client, 0, 0, type, 0, SIZE));
	*(uint8_t *)client_at(&client, client.queues[0].slots[0].status) = 0;
	DO(&client, hostile_truncate(&client, 2, 0));
	client_publish(&client, 0, 0);
	DO(&client, client_kick(&client, 0));
	judge(&client, "data gone", (int)type);
}

int main(void)
{
	uint32_t type;

	serve_init(30);
	backend_add(&backend, make_image("disk", 1u << 20), 0);
	serve_start();
	for (type = VIRTIO_BLK_T_IN; type <= VIRTIO_BLK_T_OUT; type++) {
		wild_data(false, type);
		wild_data(true, type);
		taken_back(type);
		data_gone(type);
	}
	header_gone();
	wild_status(false, false);
	wild_status(false, true);
	wild_status(true, false);
	wild_status(true, true);
	no_end();
	CHECK(failures == 0, "%u failed requests had a wrong end", failures);
	return serve_end();
}
