/* SPDX-License-Identifier: MIT */
/*
 * G11: many connections, idle, half open and busy, up to the limit of
 * descriptors and beyond: who is connected stays served, the server does not
 * spin on what it cannot accept, and afterwards all is as before.
 */
#include "serve.h"

#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#define CROWD	   150u
#define DRIVER_FDS 1024u
#define SIZE	   16384u

static struct client good;

static void check_good(const char *when)
{
	int status;

	memset(client_data(&good, 0, 0), 0, SIZE);
	status = client_io(&good, 0, VIRTIO_BLK_T_IN, 0, SIZE);
	CHECK(status == 0 && client_verify(client_data(&good, 0, 0), SIZE, 1,
					   0) == SIZE,
	      "%s: the good client: status %d %s", when, status, good.error);
}

static int connect_raw(const char *path)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strcpy(name.sun_path, path);
	/* The backlog may be full: then this one stays outside. */
	if (fd >= 0 && connect(fd, (struct sockaddr *)&name, sizeof(name))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static void crowd(void)
{
	static struct client clients[CROWD];
	static int raw[CROWD];
	uint32_t opened = 0, i;

	for (i = 0; i < CROWD; i++) {
		struct client_options options = {
			.socket_path = backend.exports[1 + i % 2].socket_path,
			.timeout_ms = 20,
		};

		raw[i] = connect_raw(options.socket_path);
		if (i % 4)
			clients[i].socket = -1;
		else if (!client_open(&clients[i], &options))
			opened += !client_start(&clients[i]);
		if (i % 16 == 0)
			check_good("in the crowd");
	}
	check_good("with the crowd there");
	printf("%u of %u started, the server has %u descriptors\n", opened,
	       CROWD / 4, backend_descriptors(&backend));
	for (i = 0; i < CROWD; i++) {
		if (raw[i] >= 0)
			close(raw[i]);
		if (i % 4 == 0)
			client_close(&clients[i]);
	}
}

static void check_settled(uint32_t before)
{
	int tries;

	for (tries = 0; backend_descriptors(&backend) > before; tries++) {
		CHECK(tries < 400, "%u descriptors before, %u after", before,
		      backend_descriptors(&backend));
		poll(NULL, 0, 5);
	}
}

int main(void)
{
	struct rlimit limit = { DRIVER_FDS, DRIVER_FDS };
	struct client_options options = { .buffer_size = SIZE };
	struct client last;
	uint32_t before;

	serve_init(60);
	backend_add(&backend, make_image("disk", 1u << 20), 0);
	backend_add(&backend, NULL, 1u << 20);
	backend_add(&backend, NULL, 1u << 20);
	serve_start();
	CHECK(prlimit(backend.pid, RLIMIT_NOFILE, &limit, NULL) == 0,
	      "prlimit");
	options.socket_path = backend.exports[0].socket_path;
	CHECK(client_open(&good, &options) == 0, "open: %s", good.error);
	DO(&good, client_start(&good));
	client_pattern(client_data(&good, 0, 0), SIZE, 1, 0);
	CHECK(client_io(&good, 0, VIRTIO_BLK_T_OUT, 0, SIZE) == 0, "write: %s",
	      good.error);
	before = backend_descriptors(&backend);
	crowd();
	check_settled(before);
	check_good("after the crowd");
	options.socket_path = backend.exports[1].socket_path;
	CHECK(client_open(&last, &options) == 0, "after the crowd: %s",
	      last.error);
	DO(&last, client_start(&last));
	client_close(&last);
	client_close(&good);
	return serve_end();
}
