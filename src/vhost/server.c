// SPDX-License-Identifier: MIT
#include "vhost/server.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <precarium/fault.h>

#include "device/close.h"
#include "vhost/listen.h"
#include "vhost/worker.h"

#define WORKERS_MAX 64u

/* More than any device needs to be busy, and little to wait for when memory is
 * taken back. */
#define BYTES_IN_FLIGHT (64ull << 20)

/* Connections taken from one socket before the others have their turn. */
#define ACCEPTS_A_TURN 8

/* What is known to be asked for: as many slots as QEMU has. */
#define REGIONS_MAX 509u

/* The descriptors beside those of exports. */
enum { FD_WAKE, FD_ENDED, FD_WATCHED, FDS_OWN };

struct vhost_server {
	struct vhost_limits limits;
	struct vhost_export **exports;
	uint32_t export_count;
	struct pollfd *fds; /* what run watches: FDS_OWN, then the exports' */
	struct vhost_worker workers[WORKERS_MAX];
	uint32_t worker_count; /* started */
	uint32_t next_worker;
	uint64_t clients_max;
	struct memory_pool pool; /* of regions */
	int wake_fd;		 /* vhost_server_interrupt */
	int ended_fd;		 /* a worker has ended a connection */
	int spare_fd; /* given up to accept, and turn away, when none is left */
	struct vhost_watched watched;
	bool stopped;
};

static uint32_t limit(uint32_t asked, uint32_t usual, uint32_t most)
{
	uint32_t value = asked ? asked : usual;

	return value < most ? value : most;
}

struct vhost_server *vhost_server_new(const struct vhost_limits *limits,
				      struct vhost_error *error)
{
	struct vhost_server *server = calloc(1, sizeof(*server));

	if (!server) {
		snprintf(error->text, sizeof(error->text), "out of memory");
		return NULL;
	}
	server->limits.polling = limits->polling;
	server->limits.workers = limit(limits->workers, 1, WORKERS_MAX);
	server->limits.connections = limit(limits->connections, 32, 65535);
	server->limits.regions =
		limit(limits->regions, REGIONS_MAX, PREC_SPACE_MAX);
	server->limits.queues = limit(limits->queues, 16, 256);
	server->limits.bytes_in_flight = limits->bytes_in_flight
						 ? limits->bytes_in_flight
						 : BYTES_IN_FLIGHT;
	server->limits.drain_timeout_ms =
		limit(limits->drain_timeout_ms, 5000, VHOST_DRAIN_MAX_MS);
	server->watched.fd = -1;
	server->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	server->ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	server->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (server->wake_fd >= 0 && server->ended_fd >= 0 &&
	    server->spare_fd >= 0 && close_start())
		return server;
	snprintf(error->text, sizeof(error->text), "server: %s",
		 strerror(errno));
	vhost_server_free(server);
	return NULL;
}

static struct vhost_export *find_listening(const struct vhost_server *server,
					   const char *path)
{
	for (uint32_t i = 0; i < server->export_count; i++) {
		struct vhost_export *export = server->exports[i];

		if (export->listen_fd >= 0 && export->socket_path &&
		    strcmp(export->socket_path, path) == 0)
			return export;
	}
	return NULL;
}

/* The file of a socket goes with the last export that listens there. */
static void stop_listening(const struct vhost_server *server,
			   struct vhost_export *export)
{
	int fd = export->listen_fd;

	export->listen_fd = -1;
	if (fd >= 0 && export->owns_path &&
	    !find_listening(server, export->socket_path))
		vhost_unlisten(export->socket_path, fd);
	else if (fd >= 0)
		close(fd);
	if (export->first_fd >= 0)
		close(export->first_fd);
	export->first_fd = -1;
}

static void export_free(struct vhost_export *export)
{
	vhost_roll_free(&export->roll);
	free(export->socket_path);
	free(export->policy.name);
	free(export);
}

static struct vhost_export *export_new(struct vhost_server *server,
				       const struct vhost_export_options *from)
{
	struct vhost_export *export = calloc(1, sizeof(*export));

	if (!export)
		return NULL;
	vhost_roll_init(&export->roll);
	export->listen_fd = -1;
	export->first_fd = -1;
	export->policy.name = strdup(from->name);
	if (from->socket_path)
		export->socket_path = strdup(from->socket_path);
	if (!export->policy.name ||
	    (from->socket_path && !export->socket_path)) {
		export_free(export);
		return NULL;
	}
	export->policy.store = from->store;
	export->gone = from->gone;
	export->argument = from->argument;
	export->policy.on_loss = from->on_loss;
	export->policy.queues_max = server->limits.queues;
	export->policy.bytes_in_flight_max = server->limits.bytes_in_flight;
	export->drain_timeout_ms = server->limits.drain_timeout_ms;
	export->connections_max = server->limits.connections;
	export->policy.admission.regions_max = server->limits.regions;
	export->policy.pool = &server->pool;
	export->policy.admission.admit = from->admit;
	export->policy.admission.sparse_max = from->sparse_max;
	return export;
}

