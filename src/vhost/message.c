// SPDX-License-Identifier: MIT
#include "vhost/message.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "device/notify.h"
#include "device/release.h"

/* What each request may look like.  A request that is not listed is not
 * understood: its size is bounded, and its contents are skipped. */
struct shape {
	const char *name;
	uint32_t size_min;
	uint32_t size_max;
	uint32_t fds_min;
	uint32_t fds_max;
};

#define U64   sizeof(uint64_t), sizeof(uint64_t)
#define STATE sizeof(struct vhost_ring_state), sizeof(struct vhost_ring_state)

static const struct shape shapes[VHOST_MESSAGE_END] = {
	[VHOST_GET_FEATURES] = { "GET_FEATURES", 0, 0, 0, 0 },
	[VHOST_SET_FEATURES] = { "SET_FEATURES", U64, 0, 0 },
	[VHOST_SET_OWNER] = { "SET_OWNER", 0, 0, 0, 0 },
	[VHOST_RESET_OWNER] = { "RESET_OWNER", 0, 0, 0, 0 },
	[VHOST_SET_MEM_TABLE] = { "SET_MEM_TABLE", 8,
				  sizeof(struct vhost_memory_table), 0,
				  VHOST_TABLE_MAX },
	[VHOST_SET_LOG_BASE] = { "SET_LOG_BASE", sizeof(uint64_t),
				 sizeof(struct vhost_log_base), 0, 1 },
	[VHOST_SET_LOG_FD] = { "SET_LOG_FD", 0, sizeof(uint64_t), 0, 1 },
	[VHOST_SET_VRING_NUM] = { "SET_VRING_NUM", STATE, 0, 0 },
	[VHOST_SET_VRING_ADDR] = { "SET_VRING_ADDR",
				   sizeof(struct vhost_ring_addr),
				   sizeof(struct vhost_ring_addr), 0, 0 },
	[VHOST_SET_VRING_BASE] = { "SET_VRING_BASE", STATE, 0, 0 },
	[VHOST_GET_VRING_BASE] = { "GET_VRING_BASE", STATE, 0, 0 },
	[VHOST_SET_VRING_KICK] = { "SET_VRING_KICK", U64, 0, 1 },
	[VHOST_SET_VRING_CALL] = { "SET_VRING_CALL", U64, 0, 1 },
	[VHOST_SET_VRING_ERR] = { "SET_VRING_ERR", U64, 0, 1 },
	[VHOST_GET_PROTOCOL_FEATURES] = { "GET_PROTOCOL_FEATURES", 0, 0, 0, 0 },
	[VHOST_SET_PROTOCOL_FEATURES] = { "SET_PROTOCOL_FEATURES", U64, 0, 0 },
	[VHOST_GET_QUEUE_NUM] = { "GET_QUEUE_NUM", 0, 0, 0, 0 },
	[VHOST_SET_VRING_ENABLE] = { "SET_VRING_ENABLE", STATE, 0, 0 },
	[VHOST_SET_BACKEND_REQ_FD] = { "SET_BACKEND_REQ_FD", 0, 0, 1, 1 },
	[VHOST_IOTLB_MSG] = { "IOTLB_MSG", VHOST_IOTLB_SIZE,
			      sizeof(struct vhost_iotlb), 0, 0 },
	[VHOST_GET_CONFIG] = { "GET_CONFIG", VHOST_CONFIG_HEADER,
			       sizeof(struct vhost_config), 0, 0 },
	[VHOST_SET_CONFIG] = { "SET_CONFIG", VHOST_CONFIG_HEADER,
			       sizeof(struct vhost_config), 0, 0 },
	[VHOST_GET_INFLIGHT_FD] = { "GET_INFLIGHT_FD",
				    VHOST_INFLIGHT_SHAPE_SIZE,
				    sizeof(struct vhost_inflight_shape), 0, 0 },
	[VHOST_SET_INFLIGHT_FD] = { "SET_INFLIGHT_FD",
				    VHOST_INFLIGHT_SHAPE_SIZE,
				    sizeof(struct vhost_inflight_shape), 0, 1 },
	[VHOST_RESET_DEVICE] = { "RESET_DEVICE", 0, 0, 0, 0 },
	[VHOST_GET_MAX_MEM_SLOTS] = { "GET_MAX_MEM_SLOTS", 0, 0, 0, 0 },
	[VHOST_ADD_MEM_REG] = { "ADD_MEM_REG", sizeof(struct vhost_memory_one),
				sizeof(struct vhost_memory_one), 1, 1 },
	/* Old front-ends attach the descriptor here too. */
	[VHOST_REM_MEM_REG] = { "REM_MEM_REG", sizeof(struct vhost_memory_one),
				sizeof(struct vhost_memory_one), 0, 1 },
	[VHOST_SET_STATUS] = { "SET_STATUS", U64, 0, 0 },
	[VHOST_GET_STATUS] = { "GET_STATUS", 0, 0, 0, 0 },
};

