/* SPDX-License-Identifier: MIT */
/*
 * G1, G11: every wrong ring and every wrong message costs at most the client
 * that sent it.  While it is still connected another client is served at once;
 * when it is gone the same socket serves the next; and nobody is left
 * spinning.
 */
#include "serve.h"

#include <poll.h>

#define SIZE	 8192u
#define QUICK_MS 10000

static struct client good;

static void check_good(const char *what, int kind)
{
	uint64_t begin = client_now_ns();
	int status;

	client_pattern(client_data(&good, 0, 0), SIZE, (uint64_t)kind, 16);
	status = client_io(&good, 0, VIRTIO_BLK_T_OUT, 16, SIZE);
	CHECK(status == 0, "%s %d: the good client: status %d %s", what, kind,
	      status, good.error);
	memset(client_data(&good, 0, 0), 0, SIZE);
	status = client_io(&good, 0, VIRTIO_BLK_T_IN, 16, SIZE);
	CHECK(status == 0 && client_verify(client_data(&good, 0, 0), SIZE,
					   (uint64_t)kind, 16) == SIZE,
	      "%s %d: the good client's data is wrong", what, kind);
	CHECK(client_now_ns() - begin < QUICK_MS * 1000000ull,
	      "%s %d: the good client waited for %llu ms", what, kind,
	      (unsigned long long)(client_now_ns() - begin) / 1000000);
}

static void open_bad(struct client *client, bool indirect, bool packed)
{
	struct client_options options = {
		.socket_path = backend.exports[1].socket_path,
		.region_count = 3,
		.depth = 8,
		.buffer_size = SIZE,
		.indirect = indirect,
		.packed = packed,
	};

	CHECK(client_open(client, &options) == 0,
	      "the next client is not served: %s", client->error);
	DO(client, client_start(client));
}

/* What a lenient server may carry out in full, all bytes moved. */
static bool may_succeed(int kind)
{
	return kind == HOSTILE_WILD_INDEX || kind == HOSTILE_NESTED_TABLE ||
	       kind == HOSTILE_OWN_TABLE || kind == HOSTILE_OWN_RING ||
	       kind == HOSTILE_ZERO_LENGTH;
}

static bool succeeds(int kind, uint32_t type, bool indirect, bool packed)
{
	struct client_completion completion;
	struct client client;
	bool success;

	open_bad(&client, indirect, packed);
	DO(&client, hostile_chain(&client, (enum hostile_chain)kind, type));
	success = client_wait(&client, 0, &completion, 20) == 1 &&
		  completion.status == VIRTIO_BLK_S_OK;
	check_good("chain", kind);
	client_close(&client);
	return success;
}

static void chain(int kind, uint32_t type, bool indirect, bool packed)
{
	CHECK(!succeeds(kind, type, indirect, packed) || may_succeed(kind),
	      "chain %d, type %u: success", kind, type);
}

static void message(int kind)
{
	struct client client;

	open_bad(&client, false, false);
	/* It may hang up while we send. */
	hostile_message(&client, (enum hostile_message)kind);
	check_good("message", kind);
	client_close(&client);
}

/* Processor time of the server, in clock ticks. */
static unsigned long spent(void)
{
	unsigned long user = 0, system = 0;
	char path[40];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", backend.pid);
	file = fopen(path, "re");
	CHECK(file && fscanf(file,
			     "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u "
			     "%*u %*u %*u %lu %lu",
			     &user, &system) == 2,
	      "%s", path);
	fclose(file);
	return user + system;
}

int main(void)
{
	struct client_options options = { .region_count = 3,
					  .buffer_size = SIZE };
	unsigned long before;
	struct client clogged;
	int kind, way;

	serve_init(60);
	backend_add(&backend, make_image("disk", 1u << 20), 0);
	backend_add(&backend, NULL, 1u << 20);
	serve_start();
	options.socket_path = backend.exports[0].socket_path;
	CHECK(client_open(&good, &options) == 0, "open: %s", good.error);
	DO(&good, client_start(&good));
	for (kind = 0; kind < HOSTILE_CHAINS; kind++)
		for (way = 0; way < 8; way++)
			chain(kind, way & 1, way & 2, way & 4);
	for (kind = 0; kind < HOSTILE_MESSAGES; kind++)
		message(kind);
	open_bad(&clogged, false, false);
	DO(&clogged, hostile_clog(&clogged, 0));
	DO(&clogged, client_submit(&clogged, 0, 0, VIRTIO_BLK_T_IN, 0, SIZE));
	DO(&clogged, client_kick(&clogged, 0));
	check_good("clogged call", 0);
	client_close(&clogged);
	before = spent();
	/* Idle, with one client that says nothing: no work, no time. */
	poll(NULL, 0, 500);
	CHECK(spent() - before < (unsigned long)sysconf(_SC_CLK_TCK) / 4,
	      "the server spins: %lu ticks in half a second of nothing",
	      spent() - before);
	client_close(&good);
	return serve_end();
}