/* A descriptor that somebody opened for us: does it listen, or talk? */
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
		      const struct vhost_export *replaces,
		      struct vhost_error *error)
{
	const char *path = export->socket_path;

	export->owns_path = true;
	if (!replaces || replaces->listen_fd < 0 || !replaces->socket_path ||
	    strcmp(replaces->socket_path, path) != 0) {
		export->listen_fd = vhost_listen(path, 0777, error);
		return export->listen_fd >= 0;
	}
	export->owns_path = replaces->owns_path;
	export->listen_fd = fcntl(replaces->listen_fd, F_DUPFD_CLOEXEC, 0);
	if (export->listen_fd < 0)
		snprintf(error->text, sizeof(error->text), "%.200s: %s", path,
			 strerror(errno));
	return export->listen_fd >= 0;
}

/* Room for one more in the list, and in what poll is given. */
static bool make_room(struct vhost_server *server)
{
	uint32_t count = server->export_count + 1;
	struct vhost_export **exports =
		realloc(server->exports, count * sizeof(struct vhost_export *));
	struct pollfd *fds =
		realloc(server->fds, (FDS_OWN + count) * sizeof(*fds));

	if (exports)
		server->exports = exports;
	if (fds)
		server->fds = fds;
	return exports && fds;
}

struct vhost_export *
vhost_server_add(struct vhost_server *server,
		 const struct vhost_export_options *options,
		 struct vhost_error *error)
{
	struct vhost_export *export = export_new(server, options);
	bool good;

	if (!export || !make_room(server)) {
		snprintf(error->text, sizeof(error->text), "out of memory");
		good = false;
	} else if (options->fd < 0) {
		good = listen_at(export, options->replaces, error);
	} else {
		good = adopt_fd(export, options->fd, error);
	}
	if (good) {
		server->exports[server->export_count++] = export;
		return export;
	}
	if (export)
		export_free(export);
	return NULL;
}

void vhost_server_remove(struct vhost_server *server,
			 struct vhost_export *export)
{
	export->removed = true;
	stop_listening(server, export);
}

/* What a client may make us hold, and the least that one needs. */
#define CLIENT_FDS_MIN 16u

/* As many as we should like to be able to serve, however few descriptors. */
#define CLIENTS_WANTED 8u

static uint64_t fds_allowed(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return 1024;
	if (files.rlim_cur < files.rlim_max) {
		rlim_t soft = files.rlim_cur;

		files.rlim_cur = files.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &files) < 0)
			files.rlim_cur = soft;
	}
	return files.rlim_cur;
}

/* No client's descriptors shall be missing because others hold them all.
 * Where there are too few for that, some service is better than none. */
static void learn_clients_max(struct vhost_server *server)
{
	uint32_t regions = server->limits.regions;
	uint32_t sure =
		regions < MEMORY_REGIONS_SURE ? regions : MEMORY_REGIONS_SURE;
	uint64_t each = CLIENT_FDS_MIN + sure + 3u * server->limits.queues;
	uint64_t ours =
		64u + 8u * server->export_count + 8u * server->limits.workers;
	uint64_t allowed = fds_allowed();
	uint64_t left = allowed > ours ? allowed - ours : 0;

	/* Half of what there is, at most, goes to those who want most. */
	if (regions > sure)
		server->pool.left = (uint32_t)(left / 2 < PREC_REGION_MAX / 2
						       ? left / 2
						       : PREC_REGION_MAX / 2);
	left -= server->pool.left;
	if (left / each < CLIENTS_WANTED)
		each = left / CLIENTS_WANTED;
	if (each < CLIENT_FDS_MIN)
		each = CLIENT_FDS_MIN;
	server->clients_max = left / each ? left / each : 1;
}

bool vhost_server_start(struct vhost_server *server, struct vhost_error *error)
{
	if (prec_fault_install() != PREC_OK) {
		snprintf(error->text, sizeof(error->text),
			 "the fault handler cannot be installed: %s",
			 strerror(errno));
		return false;
	}
	while (server->worker_count < server->limits.workers) {
		if (!vhost_worker_start(&server->workers[server->worker_count],
					server->ended_fd,
					server->limits.polling, error))
			return false;
		server->worker_count++;
	}
	return true;
}

static uint32_t connected(struct vhost_export *export)
{
	uint32_t count;

	pthread_mutex_lock(&export->roll.lock);
	count = export->roll.connected;
	pthread_mutex_unlock(&export->roll.lock);
	return count;
}

