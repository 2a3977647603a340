/* SPDX-License-Identifier: MIT */
/*
 * G11: a client pays for its own memory.  Mostly holes it does no harm: the
 * server does not grow by more than was allowed of what the client never paid
 * for, and serves the next.  A file on a disk is refused.
 */
#include "serve.h"

#include <sys/vfs.h>
#include <linux/magic.h>

#define SIZE	   (1u << 20)
#define SPARSE	   (1ull << 30)
#define ALLOWED	   (32ull << 20)
#define GROWTH_KIB (64u << 10)

static void open_client(struct client *client, uint64_t region_size)
{
	struct client_options options = {
		.socket_path = backend.exports[0].socket_path,
		.buffer_size = SIZE,
		.region_size = region_size,
		.sparse = region_size > 0,
		.depth = 16,
	};

	CHECK(client_open(client, &options) == 0, "open: %s", client->error);
}

static void check_next(void)
{
	struct client client;
	int status;

	open_client(&client, 0);
	DO(&client, client_start(&client));
	status = client_io(&client, 0, VIRTIO_BLK_T_IN, 0, SIZE);
	CHECK(status == 0, "the next client: status %d %s", status,
	      client.error);
	client_close(&client);
}

static void sparse(void)
{
	uint64_t before = backend_resident_kib(&backend), after, i;
	struct client_completion completion;
	struct client client;
	uint32_t failed = 0;

	open_client(&client, SPARSE);
	DO(&client, client_start(&client));
	/* Let it read all our holes, as the data of writes. */
	for (i = 0; i < SPARSE / SIZE - 64; i++) {
		client.queues[0].slots[0].data.offset = (32 + i) * SIZE;
		DO(&client,
		   client_submit(&client, 0, 0, VIRTIO_BLK_T_OUT, 0, SIZE));
		DO(&client, client_kick(&client, 0));
		CHECK(client_wait(&client, 0, &completion, 5000) == 1,
		      "no answer");
		failed += completion.status == VIRTIO_BLK_S_IOERR;
	}
	CHECK(failed > 0 && failed < i, "%u requests failed", failed);
	after = backend_resident_kib(&backend);
	printf("sparse: the server grew from %llu to %llu KiB\n",
	       (unsigned long long)before, (unsigned long long)after);
	CHECK(after < before + GROWTH_KIB, "the server pays for our holes");
	client_close(&client);
}

static void disk_file(void)
{
	struct statfs about;
	struct client client;
	char *path;
	int file;

	if (statfs(backend.directory, &about) || about.f_type == TMPFS_MAGIC) {
		printf("disk file: not tried, %s is no disk\n",
		       backend.directory);
		return;
	}
	open_client(&client, 0);
	path = make_image("lent", client.regions[0].size);
	file = open(path, O_RDWR | O_CLOEXEC);
	free(path);
	CHECK(file >= 0, "no file to lend");
	client.regions[0].lent_fd = file;
	CHECK(client_start(&client) != 0,
	      "a file on a disk is let in: it may block a fault for ever");
	printf("disk file: refused (%s)\n", client.error);
	client_close(&client);
}

int main(void)
{
	serve_init(120);
	backend.max_sparse = ALLOWED;
	backend_add(&backend, make_image("disk", 16u << 20), 0);
	serve_start();
	check_next();
	sparse();
	check_next();
	disk_file();
	check_next();
	return serve_end();
}
