/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_VHOST_SERVER_H
#define PRECARIUM_VHOST_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "device/client.h"
#include "device/device.h"

/*
 * A vhost-user block server: any number of exports, each a socket and a store,
 * for any number of clients that trust neither it nor each other.
 *
 * One thread accepts; a connection then belongs to one worker thread for its
 * life, with its memory, and with its queues and requests, unless its export
 * has several workers serve these.
 */
struct vhost_server;
struct vhost_export;

#define VHOST_SOCKET_MODE 0660

/* Characters of a serial number; guests see no more. */
#define VHOST_SERIAL_MAX 20u

/* Who may connect to a socket that we make: the rights of its file.  Zeroed,
 * the defaults. */
struct vhost_access {
	mode_t mode;	/* of 0777, whatever the umask; 0: VHOST_SOCKET_MODE */
	bool has_owner; /* else owner and group are those of a new file */
	bool has_group;
	uid_t owner;
	gid_t group;
};

struct vhost_export_options {
	const char *name;	 /* for log lines and statistics; copied */
	const char *serial;	 /* as guests see it; copied.  NULL: the name */
	const char *socket_path; /* where it listens; copied.  NULL: see fd */
	int fd;			 /* -1: a socket is made at the path, and
				    removed at the end.  Else one that listens
				    there already, or is connected; taken over,
				    its file left to whoever made it */
	struct vhost_access access; /* of a socket that is made */
	/* An export that will be removed: if it listens at the same path, its
	 * socket is taken over without a gap, and with the access that it has.
	 * NULL: none. */
	const struct vhost_export *replaces;
	const struct store *store; /* borrowed until `gone` */
	/* The export is freed: its last client, and all threads, have left the
	 * store.  On the thread that runs or frees the server.  May be NULL */
	void (*gone)(void *argument);
	void *argument;
	enum device_on_loss on_loss;
	uint32_t workers_per_client; /* serve its queues; 0: 1 */
	uint64_t sparse_max; /* limits.sparse for this one; 0: as that */
	uint32_t admit;	     /* PREC_ADMIT_* */
	struct rates_limits limits;
};

#define VHOST_WORKERS_MAX 64u

/* 0 stands for the default throughout. */
struct vhost_limits {
	enum polling_mode polling;
	uint32_t workers; /* threads; 1 */
	/* The processors that they run on, one each, from the first on again if
	 * there are more workers; none: any. */
	uint16_t worker_cpus[VHOST_WORKERS_MAX];
	uint32_t worker_cpu_count;
	uint32_t connections;	  /* per export; 32 */
	uint32_t regions;	  /* per client; 509 */
	uint32_t queues;	  /* per client; 64 */
	uint64_t bytes_in_flight; /* per client; 64 MiB */
	/* Bytes that filling holes may cost, per client and for all: half and
	 * three quarters of the memory that the process may use. */
	uint64_t sparse;
	uint64_t sparse_all;
	/* How long a message, or the end of the server, waits for requests in
	 * flight before they are cancelled, and then again until the client is
	 * ended; 5000 */
	uint32_t drain_timeout_ms;
};

#define VHOST_DRAIN_MAX_MS 3600000u

/* A message names a queue by a byte. */
#define VHOST_QUEUES_MAX 256u

struct vhost_error {
	char text[600];
};

/* Write the line; a longer one is cut.  Returns false, for a caller that fails
 * with it. */
__attribute__((format(printf, 2, 3))) bool vhost_fail(struct vhost_error *error,
						      const char *format, ...);

/* NULL: *error says why. */
struct vhost_server *vhost_server_new(const struct vhost_limits *limits,
				      struct vhost_error *error);

/* Call it on the thread that runs the server, while it does not run, or from
 * what it calls.  The server owns the export.  NULL: *error says why; nothing
 * is left behind, and options->fd is still the caller's. */
struct vhost_export *
vhost_server_add(struct vhost_server *server,
		 const struct vhost_export_options *options,
		 struct vhost_error *error);

/*
 * Change who may connect to the socket of an export.  A socket that was handed
 * over is left as it is.  False: *error says why, and nothing has changed.
 * Threads as vhost_server_add.
 */
bool vhost_export_allow(const struct vhost_export *export,
			const struct vhost_access *access,
			struct vhost_error *error);

/* Limit what its clients ask of the store, from now on.  Threads as
 * vhost_server_add. */
void vhost_export_limit(struct vhost_export *export,
			const struct rates_limits *limits);

/* The socket at which it listens, which stays its own, and whether its file is
 * ours.  -1: none.  Threads as vhost_server_add. */
