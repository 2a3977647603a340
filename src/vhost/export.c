// SPDX-License-Identifier: MIT
#include "vhost/export.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "device/clock.h"
#include "device/release.h"

void vhost_export_free(struct vhost_export *export)
{
	if (export->policy.releases)
		release_account_free(export->policy.releases);
	vhost_roll_free(&export->roll);
	share_close(&export->descriptors);
	share_close(&export->regions);
	rates_destroy(&export->rates);
	sparse_list_free(&export->sparse);
	free(export->socket_path);
	free(export->serial);
	free(export->name);
	free(export);
}

/* 0: its clients have no budget. */
static uint64_t sparse_max(const struct vhost_export_options *options,
			   const struct vhost_limits *limits)
{
	if (options->admit & PREC_ADMIT_SPARSE)
		return 0;
	return options->sparse_max ? options->sparse_max : limits->sparse;
}

struct vhost_export *
vhost_export_new(const struct vhost_export_options *options,
		 const struct vhost_limits *limits, struct vhost_common *common,
		 int idle_fd)
{
	struct vhost_export *export = calloc(1, sizeof(*export));

	if (!export)
		return NULL;
	vhost_roll_init(&export->roll);
	share_open(&export->descriptors, &common->descriptors);
	share_open(&export->regions, &common->regions);
	rates_init(&export->rates);
	rates_set(&export->rates, &options->limits);
	sparse_list_init(&export->sparse, &common->sparse,
			 sparse_max(options, limits));
	export->listen_fd = -1;
	export->first_fd = -1;
	export->name = strdup(options->name);
	if (options->socket_path)
		export->socket_path = strdup(options->socket_path);
	export->policy.releases =
		release_account_new(idle_fd, &export->descriptors);
	if (options->serial)
		export->serial = strdup(options->serial);
	if (!export->name || !export->policy.releases ||
	    (options->serial && !export->serial) ||
	    (options->socket_path && !export->socket_path)) {
		vhost_export_free(export);
		return NULL;
	}
	export->policy.name = export->name;
	export->policy.serial = export->serial;
	export->policy.store = options->store;
	export->gone = options->gone;
	export->argument = options->argument;
	export->policy.on_loss = options->on_loss;
	export->policy.queues_max = limits->queues;
	export->policy.bytes_in_flight_max = limits->bytes_in_flight;
	export->drain_timeout_ms = limits->drain_timeout_ms;
	export->workers_per_client = options->workers_per_client;
	export->connections_max = limits->connections;
	export->policy.admission.regions_max = limits->regions;
	export->policy.regions = &export->regions;
	export->policy.rates = &export->rates;
	export->policy.admission.admit = options->admit;
	export->policy.sparse = &export->sparse;
	return export;
}

void vhost_export_gone(struct vhost_export *export)
{
	if (export->gone)
		export->gone(export->argument);
	if (!vhost_export_is_in_use(export))
		vhost_export_free(export);
}

/* A descriptor that was opened for us: it listens, or it is connected. */
static bool adopt_fd(struct vhost_export *export, int fd,
		     struct vhost_error *error)
{
	int domain = 0, listens = 0, flags;
	socklen_t size = sizeof(domain);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0 ||
	    domain != AF_UNIX) {
		snprintf(error->text, sizeof(error->text),
			 "file descriptor %d: %s; expected a Unix socket, "
			 "listening or connected",
			 fd,
			 domain ? "is another kind of socket"
				: strerror(errno));
		return false;
	}
	size = sizeof(listens);
	getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size);
	flags = fcntl(fd, F_GETFL);
	fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	if (listens)
		export->listen_fd = fd;
	else
		export->first_fd = fd;
	return true;
}

static bool listen_at(struct vhost_export *export,
		      const struct vhost_export_options *options,
		      struct vhost_error *error)
{
	const struct vhost_export *replaces = options->replaces;
	const char *path = export->socket_path;

	if (!replaces || replaces->listen_fd < 0 || !replaces->socket_path ||
	    strcmp(replaces->socket_path, path) != 0) {
		export->listen_fd = vhost_listen(path, &options->access,
						 &export->file, error);
		return export->listen_fd >= 0;
	}
	export->file = replaces->file;
	export->listen_fd = fcntl(replaces->listen_fd, F_DUPFD_CLOEXEC, 0);
	if (export->listen_fd < 0)
		snprintf(error->text, sizeof(error->text), "%.200s: %s", path,
			 strerror(errno));
	return export->listen_fd >= 0;
}

bool vhost_export_open(struct vhost_export *export,
		       const struct vhost_export_options *options,
		       struct vhost_error *error)
{
	if (options->fd < 0)
		return listen_at(export, options, error);
	return adopt_fd(export, options->fd, error);
}

int vhost_export_socket(const struct vhost_export *export, bool *made)
{
	*made = export->file.inode != 0;
	return export->listen_fd;
}

void vhost_export_own_socket(struct vhost_export *export)
{
	if (export->socket_path)
		vhost_listen_know(export->socket_path, &export->file);
}

