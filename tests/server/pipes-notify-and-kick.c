/* SPDX-License-Identifier: MIT */
/*
 * G1, G13: a client may kick, and be notified, by pipes instead of eventfds, as
 * User-Mode Linux is.  It can fill such a pipe, not read it, hang it up, and
 * make whoever writes to it wait for as long as it likes: no worker does.
 */
#include "serve.h"

#include <errno.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "client/protocol.h"

#define SIZE  4096u
#define KICKS 20000u /* more than an unread pipe holds */

static struct client good;

static void open_on(struct client *client, uint32_t export, bool pipes)
{
	const struct client_options options = {
		.socket_path = backend.exports[export].socket_path,
		.buffer_size = SIZE,
		.queue_count = 2,
		.pipes = pipes,
	};

	CHECK(client_open(client, &options) == 0, "open: %s", client->error);
	DO(client, client_start(client));
}

static void serves(struct client *client, const char *when)
{
	for (uint32_t queue = 0; queue < 2; queue++) {
		int status = client_io(client, queue, VIRTIO_BLK_T_IN, 0, SIZE);

		CHECK(status == 0, "%s: queue %u: status %d %s", when, queue,
		      status, client->error);
	}
}

/* Of eight bytes each, the number 1, as User-Mode Linux reads them. */
static void are_numbers(struct client *client)
{
	struct client_completion completion;
	struct client_queue *queue = &client->queues[0];
	struct pollfd call = { .fd = queue->call_fd, .events = POLLIN };
	uint64_t number[2] = { 0, 0 };

	while (read(queue->call_fd, number, sizeof(number)) > 0)
		continue;
	DO(client, client_submit(client, 0, 0, VIRTIO_BLK_T_IN, 0, SIZE));
	DO(client, client_kick(client, 0));
	CHECK(poll(&call, 1, 5000) == 1, "no notification comes");
	CHECK(read(queue->call_fd, number, sizeof(number[0])) == 8 &&
		      number[0] == 1,
	      "the notification is another than 1");
	CHECK(read(queue->call_fd, number, sizeof(number)) % 8 <= 0,
	      "the next is not whole");
	CHECK(client_wait(client, 0, &completion, 5000) == 1, "%s",
	      client->error);
}

static void kicks_are_taken(struct client *client)
{
	struct pollfd room = { .fd = client->queues[0].kick_fd,
			       .events = POLLOUT };

	for (uint32_t i = 0; i < KICKS; i++) {
		CHECK(poll(&room, 1, 5000) == 1, "kick %u finds no room", i);
		CHECK(eventfd_write(room.fd, 1) == 0, "kick %u: %s", i,
		      strerror(errno));
	}
	serves(client, "after many kicks");
}

/* Nobody reads it, it is full, and writers wait. */
static void full(void)
{
	struct client client;
	int fd, flags;

	open_on(&client, 0, true);
	fd = client.queues[0].lent_call_fd;
	flags = fcntl(fd, F_GETFL);
	while (eventfd_write(fd, 1) == 0)
		continue;
	CHECK(fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) == 0, "fcntl");
	client.options.polling = true;
	serves(&client, "with a full pipe");
	serves(&good, "beside a full pipe");
	client_close(&client);
}

/* Of a reader that waits for its own memory, who has the pipe meanwhile. */
struct reader {
	pthread_t thread;
	int fd;
	int faults;
	uint8_t *page;
};

static struct reader *holding;

static void give_page(void)
{
	struct uffdio_zeropage zeroes = { .mode = 0 };

	if (!holding)
		return;
	zeroes.range.start = (uintptr_t)holding->page;
	zeroes.range.len = SIZE;
	ioctl(holding->faults, UFFDIO_ZEROPAGE, &zeroes);
	holding = NULL;
}

static void *read_into_nothing(void *argument)
{
	const struct reader *reader = argument;

	if (read(reader->fd, reader->page, 8) < 0)
		return NULL;
	return argument;
}

/* False: this system does not let us. */
static bool hold(struct reader *reader)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffd_msg fault;

	reader->faults = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	if (reader->faults < 0)
		return false;
	reader->page = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	range.range.start = (uintptr_t)reader->page;
	range.range.len = SIZE;
	CHECK(ioctl(reader->faults, UFFDIO_API, &api) == 0 &&
		      ioctl(reader->faults, UFFDIO_REGISTER, &range) == 0,
	      "userfaultfd: %s", strerror(errno));
	CHECK(pthread_create(&reader->thread, NULL, read_into_nothing,
			     reader) == 0,
	      "thread");
	holding = reader;
	let_go = give_page;
	/* From here on it has the pipe. */
	CHECK(read(reader->faults, &fault, sizeof(fault)) == sizeof(fault),
	      "no fault: %s", strerror(errno));
	return true;
}

static void let_it_go(const struct reader *reader)
{
	give_page();
	pthread_join(reader->thread, NULL);
	close(reader->faults);
	munmap(reader->page, SIZE);
}

/* `fd` is the end that is read, of a pipe with something in it. */
static void held(struct client *client, int fd, const char *which)
{
	struct reader reader = { .fd = fd };

	if (!hold(&reader)) {
		printf("%s: not tried: userfaultfd: %s\n", which,
		       strerror(errno));
		return;
	}
	client->options.polling = true;
	serves(client, which);
	serves(&good, which);
	let_it_go(&reader);
	client->options.polling = false;
	serves(client, which);
}

static void held_call(void)
{
	struct client client;

	open_on(&client, 0, true);
	CHECK(eventfd_write(client.queues[0].lent_call_fd, 1) == 0, "fill");
	held(&client, client.queues[0].call_fd, "a call that is held");
	client_close(&client);
}

