/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_VHOST_MESSAGE_H
#define PRECARIUM_VHOST_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "vhost/protocol.h"

/*
 * One message as it comes in, in as many pieces as the client likes.  All
 * zeroes between messages.  The descriptors that came with it are owned by
 * the message; whoever keeps one takes it out with vhost_message_take_fd.
 */
struct vhost_message {
	struct vhost_header header;
	union vhost_payload payload;
	uint32_t received; /* bytes so far, header and payload */
	uint32_t fd_count;
	int fds[VHOST_FDS_MAX];
};

enum vhost_receive {
	VHOST_RECEIVE_DONE = 0, /* a whole message, checked by the table */
	VHOST_RECEIVE_MORE,	/* the rest has not come yet */
	VHOST_RECEIVE_CLOSED,	/* the client is gone */
	VHOST_RECEIVE_BROKEN,	/* no vhost-user; *why says what */
};

/*
 * Read what is there of one message, never more and never waiting.  DONE: the
 * header is of the right version and direction, the payload has a size that
 * the request may have, and the descriptors are as many as it may bring; what
 * the payload says is unchecked.
 */
enum vhost_receive vhost_message_receive(int fd, struct vhost_message *message,
					 const char **why);

/* The descriptor `index` of a message, now the caller's; -1 if it has none. */
int vhost_message_take_fd(struct vhost_message *message, uint32_t index);

/* Close what was not taken and make ready for the next. */
void vhost_message_reset(struct vhost_message *message);

/* Answer, with the descriptor `with` unless it is -1; it stays the caller's.
 * NULL, or why it cannot be: the client does not read its replies, or
 * is gone.  Never waits: a client owes room for a few hundred bytes. */
const char *vhost_message_reply(int fd, const struct vhost_message *message,
				const void *payload, uint32_t size, int with);

/* The name of a request, for people. */
const char *vhost_message_name(uint32_t request);

#endif