static const struct shape *shape_of(uint32_t request)
{
	if (request >= VHOST_MESSAGE_END || !shapes[request].name)
		return NULL;
	return &shapes[request];
}

const char *vhost_message_name(uint32_t request)
{
	const struct shape *shape = shape_of(request);

	return shape ? shape->name : "unknown request";
}

static const char *check_header(const struct vhost_header *header)
{
	const struct shape *shape = shape_of(header->request);

	if ((header->flags & VHOST_VERSION_MASK) != VHOST_VERSION)
		return "not version 1 of vhost-user";
	if (header->flags & VHOST_REPLY)
		return "a reply without a request";
	if (header->size > sizeof(struct vhost_config))
		return "a payload that is larger than that of any message";
	if (shape &&
	    (header->size < shape->size_min || header->size > shape->size_max))
		return "a payload of the wrong size for this request";
	return NULL;
}

static const char *check_fds(const struct vhost_message *message)
{
	const struct shape *shape = shape_of(message->header.request);

	if (shape && message->fd_count < shape->fds_min)
		return "the file descriptor is missing";
	if (shape && message->fd_count > shape->fds_max)
		return "more file descriptors than this request has";
	return NULL;
}

/* The descriptors that came along, with room for more than a message may
 * have. */
struct arrived {
	int fds[VHOST_FDS_MAX + 2];
	uint32_t count;
};

/* Else the kernel uses what is there for alignment. */
_Static_assert(CMSG_SPACE(sizeof(((struct arrived *)0)->fds)) ==
		       CMSG_LEN(sizeof(((struct arrived *)0)->fds)),
	       "no more descriptors than there is room for");

static void collect_fds(struct arrived *arrived, struct msghdr *msg)
{
	arrived->count = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c;
	     c = CMSG_NXTHDR(msg, c)) {
		size_t size = c->cmsg_len - CMSG_LEN(0);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		assert(size <= sizeof(arrived->fds));
		memcpy(arrived->fds, CMSG_DATA(c), size);
		arrived->count = (uint32_t)(size / sizeof(int));
	}
}

/* False in *all: some did not fit, and were closed or not taken. */
static ssize_t receive(int fd, struct iovec *vector, int flags,
		       struct arrived *arrived, bool *all)
{
	union {
		char bytes[CMSG_SPACE(sizeof(arrived->fds))];
		struct cmsghdr align;
	} control;
	struct msghdr msg;
	ssize_t got;

