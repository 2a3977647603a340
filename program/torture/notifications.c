// SPDX-License-Identifier: MIT
/* Descriptors for notifications.  The client makes them, and so decides what
 * happens to a server that reads or writes them. */
#include "program/torture/case.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define GROUP "notifications"

enum kind {
	PIPE_READ,
	PIPE_FULL,
	PIPE_CLOSED,
	PIPE_HUNG_UP,
	SOCKET_FULL,
	SOCKET_ITSELF,
	DIRECTORY,
	MEMORY,
	EPOLL,
	TIMER,
	ZERO,
	NULL_DEVICE,
	NAMED_ONLY,
	EVENT_FULL,
	EVENT_SEMAPHORE,
	EVENT_BLOCKING,
	EVENT_READ_ONLY,
};

static const struct {
	const char *name;
	enum kind kind;
} kinds[] = {
	{ "pipe", PIPE_READ },
	{ "full-pipe", PIPE_FULL },
	{ "pipe-that-nobody-reads", PIPE_CLOSED },
	{ "pipe-that-hung-up", PIPE_HUNG_UP },
	{ "full-socket", SOCKET_FULL },
	{ "its-own-connection", SOCKET_ITSELF },
	{ "directory", DIRECTORY },
	{ "memory", MEMORY },
	{ "epoll", EPOLL },
	{ "timer", TIMER },
	{ "dev-zero", ZERO },
	{ "dev-null", NULL_DEVICE },
	{ "o-path", NAMED_ONLY },
	{ "full-blocking-eventfd", EVENT_FULL },
	{ "semaphore", EVENT_SEMAPHORE },
	{ "blocking-eventfd", EVENT_BLOCKING },
	{ "eventfd-by-its-path", EVENT_READ_ONLY },
};

/* Full to the last byte, so that a further write blocks. */
static int fill(int fd)
{
	char bytes[4096] = { 0 };
	int flags = fcntl(fd, F_GETFL);

	fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	while (write(fd, bytes, sizeof(bytes)) > 0)
		continue;
	while (write(fd, bytes, 1) > 0)
		continue;
	fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
	return fd;
}

/* Of one that nobody has hung up, the end that a kick needs, or a call. */
static int make_pipe(enum kind kind, bool kick)
{
	int pair[2];

	if (pipe2(pair, O_CLOEXEC))
		return -1;
	switch (kind) {
	case PIPE_CLOSED:
		close(pair[0]);
		return pair[1];
	case PIPE_HUNG_UP:
		close(pair[1]);
		return pair[0];
	case PIPE_FULL:
		fill(pair[1]);
		break;
	default:
		eventfd_write(pair[1], 1);
		break;
	}
	return pair[kick ? 0 : 1];
}

static int make_event(enum kind kind)
{
	char path[40];
	int fd;

	if (kind == EVENT_SEMAPHORE)
		return eventfd(0x7fffffff, EFD_CLOEXEC | EFD_SEMAPHORE);
	fd = eventfd(0, EFD_CLOEXEC);
	if (kind == EVENT_FULL)
		eventfd_write(fd, 0xfffffffffffffffeull);
	if (kind != EVENT_READ_ONLY)
		return fd;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_PATH | O_CLOEXEC);
}

/* Ready each microsecond. */
static int make_timer(void)
{
	const struct itimerspec often = { { 0, 1000 }, { 0, 1000 } };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

	timerfd_settime(fd, 0, &often, NULL);
	return fd;
}

static int make_kind(struct attack *attack, enum kind kind, bool kick)
{
	int pair[2];

	switch (kind) {
	case SOCKET_FULL:
		return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)
			       ? -1
			       : fill(pair[0]);
	case SOCKET_ITSELF:
		return attack->client.socket;
	case DIRECTORY:
		return open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	case MEMORY:
		return attack->client.regions[0].fd;
	case EPOLL:
		return epoll_create1(EPOLL_CLOEXEC);
	case TIMER:
		return make_timer();
	case ZERO:
		return open("/dev/zero", O_RDWR | O_CLOEXEC);
	case NULL_DEVICE:
		return open("/dev/null", O_RDWR | O_CLOEXEC);
	case NAMED_ONLY:
		return open("/dev/zero", O_PATH | O_CLOEXEC);
	case EVENT_FULL:
	case EVENT_SEMAPHORE:
	case EVENT_BLOCKING:
	case EVENT_READ_ONLY:
		return make_event(kind);
	default:
		return make_pipe(kind, kick);
	}
}

/* The message for a ring names it; that for the back-end channel has no
 * payload, and nothing is sent on a channel that was not agreed to. */
