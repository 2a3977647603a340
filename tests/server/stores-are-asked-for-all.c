/* SPDX-License-Identifier: MIT */
/*
 * What a client asks for arrives at the store, by a store that keeps a record:
 * for a driver that cannot flush, writes and zeroes have to be durable; a
 * request of ranges that was done in part has failed; and one that takes too
 * long is cancelled like any other (G5, G9).
 */
#include "serve.h"

#include <errno.h>
#include <pthread.h>

#include "tests/one-lane.h"
#include "vhost/server.h"

#define SIZE 4096u

/* One request at a time. */
static struct store_io *in_store;

/* What was asked last, and how to answer: of both threads. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER;
static struct record {
	uint32_t asked;
	enum store_io_kind kind;
	bool durable;
	uint32_t ranges;
	uint64_t ranged; /* bytes */
	bool cancelled;
	bool hold;	   /* answer when cancelled */
	uint64_t left_out; /* bytes that are not done */
} record;

static struct record look(void)
{
	struct record copy;

	pthread_mutex_lock(&lock);
	copy = record;
	pthread_mutex_unlock(&lock);
	return copy;
}

static void await(uint32_t asked)
{
	pthread_mutex_lock(&lock);
	while (record.asked < asked)
		pthread_cond_wait(&more, &lock);
	pthread_mutex_unlock(&lock);
}

static void answer_by(bool hold, uint64_t left_out)
{
	pthread_mutex_lock(&lock);
	record.hold = hold;
	record.left_out = left_out;
	pthread_mutex_unlock(&lock);
}

static bool add(struct store_lane *lane, struct store_io *io)
{
	(void)lane;
	if (in_store)
		return false;
	in_store = io;
	pthread_mutex_lock(&lock);
	record.asked++;
	pthread_cond_signal(&more);
	record.kind = io->kind;
	record.durable = io->durable;
	record.ranges = io->range_count;
	record.ranged = 0;
	for (uint32_t i = 0; i < io->range_count; i++)
		record.ranged += io->ranges[i].size;
	io->result =
		(struct prec_result){ PREC_OK, 0, io->size - record.left_out };
	pthread_mutex_unlock(&lock);
	return true;
}

static enum store_left start(struct store_lane *lane)
{
	(void)lane;
	return in_store ? STORE_NO_ROOM : STORE_NOTHING;
}

static struct store_io *reap(struct store_lane *lane)
{
	struct record now = look();
	struct store_io *io = in_store;

	(void)lane;
	if (now.hold && !now.cancelled)
		return NULL;
	in_store = NULL;
	return io;
}

static void cancel(struct store_lane *lane, struct store_io *io)
{
	(void)lane;
	io->result = (struct prec_result){ PREC_SYSTEM, ECANCELED, 0 };
	pthread_mutex_lock(&lock);
	record.cancelled = true;
	pthread_mutex_unlock(&lock);
}

static void nothing(struct store *store)
{
	(void)store;
}

static const struct store_ops ops = {
	.lane_open = lane_open,
	.lane_close = lane_close,
	.add = add,
	.start = start,
	.reap = reap,
	.cancel = cancel,
	.close = nothing,
};

static const struct store store = {
	.ops = &ops,
	.capacity = 1u << 20,
	.block_size = STORE_SECTOR,
	.discard_align = STORE_SECTOR,
};

static struct vhost_server *server;

static void *run(void *argument)
{
	(void)argument;
	vhost_server_run(server);
	return NULL;
}

static int io(struct client *client, uint32_t type)
{
	const struct {
		uint64_t sector;
		uint32_t sectors, flags;
	} ranges[2] = { { 3, 5, 0 }, { 100, 8, 0 } };

	if (type != VIRTIO_BLK_T_DISCARD && type != VIRTIO_BLK_T_WRITE_ZEROES)
		return client_io(client, 0, type, 0, SIZE);
	memcpy(client_data(client, 0, 0), ranges, sizeof(ranges));
	return client_io(client, 0, type, 0, sizeof(ranges));
}

static void asks(struct client *client, uint32_t type, enum store_io_kind kind,
		 bool durable, const char *when)
{
	struct record got;

	CHECK(io(client, type) == 0, "%s: %s", when, client->error);
	got = look();
	CHECK(got.kind == kind && got.durable == durable,
	      "%s: type %u is asked as kind %d, durable %d", when, type,
	      got.kind, got.durable);
	CHECK(got.ranges == 0 || (got.ranges == 2 && got.ranged == 13 * 512),
	      "%s: %u ranges, %llu bytes", when, got.ranges,
	      (unsigned long long)got.ranged);
}

static void asks_all(struct client *client, bool durable, const char *when)
{
	asks(client, VIRTIO_BLK_T_OUT, STORE_WRITE, durable, when);
	asks(client, VIRTIO_BLK_T_WRITE_ZEROES, STORE_WRITE_ZEROES, durable,
	     when);
	asks(client, VIRTIO_BLK_T_DISCARD, STORE_DISCARD, false, when);
}

static void set_feature(struct client *client, unsigned int bit, bool on)
{
	DO(client, client_stop(client));
	if (on)
		client->features |= 1ull << bit;
	else
		client->features &= ~(1ull << bit);
	DO(client, client_start(client));
}

static void durability(struct client *client)
{
	asks_all(client, false, "written back");
	set_feature(client, VIRTIO_BLK_F_FLUSH, false);
	asks_all(client, true, "no flush");
}

static void in_part(struct client *client)
{
	answer_by(false, 512);
	CHECK(io(client, VIRTIO_BLK_T_WRITE_ZEROES) == VIRTIO_BLK_S_IOERR &&
		      io(client, VIRTIO_BLK_T_DISCARD) == VIRTIO_BLK_S_IOERR,
	      "what was done in part has succeeded");
	answer_by(false, 0);
}

/* The ring is stopped with a request in the store. */
static void too_long(struct client *client)
{
	struct client_completion completion;
	uint32_t asked = look().asked;

	answer_by(true, 0);
	DO(client,
	   client_submit(client, 0, 0, VIRTIO_BLK_T_WRITE_ZEROES, 0, 16));
	DO(client, client_kick(client, 0));
	await(asked + 1);
	DO(client, client_stop(client));
	CHECK(client_wait(client, 0, &completion, 0) == 1 &&
		      completion.status == VIRTIO_BLK_S_IOERR,
	      "cancelled, it is not answered by an error");
	answer_by(false, 0);
}

int main(void)
{
	const struct vhost_limits limits = { .drain_timeout_ms = 50 };
	struct vhost_export_options export = { .fd = -1,
					       .name = "record",
					       .store = &store };
	struct client_options options = { .buffer_size = SIZE };
	struct vhost_error error;
	struct client client;
	pthread_t thread;
	char path[100];

	serve_init(60);
	snprintf(path, sizeof(path), "%s/socket", backend.directory);
	export.socket_path = path;
	options.socket_path = path;
	server = vhost_server_new(&limits, &error);
	CHECK(server && vhost_server_add(server, &export, &error) &&
		      vhost_server_start(server, &error),
	      "%s", error.text);
	CHECK(pthread_create(&thread, NULL, run, NULL) == 0, "thread");
	CHECK(client_open(&client, &options) == 0, "open: %s", client.error);
	DO(&client, client_start(&client));
	durability(&client);
	in_part(&client);
	too_long(&client);
	client_close(&client);
	vhost_server_interrupt(server);
	pthread_join(thread, NULL);
	vhost_server_free(server);
	backend_free(&backend);
	return 0;
}
