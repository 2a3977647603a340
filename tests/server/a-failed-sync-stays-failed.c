/* SPDX-License-Identifier: MIT */
/*
 * The system reports once that it lost what was written, and then takes it for
 * saved.  So when a sync has failed, no flush and no durable write succeeds any
 * more, for any client, until the export is opened anew: by a start of the
 * server, or by a reload, for those who connect then.  What needs no sync goes
 * on.
 */
#include "statistics.h"

#include "on-held-disk.h"
#include "log-lines.h"

#define DISK (4u << 20)
#define SIZE 4096u

static void open_client(struct client *client, bool flushes)
{
	const struct client_options options = {
		.socket_path = backend.exports[0].socket_path,
		.depth = 8,
		.buffer_size = SIZE,
	};

	CHECK(client_open(client, &options) == 0, "open: %s", client->error);
	/* Who cannot flush has each write made durable. */
	if (!flushes)
		client->features &= ~(1ull << VIRTIO_BLK_F_FLUSH);
	DO(client, client_start(client));
}

static int flush(struct client *client)
{
	return client_io(client, 0, VIRTIO_BLK_T_FLUSH, 0, 0);
}

static int zero(struct client *client)
{
	const struct {
		uint64_t sector;
		uint32_t sectors, flags;
	} range = { 8, 8, 0 };

	memcpy(client_data(client, 0, 0), &range, sizeof(range));
	return client_io(client, 0, VIRTIO_BLK_T_WRITE_ZEROES, 0,
			 sizeof(range));
}

static void without_a_sync(struct client *client)
{
	CHECK(client_io(client, 0, VIRTIO_BLK_T_OUT, 0, SIZE) == 0,
	      "a write that is not durable failed: %s", client->error);
	CHECK(client_io(client, 0, VIRTIO_BLK_T_IN, 0, SIZE) == 0,
	      "a read failed: %s", client->error);
}

/* For them, and for those who connect later. */
static void all_fail(struct client *client)
{
	struct client other;

	for (int i = 0; i < 3; i++)
		CHECK(flush(client) == VIRTIO_BLK_S_IOERR,
		      "flush %d after a failed sync has not failed", i);
	without_a_sync(client);
	client_close(client);
	open_client(&other, true);
	CHECK(flush(&other) == VIRTIO_BLK_S_IOERR,
	      "a flush of the next client has not failed");
	without_a_sync(&other);
	client_close(&other);
	open_client(&other, false);
	CHECK(client_io(&other, 0, VIRTIO_BLK_T_OUT, 0, SIZE) ==
		      VIRTIO_BLK_S_IOERR,
	      "a durable write has not failed");
	CHECK(zero(&other) == VIRTIO_BLK_S_IOERR,
	      "durable zeroes have not failed");
	CHECK(client_io(&other, 0, VIRTIO_BLK_T_IN, 0, SIZE) == 0,
	      "a read failed: %s", other.error);
	client_close(&other);
}

static uint64_t sync_failed(void)
{
	json_t *tree = statistics(), *export;
	uint64_t failed;

	export = json_array_get(json_object_get(tree, "exports"), 0);
	failed = (uint64_t)json_integer_value(
		json_object_get(export, "sync-failed"));
	CHECK(failed == (json_object_get(export, "sync-error") != NULL),
	      "the statistics are at odds");
	json_decref(tree);
	return failed;
}

static void is_told_once(uint32_t times)
{
	CHECK(lines_in_log("a sync failed") == times, "%u lines, expected %u",
	      lines_in_log("a sync failed"), times);
	CHECK(sync_failed() == 1, "stat does not have it");
}

static void by_a_flush(void)
{
	struct client client;

	open_client(&client, true);
	CHECK(flush(&client) == 0, "flush: %s", client.error);
	CHECK(sync_failed() == 0, "stat has a failure that was none");
	held_disk_fail_syncs(1);
	all_fail(&client);
	is_told_once(1);
}

/* That of a write, of one that is not alone: the flushes beside it share a
 * sync, and none of them may be the one that succeeds. */
static void by_many_at_once(void)
{
	struct client_completion done;
	struct client client;

	open_client(&client, true);
	held_disk_fail_syncs(1);
	for (uint32_t i = 0; i < 8; i++)
		DO(&client,
		   client_submit(&client, 0, i, VIRTIO_BLK_T_FLUSH, 0, 0));
	DO(&client, client_kick(&client, 0));
	for (uint32_t i = 0; i < 8; i++)
		CHECK(client_wait(&client, 0, &done, 5000) == 1 &&
			      done.status == VIRTIO_BLK_S_IOERR,
		      "flush %u beside a failed one: status %u", i,
		      done.status);
	all_fail(&client);
}

static void by_a_durable_write(void)
{
	struct client client;

	open_client(&client, false);
	held_disk_fail_syncs(1);
	CHECK(client_io(&client, 0, VIRTIO_BLK_T_OUT, 0, SIZE) ==
		      VIRTIO_BLK_S_IOERR,
	      "a write that could not be made durable has not failed");
	client_close(&client);
	open_client(&client, true);
	all_fail(&client);
}

/* Who connects after the reload has the export that it opened. */
static void reload_opens_anew(void)
{
	uint32_t before = lines_in_log("reloaded: exports");
	uint64_t end = client_now_ns() + 5000000000ull;
	struct client client;

	kill(backend.pid, SIGHUP);
	while (lines_in_log("reloaded: exports") == before) {
		CHECK(client_now_ns() < end, "not reloaded");
		poll(NULL, 0, 5);
	}
	open_client(&client, true);
	CHECK(flush(&client) == 0, "a flush after the reload: %s",
	      client.error);
	CHECK(sync_failed() == 0, "stat has the failure of the old export");
	client_close(&client);
}

static void restart_opens_anew(void)
{
	struct client client;

	CHECK(backend_stop(&backend) == 0, "%s", backend.error);
	serve_start();
	open_client(&client, true);
	CHECK(flush(&client) == 0, "a flush after a restart: %s", client.error);
	client_close(&client);
}

int main(void)
{
	char config[100];
	FILE *file;

	(void)begin_on_held_disk(DISK, NULL);
	snprintf(config, sizeof(config), "%s/config", backend.directory);
	file = fopen(config, "we");
	CHECK(file && fputs("polling: adaptive\n", file) >= 0 &&
		      fclose(file) == 0,
	      "%s: cannot be written", config);
	backend.config = config;
	serve_start();
	by_a_flush();
	reload_opens_anew();
	by_a_durable_write();
	restart_opens_anew();
	by_many_at_once();
	CHECK(backend_stop(&backend) == 0, "%s", backend.error);
	held_disk_stop();
	backend_free(&backend);
	return 0;
}