void vhost_export_leave_socket(struct vhost_export *export)
{
	memset(&export->file, 0, sizeof(export->file));
}

bool vhost_export_allow(const struct vhost_export *export,
			const struct vhost_access *access,
			struct vhost_error *error)
{
	return !export->file.inode ||
	       vhost_listen_allow(export->socket_path, &export->file, access,
				  error);
}

void vhost_export_limit(struct vhost_export *export,
			const struct rates_limits *limits)
{
	rates_set(&export->rates, limits);
}

void vhost_export_close(struct vhost_export *export, bool shared)
{
	int fd = export->listen_fd;

	export->listen_fd = -1;
	if (fd >= 0 && export->file.inode && !shared)
		vhost_unlisten(export->socket_path, fd, &export->file,
			       export->policy.releases);
	else
		release_fd(export->policy.releases, fd);
	release_fd(export->policy.releases, export->first_fd);
	export->first_fd = -1;
}

bool vhost_export_is_in_use(struct vhost_export *export)
{
	return vhost_export_connected(export) > 0 ||
	       release_pending(export->policy.releases) > 0;
}

uint32_t vhost_export_connected(struct vhost_export *export)
{
	uint32_t count;

	pthread_mutex_lock(&export->roll.lock);
	count = export->roll.connected;
	pthread_mutex_unlock(&export->roll.lock);
	return count;
}

void vhost_export_bar(struct vhost_export *export)
{
	pthread_mutex_lock(&export->roll.lock);
	vhost_bar_raise(&export->bar, clock_now_ms());
	pthread_mutex_unlock(&export->roll.lock);
}

bool vhost_export_is_barred(struct vhost_export *export)
{
	bool up;

	pthread_mutex_lock(&export->roll.lock);
	up = vhost_bar_is_up(&export->bar, clock_now_ms());
	pthread_mutex_unlock(&export->roll.lock);
	return up;
}

bool vhost_export_is_over(struct vhost_export *export)
{
	struct vhost_roll *roll = &export->roll;
	bool over;

	pthread_mutex_lock(&roll->lock);
	over = export->listen_fd < 0 && roll->connected == 0 &&
	       (roll->so_far || roll->turned_away);
	pthread_mutex_unlock(&roll->lock);
	return over;
}

bool vhost_export_listens(const struct vhost_export *export)
{
	return export->listen_fd >= 0 &&
	       release_pending(export->policy.releases) < RELEASE_PENDING;
}

void vhost_export_turn_away(struct vhost_export *export, int fd,
			    const char *why, ...)
{
	struct ucred peer = { .pid = 0, .uid = (uid_t)-1 };
	socklen_t size = sizeof(peer);
	char text[200];
	uint64_t untold;
	va_list args;

	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
	if (!vhost_roll_turn_away(&export->roll, peer.pid, &untold))
		return;
	va_start(args, why);
	vsnprintf(text, sizeof(text), why, args);
	va_end(args);
	log_export(export->policy.name,
		   "a client (pid %d, uid %u) was turned away (%llu more "
		   "since the last such line): %s",
		   (int)peer.pid, (unsigned int)peer.uid,
		   (unsigned long long)untold, text);
}

static struct counters counters_of(const struct vhost_roll_entry *entry)
{
	struct counters counters = client_counters(&entry->client);

	if (entry->budget)
		counters.sparse = prec_budget_used(entry->budget);
	return counters;
}

static void show(struct vhost_export *export,
		 const struct vhost_stats_visitor *visitor)
{
	struct vhost_roll *roll = &export->roll;
	struct vhost_export_stats stats = {
		.name = export->policy.name,
		.socket_path = export->socket_path,
		.removed = export->removed,
		.capacity = store_capacity(export->policy.store),
		.clients = roll->so_far,
		.turned_away = roll->turned_away,
		.connected = roll->connected,
		.sync_error = store_sync_error(export->policy.store),
		.events = store_events(export->policy.store),
		.counters = roll->past,
		.durations = roll->past_durations,
		.limits = rates_get(&export->rates),
		.throttled_us = rates_waited_us(&export->rates),
	};

	for (struct vhost_roll_entry *e = roll->first; e; e = e->next) {
		const struct counters counters = client_counters(&e->client);

		counters_add(&stats.counters, &counters);
		client_add_durations(&stats.durations, &e->client);
	}
	stats.counters.sparse = sparse_list_sum(&export->sparse);
	visitor->on_export(visitor->argument, &stats);
	for (struct vhost_roll_entry *e = roll->first; e; e = e->next) {
		const struct vhost_client_stats client = {
			.number = e->client.number,
			.pid = e->client.pid,
			.uid = e->client.uid,
			.ended = e->ended,
			.counters = counters_of(e),
		};

		visitor->on_client(visitor->argument, &client);
	}
}

void vhost_export_visit(struct vhost_export *export,
			const struct vhost_stats_visitor *visitor)
{
	pthread_mutex_lock(&export->roll.lock);
	show(export, visitor);
	pthread_mutex_unlock(&export->roll.lock);
}