static uint64_t connected_in_all(const struct vhost_server *server)
{
	uint64_t count = 0;

	for (uint32_t i = 0; i < server->export_count; i++)
		count += connected(server->exports[i]);
	return count;
}

static void turn_away(struct vhost_export *export, int fd, const char *why)
{
	struct ucred peer = { .pid = 0 };
	socklen_t size = sizeof(peer);
	uint64_t so_far;

	pthread_mutex_lock(&export->roll.lock);
	so_far = ++export->roll.turned_away;
	pthread_mutex_unlock(&export->roll.lock);
	/* Whoever connects a thousand times is told of in ten lines. */
	if ((so_far & (so_far - 1)) == 0 &&
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0)
		log_export(export->policy.name,
			   "a client (pid %d, uid %u) was turned away "
			   "(%llu so far): %s",
			   (int)peer.pid, (unsigned int)peer.uid,
			   (unsigned long long)so_far, why);
}

/* The one with the fewest clients: who comes again and again, as a client that
 * is ended does, shall not wander through all of them. */
static struct vhost_worker *choose_worker(struct vhost_server *server)
{
	struct vhost_worker *best = NULL;

	server->next_worker++;
	for (uint32_t i = 0; i < server->worker_count; i++) {
		struct vhost_worker *worker =
			&server->workers[(server->next_worker + i) %
					 server->worker_count];

		if (!best ||
		    vhost_worker_clients(worker) < vhost_worker_clients(best))
			best = worker;
	}
	return best;
}

static void give(struct vhost_server *server, struct vhost_export *export,
		 int fd)
{
	struct vhost_worker *worker = choose_worker(server);

	if (connected(export) >= export->connections_max) {
		turn_away(export, fd,
			  "as many are connected as the limit allows");
	} else if (connected_in_all(server) >= server->clients_max) {
		turn_away(export, fd,
			  "no file descriptors for another, see "
			  "ulimit -n");
	} else {
		/* Before the worker can see it go. */
		vhost_roll_expect(&export->roll);
		if (vhost_worker_give(worker, export, fd))
			return;
		vhost_roll_leave(&export->roll, NULL, NULL);
		turn_away(export, fd, "out of memory");
	}
	close(fd);
}

/* No descriptor is left: the connection would stay in the backlog and the
 * socket readable, and we would spin.  Take it with the spare one and close
 * it. */
static bool accept_and_drop(struct vhost_server *server,
			    struct vhost_export *export)
{
	int fd;

	close(server->spare_fd);
	fd = accept4(export->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0) {
		turn_away(export, fd,
			  "no file descriptor is left, see ulimit -n");
		close(fd);
	}
	server->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return fd >= 0;
}

static void take_clients(struct vhost_server *server,
			 struct vhost_export *export)
{
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		int fd = accept4(export->listen_fd, NULL, NULL,
				 SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			give(server, export, fd);
			continue;
		}
		if ((errno != EMFILE && errno != ENFILE) ||
		    !accept_and_drop(server, export))
			return;
	}
}

/* Connections that were handed to us, once. */
static void give_first(struct vhost_server *server)
{
	for (uint32_t i = 0; i < server->export_count; i++) {
		struct vhost_export *export = server->exports[i];
		int fd = export->first_fd;

		export->first_fd = -1;
		if (fd >= 0)
			give(server, export, fd);
	}
}

static bool something_to_serve(const struct vhost_server *server)
{
	for (uint32_t i = 0; i < server->export_count; i++) {
		struct vhost_export *export = server->exports[i];
		bool over;

		pthread_mutex_lock(&export->roll.lock);
		over = export->listen_fd < 0 && export->roll.connected == 0 &&
		       (export->roll.so_far || export->roll.turned_away);
		pthread_mutex_unlock(&export->roll.lock);
		if (!over)
			return true;
	}
	return false;
}

static bool drain(int fd)
{
	uint64_t count;

	return read(fd, &count, sizeof(count)) == sizeof(count);
}

static void export_gone(struct vhost_export *export)
{
	if (export->gone)
		export->gone(export->argument);
	export_free(export);
}

/* Those whose last client has gone. */
static void free_removed(struct vhost_server *server)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < server->export_count; i++) {
		struct vhost_export *export = server->exports[i];

		if (!export->removed || connected(export) > 0) {
			server->exports[kept++] = export;
			continue;
		}
		log_export(export->policy.name, "removed, and without clients");
		export_gone(export);
	}
	server->export_count = kept;
}

