/* SPDX-License-Identifier: MIT */
/*
 * G1, G3, G10: the log of requests in flight is the client's memory.  Whatever
 * it says, and whenever it goes, the server lives and serves the others; and
 * what cannot be a log is refused.
 */
#include "serve.h"

#include <errno.h>
#include <sys/mman.h>

#include "client/protocol.h"

#define SIZE  4096u
#define DEPTH 16u
#define PAGE  4096u

static struct client good;
static uint64_t random_state = 41;
static bool packed; /* the rings of the bad clients */

static void check_good(const char *when)
{
	int status = client_io(&good, 0, VIRTIO_BLK_T_IN, 0, SIZE);

	CHECK(status == 0, "%s: the good client: status %d %s", when, status,
	      good.error);
}

static void open_client(struct client *client, bool inflight)
{
	const struct client_options options = {
		.socket_path = backend.exports[client == &good].socket_path,
		.depth = DEPTH,
		.buffer_size = SIZE,
		.inflight = inflight,
		.packed = packed && inflight,
	};

	CHECK(client_open(client, &options) == 0, "open: %s", client->error);
}

static void start_client(struct client *client)
{
	open_client(client, true);
	DO(client, client_start(client));
	CHECK(client_io(client, 0, VIRTIO_BLK_T_IN, 0, SIZE) == 0, "%s",
	      client->error);
}

/* A log that the client made itself, and can do anything to. */
static void use_own(struct client *client)
{
	close(client->inflight_fd);
	client->inflight_fd = memfd_create("own", MFD_CLOEXEC);
	CHECK(client->inflight_fd >= 0 &&
		      ftruncate(client->inflight_fd,
				(off_t)client->inflight_size) == 0,
	      "memfd");
}

/* All of it, or a few bytes of what the server left. */
static void noise(struct client *client)
{
	uint8_t *at = mmap(NULL, client->inflight_size, PROT_READ | PROT_WRITE,
			   MAP_SHARED, client->inflight_fd, 0);
	bool all = hostile_random(&random_state) % 3 == 0;

	CHECK(at != MAP_FAILED, "mmap");
	for (uint64_t i = 0; i < (all ? client->inflight_size : 3); i++) {
		uint64_t random = hostile_random(&random_state);
		uint64_t place = all ? i : random >> 8 & 511;

		at[place % client->inflight_size] =
			(uint8_t)(random & (random >> 32 & 1 ? 31 : 1));
	}
	at[8] = 1; /* so that it is read */
	munmap(at, client->inflight_size);
}

/* Some of these requests come twice, or never: that is between the client and
 * its log. */
static void load(struct client *client)
{
	for (uint32_t i = 0; i < DEPTH; i++)
		if (!client->queues[0].slots[i].busy)
			client_submit(client, 0, i,
				      i % 2 ? VIRTIO_BLK_T_IN
					    : VIRTIO_BLK_T_OUT,
				      i * (SIZE / CLIENT_SECTOR), SIZE);
	client_kick(client, 0);
}

static void random_bytes(void)
{
	for (int round = 0; round < 40; round++) {
		struct client_completion completion;
		struct client client;

		start_client(&client);
		load(&client);
		noise(&client);
		DO(&client, client_reopen(&client));
		DO(&client, client_start(&client));
		noise(&client);
		/* Completions of what was not submitted are what it asked
		 * for. */
		client_wait(&client, 0, &completion, 10);
		check_good("beside noise in a log");
		client_close(&client);
	}
}

/* With the log goes what it is for, and nothing else. */
static void taken_away(bool used)
{
	struct client client;

	start_client(&client);
	DO(&client, client_stop(&client));
	use_own(&client);
	DO(&client, client_start(&client));
	if (used)
		CHECK(client_io(&client, 0, VIRTIO_BLK_T_IN, 0, SIZE) == 0,
		      "%s", client.error);
	CHECK(ftruncate(client.inflight_fd, 0) == 0, "ftruncate");
	for (int i = 0; i < 3; i++)
		CHECK(client_io(&client, 0, VIRTIO_BLK_T_IN, 0, SIZE) == 0,
		      "without a log: %s", client.error);
	check_good("beside a log that went");
	client_close(&client);
}

