/* SPDX-License-Identifier: MIT */
/*
 * G1, G11: every field of every message is checked before anything is done.
 * A wrong one is refused by an answer, the connection lives on as it was, and
 * nobody waits: neither for descriptors that block, nor for answers that are
 * not read, nor for the rest of a message that does not come.
 */
#include "serve.h"
#include "log-lines.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "client/protocol.h"

#define SIZE   16384u
#define QUEUES 64u /* of the server */
#define PAGE   4096u

static struct client good;

static void check_good(const char *when)
{
	int status = client_io(&good, 0, VIRTIO_BLK_T_IN, 0, SIZE);

	CHECK(status == 0, "%s: the good client: status %d %s", when, status,
	      good.error);
}

static void open_client(struct client *client, bool start)
{
	struct client_options options = {
		.socket_path = backend.exports[client == &good].socket_path,
		.buffer_size = SIZE,
	};

	CHECK(client_open(client, &options) == 0, "open: %s", client->error);
	if (start)
		DO(client, client_start(client));
}

/* Refused, and the connection still answers. */
static void refused(struct client *client, uint32_t request,
		    const void *payload, uint32_t size, int fd,
		    const char *what)
{
	uint64_t number = 0;

	CHECK(client_tell(client, request, payload, size, fd) != 0,
	      "%s: was taken", what);
	CHECK(!client->lost, "%s: %s", what, client->error);
	CHECK(client_ask(client, VHOST_USER_GET_QUEUE_NUM, NULL, 0, &number,
			 sizeof(number)) == 0 &&
		      number == QUEUES,
	      "after %s: %s", what, client->error);
}

/* clang-format off */
static const uint64_t extremes[] = {
	0, 1, 7, 15, 16, 255, 256, 1024, 4095, 4096, 32768, 32769, 65535, 65536,
	0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 1ull << 56,
	(1ull << 56) - PAGE, 1ull << 63, (1ull << 63) - 1, -(uint64_t)PAGE,
	UINT64_MAX - 1, UINT64_MAX,
};
/* clang-format on */
#define EXTREMES (sizeof(extremes) / sizeof(extremes[0]))

static bool is_ring_size(uint32_t num)
{
	return num > 0 && num <= 32768 && (num & (num - 1)) == 0;
}

static void ring_numbers(struct client *client)
{
	for (size_t i = 0; i < EXTREMES; i++) {
		uint32_t value = (uint32_t)extremes[i];
		struct vhost_user_vring_state state = { 0, value };

		if (!is_ring_size(value))
			refused(client, VHOST_USER_SET_VRING_NUM, &state,
				sizeof(state), -1, "a ring size");
		if (value > UINT16_MAX)
			refused(client, VHOST_USER_SET_VRING_BASE, &state,
				sizeof(state), -1, "a ring base");
		if (value > 1)
			refused(client, VHOST_USER_SET_VRING_ENABLE, &state,
				sizeof(state), -1, "an enable");
		state.index = value;
		state.number = 1;
		if (value >= QUEUES) {
			refused(client, VHOST_USER_SET_VRING_NUM, &state,
				sizeof(state), -1, "a queue for a size");
			refused(client, VHOST_USER_SET_VRING_BASE, &state,
				sizeof(state), -1, "a queue for a base");
			refused(client, VHOST_USER_SET_VRING_ENABLE, &state,
				sizeof(state), -1, "a queue to enable");
		}
	}
}

static void ring_addresses(struct client *client)
{
	uint64_t there = (uint64_t)(uintptr_t)client->regions[0].host;

	for (size_t i = 0; i < EXTREMES; i++) {
		struct vhost_user_vring_address addr = {
			.descriptors = extremes[i],
			.used = there,
			.available = there,
		};

		refused(client, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr),
			-1, "descriptors nowhere");
		addr.descriptors = there;
		addr.used = extremes[i];
		refused(client, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr),
			-1, "a used ring nowhere");
		addr.used = there;
		addr.available = extremes[i];
		refused(client, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr),
			-1, "an available ring nowhere");
	}
}

