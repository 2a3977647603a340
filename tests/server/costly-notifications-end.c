/* SPDX-License-Identifier: MIT */
/*
 * G1: to signal an eventfd, or to receive and answer a message, wakes everybody
 * who waits for it, and the client says how many do.  One with as many as cost
 * the worker much longer than usual is ended, and its export takes no other for
 * a while; a client that only looks like it, because the same file is written
 * to as often, is served on, and so is the one of another export.
 */
#include "serve.h"
#include "log-lines.h"

#include "client/protocol.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#define SIZE	 4096u
#define WATCHERS 96u
#define NAMES	 512u /* of the eventfd, for each watcher */
#define ENOUGH	 400u /* requests */

static struct client client_of(uint32_t export)
{
	const struct client_options options = {
		.socket_path = backend.exports[export].socket_path,
		.buffer_size = SIZE,
		.timeout_ms = 20000,
	};
	struct client client;

	CHECK(client_open(&client, &options) == 0, "open: %s", client.error);
	DO(&client, client_start(&client));
	return client;
}

static bool read_once(struct client *client)
{
	return client_io(client, 0, VIRTIO_BLK_T_IN, 0, SIZE) == 0;
}

/* As many wait for the eventfd as there are pairs of a watcher and a name. */
static void watch(int fd)
{
	struct rlimit files;
	int watchers[WATCHERS];

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	for (uint32_t i = 0; i < WATCHERS; i++)
		watchers[i] = epoll_create1(EPOLL_CLOEXEC);
	for (uint32_t i = 0; i < NAMES; i++) {
		int name = fcntl(fd, F_DUPFD_CLOEXEC, 0);

		CHECK(name >= 0, "too few descriptors, see ulimit -n");
		for (uint32_t j = 0; j < WATCHERS; j++) {
			struct epoll_event event = {
				.events = EPOLLIN | EPOLLOUT | EPOLLET,
			};

			CHECK(epoll_ctl(watchers[j], EPOLL_CTL_ADD, name,
					&event) == 0,
			      "not watched: %s", strerror(errno));
		}
	}
}

/* It asks again and again.  Returns how often it was answered. */
static uint32_t ask(struct client *client)
{
	uint32_t answered = 0;
	uint64_t answer;

	while (answered < ENOUGH &&
	       client_ask(client, VHOST_USER_GET_FEATURES, NULL, 0, &answer,
			  sizeof(answer)) == 0)
		answered++;
	return answered;
}

static void costly_messages(struct client *good)
{
	struct client costly = client_of(2);
	uint32_t answered;

	CHECK(ask(&costly) == ENOUGH, "before anybody waits: %s", costly.error);
	watch(costly.socket);
	answered = ask(&costly);
	printf("… for its socket: ended after %u messages\n", answered);
	CHECK(answered < ENOUGH, "it is answered on");
	CHECK(read_once(good), "after it: %s", good->error);
	CHECK(lines_in_log("too many wait for") == 2, "no line says so");
	client_close(&costly);
}

int main(void)
{
	const struct client_options again = {
		.socket_path = backend.exports[0].socket_path,
	};
	struct client good, costly, other;
	uint32_t served = 0;

	serve_init(60);
	backend.workers = 1;
	backend_add(&backend, NULL, 1 << 20);
	backend_add(&backend, NULL, 1 << 20);
	backend_add(&backend, NULL, 1 << 20);
	serve_start();
	good = client_of(1);
	costly = client_of(0);
	for (uint32_t i = 0; i < ENOUGH; i++)
		CHECK(read_once(&good) && read_once(&costly),
		      "before anybody waits: %s%s", good.error, costly.error);
	watch(costly.queues[0].call_fd);
	while (served < ENOUGH && read_once(&costly)) {
		served++;
		CHECK(read_once(&good), "beside it: %s", good.error);
	}
	printf("%u waiters: ended after %u requests\n", WATCHERS * NAMES,
	       served);
	CHECK(served < ENOUGH, "it is served on");
	CHECK(read_once(&good), "after it: %s", good.error);
	CHECK(lines_in_log("too many wait for") == 1, "no line says so");
	CHECK(client_open(&other, &again) != 0, "the next one is served");
	client_close(&costly);
	costly_messages(&good);
	client_close(&good);
	return serve_end();
}
