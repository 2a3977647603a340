/* SPDX-License-Identifier: MIT */
/*
 * Of an image that is not shared one client has started rings.  Those of others
 * wait, without being refused, until it has stopped or gone: a machine that
 * migrates on one host, or connects again, takes over.  A shared image has
 * several clients at once, and so has one that nobody writes.
 */
#include "statistics.h"

#define DISK (1u << 20)
#define SIZE 4096u

enum { ALONE, SHARED, READ_ONLY };

static void open_client(struct client *client, uint32_t export)
{
	const struct client_options options = {
		.socket_path = backend.exports[export].socket_path,
		.buffer_size = SIZE,
	};

	CHECK(client_open(client, &options) == 0, "open: %s", client->error);
	DO(client, client_start(client));
}

static void submit(struct client *client)
{
	DO(client, client_submit(client, 0, 0, VIRTIO_BLK_T_IN, 0, SIZE));
	DO(client, client_kick(client, 0));
}

static void is_served(struct client *client, const char *when)
{
	struct client_completion done;

	CHECK(client_wait(client, 0, &done, 20000) == 1 &&
		      done.status == VIRTIO_BLK_S_OK,
	      "%s: not served: %s", when, client->error);
}

static uint64_t of_export(const char *key)
{
	json_t *tree = statistics();
	uint64_t value = (uint64_t)json_integer_value(json_object_get(
		json_array_get(json_object_get(tree, "exports"), ALONE), key));

	json_decref(tree);
	return value;
}

/* Clients whose rings wait. */
static void await_waiting(uint64_t count)
{
	uint64_t end = client_now_ns() + 20000000000ull;

	while (of_export("waiting-for-image") != count) {
		CHECK(client_now_ns() < end, "%llu clients wait, expected %llu",
		      (unsigned long long)of_export("waiting-for-image"),
		      (unsigned long long)count);
		poll(NULL, 0, 2);
	}
}

static void waits(struct client *client)
{
	struct client_completion done;

	submit(client);
	await_waiting(1);
	CHECK(client_wait(client, 0, &done, 0) == 0,
	      "served beside another client");
}

static void until_it_has_stopped(void)
{
	struct client first, second;

	open_client(&first, ALONE);
	submit(&first);
	is_served(&first, "alone");
	open_client(&second, ALONE);
	waits(&second);
	submit(&first);
	is_served(&first, "beside one that waits");
	DO(&first, client_stop(&first));
	is_served(&second, "after the first has stopped");
	/* The first starts again, and now it is the one that waits. */
	DO(&first, client_start(&first));
	waits(&first);
	submit(&second);
	is_served(&second, "beside the first");
	DO(&second, client_stop(&second));
	is_served(&first, "after the second has stopped");
	client_close(&second);
	client_close(&first);
}

/* Whether it says so or not. */
static void until_it_has_gone(bool politely)
{
	struct client first, second;

	open_client(&first, ALONE);
	submit(&first);
	is_served(&first, "alone");
	open_client(&second, ALONE);
	waits(&second);
	if (!politely)
		client_hang_up(&first);
	client_close(&first);
	is_served(&second, "after the first has gone");
	client_close(&second);
}

/* Who waits can do everything else, and gives up its place. */
static void who_waits_is_answered(void)
{
	struct client first, second, third;

	open_client(&first, ALONE);
	submit(&first);
	is_served(&first, "alone");
	open_client(&second, ALONE);
	waits(&second);
	DO(&second, client_stop(&second));
	await_waiting(0);
	open_client(&third, ALONE);
	waits(&third);
	DO(&first, client_stop(&first));
	is_served(&third, "not after one that had given up");
	client_close(&third);
	client_close(&second);
	client_close(&first);
}

static void all_at_once(uint32_t export)
{
	struct client clients[3];

	for (int i = 0; i < 3; i++) {
		open_client(&clients[i], export);
		submit(&clients[i]);
		is_served(&clients[i], "beside others");
	}
	for (int i = 0; i < 3; i++)
		client_close(&clients[i]);
}

int main(void)
{
	char *disk;

	serve_init(60);
	disk = make_image("read", DISK);
	backend_add(&backend, make_image("alone", DISK), 0);
	backend_add(&backend, make_image("shared", DISK), 0);
	backend.exports[SHARED].shared = true;
	backend_add(&backend, disk, 0);
	backend.exports[READ_ONLY].read_only = true;
	serve_start();
	/* Enough times for both to be on one worker, and on two. */
	for (int i = 0; i < 4; i++) {
		until_it_has_stopped();
		until_it_has_gone(true);
		until_it_has_gone(false);
		who_waits_is_answered();
	}
	all_at_once(SHARED);
	all_at_once(READ_ONLY);
	return serve_end();
}