static void features(struct client *client)
{
	for (uint32_t bit = 0; bit < 64; bit++) {
		uint64_t one = 1ull << bit;

		if (!(client->offered & one))
			refused(client, VHOST_USER_SET_FEATURES, &one,
				sizeof(one), -1, "a feature not offered");
		if (bit > 16)
			refused(client, VHOST_USER_SET_PROTOCOL_FEATURES, &one,
				sizeof(one), -1, "a protocol feature");
	}
}

static void regions(struct client *client)
{
	int fd = memfd_create("lent", MFD_CLOEXEC);
	struct vhost_user_one_region good_one = {
		.region = { 0x100000000, 16 * PAGE, 0x500000000, 0 },
	};

	CHECK(fd >= 0 && ftruncate(fd, 16 * PAGE) == 0, "memfd");
	for (size_t i = 0; i < EXTREMES; i++) {
		uint64_t value = extremes[i];
		struct vhost_user_one_region one = good_one;

		one.region.size = value;
		if (value != PAGE && value != 16 * PAGE)
			refused(client, VHOST_USER_ADD_MEM_REG, &one,
				sizeof(one), fd, "a size");
		one = good_one;
		one.region.file_offset = value ? value : PAGE;
		refused(client, VHOST_USER_ADD_MEM_REG, &one, sizeof(one), fd,
			"an offset");
		one = good_one;
		if (value >= (1ull << 56) - PAGE) {
			one.region.guest_address = value;
			refused(client, VHOST_USER_ADD_MEM_REG, &one,
				sizeof(one), fd, "a guest address");
			one = good_one;
			one.region.user_address = value;
			refused(client, VHOST_USER_ADD_MEM_REG, &one,
				sizeof(one), fd, "a user address");
		}
		one = good_one;
		one.region.guest_address ^= value;
		refused(client, VHOST_USER_REM_MEM_REG, &one, sizeof(one), -1,
			"a region that is not there");
	}
	close(fd);
}

/* Whatever a descriptor is, it is not waited for, and only what it should be
 * is taken. */
static void descriptors(struct client *client)
{
	const struct vhost_user_one_region one = {
		.region = { 0x100000000, 16 * PAGE, 0x500000000, 0 },
	};
	int event = eventfd(0, EFD_CLOEXEC);
	int memory = memfd_create("lent", MFD_CLOEXEC);
	int kinds[6], pair[2];
	uint64_t queue = 0;

	CHECK(pipe(pair) == 0 && ftruncate(memory, 16 * PAGE) == 0, "pipe");
	kinds[0] = pair[0];
	kinds[1] = pair[1];
	kinds[2] = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	kinds[3] = open("/dev/zero", O_RDWR | O_CLOEXEC);
	kinds[4] = open("/etc/passwd", O_PATH | O_CLOEXEC);
	kinds[5] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	for (int i = 0; i < 6; i++) {
		refused(client, VHOST_USER_ADD_MEM_REG, &one, sizeof(one),
			kinds[i], "memory of a wrong kind");
		/* Each end of a pipe is for one direction. */
		if (i != 0)
			refused(client, VHOST_USER_SET_VRING_KICK, &queue,
				sizeof(queue), kinds[i],
				"a kick of a wrong kind");
		if (i != 1) {
			refused(client, VHOST_USER_SET_VRING_CALL, &queue,
				sizeof(queue), kinds[i],
				"a call of a wrong kind");
			refused(client, VHOST_USER_SET_VRING_ERR, &queue,
				sizeof(queue), kinds[i],
				"an err of a wrong kind");
		}
		close(kinds[i]);
	}
	refused(client, VHOST_USER_ADD_MEM_REG, &one, sizeof(one), event,
		"an eventfd as memory");
	refused(client, VHOST_USER_SET_VRING_CALL, &queue, sizeof(queue),
		memory, "memory as a call");
	refused(client, VHOST_USER_SET_VRING_KICK, &queue, sizeof(queue), -1,
		"no kick, and no word of it");
	queue = QUEUES;
	refused(client, VHOST_USER_SET_VRING_CALL, &queue, sizeof(queue), event,
		"a call for a queue beyond");
	queue = UINT64_MAX;
	refused(client, VHOST_USER_SET_VRING_ERR, &queue, sizeof(queue), event,
		"bits that mean nothing");
	close(event);
	close(memory);
}

