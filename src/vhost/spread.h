/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_VHOST_SPREAD_H
#define PRECARIUM_VHOST_SPREAD_H

#include "device/gate.h"
#include "vhost/server.h"

struct vhost_connection;

/*
 * A client whose queues several workers serve, if its export says so: the one
 * that has its socket, and those that follow, which begin with its first ring.
 *
 * What its messages, its end and deadlines do is done while they stand
 * (gate.h): when a turn has ended, because in a turn the loop of its own worker
 * may be in the middle of something.  A client whose messages make them stand
 * too long waits before its next one is received.
 */
struct vhost_spread {
	bool on;
	bool begun;
	bool idle; /* the others watch no ring, and have nothing in flight */
	struct gate_pace pace;
};

/* The workers that stand for one. */
struct vhost_stand {
	struct loop *self; /* NULL: none does */
	struct loop *others[VHOST_WORKERS_MAX];
	uint32_t count;
};

/* The client is new. */
void vhost_spread_plan(struct vhost_connection *connection);

/* Several workers serve it, or are about to. */
bool vhost_spread_is_on(const struct vhost_connection *connection);

/* Must the others stand for its message?  Not for memory while they are idle,
 * nor for anything but a ring before they have begun. */
bool vhost_spread_must_stand(const struct vhost_connection *connection);

/* Between two turns of its worker: the others stand until vhost_spread_go.  The
 * first time they begin to serve it. */
void vhost_spread_stop(struct vhost_connection *connection,
		       struct vhost_stand *stand);
/* What that has cost, and whether they are idle.  Not for a connection that is
 * freed. */
void vhost_spread_note(struct vhost_connection *connection,
		       const struct vhost_stand *stand);
void vhost_spread_go(const struct vhost_stand *stand);

/* Its messages have made others stand too long. */
bool vhost_spread_is_overdrawn(const struct vhost_connection *connection);

#endif
