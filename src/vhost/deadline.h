/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_VHOST_DEADLINE_H
#define PRECARIUM_VHOST_DEADLINE_H

struct vhost_connection;
struct vhost_worker;

/*
 * A client that takes something back waits for its requests in flight, but
 * not for ever (G9).
 *
 *	PARKED --drain_timeout_ms--> all its transfers are cancelled
 *	       --drain_timeout_ms--> its client is ended
 *
 * What the store has begun it may be unable to leave: a disk that does not
 * answer holds the client's pages, and no time that passes changes that.  So
 * the message of a client that is ended is not acknowledged, its memory stays
 * mapped and its socket open until the store lets go; only waiting ends, and
 * only for those who can do something else.
 */

/* How long until the next deadline of the worker's connections; -1: none. */
int vhost_deadline_ms(const struct vhost_worker *worker);

/* Act on those that have passed. */
void vhost_deadline_look(struct vhost_worker *worker);

#endif