static uint32_t list_fds(struct vhost_server *server)
{
	struct pollfd *fds = server->fds;

	fds[FD_WAKE].fd = server->wake_fd;
	fds[FD_ENDED].fd = server->ended_fd;
	fds[FD_WATCHED].fd = server->watched.fd;
	for (uint32_t i = 0; i < server->export_count; i++)
		fds[FDS_OWN + i].fd = server->exports[i]->listen_fd;
	for (uint32_t i = 0; i < FDS_OWN + server->export_count; i++) {
		fds[i].events = POLLIN;
		fds[i].revents = 0;
	}
	return server->export_count;
}

/* True: it was interrupted. */
static bool turn(struct vhost_server *server)
{
	uint32_t count = list_fds(server);
	bool watched;

	if (poll(server->fds, FDS_OWN + count, -1) < 0)
		return false;
	if (server->fds[FD_ENDED].revents)
		drain(server->ended_fd);
	if (server->fds[FD_WAKE].revents && drain(server->wake_fd))
		return true;
	watched = server->fds[FD_WATCHED].revents;
	for (uint32_t i = 0; i < count; i++) {
		if (server->fds[FDS_OWN + i].revents)
			take_clients(server, server->exports[i]);
	}
	/* Last: it may add and remove exports. */
	if (watched)
		server->watched.ready(server->watched.argument);
	return false;
}

bool vhost_server_run(struct vhost_server *server)
{
	bool interrupted = false;

	assert(server->worker_count > 0);
	learn_clients_max(server);
	give_first(server);
	do {
		free_removed(server);
		if (!something_to_serve(server))
			break;
		interrupted = turn(server);
	} while (!interrupted);
	return interrupted;
}

void vhost_server_watch(struct vhost_server *server,
			const struct vhost_watched *watched)
{
	server->watched = *watched;
}

void vhost_server_interrupt(struct vhost_server *server)
{
	int error = errno;
	uint64_t one = 1;

	if (write(server->wake_fd, &one, sizeof(one)) < 0)
		errno = error;
	errno = error;
}

bool vhost_server_config_changed(struct vhost_server *server,
				 struct vhost_export *export)
{
	bool all = true;

	for (uint32_t i = 0; i < server->worker_count; i++)
		all &= vhost_worker_config_changed(&server->workers[i], export);
	return all;
}

void vhost_server_stop(struct vhost_server *server)
{
	if (server->stopped)
		return;
	server->stopped = true;
	/* New clients go elsewhere first; then those that are here. */
	for (uint32_t i = 0; i < server->export_count; i++)
		stop_listening(server, server->exports[i]);
	for (uint32_t i = 0; i < server->worker_count; i++)
		vhost_worker_ask_stop(&server->workers[i]);
	for (uint32_t i = 0; i < server->worker_count; i++)
		vhost_worker_join(&server->workers[i]);
}

void vhost_server_free(struct vhost_server *server)
{
	if (!server)
		return;
	vhost_server_stop(server);
	for (uint32_t i = 0; i < server->export_count; i++)
		export_gone(server->exports[i]);
	free(server->exports);
	free(server->fds);
	if (server->wake_fd >= 0)
		close(server->wake_fd);
	if (server->ended_fd >= 0)
		close(server->ended_fd);
	if (server->spare_fd >= 0)
		close(server->spare_fd);
	free(server);
}

static void visit_export(struct vhost_export *export,
			 const struct vhost_stats_visitor *visitor)
{
	struct vhost_roll *roll = &export->roll;
	struct vhost_export_stats stats = {
		.name = export->policy.name,
		.socket_path = export->socket_path,
		.removed = export->removed,
		.clients = roll->so_far,
		.turned_away = roll->turned_away,
		.connected = roll->connected,
		.counts = roll->past,
	};

	for (struct vhost_roll_entry *e = roll->first; e; e = e->next) {
		struct client_counts counts =
			client_counts_read(&e->client.counts);
		struct client_gauges now = client_gauges_read(&e->client.now);

		client_counts_add(&stats.counts, &counts);
		client_gauges_add(&stats.now, &now);
	}
	visitor->on_export(visitor->argument, &stats);
	for (struct vhost_roll_entry *e = roll->first; e; e = e->next) {
		const struct vhost_client_stats client = {
			.number = e->client.number,
			.pid = e->client.pid,
			.uid = e->client.uid,
			.ended = e->ended,
			.counts = client_counts_read(&e->client.counts),
			.now = client_gauges_read(&e->client.now),
		};

		visitor->on_client(visitor->argument, &client);
	}
}

void vhost_server_visit(struct vhost_server *server,
			const struct vhost_stats_visitor *visitor)
{
	for (uint32_t i = 0; i < server->export_count; i++) {
		struct vhost_export *export = server->exports[i];

		pthread_mutex_lock(&export->roll.lock);
		visit_export(export, visitor);
		pthread_mutex_unlock(&export->roll.lock);
	}
}