	do {
		msg = (struct msghdr){
			.msg_iov = vector,
			.msg_iovlen = 1,
			.msg_control = control.bytes,
			.msg_controllen = sizeof(control.bytes),
		};
		got = recvmsg(fd, &msg,
			      flags | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	arrived->count = 0;
	if (got >= 0)
		collect_fds(arrived, &msg);
	*all = got < 0 || !(msg.msg_flags & MSG_CTRUNC);
	return got;
}

static void release_all(const struct vhost_message *message,
			const struct arrived *arrived)
{
	for (uint32_t i = 0; i < arrived->count; i++)
		release_fd(message->releases, arrived->fds[i]);
}

static bool keep_fds(struct vhost_message *message,
		     const struct arrived *arrived, bool all, const char **why)
{
	bool fit = message->fd_count + arrived->count <= VHOST_FDS_MAX;

	if (fit && all) {
		memcpy(&message->fds[message->fd_count], arrived->fds,
		       arrived->count * sizeof(int));
		message->fd_count += arrived->count;
		return true;
	}
	*why = fit ? "file descriptors were lost in transit (too many, or this "
		     "process has no room for them)"
		   : "more than 8 file descriptors in a message";
	release_all(message, arrived);
	return false;
}

/* Take the bytes that were looked at, and what belongs to them. */
static enum vhost_receive take_piece(int fd, struct vhost_message *message,
				     struct iovec *vector, const char **why)
{
	struct arrived arrived;
	bool all;
	ssize_t got = receive(fd, vector, 0, &arrived, &all);

	if (got > 0 && !keep_fds(message, &arrived, all, why))
		return VHOST_RECEIVE_BROKEN;
	if (got != (ssize_t)vector->iov_len) {
		*why = "a message could not be received: the system lacks "
		       "memory, or has an error";
		return VHOST_RECEIVE_BROKEN;
	}
	message->received += (uint32_t)got;
	return VHOST_RECEIVE_DONE;
}

/*
 * Receive exactly the rest of the header, or of the payload: what follows
 * belongs to the next message, and so do its descriptors.
 *
 * What is taken from a socket without room for all descriptors, in the buffer
 * or in this process, has the others closed by the kernel, in this thread, and
 * that may take as long as the client likes.  So look before: what does not fit
 * then stays in the socket, and what fits is held meanwhile.  The look may find
 * descriptors of the next message instead, if this one has none, so they are
 * not those of this one.
 */
static enum vhost_receive receive_piece(int fd, struct vhost_message *message,
					void *to, uint32_t size,
					const char **why)
{
	struct iovec vector = { to, size };
	enum vhost_receive result = VHOST_RECEIVE_BROKEN;
	struct arrived seen;
	bool all;
	ssize_t got = receive(fd, &vector, MSG_PEEK, &seen, &all);

	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return VHOST_RECEIVE_MORE;
	if (got == 0 || (got < 0 && errno == ECONNRESET))
		return VHOST_RECEIVE_CLOSED;
	if (got > 0 && !all) {
		*why = "more than 8 file descriptors in a message, or this "
		       "process has no room for them";
	} else {
		vector.iov_len = got > 0 ? (size_t)got : size;
		result = take_piece(fd, message, &vector, why);
	}
	release_all(message, &seen);
	return result;
}

static enum vhost_receive receive_pieces(int fd, struct vhost_message *message,
					 const char **why)
{
	const uint32_t header = sizeof(message->header);

	for (;;) {
		uint32_t got = message->received;
		enum vhost_receive result;
		uint8_t *to;
		uint32_t end;

		if (got < header) {
			to = (uint8_t *)&message->header + got;
			end = header;
		} else {
			*why = check_header(&message->header);
			if (*why)
				return VHOST_RECEIVE_BROKEN;
			to = (uint8_t *)&message->payload + (got - header);
			end = header + message->header.size;
			if (got == end)
				break;
		}
		result = receive_piece(fd, message, to, end - got, why);
		if (result == VHOST_RECEIVE_CLOSED && got > 0) {
			*why = "the connection ended inside a message";
			return VHOST_RECEIVE_BROKEN;
		}
		if (result != VHOST_RECEIVE_DONE)
			return result;
	}
	*why = check_fds(message);
	return *why ? VHOST_RECEIVE_BROKEN : VHOST_RECEIVE_DONE;
}

enum vhost_receive vhost_message_receive(int fd, struct vhost_message *message,
					 const char **why)
{
	uint64_t before = notify_clock_ns();
	enum vhost_receive result = receive_pieces(fd, message, why);

	message->spent_ns += notify_clock_ns() - before;
	return result;
}

int vhost_message_take_fd(struct vhost_message *message, uint32_t index)
{
	int fd;

	if (index >= message->fd_count)
		return -1;
	fd = message->fds[index];
	message->fds[index] = -1;
	return fd;
}

void vhost_message_reset(struct vhost_message *message)
{
	for (uint32_t i = 0; i < message->fd_count; i++)
		release_fd(message->releases, message->fds[i]);
	if (message->cost)
		notify_charge(message->cost, message->spent_ns);
	*message = (struct vhost_message){ .releases = message->releases,
					   .cost = message->cost };
}

const char *vhost_message_reply(int fd, struct vhost_message *message,
				const void *payload, uint32_t size, int with)
{
	struct vhost_header header = {
		.request = message->header.request,
		.flags = VHOST_VERSION | VHOST_REPLY,
		.size = size,
	};
	union vhost_payload copy;
	struct iovec vectors[2] = {
		{ &header, sizeof(header) },
		{ &copy, size },
	};
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr header;
	} control = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)),
				  .cmsg_level = SOL_SOCKET,
				  .cmsg_type = SCM_RIGHTS } };
	struct msghdr msg = { .msg_iov = vectors, .msg_iovlen = 2 };
	uint64_t before = notify_clock_ns();
	ssize_t sent;

	if (with >= 0) {
		memcpy(CMSG_DATA(&control.header), &with, sizeof(with));
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
	}
	assert(size <= sizeof(copy));
	memcpy(&copy, payload, size);
	do
		sent = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	message->spent_ns += notify_clock_ns() - before;
	if (sent == (ssize_t)(sizeof(header) + size))
		return NULL;
	if (sent >= 0 || errno == EAGAIN)
		return "does not read its replies";
	if (errno == EPIPE || errno == ECONNRESET)
		return "closed by the client";
	return "a reply could not be sent: the system lacks memory, or has an "
	       "error";
}
