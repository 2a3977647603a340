// SPDX-License-Identifier: MIT
/* Clients that make a call of the server's take as long as they like: closing
 * what they sent, waking who waits for their eventfds, freeing their memory,
 * copying what they ask for.  Each is about the neighbour, who must not
 * wait. */
#include "program/torture/case.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/slow.h"

#define GROUP	  "slow"
#define STAY_MS	  700
#define MANY	  16u
#define CROWD	  300u
#define WATCHERS  192u
#define NAMES	  1024u
#define REQUESTS  64
#define MEMORY	  (1ull << 30)
#define ALIAS	  (16u << 20)
#define ALIASES	  120u
#define STORM_MS  1500
#define MESSAGE_A 6 /* bytes: half a header */

static const struct vhost_user_header question = { VHOST_USER_GET_FEATURES,
						   VHOST_USER_VERSION, 0 };

static void allow_descriptors(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files))
		return;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

static int join(const struct attack *attack)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	size_t i;

	for (i = 0;
	     i < sizeof(name.sun_path) - 1 && attack->options->socket_path[i];
	     i++)
		name.sun_path[i] = attack->options->socket_path[i];
	if (connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* How a socket that lingers comes to be closed by the server. */
enum place {
	IN_A_MESSAGE,	/* that has no descriptors */
	TOO_MANY,	/* for any message */
	BEHIND_A_WRONG, /* in a message that is not read any more */
	ON_THE_CHANNEL,
	TURNED_AWAY, /* on connections that are too many */
};

static const char *const places[] = {
	"close-in-a-message",	"close-of-too-many", "close-of-unread",
	"close-on-the-channel", "close-of-a-crowd",
};

static void send_at(struct attack *attack, enum place place,
		    const struct slow_sockets *sockets)
{
	struct vhost_user_header wrong = question;
	int pair[2];

	wrong.flags = 0;
	switch (place) {
	case IN_A_MESSAGE:
		attack_send(attack, &question, sizeof(question), sockets->fds,
			    VHOST_USER_FDS_MAX);
		break;
	case TOO_MANY:
		attack_send(attack, &question, sizeof(question), sockets->fds,
			    MANY);
		break;
	case BEHIND_A_WRONG:
		attack_send(attack, &wrong, sizeof(wrong), NULL, 0);
		attack_send(attack, &question, sizeof(question), sockets->fds,
			    MANY);
		break;
	case ON_THE_CHANNEL:
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) ||
		    slow_send(pair[0], "", 1, sockets->fds, MANY))
			return;
		attack_say(attack, VHOST_USER_SET_BACKEND_REQ_FD, NULL, 0,
			   pair[1]);
		close(pair[1]);
		break;
	case TURNED_AWAY:
		for (uint32_t i = 0; i < CROWD; i++) {
			int fd = join(attack);

			if (fd >= 0)
				slow_send(fd, &question, MESSAGE_A,
					  &sockets->fds[i % MANY], 1);
		}
		break;
	}
}

/* The other ends stay open, and unread, until this process ends.  Our own
 * descriptors are closed at once: if the server has closed its own before, ours
 * are the last, and this process waits instead. */
static void lingering(struct attack *attack, const struct torture_case *self)
{
	struct slow_sockets sockets;

	allow_descriptors();
	if (attack_start(attack, (struct client_options){ .channel = true }) ||
	    slow_sockets_make(&sockets, MANY))
		return;
	send_at(attack, (enum place)self->kind, &sockets);
	slow_sockets_leave(&sockets);
	poll(NULL, 0, STAY_MS);
}

/* As many wait for it as there are pairs. */
static void wait_for(int fd)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET };
	int watchers[WATCHERS];

	for (uint32_t i = 0; i < WATCHERS; i++)
		watchers[i] = epoll_create1(EPOLL_CLOEXEC);
	for (uint32_t i = 0; i < NAMES; i++) {
		int name = fcntl(fd, F_DUPFD_CLOEXEC, 0);

		for (uint32_t j = 0; name >= 0 && j < WATCHERS; j++)
			epoll_ctl(watchers[j], EPOLL_CTL_ADD, name, &event);
	}
}

