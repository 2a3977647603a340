/* SPDX-License-Identifier: MIT */
/*
 * G1, G11: clients ask for logs of requests in flight and never read the
 * replies, of which each holds a descriptor that counts against the server's
 * user.  Another client gets its log, and is served.
 */
#include "serve.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "client/protocol.h"

#define DESCRIPTORS 256u
#define SILENT	    4u
#define REPLIES	    150u

struct ask {
	uint32_t request, flags, size;
	uint64_t log_size, log_offset;
	uint16_t queues, entries;
} __attribute__((packed));

static int ask_and_read_nothing(const char *path)
{
	const struct ask ask = {
		.request = VHOST_USER_GET_INFLIGHT_FD,
		.flags = 1,
		.size = 20,
		.queues = 1,
		.entries = 64,
	};
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(name.sun_path, path);
	CHECK(fd >= 0 &&
		      connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0,
	      "no connection");
	for (uint32_t i = 0; i < REPLIES; i++)
		CHECK(send(fd, &ask, sizeof(ask), MSG_NOSIGNAL) == sizeof(ask),
		      "request %u was not taken", i);
	return fd;
}

/* All requests of the others are answered before this one is: one worker. */
static void be_served(const char *path)
{
	const struct client_options options = {
		.socket_path = path,
		.inflight = true,
		.timeout_ms = 10000,
	};
	static struct client client;

	CHECK(client_open(&client, &options) == 0, "open: %s", client.error);
	DO(&client, client_start(&client));
	CHECK(client.inflight_size > 0, "it got no log");
	CHECK(client_io(&client, 0, VIRTIO_BLK_T_IN, 0, 4096) == 0, "%s",
	      client.error);
	client_close(&client);
}

/* Root may have as many in flight as it likes. */
static void be_nobody(void)
{
	static char path[100];
	FILE *file;

	if (getuid() != 0)
		return;
	CHECK(chmod(backend.directory, 0777) == 0, "chmod");
	snprintf(path, sizeof(path), "%s/config", backend.directory);
	file = fopen(path, "we");
	CHECK(file && fputs("user: nobody\n", file) >= 0 && fclose(file) == 0,
	      "no configuration");
	backend.config = path;
}

int main(void)
{
	const struct rlimit few = { DESCRIPTORS, DESCRIPTORS };
	const char *path = backend.exports[0].socket_path;
	int silent[SILENT];

	serve_init(60);
	backend_add(&backend, NULL, 1u << 20);
	backend.workers = 1;
	be_nobody();
	CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0, "setrlimit");
	serve_start();
	for (uint32_t i = 0; i < SILENT; i++)
		silent[i] = ask_and_read_nothing(path);
	be_served(path);
	for (uint32_t i = 0; i < SILENT; i++)
		close(silent[i]);
	be_served(path);
	return serve_end();
}
