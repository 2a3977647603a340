/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_VHOST_DISPATCH_H
#define PRECARIUM_VHOST_DISPATCH_H

#include "vhost/connection.h"

/*
 * What each message does.  Everything it says is checked before anything is
 * changed; a message that is refused has changed nothing.
 */
enum vhost_outcome {
	VHOST_DONE,	 /* acknowledge it, if asked to */
	VHOST_ANSWERED,	 /* it has its own reply, which is sent */
	VHOST_LATER,	 /* first the requests in flight must end */
	VHOST_MEANWHILE, /* … of one ring; the others are served */
	VHOST_REFUSED,	 /* reply so if asked to; else see unheard.h */
	VHOST_BROKEN,	 /* end the client */
};

/* Carry out the connection's message; call again after LATER and MEANWHILE.
 * After REFUSED and BROKEN *why says what was expected. */
enum vhost_outcome vhost_dispatch(struct vhost_connection *connection,
				  const char **why);

/* Reply to the message with a payload of its own, and a descriptor or -1. */
static inline enum vhost_outcome
vhost_answer(struct vhost_connection *connection, const void *payload,
	     uint32_t size, int with, const char **why)
{
	*why = vhost_message_reply(connection->fd, &connection->message,
				   payload, size, with);
	return *why ? VHOST_BROKEN : VHOST_ANSWERED;
}

/* The parts of vhost_dispatch.  Memory (dispatch_memory.c): */
enum vhost_outcome vhost_set_table(struct vhost_connection *connection,
				   const char **why);
enum vhost_outcome vhost_add_region(struct vhost_connection *connection,
				    const char **why);
enum vhost_outcome vhost_remove_region(struct vhost_connection *connection,
				       const char **why);

/* Translations of addresses (dispatch_iotlb.c): */
enum vhost_outcome vhost_iotlb(struct vhost_connection *connection,
			       const char **why);

/* Rings (dispatch_rings.c): */
enum vhost_outcome vhost_set_num(struct vhost_connection *connection,
				 const char **why);
enum vhost_outcome vhost_set_base(struct vhost_connection *connection,
				  const char **why);
enum vhost_outcome vhost_set_addr(struct vhost_connection *connection,
				  const char **why);
enum vhost_outcome vhost_set_enable(struct vhost_connection *connection,
				    const char **why);
enum vhost_outcome vhost_get_base(struct vhost_connection *connection,
				  const char **why);
enum vhost_outcome vhost_set_ring_fd(struct vhost_connection *connection,
				     const char **why);

/* Logs that are shared with the client (dispatch_logs.c): */
enum vhost_outcome vhost_get_inflight(struct vhost_connection *connection,
				      const char **why);
enum vhost_outcome vhost_set_inflight(struct vhost_connection *connection,
				      const char **why);
enum vhost_outcome vhost_set_log_base(struct vhost_connection *connection,
				      const char **why);
enum vhost_outcome vhost_set_log_fd(struct vhost_connection *connection,
				    const char **why);

/* The status of the device (dispatch_status.c): */
enum vhost_outcome vhost_get_status(struct vhost_connection *connection,
				    const char **why);
enum vhost_outcome vhost_set_status(struct vhost_connection *connection,
				    const char **why);

#endif