/* The other queue is kicked by its own. */
static void held_kick(void)
{
	struct reader reader;
	struct client client;
	const uint64_t ring = 0;

	open_on(&client, 0, true);
	/* Before the server could read it. */
	DO(&client, client_stop(&client));
	CHECK(eventfd_write(client.queues[0].kick_fd, 1) == 0, "fill");
	reader.fd = client.queues[0].lent_kick_fd;
	if (hold(&reader)) {
		DO(&client, client_tell(&client, VHOST_USER_SET_VRING_KICK,
					&ring, sizeof(ring), reader.fd));
		serves(&good, "beside a kick that is held");
		let_it_go(&reader);
	}
	client_close(&client);
	serves(&good, "after a kick that was held");
}

/* Either end is closed by its client. */
static void hung_up(void)
{
	struct client client;

	open_on(&client, 0, true);
	close(client.queues[0].call_fd);
	client.queues[0].call_fd = -1;
	client.options.polling = true;
	serves(&client, "with a call that nobody reads");
	close(client.queues[0].kick_fd);
	client.queues[0].kick_fd = -1;
	serves(&good, "beside pipes that hung up");
	client_close(&client);
}

/* User-Mode Linux lends one of a pair of sockets, and calls it a pipe. */
static void by_sockets(void)
{
	struct client client;
	int pair[2], flags;
	const uint64_t ring = 0;

	open_on(&client, 0, true);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0 &&
		      fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0,
	      "no sockets");
	DO(&client, client_tell(&client, VHOST_USER_SET_VRING_CALL, &ring,
				sizeof(ring), pair[1]));
	close(client.queues[0].call_fd);
	client.queues[0].call_fd = pair[0];
	are_numbers(&client);
	serves(&client, "by sockets");
	/* Full, and whoever sends to it blocks. */
	flags = fcntl(pair[1], F_GETFL);
	CHECK(fcntl(pair[1], F_SETFL, flags | O_NONBLOCK) == 0, "fcntl");
	while (eventfd_write(pair[1], 1) == 0)
		continue;
	CHECK(fcntl(pair[1], F_SETFL, flags) == 0, "fcntl");
	client.options.polling = true;
	serves(&client, "with a full socket");
	serves(&good, "beside a full socket");
	close(pair[1]);
	client_close(&client);
}

/* The client's own end waits in the socket, which nobody reads. */
static void sockets_hold_nothing(void)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .header = { .cmsg_level = SOL_SOCKET,
				  .cmsg_type = SCM_RIGHTS,
				  .cmsg_len = CMSG_LEN(sizeof(int)) } };
	struct iovec part = { &control, 1 };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = control.bytes,
				  .msg_controllen = sizeof(control) };
	struct client client;
	const uint64_t ring = 0;
	int pair[2];

	open_on(&client, 0, false);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0,
	      "no sockets");
	memcpy(CMSG_DATA(&control.header), &client.socket, sizeof(int));
	CHECK(sendmsg(pair[0], &message, 0) == 1, "sendmsg");
	DO(&client, client_tell(&client, VHOST_USER_SET_VRING_CALL, &ring,
				sizeof(ring), pair[1]));
	CHECK(client_tell(&client, VHOST_USER_SET_VRING_CALL, &ring,
			  sizeof(ring), client.socket) != 0,
	      "its own connection is taken");
	close(pair[0]);
	close(pair[1]);
	client_close(&client);
}

/* An end that goes the other way is none. */
static void wrong_ends(void)
{
	struct client client;
	const uint64_t ring = 0;

	open_on(&client, 0, true);
	CHECK(client_tell(&client, VHOST_USER_SET_VRING_CALL, &ring,
			  sizeof(ring), client.queues[0].call_fd) != 0 &&
		      client_tell(&client, VHOST_USER_SET_VRING_ERR, &ring,
				  sizeof(ring), client.queues[0].call_fd) != 0,
	      "an end to read is taken to be written to");
	CHECK(client_tell(&client, VHOST_USER_SET_VRING_KICK, &ring,
			  sizeof(ring), client.queues[0].kick_fd) != 0,
	      "an end to write is taken to be read");
	serves(&client, "after wrong ends");
	client_close(&client);
}

static void sockets_hold_nothing(void);

/* A server that keeps descriptors has more of them after each client. */
static void nothing_is_kept(void)
{
	uint32_t before, now = 0;
	struct client client;

	serves(&good, "before a row of clients");
	before = backend_descriptors(&backend);
	for (int i = 0; i < 20; i++) {
		open_on(&client, 0, true);
		serves(&client, "one of a row");
		client_close(&client);
		sockets_hold_nothing();
	}
	/* They are closed after the client has gone. */
	for (int i = 0; i < 500; i++) {
		now = backend_descriptors(&backend);
		if (now <= before)
			break;
		serves(&good, "while descriptors are closed");
		poll(NULL, 0, 10);
	}
	CHECK(now <= before, "%u descriptors instead of %u", now, before);
}

int main(void)
{
	struct client client;

	serve_init(60);
	backend.workers = 1;
	backend_add(&backend, NULL, 1 << 20);
	backend_add(&backend, NULL, 1 << 20);
	serve_start();
	open_on(&good, 1, false);
	open_on(&client, 0, true);
	serves(&client, "by pipes");
	are_numbers(&client);
	kicks_are_taken(&client);
	/* Stopped and started again, by the same pipes. */
	DO(&client, client_stop(&client));
	client_ring_reset(&client);
	DO(&client, client_start(&client));
	serves(&client, "started again");
	client_close(&client);
	by_sockets();
	nothing_is_kept();
	full();
	held_call();
	held_kick();
	hung_up();
	wrong_ends();
	client_close(&good);
	return serve_end();
}
