/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_VHOST_MESSAGE_H
#define PRECARIUM_VHOST_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "vhost/protocol.h"

struct notify_cost;
struct release_account;

/*
 * One message as it arrives, in as many pieces as the client likes.  Between
 * messages all zeroes but the first two members.  The message owns the
 * descriptors that came with it, until vhost_message_take_fd.
 *
 * To receive and to answer it wakes everybody who waits for the client's end of
 * the socket, so that is charged like a notification.
 */
struct vhost_message {
	struct release_account *releases; /* of descriptors; kept */
	struct notify_cost *cost;	  /* of the client, or NULL; kept */
	uint64_t spent_ns;		  /* to receive and answer it, so far */
	struct vhost_header header;
	union vhost_payload payload;
	uint32_t received; /* bytes so far, header and payload */
	uint32_t fd_count;
	int fds[VHOST_FDS_MAX];
};

enum vhost_receive {
	VHOST_RECEIVE_DONE = 0, /* a whole message, checked by the table */
	VHOST_RECEIVE_MORE,	/* the rest has not come yet */
	VHOST_RECEIVE_CLOSED,	/* the client has gone */
	VHOST_RECEIVE_BROKEN,	/* not vhost-user; *why says what */
};

/*
 * Read what has arrived of one message, never more, and never block.  DONE: the
 * version and direction in the header are right, and the size of the payload
 * and the number of descriptors are possible for the request; the contents of
 * the payload are unchecked.  After BROKEN the socket may hold descriptors that
 * nobody received: it is closed by release_fd.
 */
enum vhost_receive vhost_message_receive(int fd, struct vhost_message *message,
					 const char **why);

/* The descriptor `index` of a message, now the caller's; -1 if it has none. */
int vhost_message_take_fd(struct vhost_message *message, uint32_t index);

/* Close the descriptors that were not taken, charge what it took, and get ready
 * for the next message. */
void vhost_message_reset(struct vhost_message *message);

/* Reply, with the descriptor `with` unless it is -1; it stays the caller's.
 * NULL, or why that failed: the client does not read its replies, or has gone;
 * errno is ETOOMANYREFS if the descriptor could not be sent, and nothing was.
 * Never blocks: a client must have room for a few hundred bytes. */
const char *vhost_message_reply(int fd, struct vhost_message *message,
				const void *payload, uint32_t size, int with);

/* The name of a request, for log lines. */
const char *vhost_message_name(uint32_t request);

#endif