static int begin(struct attack *attack, uint32_t request)
{
	bool channel = request == VHOST_USER_SET_BACKEND_REQ_FD;

	if (attack_start(attack, (struct client_options){ .queue_size = 64,
							  .channel = channel }))
		return -1;
	return channel && attack_lacks_protocol(
				  attack, VHOST_USER_PROTOCOL_F_BACKEND_REQ,
				  "BACKEND_REQ")
		       ? -1
		       : 0;
}

static int give(struct attack *attack, uint32_t request, uint64_t number,
		int fd)
{
	bool channel = request == VHOST_USER_SET_BACKEND_REQ_FD;

	return attack_tell(attack, request, &number,
			   channel ? 0 : sizeof(number), fd);
}

/* Given as kick, call, err or back-end channel while requests are in flight,
 * and then used. */
static void run_kind(struct attack *attack, const struct torture_case *self)
{
	const uint32_t *request = self->row;
	int fd;

	if (begin(attack, *request))
		return;
	fd = make_kind(attack, self->kind,
		       *request == VHOST_USER_SET_VRING_KICK);
	hostile_load(&attack->client, 1);
	if (give(attack, *request, 0, fd) < 0)
		return;
	hostile_load(&attack->client, 2);
	craft_kick(attack);
	/* Makes the server report an error by the err descriptor. */
	if (*request == VHOST_USER_SET_VRING_ERR)
		craft_available(attack, 0xffff);
	if (self->kind == EVENT_SEMAPHORE || self->kind == EVENT_BLOCKING)
		eventfd_write(fd, 1);
	craft_kick(attack);
	attack_linger(attack, 20);
}

/* None is given, with and without saying so. */
static void run_none(struct attack *attack, const struct torture_case *self)
{
	const uint32_t *request = self->row;
	uint64_t number = self->kind ? VHOST_USER_NO_FD : 0;

	if (begin(attack, *request))
		return;
	hostile_load(&attack->client, 1);
	if (give(attack, *request, number, -1) < 0)
		return;
	hostile_load(&attack->client, 2);
	attack_linger(attack, 10);
}

/* The call is the kick: the server wakes itself. */
static void call_is_kick(struct attack *attack, const struct torture_case *self)
{
	uint64_t number = 0;

	(void)self;
	if (attack_start(attack, (struct client_options){ .queue_size = 64 }))
		return;
	attack_tell(attack, VHOST_USER_SET_VRING_CALL, &number, sizeof(number),
		    attack->client.queues[0].kick_fd);
	attack_tell(attack, VHOST_USER_SET_VRING_ERR, &number, sizeof(number),
		    attack->client.queues[0].kick_fd);
	hostile_load(&attack->client, 1);
	attack_linger(attack, 50);
}

/* One descriptor for the kicks of all queues. */
static void kick_shared(struct attack *attack, const struct torture_case *self)
{
	uint32_t count, i;
	uint64_t number;

	(void)self;
	if (attack_open(attack, (struct client_options){ .depth = 1 }))
		return;
	count = attack->client.queue_limit;
	if (count > CLIENT_QUEUES_MAX)
		count = CLIENT_QUEUES_MAX;
	client_close(&attack->client);
	if (attack_start(attack,
			 (struct client_options){ .queue_count = count }))
		return;
	for (i = 0; i < count; i++) {
		number = i;
		attack_tell(attack, VHOST_USER_SET_VRING_KICK, &number,
			    sizeof(number), attack->client.queues[0].kick_fd);
	}
	hostile_load(&attack->client, 1);
	for (i = 0; i < 1000; i++)
		craft_kick(attack);
	attack_linger(attack, 10);
}

static void kick_storm(struct attack *attack, const struct torture_case *self)
{
	uint64_t end = client_now_ns() + self->kind * 1000000ull;

	if (attack_start(attack, (struct client_options){ .queue_size = 64 }))
		return;
	while (client_now_ns() < end)
		craft_kick(attack);
}

/* One message, with a descriptor, on a socket that the server never reads. */
static void post(int socket, int fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .header = { .cmsg_level = SOL_SOCKET,
				  .cmsg_type = SCM_RIGHTS,
				  .cmsg_len = CMSG_LEN(sizeof(int)) } };
	struct iovec part = { &fd, 1 };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = control.bytes,
				  .msg_controllen = sizeof(control) };

	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* The client's own end waits in the channel, before or after it is given: as
 * long as the server holds the one, the other does not hang up. */
