/* SPDX-License-Identifier: MIT */
/*
 * G1: a message that is refused, and of which its sender does not hear, because
 * it asked for no reply, is ignored where what follows means the same all the
 * same; stops the ring that it is about; and ends the client only where the two
 * would not mean the same any more.
 */
#include "serve.h"
#include "log-lines.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "client/protocol.h"

#define SIZE   4096u
#define QUEUES 2u

/* Of no kind that any of these messages takes. */
static int wrong_fd;

struct saying {
	const char *what;
	uint32_t request;
	uint32_t size;
	uint32_t words[5];
	bool fd; /* the wrong one comes along */
};

static const struct saying ignored[] = {
	{ "a cache mode", VHOST_USER_SET_CONFIG, 13, { 32, 1, 0, 0xff }, 0 },
	{ "too long a part", VHOST_USER_SET_CONFIG, 13, { 0, 257 }, 0 },
	{ "less than it names", VHOST_USER_SET_CONFIG, 13, { 0, 60 }, 0 },
	{ "a status beyond", VHOST_USER_SET_STATUS, 8, { 0x100 }, 0 },
	{ "half an enable", VHOST_USER_SET_VRING_ENABLE, 8, { 0, 2 }, 0 },
	{ "an enable beyond", VHOST_USER_SET_VRING_ENABLE, 8, { 99, 0 }, 0 },
	{ "a size beyond", VHOST_USER_SET_VRING_NUM, 8, { 99, 8 }, 0 },
	{ "an address beyond", VHOST_USER_SET_VRING_ADDR, 40, { 99 }, 0 },
	{ "a call beyond", VHOST_USER_SET_VRING_CALL, 8, { 0x1ff }, 0 },
	{ "an err", VHOST_USER_SET_VRING_ERR, 8, { 0 }, 1 },
	{ "a signal of the log", VHOST_USER_SET_LOG_FD, 0, { 0 }, 1 },
	{ "a channel", VHOST_USER_SET_BACKEND_REQ_FD, 0, { 0 }, 1 },
	{ "SEND_RARP", 19, 8, { 0 }, 0 },
	{ "NET_SET_MTU", 20, 8, { 1500 }, 0 },
	{ "IOTLB_MSG", 22, 32, { 0 }, 0 },
	{ "SET_VRING_ENDIAN", 23, 8, { 0 }, 0 },
	{ "CLOSE_CRYPTO_SESSION", 27, 8, { 0 }, 0 },
	{ "POSTCOPY_LISTEN", 29, 0, { 0 }, 0 },
	{ "GPU_SET_SOCKET", 33, 0, { 0 }, 1 },
	{ "VRING_KICK", 35, 8, { 0 }, 0 },
	{ "request 0", 0, 0, { 0 }, 0 },
	{ "request 99", 99, 8, { 0 }, 0 },
	{ "the last request", UINT32_MAX, 8, { 0 }, 0 },
};

/* Of ring 0. */
static const struct saying stopping[] = {
	{ "a size", VHOST_USER_SET_VRING_NUM, 8, { 0, 3 }, 0 },
	{ "a base", VHOST_USER_SET_VRING_BASE, 8, { 0, 65536 }, 0 },
	{ "an address", VHOST_USER_SET_VRING_ADDR, 40, { 0 }, 0 },
	{ "a kick", VHOST_USER_SET_VRING_KICK, 8, { 0 }, 1 },
	{ "a call", VHOST_USER_SET_VRING_CALL, 8, { 0 }, 1 },
};

static const struct saying ending[] = {
	{ "a feature", VHOST_USER_SET_FEATURES, 8, { 0, 1u << 30 }, 0 },
	{ "a protocol", VHOST_USER_SET_PROTOCOL_FEATURES, 8, { 0, 1 }, 0 },
	{ "no memory", VHOST_USER_ADD_MEM_REG, 40, { 0 }, 1 },
	{ "other memory", VHOST_USER_REM_MEM_REG, 40, { 0 }, 0 },
	{ "a table", VHOST_USER_SET_MEM_TABLE, 8, { 9 }, 0 },
	{ "no log", VHOST_USER_SET_INFLIGHT_FD, 20, { 0 }, 0 },
	{ "CREATE_CRYPTO_SESSION", 26, 64, { 0 }, 0 },
	{ "POSTCOPY_ADVISE", 28, 0, { 0 }, 0 },
	{ "POSTCOPY_END", 30, 0, { 0 }, 0 },
};

static void say(struct client *client, const struct saying *saying)
{
	uint8_t payload[64] = { 0 };

	memcpy(payload, saying->words, sizeof(saying->words));
	DO(client, client_send(client, saying->request, 0, payload,
			       saying->size, &wrong_fd, saying->fd));
}

static void open_client(struct client *client)
{
	const struct client_options options = {
		.socket_path = backend.exports[0].socket_path,
		.buffer_size = SIZE,
		.queue_count = QUEUES,
		.unacknowledged = true,
	};

	CHECK(client_open(client, &options) == 0, "open: %s", client->error);
	DO(client, client_start(client));
}

static void works(struct client *client, uint32_t queue, const char *what)
{
	int status = client_io(client, queue, VIRTIO_BLK_T_IN, 0, SIZE);

	CHECK(status == 0, "after %s: queue %u: status %d %s", what, queue,
	      status, client->error);
}

