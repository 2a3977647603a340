// SPDX-License-Identifier: MIT
#include "client/slow.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/descriptors.h"

#define HOURS_S 36000
#define BUFFER	4096 /* bytes; the kernel makes it a little more */

static int listen_at(struct sockaddr_in *name)
{
	socklen_t size = sizeof(*name);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int room = BUFFER;

	*name = (struct sockaddr_in){ .sin_family = AF_INET };
	name->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	if (bind(fd, (struct sockaddr *)name, size) == 0 &&
	    listen(fd, 1) == 0 &&
	    getsockname(fd, (struct sockaddr *)name, &size) == 0)
		return fd;
	close(fd);
	return -1;
}

/* Send until no more fits into both ends. */
static void fill(int fd)
{
	char bytes[BUFFER] = { 0 };

	while (send(fd, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		continue;
}

static int make_one(int listener, const struct sockaddr_in *name, int *peer)
{
	const struct linger hours = { .l_onoff = 1, .l_linger = HOURS_S };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int room = BUFFER;

	*peer = -1;
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	if (connect(fd, (const struct sockaddr *)name, sizeof(*name)) == 0)
		*peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (*peer < 0) {
		close(fd);
		return -1;
	}
	fill(fd);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &hours, sizeof(hours));
	return fd;
}

int slow_sockets_make(struct slow_sockets *sockets, uint32_t count)
{
	struct sockaddr_in name;
	int listener = listen_at(&name);
	int fd = 0;

	sockets->count = 0;
	sockets->fds = calloc(count, sizeof(int));
	sockets->peers = calloc(count, sizeof(int));
	if (listener < 0 || !sockets->fds || !sockets->peers)
		return -1;
	while (sockets->count < count && fd >= 0) {
		fd = make_one(listener, &name, &sockets->peers[sockets->count]);
		sockets->fds[sockets->count] = fd;
		sockets->count += fd >= 0;
	}
	close(listener);
	return fd < 0 ? -1 : 0;
}

void slow_sockets_keep(struct slow_sockets *sockets, uint32_t count)
{
	while (sockets->count > count) {
		uint32_t last = --sockets->count;

		close(sockets->peers[last]);
		close(sockets->fds[last]);
	}
}

void slow_sockets_leave(struct slow_sockets *sockets)
{
	for (uint32_t i = 0; i < sockets->count; i++)
		close(sockets->fds[i]);
	free(sockets->fds);
	sockets->fds = NULL;
}

void slow_sockets_end(struct slow_sockets *sockets)
{
	for (uint32_t i = 0; i < sockets->count; i++)
		close(sockets->peers[i]);
	free(sockets->peers);
	sockets->peers = NULL;
}

int slow_send(int socket, const void *bytes, size_t size, const int *fds,
	      uint32_t fd_count)
{
	struct iovec part = { (void *)(uintptr_t)bytes, size };

	return descriptors_send(socket, &part, 1, fds, fd_count) < 0 ? -1 : 0;
}
