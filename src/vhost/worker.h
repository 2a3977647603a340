/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_VHOST_WORKER_H
#define PRECARIUM_VHOST_WORKER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "vhost/client.h"
#include "vhost/memory.h"
#include "vhost/notify.h"
#include "vhost/polling.h"

/* One socket and its store. */
struct vhost_export {
	char *name;
	char *socket_path; /* NULL: a descriptor was handed to us */
	bool owns_path;	   /* we made it, and remove it */
	int listen_fd;	   /* -1: none, or no more */
	int first_fd;	   /* a connection that was handed to us; -1: none */
	bool removed;	   /* freed when its last client has gone */
	const struct store *store;
	void (*gone)(void *argument);
	void *argument;
	enum vhost_on_loss on_loss;
	struct vhost_admission admission;
	struct vhost_pool *pool; /* the server's */
	uint32_t queues_max;
	uint64_t bytes_in_flight_max;
	uint32_t drain_timeout_ms;
	uint32_t connections_max;
	struct vhost_roll roll;
};

/* What epoll hands back: the first member of what it is about. */
struct vhost_source {
	enum {
		VHOST_SOURCE_INBOX,
		VHOST_SOURCE_SOCKET,
		VHOST_SOURCE_KICK,
		VHOST_SOURCE_LANE,
	} kind;
};

struct vhost_queue;
struct vhost_connection;
struct vhost_request;
LIST_HEAD(vhost_requests, vhost_request);
TAILQ_HEAD(vhost_queues, vhost_queue);
LIST_HEAD(vhost_connections, vhost_connection);
LIST_HEAD(vhost_lanes, vhost_lane);

/* A worker's lane to the store of one export, while it has clients of it. */
struct vhost_lane {
	struct vhost_source source;
	LIST_ENTRY(vhost_lane) entry;
	const struct vhost_export *export;
	struct store_lane *lane;
	uint32_t users;
	uint32_t in_flight;
	struct vhost_queues stalled; /* with a request it had no room for */
};

/* What the server has for a worker. */
struct vhost_arrival {
	struct vhost_arrival *next;
	struct vhost_export *export;
	int fd; /* a connection; -1: the export's configuration has changed */
};

/*
 * A thread with an event loop.  Everything but the inbox is its own.
 *
 * One turn: take events; let each client that has ready queues fetch a bounded
 * number of requests; begin and reap transfers; signal the clients; settle
 * connections that waited for their requests to end.  A queue that has more goes
 * to the end of the line, so that no client can keep the others waiting.
 */
struct vhost_worker {
	pthread_t thread;
	bool running;
	int epoll_fd;
	struct vhost_source inbox;
	int inbox_fd;
	pthread_mutex_t lock; /* of the next two */
	struct vhost_arrival *arrivals;
	bool stop;
	int ended_fd; /* the server's: signalled when a connection has ended */
	uint32_t clients; /* given to it and not ended; atomic */

	struct vhost_notifier notifier;
	struct vhost_poll poll;
	struct vhost_lanes lanes;
	uint64_t turn;	/* counts them */
	uint32_t begun; /* requests of this turn */
	struct vhost_queues ready;
	struct vhost_queue *again;  /* the first in line that was served in this
				      turn already */
	struct vhost_queues served; /* to be signalled at the end of the turn */
	struct vhost_connections connections;
	struct vhost_requests spares; /* to be used again */
	uint32_t spare_count;
	uint32_t parked; /* connections that a deadline waits for */
	bool settling;	 /* some connection may have become quiet */
	bool stopping;
};

/* False: *error says why. */
bool vhost_worker_start(struct vhost_worker *worker, int ended_fd,
			enum vhost_polling polling, struct vhost_error *error);

/* Give it a connection.  It owns the fd from now on.  False: no memory. */
bool vhost_worker_give(struct vhost_worker *worker, struct vhost_export *export,
		       int fd);

static inline uint32_t vhost_worker_clients(const struct vhost_worker *worker)
{
	return __atomic_load_n(&worker->clients, __ATOMIC_RELAXED);
}

/* Have it tell its clients of the export that the configuration has changed.
 * False: no memory. */
bool vhost_worker_tell_changed(struct vhost_worker *worker,
			       struct vhost_export *export);

/* Ask it to end its clients and itself; wait until it has. */
void vhost_worker_ask_stop(struct vhost_worker *worker);
void vhost_worker_join(struct vhost_worker *worker);

/* For the worker's own connections and queues: */

/* Watch `fd`; edge-triggered or not is in `events`. */
bool vhost_worker_watch(struct vhost_worker *worker, int fd, uint32_t events,
			struct vhost_source *source);
void vhost_worker_unwatch(struct vhost_worker *worker, int fd);

/* The lane to an export's store: opened for its first user, closed after the
 * last.  NULL: *error says why. */
struct vhost_lane *vhost_lane_get(struct vhost_worker *worker,
				  const struct vhost_export *export,
				  struct store_error *error);
void vhost_lane_put(struct vhost_worker *worker, struct vhost_lane *lane);

#endif
