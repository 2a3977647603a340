/* SPDX-License-Identifier: MIT */
/*
 * G11: a client that is connected, or has its rings started, and asks for
 * nothing, costs the server less than 32 KiB of its heap, although it may have
 * 64 queues.  The server runs in this process, and what its threads allocate is
 * counted; what a client leaves is given back.
 */
#include "serve.h"

#include <malloc.h>
#include <poll.h>
#include <pthread.h>

#include "client/protocol.h"
#include "tests/one-lane.h"
#include "tests/sanitizer.h"
#include "vhost/server.h"

#define CLIENTS 24u
#define MOST	32768u
#define KEPT	2048u /* of one that has left */

/* Of the C library. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t align, size_t size);
void __libc_free(void *old);

static int64_t held;
static _Thread_local bool is_tester;

static void count(void *block, int64_t sign)
{
	if (block && !is_tester)
		__atomic_add_fetch(&held,
				   sign * (int64_t)malloc_usable_size(block),
				   __ATOMIC_SEQ_CST);
}

void *malloc(size_t size)
{
	void *block = __libc_malloc(size);

	count(block, 1);
	return block;
}

void *calloc(size_t number, size_t size)
{
	void *block = __libc_calloc(number, size);

	count(block, 1);
	return block;
}

void *realloc(void *old, size_t size)
{
	void *block;

	count(old, -1);
	block = __libc_realloc(old, size);
	count(block, 1);
	return block;
}

void *aligned_alloc(size_t align, size_t size)
{
	void *block = __libc_memalign(align, size);

	count(block, 1);
	return block;
}

void free(void *old)
{
	count(old, -1);
	__libc_free(old);
}

static const struct store_ops ops = {
	.lane_open = lane_open,
	.lane_close = lane_close,
};

static const struct store store = {
	.ops = &ops,
	.capacity = 1u << 20,
	.block_size = STORE_SECTOR,
};

static struct vhost_server *server;
static struct client clients[CLIENTS];

static void *run(void *argument)
{
	vhost_server_run(server);
	return argument;
}

static int64_t now(void)
{
	return __atomic_load_n(&held, __ATOMIC_SEQ_CST);
}

static void open_one(uint32_t i, const char *path, bool start)
{
	const struct client_options options = { .socket_path = path,
						.queue_size = 128 };

	CHECK(client_open(&clients[i], &options) == 0, "client %u: %s", i,
	      clients[i].error);
	CHECK(clients[i].queue_limit == 64, "%u queues",
	      clients[i].queue_limit);
	if (start)
		DO(&clients[i], client_start(&clients[i]));
}

/* Each of so many costs no more than that; what they cost is given back. */
static void cost(const char *path, bool start, const char *what)
{
	int64_t before = now(), each;

	for (uint32_t i = 1; i < CLIENTS; i++)
		open_one(i, path, start);
	each = (now() - before) / (CLIENTS - 1);
	printf("%s: %lld bytes\n", what, (long long)each);
	CHECK(each > 1000 && each < MOST, "%s: costs %lld bytes", what,
	      (long long)each);
	for (uint32_t i = 1; i < CLIENTS; i++)
		client_close(&clients[i]);
	/* They are remembered for a while. */
	for (int i = 0; i < 500 && now() > before + KEPT * CLIENTS; i++)
		poll(NULL, 0, 10);
	CHECK(now() <= before + KEPT * CLIENTS, "%s: %lld bytes are kept", what,
	      (long long)(now() - before));
}

int main(void)
{
	const struct vhost_limits limits = { .polling = POLLING_NEVER };
	struct vhost_export_options options = {
		.name = "disk",
		.fd = -1,
		.store = &store,
	};
	char path[] = "/tmp/precarium-idle-XXXXXX", socket[64];
	struct vhost_error error;
	pthread_t thread;

	if (UNDER_SANITIZER) {
		puts("skipped: a sanitizer has the heap");
		return SKIP;
	}
	is_tester = true;
	alarm(60);
	CHECK(mkdtemp(path) != NULL, "no directory");
	snprintf(socket, sizeof(socket), "%s/s", path);
	options.socket_path = socket;
	server = vhost_server_new(&limits, &error);
	CHECK(server && vhost_server_add(server, &options, &error) &&
		      vhost_server_start(server, &error) &&
		      pthread_create(&thread, NULL, run, NULL) == 0,
	      "%s", error.text);
	/* The lane, and what the first one needs of the C library. */
	open_one(0, socket, true);
	cost(socket, false, "connected");
	cost(socket, true, "with rings");
	client_close(&clients[0]);
	vhost_server_interrupt(server);
	pthread_join(thread, NULL);
	vhost_server_free(server);
	rmdir(path);
	return 0;
}