/* An error is an answer of no bytes; what lies beyond the structure is 0. */
static void configuration(struct client *client)
{
	struct {
		uint32_t offset, size, flags;
		uint8_t bytes[256];
	} config = { 0, 256, 0, { 0 } }, answer;
	const uint32_t wrong[][2] = {
		{ 0, 257 },	   { 1, 256 },
		{ 256, 1 },	   { UINT32_MAX, 1 },
		{ 1, UINT32_MAX }, { UINT32_MAX, UINT32_MAX },
	};

	memset(&answer, 0xff, sizeof(answer));
	DO(client, client_ask(client, VHOST_USER_GET_CONFIG, &config,
			      sizeof(config), &answer, sizeof(answer)));
	CHECK(answer.bytes[0] != 0xff, "no capacity");
	for (size_t i = 60; i < 256; i++)
		CHECK(answer.bytes[i] == 0, "byte %zu of the configuration", i);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		config.offset = wrong[i][0];
		config.size = wrong[i][1];
		DO(client, client_ask(client, VHOST_USER_GET_CONFIG, &config,
				      sizeof(config), &answer, 0));
		refused(client, VHOST_USER_SET_CONFIG, &config, sizeof(config),
			-1, "a part of the configuration");
	}
	config.offset = 32;
	config.size = 1;
	config.bytes[0] = 0xff;
	refused(client, VHOST_USER_SET_CONFIG, &config, 13, -1, "a cache mode");
}

/* Some front-ends send all of the message, whatever part they name: they get,
 * and write back, that part. */
static void part_of_configuration(struct client *client)
{
	struct {
		uint32_t offset, size, flags;
		uint8_t bytes[256];
	} config = { 20, 8, 0, { 0 } }, answer, whole = { 0, 256, 0, { 0 } };

	DO(client, client_ask(client, VHOST_USER_GET_CONFIG, &whole,
			      sizeof(whole), &whole, sizeof(whole)));
	memset(config.bytes, 0xff, sizeof(config.bytes));
	memset(&answer, 0xff, sizeof(answer));
	DO(client, client_ask(client, VHOST_USER_GET_CONFIG, &config,
			      sizeof(config), &answer, sizeof(answer)));
	CHECK(answer.offset == 20 && answer.size == 8 &&
		      memcmp(answer.bytes, whole.bytes + 20, 8) == 0,
	      "another part than that at 20");
	for (size_t i = 8; i < sizeof(answer.bytes); i++)
		CHECK(answer.bytes[i] == 0, "byte %zu after the part", i);
	memcpy(config.bytes, answer.bytes, 8);
	DO(client, client_tell(client, VHOST_USER_SET_CONFIG, &config,
			       sizeof(config), -1));
	config.bytes[0] ^= 1;
	refused(client, VHOST_USER_SET_CONFIG, &config, sizeof(config), -1,
		"a part that differs");
	config.size = 256 - 20;
	refused(client, VHOST_USER_SET_CONFIG, &config, 20, -1,
		"a part that the message has not");
}

static bool hung_up(struct client *client)
{
	struct pollfd fd = { client->socket, POLLIN, 0 };
	char bytes[4096];

	while (poll(&fd, 1, 3000) == 1) {
		ssize_t got = recv(client->socket, bytes, sizeof(bytes),
				   MSG_DONTWAIT);

		if (got == 0 || (got < 0 && errno != EAGAIN))
			return true;
	}
	return false;
}

/* What cannot be understood as a message ends the connection. */
static void framing(void)
{
	const struct vhost_user_header wrong[] = {
		{ VHOST_USER_GET_FEATURES, 0, 0 },
		{ VHOST_USER_GET_FEATURES, 2, 0 },
		{ VHOST_USER_GET_FEATURES, 1 | VHOST_USER_REPLY, 0 },
		{ VHOST_USER_GET_FEATURES, 1, 1 },
		{ VHOST_USER_SET_FEATURES, 1, 7 },
		{ VHOST_USER_SET_FEATURES, 1, 0 },
		{ VHOST_USER_SET_MEM_TABLE, 1, 0 },
		{ VHOST_USER_SET_MEM_TABLE, 1, 265 },
		{ VHOST_USER_GET_CONFIG, 1, 11 },
		{ VHOST_USER_GET_CONFIG, 1, UINT32_MAX },
		{ 0, 1, 269 },
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct client client;

		open_client(&client, false);
		CHECK(send(client.socket, &wrong[i], sizeof(wrong[i]),
			   MSG_NOSIGNAL) == sizeof(wrong[i]),
		      "send");
		CHECK(hung_up(&client), "header %zu: not hung up", i);
		client_close(&client);
		check_good("after a wrong header");
	}
}

