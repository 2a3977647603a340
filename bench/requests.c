// SPDX-License-Identifier: MIT
/* A server and a client of it, to count the instructions of a request. */
#include "instructions.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "client/client.h"

#include "store/stores.h"
#include "vhost/server.h"

#define SIZE	4096u
#define DEPTH	32u
#define BATCHES 32u /* N */

static void fail(const char *what)
{
	fprintf(stderr, "bench-instructions: %s\n", what);
	exit(1);
}

static void *serve(void *server)
{
	vhost_server_run(server);
	return NULL;
}

/* The worker sleeps, which only it can tell: its calls come here instead of the
 * C library.  Requests that it met in a look after its turn it would take in
 * more than one. */
static int asleep;

int epoll_wait(int fd, struct epoll_event *events, int max, int timeout_ms)
{
	int count;

	if (timeout_ms < 0)
		__atomic_store_n(&asleep, 1, __ATOMIC_RELEASE);
	count = (int)syscall(SYS_epoll_wait, fd, events, max, timeout_ms);
	__atomic_store_n(&asleep, 0, __ATOMIC_RELEASE);
	return count;
}

/* The client asked for it, and waits without a look at the ring: it is called
 * when the worker's turn is at its end. */
static void await_call(struct client *client)
{
	struct pollfd called = { .fd = client->queues[0].call_fd,
				 .events = POLLIN };
	eventfd_t calls;

	if (poll(&called, 1, (int)client->options.timeout_ms) != 1 ||
	    eventfd_read(called.fd, &calls) != 0)
		fail("no answer");
}

static void run_batches(void *argument, uint64_t times)
{
	struct client *client = argument;
	struct client_completion completion;

	while (times--) {
		/* Nothing is there: from now on it wants to be called. */
		if (client_wait(client, 0, &completion, 0) != 0)
			fail("a completion of nothing");
		for (uint32_t i = 0; i < DEPTH; i++)
			if (client_submit(client, 0, i, VIRTIO_BLK_T_IN,
					  i * (SIZE / CLIENT_SECTOR), SIZE))
				fail(client->error);
		if (client_kick(client, 0))
			fail(client->error);
		await_call(client);
		for (uint32_t i = 0; i < DEPTH; i++)
			if (client_wait(client, 0, &completion,
					client->options.timeout_ms) != 1 ||
			    completion.status != VIRTIO_BLK_S_OK)
				fail("a read does not succeed");
		while (!__atomic_load_n(&asleep, __ATOMIC_ACQUIRE))
			sched_yield();
	}
}

static void count_ring(const char *socket_path, bool packed, bool indirect)
{
	static struct client client;
	const struct client_options options = {
		.socket_path = socket_path,
		.depth = DEPTH,
		.buffer_size = SIZE,
		.region_count = 3,
		.timeout_ms = 60000,
		.event_idx = true,
		.packed = packed,
		.indirect = indirect,
	};
	char name[80];
	const struct path path = { .name = name,
				   .run = run_batches,
				   .argument = &client,
				   .times = BATCHES,
				   .at_once = DEPTH,
				   .string_size = FILL_STRING };

	snprintf(name, sizeof(name), "4 KiB read of nothing, %s ring%s",
		 packed ? "packed" : "split", indirect ? ", indirect" : "");
	if (client_open(&client, &options) || client_start(&client))
		fail(client.error);
	if (client_has(&client, VIRTIO_RING_F_INDIRECT_DESC) != indirect)
		fail("it is not the ring that was asked for");
	count(&path);
	client_close(&client);
}

void count_driver(void)
{
	/* A worker that looks for more would do so by the clock. */
	const struct vhost_limits limits = { .polling = POLLING_NEVER };
	struct vhost_export_options export = { .fd = -1, .name = "null" };
	char folder[] = "/tmp/bench-instructions-XXXXXX", path[80];
	struct vhost_server *server;
	struct vhost_error error;
	const struct store_setting size = { .key = "null", .size = 1u << 30 };
	struct store_options storing = { .read_only = false };
	struct store_error why;
	struct store *store;
	pthread_t thread;

	if (!mkdtemp(folder))
		fail("no folder in /tmp");
	snprintf(path, sizeof(path), "%s/socket", folder);
	store_options_set(&storing, &size);
	store = store_open(&storing, &why);
	if (!store)
		fail(why.text);
	export.socket_path = path;
	export.store = store;
	server = vhost_server_new(&limits, &error);
	if (!server || !vhost_server_add(server, &export, &error) ||
	    !vhost_server_start(server, &error))
		fail(error.text);
	if (pthread_create(&thread, NULL, serve, server) != 0)
		fail("no thread");
	count_ring(path, false, false);
	count_ring(path, false, true);
	count_ring(path, true, false);
	count_ring(path, true, true);
	vhost_server_interrupt(server);
	pthread_join(thread, NULL);
	vhost_server_free(server);
	store_close(store);
	rmdir(folder);
}
