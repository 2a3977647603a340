/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_VHOST_WORKER_H
#define PRECARIUM_VHOST_WORKER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "device/loop.h"
#include "vhost/export.h"

struct vhost_connection;
struct vhost_crew;
LIST_HEAD(vhost_connections, vhost_connection);

/* What the server hands to a worker. */
struct vhost_arrival {
	STAILQ_ENTRY(vhost_arrival) entry;
	struct vhost_export *export;
	int fd; /* a connection; -1: the export's configuration has changed */
};

/*
 * A thread that serves clients.  Everything but the inbox is its own.
 *
 * One turn: take events; serve the rings (turn.h); then settle connections that
 * waited for their requests to end, or whose client is to be served no more.
 * Between two turns it stands still for others that ask it to (gate.h).
 */
struct vhost_worker {
	struct loop loop;
	pthread_t thread;
	bool running;
	struct loop_source inbox;
	int inbox_fd;
	pthread_mutex_t lock; /* of the next three */
	STAILQ_HEAD(, vhost_arrival) arrivals;
	uint64_t rang_ns; /* when the first of them came */
	bool stop;
	int ended_fd; /* the server's: signalled when a connection has ended */
	struct vhost_connections connections;
	uint32_t parked; /* connections that a deadline waits for */
	uint32_t paused; /* connections whose messages wait */
	bool stopping;
	struct vhost_crew *crew; /* that it is of */
};

/* The workers of a server, of which so many have started.  Complete before the
 * first client comes. */
struct vhost_crew {
	struct gate gate;
	uint32_t count;
	struct vhost_worker workers[VHOST_WORKERS_MAX];
};

/* One more.  False: *error says why. */
bool vhost_worker_start(struct vhost_crew *crew, int ended_fd,
			enum polling_mode polling, struct vhost_error *error);

/* Let it run on this processor only.  False: *error says why. */
bool vhost_worker_bind(struct vhost_worker *worker, uint32_t processor,
		       struct vhost_error *error);

/* Hand it a connection; it owns `fd` from then on.  False: no memory. */
bool vhost_worker_give(struct vhost_worker *worker, struct vhost_export *export,
		       int fd);

/* Clients that were handed to it and have not left.  Any thread. */
static inline uint32_t vhost_worker_clients(const struct vhost_worker *worker)
{
	return loop_devices(&worker->loop);
}

/* Have it notify its clients of the export that the configuration has changed.
 * False: no memory. */
bool vhost_worker_config_changed(struct vhost_worker *worker,
				 struct vhost_export *export);

/* Ask it to end its clients and then itself; wait until it has. */
void vhost_worker_ask_stop(struct vhost_worker *worker);
void vhost_worker_join(struct vhost_worker *worker);

#endif