static void waiters(struct attack *attack, const struct torture_case *self)
{
	(void)self;
	allow_descriptors();
	if (attack_start(attack, (struct client_options){ .depth = 1 }))
		return;
	wait_for(attack->client.queues[0].call_fd);
	for (int i = 0; i < REQUESTS; i++)
		if (client_io(&attack->client, 0, VIRTIO_BLK_T_IN, 0, 4096))
			break;
}

static void waiters_for_answers(struct attack *attack,
				const struct torture_case *self)
{
	uint64_t answer;

	(void)self;
	allow_descriptors();
	if (attack_start(attack, (struct client_options){ .depth = 1 }))
		return;
	wait_for(attack->client.socket);
	for (int i = 0; i < REQUESTS; i++)
		if (client_ask(&attack->client, VHOST_USER_GET_FEATURES, NULL,
			       0, &answer, sizeof(answer)))
			break;
}

/* Nobody but the server has the memory any more, which it frees. */
static void memory(struct attack *attack, const struct torture_case *self)
{
	struct client *client = &attack->client;

	(void)self;
	if (attack_start(attack,
			 (struct client_options){ .region_size = MEMORY }))
		return;
	for (uint32_t i = 0; i < client->options.region_count; i++) {
		munmap(client->regions[i].host, client->regions[i].size);
		close(client->regions[i].fd);
		if (client->regions[i].lent_fd != client->regions[i].fd)
			close(client->regions[i].lent_fd);
	}
	close(client->socket);
	poll(NULL, 0, STAY_MS);
}

/* One request for as many bytes as its descriptors can name: the same memory
 * again and again. */
static void one_huge(struct attack *attack, const struct torture_case *self)
{
	struct client_options options = {
		.buffer_size = ALIAS,
		.queue_size = 256,
	};
	struct vring_desc chain[ALIASES + 2];
	uint64_t room;
	uint32_t count = ALIASES;
	uint16_t before;

	if (attack_start(attack, options))
		return;
	room = attack->client.capacity * CLIENT_SECTOR / ALIAS;
	count = room < count ? (uint32_t)room : count;
	craft(attack, self->kind, 0, chain);
	chain[count + 1] = chain[2];
	for (uint32_t i = 1; i <= count; i++) {
		chain[i] = chain[1];
		chain[i].len = ALIAS;
		chain[i].next = (uint16_t)(i + 1);
	}
	for (int i = 0; i < 3; i++) {
		before = attack->client.queues[0].ring.used->idx;
		if (craft_submit(attack, chain, count + 2, false))
			return;
		attack_served(attack, before, STAY_MS);
	}
}

/* Connections that come and go as fast as they can. */
static void connect_storm(struct attack *attack,
			  const struct torture_case *self)
{
	uint64_t end = client_now_ns() + STORM_MS * 1000000ull;

	(void)self;
	while (client_now_ns() < end) {
		int fd = join(attack);

		if (fd >= 0)
			close(fd);
	}
}

void cases_add_slow(struct case_list *list)
{
	struct torture_case *new;

	for (uint32_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		new = add_case(list, GROUP, lingering, places[i], "");
		new->kind = i;
		new->slow = true;
	}
	add_case(list, GROUP, waiters, "waiters", "")->slow = true;
	new = add_case(list, GROUP, waiters_for_answers, "waiters-for-answers",
		       "");
	new->slow = true;
	add_case(list, GROUP, memory, "memory-freed", "")->slow = true;
	new = add_case(list, GROUP, one_huge, "one-huge-read", "");
	new->kind = VIRTIO_BLK_T_IN;
	new->slow = true;
	new = add_case(list, GROUP, one_huge, "one-huge-write", "");
	new->kind = VIRTIO_BLK_T_OUT;
	new->slow = true;
	add_case(list, GROUP, connect_storm, "connections", "")->slow = true;
}
