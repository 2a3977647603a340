/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_VHOST_EXPORT_H
#define PRECARIUM_VHOST_EXPORT_H

#include "device/device.h"
#include "vhost/bar.h"
#include "vhost/listen.h"
#include "vhost/roll.h"
#include "vhost/server.h"

/*
 * One socket and its store.  The server's thread makes, changes and frees it;
 * workers read what is constant (policy, limits) and use the roll, until the
 * last of its clients has left.
 */
struct vhost_export {
	char *name;
	char *serial;		       /* NULL: the name */
	char *socket_path;	       /* NULL: a descriptor was handed to us */
	struct vhost_socket_file file; /* which we made, and remove */
	int listen_fd;		       /* -1: none, or no more */
	int first_fd; /* a connection that was handed to us; -1: none */
	bool removed; /* freed when its last client has gone */
	/* For the thread that accepts: the worker of its last client, and when
	 * it was chosen; 0: there was none. */
	uint32_t worker;
	int64_t given_ms;
	struct device_policy policy;
	void (*gone)(void *argument);
	void *argument;
	uint32_t drain_timeout_ms;
	uint32_t workers_per_client; /* 0: 1 */
	uint32_t connections_max;
	struct vhost_bar bar;	  /* under the lock of the roll */
	struct share descriptors; /* of the process */
	struct share regions;	  /* of the library's table */
	struct rates rates;
	struct sparse_list sparse;
	struct vhost_roll roll;
};

/* What all exports of a server share. */
struct vhost_common {
	struct share_pool descriptors;
	struct share_pool regions;
	struct prec_budget sparse; /* of all clients */
};

/* An export that does not listen yet.  `limits` are complete; `common` outlives
 * the export.  `idle_fd`: see release_account_new.  NULL: no memory. */
struct vhost_export *
vhost_export_new(const struct vhost_export_options *options,
		 const struct vhost_limits *limits, struct vhost_common *common,
		 int idle_fd);
/* Frees it without calling `gone`. */
void vhost_export_free(struct vhost_export *export);
/* Calls `gone`, and frees it unless something hangs that it has to release.  No
 * client may be left. */
void vhost_export_gone(struct vhost_export *export);

/* Take over the descriptor of the options, or listen at their path.  False:
 * *error says why; the descriptor is still the caller's. */
bool vhost_export_open(struct vhost_export *export,
		       const struct vhost_export_options *options,
		       struct vhost_error *error);

/* Take no more clients.  `shared`: another export listens at the same path, and
 * keeps the file of the socket. */
void vhost_export_close(struct vhost_export *export, bool shared);

/* Clients that are there, or on their way to a worker. */
uint32_t vhost_export_connected(struct vhost_export *export);

/* A client is there, or something is left to be released. */
bool vhost_export_is_in_use(struct vhost_export *export);

/* May connections be accepted?  Not while so much is left to be released that
 * one that is turned away could be too much. */
bool vhost_export_listens(const struct vhost_export *export);

/* Raise its bar, and whether it is up.  Any thread. */
void vhost_export_bar(struct vhost_export *export);
bool vhost_export_is_barred(struct vhost_export *export);

/* True if it takes no more clients, and those that it had have left. */
bool vhost_export_is_over(struct vhost_export *export);

/* The client at `fd` is not served: count that, and log it, but of one process
 * not more than a line a second.  `fd` stays open.  Any thread. */
__attribute__((format(printf, 3, 4))) void
vhost_export_turn_away(struct vhost_export *export, int fd, const char *why,
		       ...);

/* Call the visitor for the export, then for its clients. */
void vhost_export_visit(struct vhost_export *export,
			const struct vhost_stats_visitor *visitor);

#endif