static void are_ignored(void)
{
	struct client client;

	open_client(&client);
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++) {
		uint64_t number = 0;

		say(&client, &ignored[i]);
		CHECK(client_ask(&client, VHOST_USER_GET_QUEUE_NUM, NULL, 0,
				 &number, sizeof(number)) == 0 &&
			      number >= QUEUES,
		      "%s: %s", ignored[i].what, client.error);
		works(&client, 0, ignored[i].what);
		works(&client, 1, ignored[i].what);
	}
	CHECK(lines_in_log("SET_CONFIG: refused: no field") == 1,
	      "no line says that the configuration was not written");
	client_close(&client);
}

/* A guest's driver takes a bit of its status back, and the disk stays. */
static void status_is_kept(void)
{
	const uint64_t three = 3, one = 1;
	struct client client;
	uint64_t status = 0;

	open_client(&client);
	DO(&client, client_send(&client, VHOST_USER_SET_STATUS, 0, &three,
				sizeof(three), NULL, 0));
	DO(&client, client_send(&client, VHOST_USER_SET_STATUS, 0, &one,
				sizeof(one), NULL, 0));
	DO(&client, client_ask(&client, VHOST_USER_GET_STATUS, NULL, 0, &status,
			       sizeof(status)));
	CHECK(status == three, "its status is %llu",
	      (unsigned long long)status);
	client_close(&client);
}

/* It says so, is not served, and the other one is; set up anew it works. */
static void stops_its_ring(const struct saying *saying)
{
	struct client_completion completion;
	struct client client;
	struct pollfd err = { .events = POLLIN };
	const uint64_t ring = 0;

	open_client(&client);
	works(&client, 0, "the start");
	err.fd = eventfd(0, EFD_CLOEXEC);
	DO(&client, client_tell(&client, VHOST_USER_SET_VRING_ERR, &ring,
				sizeof(ring), err.fd));
	say(&client, saying);
	CHECK(poll(&err, 1, 5000) == 1, "%s: no error is told", saying->what);
	DO(&client, client_submit(&client, 0, 0, VIRTIO_BLK_T_IN, 0, SIZE));
	DO(&client, client_kick(&client, 0));
	works(&client, 1, saying->what);
	CHECK(client_wait(&client, 0, &completion, 0) == 0,
	      "%s: the ring is served on", saying->what);
	DO(&client, client_stop(&client));
	client_ring_reset(&client);
	DO(&client, client_start(&client));
	works(&client, 0, saying->what);
	works(&client, 1, saying->what);
	close(err.fd);
	client_close(&client);
}

static void kick_again(struct client *client)
{
	const uint64_t ring = 0;

	DO(client, client_tell(client, VHOST_USER_SET_VRING_KICK, &ring,
			       sizeof(ring), client->queues[0].kick_fd));
}

static void address_again(struct client *client)
{
	const struct client_queue *queue = &client->queues[0];
	const struct vhost_user_vring_address address = {
		.descriptors = (uintptr_t)queue->ring.desc,
		.available = (uintptr_t)queue->ring.avail,
		.used = (uintptr_t)queue->ring.used,
	};

	DO(client, client_tell(client, VHOST_USER_SET_VRING_ADDR, &address,
			       sizeof(address), -1));
}

/* A kick alone, or an address, does not bring back a ring of which something
 * was refused: first its size. */
static void stays_stopped(const struct saying *saying,
			  void (*again)(struct client *client))
{
	struct client_completion completion;
	struct client client;
	struct pollfd err = { .events = POLLIN };
	const uint64_t ring = 0;
	eventfd_t stops;

	open_client(&client);
	works(&client, 0, "the start");
	err.fd = eventfd(0, EFD_CLOEXEC);
	DO(&client, client_tell(&client, VHOST_USER_SET_VRING_ERR, &ring,
				sizeof(ring), err.fd));
	say(&client, saying);
	CHECK(eventfd_read(err.fd, &stops) == 0, "%s: no error is told",
	      saying->what);
	again(&client);
	DO(&client, client_submit(&client, 0, 0, VIRTIO_BLK_T_IN, 0, SIZE));
	DO(&client, client_kick(&client, 0));
	works(&client, 1, "a fresh kick");
	CHECK(client_wait(&client, 0, &completion, 0) == 0,
	      "after %s: a ring of unknown size is served", saying->what);
	CHECK(poll(&err, 1, 0) == 0, "after %s: it is stopped once more",
	      saying->what);
	close(err.fd);
	client_close(&client);
}

static void ends(const struct saying *saying)
{
	struct pollfd hung_up = { .events = POLLRDHUP };
	struct client client;

	open_client(&client);
	hung_up.fd = client.socket;
	say(&client, saying);
	CHECK(poll(&hung_up, 1, 5000) == 1, "%s: is served on", saying->what);
	client_close(&client);
}

int main(void)
{
	serve_init(60);
	backend.workers = 1;
	backend_add(&backend, NULL, 1 << 20);
	wrong_fd = memfd_create("wrong", MFD_CLOEXEC);
	CHECK(wrong_fd >= 0, "memfd");
	serve_start();
	are_ignored();
	status_is_kept();
	for (size_t i = 0; i < sizeof(stopping) / sizeof(stopping[0]); i++)
		stops_its_ring(&stopping[i]);
	for (size_t i = 0; i < sizeof(stopping) / sizeof(stopping[0]); i++) {
		stays_stopped(&stopping[i], kick_again);
		stays_stopped(&stopping[i], address_again);
	}
	for (size_t i = 0; i < sizeof(ending) / sizeof(ending[0]); i++)
		ends(&ending[i]);
	return serve_end();
}
