// SPDX-License-Identifier: MIT
#include "device/pair.h"

#include <sys/socket.h>
#include <sys/un.h>

bool pair_is_stream(int fd)
{
	int domain = 0, type = 0;
	socklen_t size = sizeof(domain);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0)
		return false;
	size = sizeof(type);
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0)
		return false;
	return domain == AF_UNIX && type == SOCK_STREAM;
}

/* A socket that we accepted has the name of its listening socket. */
bool pair_is_unnamed(int fd)
{
	struct sockaddr_un peer;
	socklen_t size = sizeof(peer);

	return getpeername(fd, (struct sockaddr *)&peer, &size) == 0 &&
	       size <= sizeof(peer.sun_family);
}