/* Whoever does not read what he asked for is ended, and only he. */
static void deaf(void)
{
	const struct vhost_user_header ask = { VHOST_USER_GET_FEATURES, 1, 0 };
	struct client client;
	uint32_t sent = 0;
	ssize_t done;

	open_client(&client, false);
	do {
		done = send(client.socket, &ask, sizeof(ask), MSG_NOSIGNAL);
		CHECK(++sent < 1000000, "questions without end");
	} while (done == sizeof(ask));
	CHECK(errno == EPIPE || errno == ECONNRESET, "flood: %s",
	      strerror(errno));
	client_close(&client);
	check_good("after a flood");
}

/* The server must not wait for room in a client's eventfd. */
static void clogged(void)
{
	struct client_completion completion;
	struct client client;

	open_client(&client, true);
	DO(&client, hostile_clog(&client, 0));
	client.options.polling = true;
	for (int i = 0; i < 200; i++) {
		DO(&client,
		   client_submit(&client, 0, 0, VIRTIO_BLK_T_IN, 0, SIZE));
		DO(&client, client_kick(&client, 0));
		CHECK(client_wait(&client, 0, &completion, 3000) == 1,
		      "with a clogged call: %s", client.error);
		CHECK(completion.status == VIRTIO_BLK_S_OK, "status %u",
		      completion.status);
		check_good("beside a clogged call");
	}
	client_close(&client);
}

/* A piece of every message, then silence. */
static void cut(void)
{
	struct client clients[8];

	for (uint32_t i = 0; i < 8; i++) {
		const uint32_t words[] = { VHOST_USER_SET_FEATURES, 1, 8, 0 };

		open_client(&clients[i], false);
		CHECK(send(clients[i].socket, words, 2 * i + 1, MSG_NOSIGNAL) >
			      0,
		      "send");
	}
	check_good("with messages half said");
	for (uint32_t i = 0; i < 8; i++)
		client_close(&clients[i]);
}

/* A machine whose memory is not shared lends nothing, and our line is the only
 * sign of it. */
static void nothing_lent(void)
{
	const struct vhost_user_vring_address addr = {
		.descriptors = 0x7f0000000000,
		.used = 0x7f0000001000,
		.available = 0x7f0000002000,
	};
	struct client client;

	open_client(&client, false);
	refused(&client, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), -1,
		"rings without memory");
	CHECK(lines_in_log("SET_VRING_ADDR: refused: no memory was lent, "
			   "so the rings are nowhere; expected shared "
			   "memory: share=on") == 1,
	      "no line says that no memory was lent");
	client_close(&client);
}

int main(void)
{
	struct client client;
	char *disk;

	serve_init(120);
	disk = make_image("disk", 1u << 20);
	backend_add(&backend, disk, 0);
	/* Of the good client, who reads it. */
	backend_add(&backend, disk, 0);
	backend.exports[1].read_only = true;
	serve_start();
	open_client(&good, true);
	open_client(&client, true);
	client_stop(&client);
	features(&client);
	ring_numbers(&client);
	ring_addresses(&client);
	regions(&client);
	descriptors(&client);
	configuration(&client);
	part_of_configuration(&client);
	check_good("after all that");
	/* It was refused so much, and is as good as before. */
	DO(&client, client_start(&client));
	CHECK(client_io(&client, 0, VIRTIO_BLK_T_IN, 0, SIZE) == 0, "%s",
	      client.error);
	client_close(&client);
	nothing_lent();
	framing();
	deaf();
	clogged();
	cut();
	client_close(&good);
	return serve_end();
}