static void refuse(struct client *client, uint64_t size, uint64_t offset,
		   uint32_t queues, uint32_t entries, int fd, const char *what)
{
	const struct vhost_user_inflight log = {
		.size = size,
		.offset = offset,
		.queue_count = (uint16_t)queues,
		.queue_size = (uint16_t)entries,
	};

	CHECK(client_tell(client, VHOST_USER_SET_INFLIGHT_FD, &log, sizeof(log),
			  fd) != 0 &&
		      !client->lost,
	      "%s was taken", what);
}

static void what_is_none(void)
{
	struct client client;
	struct vhost_user_inflight log = { .queue_count = 1, .queue_size = 64 };
	char path[40];
	int fd, read_only;

	open_client(&client, true);
	fd = memfd_create("log", MFD_CLOEXEC);
	CHECK(fd >= 0 && ftruncate(fd, 2 * PAGE) == 0, "memfd");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	read_only = open(path, O_RDONLY | O_CLOEXEC);
	refuse(&client, 2 * PAGE, 0, 1, 64, -1, "no descriptor");
	refuse(&client, 2 * PAGE, 0, 0, 64, fd, "no queue");
	refuse(&client, 2 * PAGE, 0, 65, 64, fd, "one queue too many");
	refuse(&client, 2 * PAGE, 0, 1, 0, fd, "no entry");
	refuse(&client, 1 << 20, 0, 1, 32769, fd, "one entry too many");
	refuse(&client, 1 << 20, 0, 1, 1024, fd, "a file too short");
	refuse(&client, PAGE, 0, 2, 256, fd, "a size too small");
	refuse(&client, 2 * PAGE, 1, 1, 64, fd, "an offset that is odd");
	refuse(&client, PAGE, 2 * PAGE, 1, 64, fd, "an offset at the end");
	refuse(&client, PAGE, UINT64_MAX - PAGE + 1, 1, 64, fd, "a sum");
	refuse(&client, 2 * PAGE, 0, 1, 64, read_only, "what is read-only");
	refuse(&client, 2 * PAGE, 0, 1, 64, client.queues[0].kick_fd,
	       "an eventfd");
	/* One that asks for nonsense is given nothing. */
	for (uint32_t i = 0; i < 4; i++) {
		const uint16_t numbers[] = { 0, 65, 1, 1 };
		const uint16_t sizes[] = { 64, 64, 0, 32769 };
		int given = -1;

		log.queue_count = numbers[i];
		log.queue_size = sizes[i];
		DO(&client, client_send(&client, VHOST_USER_GET_INFLIGHT_FD, 0,
					&log, sizeof(log), NULL, 0));
		DO(&client, client_receive(&client, VHOST_USER_GET_INFLIGHT_FD,
					   &log, sizeof(log), &given));
		CHECK(log.size == 0 && given < 0, "a log for nonsense");
	}
	/* Without the padding of the struct: the same. */
	log.queue_count = 1;
	log.queue_size = 64;
	{
		uint8_t answer[20];
		int given = -1;

		DO(&client, client_send(&client, VHOST_USER_GET_INFLIGHT_FD, 0,
					&log, sizeof(answer), NULL, 0));
		DO(&client, client_receive(&client, VHOST_USER_GET_INFLIGHT_FD,
					   answer, sizeof(answer), &given));
		CHECK(given >= 0, "no log for 20 bytes");
		close(given);
	}
	DO(&client, client_start(&client));
	refuse(&client, client.inflight_size, 0, 1, 64, client.inflight_fd,
	       "a log for a ring that runs");
	/* For smaller rings: told when the ring is looked at, and only then
	 * can it be known. */
	CHECK(client_io(&client, 0, VIRTIO_BLK_T_IN, 0, SIZE) == 0, "%s",
	      client.error);
	close(fd);
	close(read_only);
	client_close(&client);
	check_good("after what is no log");
}

int main(void)
{
	char *disk;

	serve_init(100);
	disk = make_image("disk", DEPTH * SIZE);
	backend_add(&backend, disk, 0);
	/* Of the good client, who reads it. */
	backend_add(&backend, disk, 0);
	backend.exports[1].read_only = true;
	serve_start();
	open_client(&good, false);
	DO(&good, client_start(&good));
	for (int layout = 0; layout < 2; layout++) {
		packed = layout == 1;
		what_is_none();
		taken_away(false);
		taken_away(true);
		random_bytes();
	}
	client_close(&good);
	return serve_end();
}