static void channel_holds(struct attack *attack,
			  const struct torture_case *self)
{
	int pair[2];

	if (begin(attack, VHOST_USER_SET_BACKEND_REQ_FD) ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return;
	if (!self->kind)
		post(pair[0], attack->client.socket);
	if (give(attack, VHOST_USER_SET_BACKEND_REQ_FD, 0, pair[1]) < 0)
		return;
	if (self->kind)
		post(pair[0], attack->client.socket);
	hostile_load(&attack->client, 1);
	attack_linger(attack, 10);
}

/* Two connections, each the other's channel. */
static void channels_crossed(struct attack *attack,
			     const struct torture_case *self)
{
	struct attack other = *attack;

	(void)self;
	if (begin(attack, VHOST_USER_SET_BACKEND_REQ_FD) ||
	    begin(&other, VHOST_USER_SET_BACKEND_REQ_FD))
		return;
	give(attack, VHOST_USER_SET_BACKEND_REQ_FD, 0, other.client.socket);
	give(&other, VHOST_USER_SET_BACKEND_REQ_FD, 0, attack->client.socket);
	attack_linger(attack, 10);
}

/* Clogged, and completions must come all the same. */
static void clogged(struct attack *attack, const struct torture_case *self)
{
	uint32_t i;

	(void)self;
	if (attack_start(attack, (struct client_options){ .queue_size = 64 }) ||
	    hostile_clog(&attack->client, 0))
		return;
	for (i = 0; i < 8; i++) {
		client_submit(&attack->client, 0, i, VIRTIO_BLK_T_IN, 0, 4096);
		craft_kick(attack);
		attack_linger(attack, 2);
	}
	attack_linger(attack, 20);
}

/* Clogged when the server reports the ring as broken. */
static void clogged_err(struct attack *attack, const struct torture_case *self)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	uint64_t number = 0;

	(void)self;
	eventfd_write(fd, 0xfffffffffffffffeull);
	if (attack_start(attack, (struct client_options){ .queue_size = 64 }))
		return;
	attack_tell(attack, VHOST_USER_SET_VRING_ERR, &number, sizeof(number),
		    fd);
	craft_available(attack, 0xffff);
	craft_kick(attack);
	attack_linger(attack, 30);
}

/* Exchanged repeatedly with requests in flight. */
static void exchanged(struct attack *attack, const struct torture_case *self)
{
	uint32_t i;

	if (begin(attack, self->kind))
		return;
	for (i = 0; i < 200; i++) {
		int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);

		if (i % 4 == 0)
			hostile_load(&attack->client, i);
		if (give(attack, self->kind, 0, fd) < 0)
			return;
		close(fd);
	}
}

void cases_add_notifications(struct case_list *list)
{
	static const struct {
		const char *kind, *none, *none_said, *exchanged;
		uint32_t request;
	} ways[] = {
		{ "kick-is-a", "kick-missing", "kick-none", "kick-exchanged",
		  VHOST_USER_SET_VRING_KICK },
		{ "call-is-a", "call-missing", "call-none", "call-exchanged",
		  VHOST_USER_SET_VRING_CALL },
		{ "err-is-a", "err-missing", "err-none", "err-exchanged",
		  VHOST_USER_SET_VRING_ERR },
		{ "channel-is-a", "channel-missing", NULL, "channel-exchanged",
		  VHOST_USER_SET_BACKEND_REQ_FD },
	};
	struct torture_case *new;
	uint32_t i, j;

	for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		for (j = 0; j < sizeof(kinds) / sizeof(kinds[0]); j++) {
			new = add_case(list, GROUP, run_kind, ways[i].kind,
				       kinds[j].name);
			new->row = &ways[i].request;
			new->kind = kinds[j].kind;
		}
		add_case(list, GROUP, run_none, ways[i].none, "")->row =
			&ways[i].request;
		add_case(list, GROUP, exchanged, ways[i].exchanged, "")->kind =
			ways[i].request;
		if (!ways[i].none_said)
			continue;
		new = add_case(list, GROUP, run_none, ways[i].none_said, "");
		new->row = &ways[i].request;
		new->kind = true;
	}
	add_case(list, GROUP, call_is_kick, "call-is-the-kick", "");
	add_case(list, GROUP, kick_shared, "kick-of-all-queues", "");
	add_case(list, GROUP, kick_storm, "kick-storm", "")->kind = 100;
	add_case(list, GROUP, clogged, "call-clogged", "");
	add_case(list, GROUP, channel_holds, "channel-holds-its-connection", "")
		->kind = false;
	add_case(list, GROUP, channel_holds, "channel-is-given-its-connection",
		 "")
		->kind = true;
	add_case(list, GROUP, channels_crossed, "channels-crossed", "");
	add_case(list, GROUP, clogged_err, "err-clogged", "");
}