int vhost_export_socket(const struct vhost_export *export, bool *made);

/* The file of its socket, which was handed over, becomes ours, to be changed
 * and removed; or that of a socket of ours is left to another server.  Threads
 * as vhost_server_add. */
void vhost_export_own_socket(struct vhost_export *export);
void vhost_export_leave_socket(struct vhost_export *export);

/* Take no more clients for it.  Those that are connected stay until they leave;
 * then the export is freed.  Threads as vhost_server_add. */
void vhost_server_remove(struct vhost_server *server,
			 struct vhost_export *export);

/* Start the workers.  They block all signals but those of faults.  False:
 * *error says why. */
bool vhost_server_start(struct vhost_server *server, struct vhost_error *error);

/*
 * Serve clients until vhost_server_interrupt.  True: it was interrupted, and
 * may be called again; clients are accepted meanwhile.  False: there is nothing
 * left to serve, because every export was a connection that has ended, or there
 * is none, and nothing is watched that could add one.
 */
bool vhost_server_run(struct vhost_server *server);

/* Make vhost_server_run return.  Any thread; async-signal-safe. */
void vhost_server_interrupt(struct vhost_server *server);

/* A descriptor of the caller's that vhost_server_run watches beside its own.
 * When it is readable, the thread that runs the server calls `ready`.  Clients
 * are accepted meanwhile, by another thread. */
struct vhost_watched {
	int fd; /* -1: none */
	void (*ready)(void *argument);
	void *argument;
};

/* One at a time.  On the thread that runs the server. */
void vhost_server_watch(struct vhost_server *server,
			const struct vhost_watched *watched);

/* Complete the requests in flight, end all clients and the workers, and unlink
 * the sockets.  What is still in flight after drain_timeout_ms is left to the
 * next server, if the client logs its requests, or is cancelled.  Waits for a
 * store that does not answer: the kernel would not let the process exit either.
 * Statistics can still be read. */
void vhost_server_stop(struct vhost_server *server);

/* Stops the server first, if that was not done.  NULL is allowed. */
void vhost_server_free(struct vhost_server *server);

/* The configuration of the export has changed, as when its store has another
 * capacity: notify those of its clients that have a channel for it.  On the
 * thread that runs the server.  False: no memory, and some may not be
 * notified. */
bool vhost_server_config_changed(struct vhost_server *server,
				 struct vhost_export *export);

struct vhost_client_stats {
	uint32_t number; /* counted per export, from 1 */
	pid_t pid;
	uid_t uid;
	const char *ended; /* why, or NULL: it is still there */
	struct counters counters;
};

struct vhost_export_stats {
	const char *name;
	const char *socket_path; /* or NULL */
	bool removed;		 /* takes no more clients */
	uint64_t capacity;	 /* bytes */
	uint64_t clients;	 /* so far */
	uint64_t turned_away;	 /* over a limit */
	uint32_t connected;
	struct rates_limits limits;
	uint64_t throttled_us; /* that its clients had to wait for them */
	/* The errno of the store's first sync that failed; 0: none has. */
	int sync_error;
	struct store_events events; /* of the store's own hardware */
	struct durations durations; /* of all its clients so far */
	struct counters counters; /* of all its clients so far; gauges: of those
				     that are there */
};

struct vhost_worker_stats {
	uint64_t cpu_us; /* that its thread has used */
	uint32_t clients;
};

/* False: there is no worker of this number, or none any more.  Threads as
 * vhost_server_add. */
bool vhost_server_worker(const struct vhost_server *server, uint32_t number,
			 struct vhost_worker_stats *stats);

/* What it costs to fill holes in lent memory, in bytes. */
struct vhost_sparse_stats {
	uint64_t used; /* for all clients, and some that have left */
	uint64_t max;
	uint64_t client_max; /* unless its export has its own */
	bool watched; /* pages count when they are filled; else when lent */
};

/* Any thread. */
struct vhost_sparse_stats
vhost_server_sparse(const struct vhost_server *server);

/* Called for each export, then for its clients: those that are connected, and
 * the last 64 that ended.  The callbacks must not call the server. */
struct vhost_stats_visitor {
	void (*on_export)(void *argument, const struct vhost_export_stats *);
	void (*on_client)(void *argument, const struct vhost_client_stats *);
	void *argument;
};

/* Threads as vhost_server_add; also after vhost_server_stop. */
void vhost_server_visit(struct vhost_server *server,
			const struct vhost_stats_visitor *visitor);

#endif
