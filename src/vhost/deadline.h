/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_VHOST_DEADLINE_H
#define PRECARIUM_VHOST_DEADLINE_H

struct vhost_connection;
struct vhost_worker;

/*
 * A client that takes something back waits for its requests in flight, but not
 * for ever (G9).
 *
 *	PARKED --drain_timeout_ms--> all its transfers are cancelled
 *	       --drain_timeout_ms--> they are insisted on, if the store can
 *	       --drain_timeout_ms--> its client is ended
 *
 * What a store is insisted on to end it ends in bounded time, by resetting a
 * queue or a device; then the client is ended only if nobody can vouch for that
 * device, or if it takes too long to pin memory or to let go of it.
 *
 * Another store may be unable to abandon what it has begun: a disk that does
 * not answer holds the client's pages, however long we wait.  So the message of
 * a client that is ended is not acknowledged, and its memory stays mapped and
 * its socket open until the store lets go.
 */

/* Time until the next deadline of the worker's connections; -1: there is
 * none. */
int vhost_deadline_ms(const struct vhost_worker *worker);

/* Act on the deadlines that have passed. */
void vhost_deadline_check(struct vhost_worker *worker);

#endif
