/* SPDX-License-Identifier: MIT */
/*
 * G5: a request that could not be carried out is not taken for one that was.
 *
 * Guests use the memory of a request again, status byte and all, and look at
 * nothing else: where the last request left a 0, a chain that comes back
 * without a status has succeeded.  So with a stale 0 there, the driver either
 * writes an error or does not give the chain back.
 */
#include "serve.h"

#define SIZE 8192u

static uint32_t failures;

static void open_client(struct client *client, bool indirect)
{
	struct client_options options = {
		.socket_path = driver.exports[0].socket_path,
		.region_count = 3,
		.buffer_size = SIZE,
		.indirect = indirect,
	};

	CHECK(client_open(client, &options) == 0, "open: %s", client->error);
	DO(client, client_start(client));
}

static void judge(struct client *client, const char *what, int kind)
{
	struct client_completion completion;

	if (client_wait(client, 0, &completion, 100) == 1 &&
	    completion.status == VIRTIO_BLK_S_OK) {
		fprintf(stderr, "%s %d: came back with the stale status 0\n",
			what, kind);
		failures++;
	}
	client_close(client);
}

/* The chain of slot 0 names memory that was never lent, as its data. */
static void wild_data(bool indirect, uint32_t type)
{
	struct vring_desc *table;
	struct client client;

	open_client(&client, indirect);
	DO(&client, client_submit(&client, 0, 0, type, 0, SIZE));
	table = indirect ? client_at(&client, client.queues[0].slots[0].table)
			 : client.queues[0].ring.desc;
	table[1].addr = 0x7000;
	*(uint8_t *)client_at(&client, client.queues[0].slots[0].status) = 0;
	DO(&client, client_kick(&client, 0));
	judge(&client, indirect ? "wild data, indirect" : "wild data",
	      (int)type);
}

/* The region of the data is taken back politely, then named. */
static void taken_back(uint32_t type)
{
	struct client client;

	open_client(&client, false);
	DO(&client, client_take_back(&client, 2));
	DO(&client, client_submit(&client, 0, 0, type, 0, SIZE));
	*(uint8_t *)client_at(&client, client.queues[0].slots[0].status) = 0;
	DO(&client, client_kick(&client, 0));
	judge(&client, "taken back", (int)type);
}

/* The header is gone, the status byte is not. */
static void header_gone(void)
{
	struct client_slot *slot;
	struct client client;

	open_client(&client, false);
	slot = &client.queues[0].slots[0];
	slot->header = slot->data;
	DO(&client, client_submit(&client, 0, 0, VIRTIO_BLK_T_FLUSH, 0, 0));
	*(uint8_t *)client_at(&client, slot->status) = 0;
	DO(&client, hostile_truncate(&client, 2, 0));
	DO(&client, client_kick(&client, 0));
	judge(&client, "header gone", 0);
}

/* The data is gone: the ordinary case. */
static void data_gone(uint32_t type)
{
	struct client client;

	open_client(&client, false);
	DO(&client, client_submit(&client, 0, 0, type, 0, SIZE));
	*(uint8_t *)client_at(&client, client.queues[0].slots[0].status) = 0;
	DO(&client, hostile_truncate(&client, 2, 0));
	DO(&client, client_kick(&client, 0));
	judge(&client, "data gone", (int)type);
}

int main(void)
{
	uint32_t type;

	serve_init(30);
	driver_add(&driver, make_image("disk", 1u << 20), 0);
	serve_start();
	for (type = VIRTIO_BLK_T_IN; type <= VIRTIO_BLK_T_OUT; type++) {
		wild_data(false, type);
		wild_data(true, type);
		taken_back(type);
		data_gone(type);
	}
	header_gone();
	CHECK(failures == 0, "%u failed requests look like successes",
	      failures);
	return serve_end();
}
