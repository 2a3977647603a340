/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_VHOST_CHANNEL_H
#define PRECARIUM_VHOST_CHANNEL_H

#include "vhost/connection.h"

/*
 * The back-end's own channel (BACKEND_REQ): a socket that the client sent, on
 * which we speak first.  Nothing on it is waited for, and nothing is read from
 * it: no message of ours asks for a reply.
 */

/* Take the descriptor of the message.  False: refused, *why says what was
 * expected. */
bool vhost_channel_set(struct vhost_connection *connection, const char **why);
void vhost_channel_drop(struct vhost_connection *connection);

/* Ask the client for the translations that its device needs, as far as there is
 * room: the client is asked for the rest when it has read some. */
void vhost_channel_ask(struct vhost_connection *connection);

/* Ask the client to look at the configuration again.  Never waits. */
void vhost_channel_config_changed(struct vhost_connection *connection);

#endif
