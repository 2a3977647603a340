/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_VHOST_HELD_H
#define PRECARIUM_VHOST_HELD_H

#include "vhost/connection.h"

/*
 * The descriptors that we hold for a client, out of its export's share of those
 * of the process (device/share.h): some for each connection, and those that
 * came with messages and are kept.
 */

/* Its socket, those of the message that is being received, and the file of a
 * log that we make for it. */
#define VHOST_HELD_BY_ALL (1u + VHOST_FDS_MAX + 1u)

/* Of as many queues as are usual: kick, call and err of each. */
#define VHOST_QUEUES_USUAL   16u
#define VHOST_HELD_BY_QUEUES (3u * VHOST_QUEUES_USUAL)

/* Beside the descriptor of a pipe itself, see device/kick.h and notify.h. */
#define VHOST_HELD_BY_PIPE 2u

/* Count those of a message before it is carried out, as if all were kept.
 * False: there are not so many, *why says what was expected, and nothing has
 * changed. */
bool vhost_held_expect(struct vhost_connection *connection, const char **why);

/* The message was carried out, or refused: count what is held now. */
void vhost_held_settle(struct vhost_connection *connection);

#endif
