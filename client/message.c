/* SPDX-License-Identifier: MIT */
#include "client/client.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/descriptors.h"
#include "client/protocol.h"

int client_fail(struct client *client, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(client->error, sizeof(client->error), format, args);
	va_end(args);
	return -1;
}

static int wait_for(struct client *client, short events)
{
	struct pollfd poller = { .fd = client->socket, .events = events };
	int ready;

	do
		ready = poll(&poller, 1, (int)client->options.timeout_ms);
	while (ready < 0 && errno == EINTR);
	if (ready < 0)
		return client_fail(client, "poll: %s", strerror(errno));
	if (ready == 0)
		return client_fail(client, "the server says nothing for %u ms",
				   client->options.timeout_ms);
	return 0;
}

int client_send(struct client *client, uint32_t request, uint32_t flags,
		const void *payload, uint32_t size, const int *fds,
		uint32_t fd_count)
{
	struct vhost_user_header header = {
		.request = request,
		.flags = VHOST_USER_VERSION | flags,
		.size = size,
	};
	struct iovec parts[2] = {
		{ .iov_base = &header, .iov_len = sizeof(header) },
		{ .iov_base = (void *)(uintptr_t)payload, .iov_len = size },
	};
	ssize_t sent;

	if (fd_count > VHOST_USER_FDS_MAX)
		return client_fail(client, "too many descriptors to send");
	if (wait_for(client, POLLOUT))
		return -1;
	sent = descriptors_send(client->socket, parts, 2, fds, fd_count);
	if (sent < 0) {
		client->lost = errno == EPIPE || errno == ECONNRESET;
		return client_fail(client, "message %u: %s", request,
				   strerror(errno));
	}
	if ((size_t)sent != sizeof(header) + size)
		return client_fail(client, "message %u: sent in part", request);
	return 0;
}

/* Exactly `size` bytes, and the first descriptor that comes with them. */
static int receive_bytes(struct client *client, void *bytes, size_t size,
			 int *fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int) * VHOST_USER_FDS_MAX)];
	} control;
	size_t done = 0;

	while (done < size) {
		struct iovec part = { (char *)bytes + done, size - done };
		struct msghdr message = {
			.msg_iov = &part,
			.msg_iovlen = 1,
			.msg_control = control.bytes,
			.msg_controllen = sizeof(control.bytes),
		};
		struct cmsghdr *found;
		ssize_t got;
		int sent_fd;

		if (wait_for(client, POLLIN))
			return -1;
		got = recvmsg(client->socket, &message,
			      MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
		if (got <= 0) {
			client->lost = true;
			return client_fail(client, "the server hung up");
		}
		done += (size_t)got;
		found = CMSG_FIRSTHDR(&message);
		if (!found || found->cmsg_type != SCM_RIGHTS)
			continue;
		memcpy(&sent_fd, CMSG_DATA(found), sizeof(sent_fd));
		if (fd && *fd < 0)
			*fd = sent_fd;
		else
			close(sent_fd);
	}
	return 0;
}

int client_receive(struct client *client, uint32_t request, void *payload,
		   uint32_t size, int *fd)
{
	struct vhost_user_header header;

	if (fd)
		*fd = -1;
	if (receive_bytes(client, &header, sizeof(header), fd))
		return -1;
	if (header.request != request)
		return client_fail(client, "asked %u, answered %u", request,
				   header.request);
	if (!(header.flags & VHOST_USER_REPLY))
		return client_fail(client, "answer to %u is no reply: flags %x",
				   request, header.flags);
	if (header.size != size)
		return client_fail(client, "answer to %u: %u bytes, not %u",
				   request, header.size, size);
	return receive_bytes(client, payload, size, fd);
}

int client_ask(struct client *client, uint32_t request, const void *payload,
	       uint32_t size, void *answer, uint32_t answer_size)
{
	if (client_send(client, request, 0, payload, size, NULL, 0))
		return -1;
	return client_receive(client, request, answer, answer_size, NULL);
}

int client_tell(struct client *client, uint32_t request, const void *payload,
		uint32_t size, int fd)
{
	bool acknowledged =
		client->protocol & 1u << VHOST_USER_PROTOCOL_F_REPLY_ACK;
	uint64_t verdict = 0;

	if (client_send(client, request,
			acknowledged ? VHOST_USER_NEED_REPLY : 0, payload, size,
			&fd, fd >= 0))
		return -1;
	if (!acknowledged)
		return 0;
	if (client_receive(client, request, &verdict, sizeof(verdict), NULL))
		return -1;
	if (verdict != 0)
		return client_fail(client, "message %u was refused (%llu)",
				   request, (unsigned long long)verdict);
	return 0;
}
