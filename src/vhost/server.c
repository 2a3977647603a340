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
#include <time.h>
#include <unistd.h>

#include <precarium/budget.h>
#include <precarium/signals_linux.h>

#include "device/clock.h"
#include "device/event.h"
#include "device/release.h"
#include "device/thread.h"
#include "vhost/held.h"
#include "vhost/place.h"
#include "vhost/usable.h"
#include "vhost/worker.h"

/* More than any disk needs to be busy, and still little to wait for when memory
 * is taken back. */
#define BYTES_IN_FLIGHT (64ull << 20)

/* Connections that are accepted from one socket in one turn. */
#define ACCEPTS_A_TURN 8

/* Descriptors that the process has, apart from exports, workers and clients. */
#define FDS_OF_SERVER 64u

/* When to look again at a socket from which nothing could be accepted. */
#define LISTEN_AGAIN_MS 20

/* How long the end waits for what clients have left to be released. */
#define RELEASE_WAIT_MS 1000

/* A machine has one for each of its processors.  They are made when they are
 * used. */
#define QUEUES_MAX 64u

/* As many memory slots as QEMU has. */
#define REGIONS_MAX 509u

/* What vhost_server_run watches. */
enum { FD_WAKE, FD_ENDED, FD_WATCHED, FDS_RUN };

struct vhost_server {
	struct vhost_limits limits;
	/* Of the list, and of what exports listen at: the thread that runs the
	 * server changes both, and the one that accepts reads them. */
	pthread_mutex_t lock;
	struct vhost_export **exports;
	uint32_t export_count;
	struct vhost_crew crew;
	uint32_t next_worker;
	uint64_t fds_max; /* that the process may have open */
	struct vhost_common common;
	int wake_fd;  /* vhost_server_interrupt */
	int ended_fd; /* a worker has ended a connection */
	pthread_t acceptor;
	bool has_acceptor;
	bool accepting;	    /* it may, with the lock held; else it waits */
	bool accepted_last; /* it is to end */
	int accept_fd;	    /* signalled when it has to look again */
	struct pollfd *fds; /* the acceptor's: accept_fd, then the exports' */
	uint32_t fds_room;
	int spare_fd; /* the acceptor's, see accept_and_drop */
	struct vhost_watched watched;
	bool stopped;
};

static uint32_t limit(uint32_t asked, uint32_t usual, uint32_t most)
{
	uint32_t value = asked ? asked : usual;

	return value < most ? value : most;
}

/*
 * Half for one client: most of the memory of a machine that is not preallocated
 * is filled by us in time, because what it reads goes there first.  All clients
 * together leave something for the rest of the system.
 */
static void limit_sparse(struct vhost_server *server,
			 const struct vhost_limits *limits)
{
	uint64_t usable = vhost_usable_memory();

	server->limits.sparse = limits->sparse ? limits->sparse : usable / 2;
	server->common.sparse.max =
		limits->sparse_all ? limits->sparse_all : usable / 4 * 3;
}

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

/* The library's table also holds the logs of clients, which are not counted. */
#define REGIONS_COUNTED ((uint64_t)PREC_REGION_MAX / 4 * 3)

/*
 * What clients may use together, and the place that each export keeps: enough
 * for a client that lends its memory in as many regions as are usual, and sends
 * a table of others in their place, with as many queues as are usual.  It
 * depends on nothing that clients have done, so it may be called again when
 * there are more exports.
 */
static void share_out(struct vhost_server *server)
{
	uint64_t ours = FDS_OF_SERVER + 8ull * server->export_count +
			8ull * server->limits.workers;
	uint64_t each = VHOST_HELD_BY_ALL + MEMORY_REGIONS_USUAL +
			VHOST_TABLE_MAX + VHOST_HELD_BY_QUEUES;
	uint64_t left = server->fds_max > ours ? server->fds_max - ours : 0;

	/* Some service is better than none. */
	left = left > each ? left : each;
	share_pool_set(&server->common.descriptors, left, each);
	share_pool_set(&server->common.regions, REGIONS_COUNTED,
		       MEMORY_REGIONS_USUAL);
}

struct vhost_server *vhost_server_new(const struct vhost_limits *limits,
				      struct vhost_error *error)
{
	struct vhost_server *server = calloc(1, sizeof(*server));

	if (!server) {
		snprintf(error->text, sizeof(error->text), "out of memory");
		return NULL;
	}
	share_pool_init(&server->common.descriptors);
	share_pool_init(&server->common.regions);
	server->limits.polling = limits->polling;
	server->limits.workers = limit(limits->workers, 1, VHOST_WORKERS_MAX);
	memcpy(server->limits.worker_cpus, limits->worker_cpus,
	       sizeof(limits->worker_cpus));
	server->limits.worker_cpu_count = limits->worker_cpu_count;
	server->limits.connections = limit(limits->connections, 32, 65535);
	server->limits.regions =
		limit(limits->regions, REGIONS_MAX, PREC_SPACE_MAX);
	server->limits.queues =
		limit(limits->queues, QUEUES_MAX, VHOST_QUEUES_MAX);
	server->limits.bytes_in_flight = limits->bytes_in_flight
						 ? limits->bytes_in_flight
						 : BYTES_IN_FLIGHT;
	server->limits.drain_timeout_ms =
		limit(limits->drain_timeout_ms, 5000, VHOST_DRAIN_MAX_MS);
	limit_sparse(server, limits);
	server->fds_max = fds_allowed();
	server->watched.fd = -1;
	pthread_mutex_init(&server->lock, NULL);
	gate_init(&server->crew.gate);
	server->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	server->accept_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	server->ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	server->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (server->wake_fd >= 0 && server->ended_fd >= 0 &&
	    server->accept_fd >= 0 && server->spare_fd >= 0 && release_start())
		return server;
	snprintf(error->text, sizeof(error->text), "server: %s",
		 strerror(errno));
	vhost_server_free(server);
	return NULL;
}

static bool another_listens(const struct vhost_server *server,
			    const struct vhost_export *export)
{
	for (uint32_t i = 0; i < server->export_count; i++) {
		const struct vhost_export *other = server->exports[i];

		if (other != export && other->listen_fd >= 0 &&
		    other->socket_path && export->socket_path &&
		    strcmp(other->socket_path, export->socket_path) == 0)
			return true;
	}
	return false;
}

/* The file of a socket goes with the last export that listens there. */
static void stop_listening(struct vhost_server *server,
			   struct vhost_export *export)
{
	pthread_mutex_lock(&server->lock);
	vhost_export_close(export, another_listens(server, export));
	pthread_mutex_unlock(&server->lock);
	event_signal(server->accept_fd);
}

/* Make room for one more in the list. */
static bool make_room(struct vhost_server *server)
{
	uint32_t count = server->export_count + 1;
	struct vhost_export **exports;

	pthread_mutex_lock(&server->lock);
	exports =
		realloc(server->exports, count * sizeof(struct vhost_export *));
	if (exports)
		server->exports = exports;
	pthread_mutex_unlock(&server->lock);
	return exports;
}

/* Put it into the list, which has room. */
static void enter(struct vhost_server *server, struct vhost_export *export)
{
	pthread_mutex_lock(&server->lock);
	server->exports[server->export_count++] = export;
	pthread_mutex_unlock(&server->lock);
	event_signal(server->accept_fd);
}

/* Take it out of the list. */
static void take_out(struct vhost_server *server,
		     const struct vhost_export *export)
{
	uint32_t kept = 0;

	pthread_mutex_lock(&server->lock);
	for (uint32_t i = 0; i < server->export_count; i++)
		if (server->exports[i] != export)
			server->exports[kept++] = server->exports[i];
	server->export_count = kept;
	pthread_mutex_unlock(&server->lock);
}

struct vhost_export *
vhost_server_add(struct vhost_server *server,
		 const struct vhost_export_options *options,
		 struct vhost_error *error)
{
	struct vhost_export *export = vhost_export_new(
		options, &server->limits, &server->common, server->ended_fd);
	bool good = false;

	if (!export || !make_room(server))
		snprintf(error->text, sizeof(error->text), "out of memory");
	else
		good = vhost_export_open(export, options, error);
	if (good) {
		enter(server, export);
		share_out(server);
		return export;
	}
	if (export)
		vhost_export_free(export);
	return NULL;
}

void vhost_server_remove(struct vhost_server *server,
			 struct vhost_export *export)
{
	export->removed = true;
	stop_listening(server, export);
}

/* An export that has no client keeps its worker for so long: a client that is
 * dropped and keeps reconnecting does not visit every worker. */
#define KEEPS_WORKER_MS 60000

/* The worker for the next client of the export. */
static struct vhost_worker *choose_worker(struct vhost_server *server,
					  struct vhost_export *export)
{
	struct vhost_place places[VHOST_WORKERS_MAX];
	uint64_t now_ns = clock_now_ns();
	int64_t now_ms = clock_now_ms();

	if (export->given_ms == 0 ||
	    now_ms - export->given_ms > KEEPS_WORKER_MS ||
	    vhost_export_connected(export) > 0) {
		for (uint32_t i = 0; i < server->crew.count; i++) {
			const struct vhost_worker *worker =
				&server->crew.workers[i];

			places[i].clients = vhost_worker_clients(worker);
			places[i].load =
				load_now(&worker->loop.poll.load, now_ns);
		}
		export->worker = vhost_place_choose(places, server->crew.count,
						    ++server->next_worker);
	}
	export->given_ms = now_ms;
	return &server->crew.workers[export->worker];
}

static void give(struct vhost_server *server, struct vhost_export *export,
		 int fd)
{
	struct vhost_worker *worker = choose_worker(server, export);

	if (vhost_export_connected(export) >= export->connections_max) {
		vhost_export_turn_away(export, fd,
				       "the limit of %u connections "
				       "(max-clients) is reached",
				       export->connections_max);
	} else if (vhost_export_is_barred(export)) {
		vhost_export_turn_away(export, fd,
				       "a client was ended for what it cost "
				       "the others, less than an hour ago");
	} else if (release_is_clogged(export->policy.releases)) {
		vhost_export_turn_away(export, fd,
				       "what earlier clients sent cannot be "
				       "closed");
	} else if (!share_take(&export->descriptors, VHOST_HELD_BY_ALL,
			       false)) {
		vhost_export_turn_away(export, fd,
				       "other clients have the file "
				       "descriptors, see ulimit -n");
	} else {
		/* Before the worker can see the client leave. */
		vhost_roll_expect(&export->roll);
		if (vhost_worker_give(worker, export, fd))
			return;
		share_give(&export->descriptors, VHOST_HELD_BY_ALL);
		vhost_roll_leave(&export->roll, NULL, NULL);
		vhost_export_turn_away(export, fd, "out of memory");
	}
	release_fd(export->policy.releases, fd);
}

static bool has_spare(struct vhost_server *server)
{
	if (server->spare_fd < 0)
		server->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return server->spare_fd >= 0;
}

/* No descriptor is left: the connection would stay in the backlog, the socket
 * would stay readable, and we would spin.  Accept it with the spare descriptor,
 * and have it closed.  Until it is, there may be no spare, and nothing is
 * accepted. */
static bool accept_and_drop(struct vhost_server *server,
			    struct vhost_export *export)
{
	int fd;

	if (!has_spare(server))
		return false;
	close(server->spare_fd);
	server->spare_fd = -1;
	fd = accept4(export->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		vhost_export_turn_away(
			export, fd,
			"no file descriptor is left, see ulimit -n");
	release_fd(export->policy.releases, fd);
	return has_spare(server) && fd >= 0;
}

/* The system lacks memory.  What we wait for stays ready, so we would spin, and
 * keep busy who may be freeing some. */
static void rest(void)
{
	const struct timespec a_little = { .tv_nsec = 10000000 };

	nanosleep(&a_little, NULL);
}

static void take_clients(struct vhost_server *server,
			 struct vhost_export *export)
{
	for (int i = 0; i < ACCEPTS_A_TURN && vhost_export_listens(export);
	     i++) {
		int fd = accept4(export->listen_fd, NULL, NULL,
				 SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			give(server, export, fd);
			continue;
		}
		if (errno == ENOMEM || errno == ENOBUFS)
			rest();
		if ((errno != EMFILE && errno != ENFILE) ||
		    !accept_and_drop(server, export))
			return;
	}
}

/* Serve the connections that were handed to us, once. */
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

/* When the last export was removed, another may be added through what is
 * watched. */
static bool something_to_serve(const struct vhost_server *server)
{
	bool may_come = server->watched.fd >= 0;

	if (server->export_count == 0)
		return may_come;
	for (uint32_t i = 0; i < server->export_count; i++) {
		if (!vhost_export_is_over(server->exports[i]) ||
		    (server->exports[i]->removed && may_come))
			return true;
	}
	return false;
}

static bool drain(int fd)
{
	uint64_t count;

	return read(fd, &count, sizeof(count)) == sizeof(count);
}

/* Free removed exports whose last client has left. */
static void free_removed(struct vhost_server *server)
{
	uint32_t i = 0;

	while (i < server->export_count) {
		struct vhost_export *export = server->exports[i];

		if (!export->removed || vhost_export_is_in_use(export)) {
			i++;
			continue;
		}
		log_info(export->name, "removed, and without clients");
		take_out(server, export);
		vhost_export_gone(export);
	}
}

static bool has_room(struct vhost_server *server, uint32_t count)
{
	struct pollfd *fds;

	if (count <= server->fds_room)
		return true;
	fds = realloc(server->fds, count * sizeof(*fds));
	if (!fds)
		return false;
	server->fds = fds;
	server->fds_room = count;
	return true;
}

static void watch_fd(struct pollfd *poller, int fd)
{
	*poller = (struct pollfd){ .fd = fd, .events = POLLIN };
}

/* List what to poll.  Returns for how long: some sockets may have to be left
 * out for a while, for want of descriptors or of memory for the list, and that
 * it may accept is seen even if the signal that says so failed.  The lock is
 * held. */
static int list_fds(struct vhost_server *server, uint32_t *count)
{
	bool spare = has_spare(server);
	int timeout_ms = server->accepting ? -1 : LISTEN_AGAIN_MS;

	*count = 1 + (server->accepting ? server->export_count : 0);
	if (!has_room(server, *count)) {
		*count = server->fds_room;
		timeout_ms = LISTEN_AGAIN_MS;
	}
	if (*count > 0)
		watch_fd(&server->fds[0], server->accept_fd);
	for (uint32_t i = 1; i < *count; i++) {
		struct vhost_export *export = server->exports[i - 1];
		bool listens = spare && vhost_export_listens(export);

		watch_fd(&server->fds[i], listens ? export->listen_fd : -1);
		if (!listens && export->listen_fd >= 0)
			timeout_ms = LISTEN_AGAIN_MS;
	}
	return timeout_ms;
}

/* The list may have changed meanwhile.  The lock is held. */
static void take_all(struct vhost_server *server, uint32_t count)
{
	for (uint32_t i = 0; i < server->export_count; i++) {
		struct vhost_export *export = server->exports[i];

		if (i + 1 < count && server->fds[i + 1].revents &&
		    server->fds[i + 1].fd == export->listen_fd)
			take_clients(server, export);
	}
}

/*
 * Clients are accepted by a thread of its own: the one that runs the server
 * also reads files, waits for the lock of an image and resizes one, and for how
 * long is up to disks and file systems.
 */
static void *accept_clients(void *argument)
{
	struct vhost_server *server = argument;

	thread_name("accept");
	pthread_mutex_lock(&server->lock);
	while (!server->accepted_last) {
		uint32_t count;
		int timeout_ms = list_fds(server, &count), ready;

		pthread_mutex_unlock(&server->lock);
		ready = poll(server->fds, count, timeout_ms);
		if (ready < 0 && errno != EINTR)
			rest();
		if (ready > 0 && count > 0 && server->fds[0].revents)
			drain(server->accept_fd);
		pthread_mutex_lock(&server->lock);
		if (ready > 0)
			take_all(server, count);
	}
	pthread_mutex_unlock(&server->lock);
	return NULL;
}

/* True: it was interrupted. */
static bool turn(struct vhost_server *server)
{
	struct pollfd fds[FDS_RUN];

	watch_fd(&fds[FD_WAKE], server->wake_fd);
	watch_fd(&fds[FD_ENDED], server->ended_fd);
	watch_fd(&fds[FD_WATCHED], server->watched.fd);
	if (poll(fds, FDS_RUN, -1) < 0) {
		if (errno != EINTR)
			rest();
		return false;
	}
	if (fds[FD_ENDED].revents)
		drain(server->ended_fd);
	if (fds[FD_WAKE].revents && drain(server->wake_fd))
		return true;
	/* Last, because it may add and remove exports. */
	if (fds[FD_WATCHED].revents)
		server->watched.ready(server->watched.argument);
	return false;
}

static void begin_to_accept(struct vhost_server *server)
{
	pthread_mutex_lock(&server->lock);
	give_first(server);
	server->accepting = true;
	pthread_mutex_unlock(&server->lock);
	event_signal(server->accept_fd);
}

static void end_to_accept(struct vhost_server *server)
{
	if (!server->has_acceptor)
		return;
	pthread_mutex_lock(&server->lock);
	server->accepted_last = true;
	pthread_mutex_unlock(&server->lock);
	event_signal(server->accept_fd);
	pthread_join(server->acceptor, NULL);
	server->has_acceptor = false;
}

static bool start_workers(struct vhost_server *server,
			  struct vhost_error *error)
{
	const struct vhost_limits *limits = &server->limits;
	uint32_t cpus = limits->worker_cpu_count;

	while (server->crew.count < limits->workers) {
		uint32_t number = server->crew.count;
		struct vhost_worker *worker = &server->crew.workers[number];

		if (!vhost_worker_start(&server->crew, server->ended_fd,
					limits->polling, error))
			return false;
		if (cpus &&
		    !vhost_worker_bind(
			    worker, limits->worker_cpus[number % cpus], error))
			return false;
	}
	return true;
}

bool vhost_server_start(struct vhost_server *server, struct vhost_error *error)
{
	if (prec_fault_install() != PREC_OK) {
		snprintf(error->text, sizeof(error->text),
			 "the fault handler cannot be installed: %s",
			 strerror(errno));
		return false;
	}
	if (prec_budget_prepare() != PREC_OK)
		log_print("userfaultfd: %s: holes are counted when memory is "
			  "lent, filled or not, and not later; precarium "
			  "check-host says more",
			  strerror(errno));
	if (!start_workers(server, error))
		return false;
	server->has_acceptor =
		thread_start(&server->acceptor, accept_clients, server) == 0;
	if (!server->has_acceptor)
		snprintf(error->text, sizeof(error->text),
			 "no thread to accept clients");
	return server->has_acceptor;
}

bool vhost_server_run(struct vhost_server *server)
{
	bool interrupted = false;

	assert(server->crew.count > 0);
	begin_to_accept(server);
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
	event_signal(server->wake_fd);
}

bool vhost_server_config_changed(struct vhost_server *server,
				 struct vhost_export *export)
{
	bool all = true;

	for (uint32_t i = 0; i < server->crew.count; i++)
		all &= vhost_worker_config_changed(&server->crew.workers[i],
						   export);
	return all;
}

void vhost_server_stop(struct vhost_server *server)
{
	if (server->stopped)
		return;
	server->stopped = true;
	end_to_accept(server);
	/* First turn new clients away, then end those that are here. */
	for (uint32_t i = 0; i < server->export_count; i++)
		stop_listening(server, server->exports[i]);
	for (uint32_t i = 0; i < server->crew.count; i++)
		vhost_worker_ask_stop(&server->crew.workers[i]);
	for (uint32_t i = 0; i < server->crew.count; i++)
		vhost_worker_join(&server->crew.workers[i]);
}

void vhost_server_free(struct vhost_server *server)
{
	bool released;

	if (!server)
		return;
	vhost_server_stop(server);
	released = release_wait(RELEASE_WAIT_MS);
	for (uint32_t i = 0; i < server->export_count; i++)
		vhost_export_gone(server->exports[i]);
	/* A thread that hangs may come back, and needs what is here. */
	if (!released)
		return;
	share_pool_destroy(&server->common.descriptors);
	share_pool_destroy(&server->common.regions);
	pthread_mutex_destroy(&server->lock);
	gate_destroy(&server->crew.gate);
	free(server->exports);
	free(server->fds);
	if (server->accept_fd >= 0)
		close(server->accept_fd);
	if (server->wake_fd >= 0)
		close(server->wake_fd);
	if (server->ended_fd >= 0)
		close(server->ended_fd);
	if (server->spare_fd >= 0)
		close(server->spare_fd);
	free(server);
}

struct vhost_sparse_stats vhost_server_sparse(const struct vhost_server *server)
{
	prec_budget_settle();
	return (struct vhost_sparse_stats){
		.used = prec_budget_used(&server->common.sparse),
		.max = server->common.sparse.max,
		.client_max = server->limits.sparse,
		.watched = prec_budget_prepare() == PREC_OK,
	};
}

bool vhost_server_worker(const struct vhost_server *server, uint32_t number,
			 struct vhost_worker_stats *stats)
{
	const struct vhost_worker *worker = &server->crew.workers[number];
	struct timespec used;
	clockid_t clock;

	if (server->stopped || number >= server->crew.count ||
	    pthread_getcpuclockid(worker->thread, &clock) != 0 ||
	    clock_gettime(clock, &used) < 0)
		return false;
	stats->cpu_us =
		(uint64_t)used.tv_sec * 1000000 + (uint64_t)used.tv_nsec / 1000;
	stats->clients = vhost_worker_clients(worker);
	return true;
}

void vhost_server_visit(struct vhost_server *server,
			const struct vhost_stats_visitor *visitor)
{
	prec_budget_settle();
	for (uint32_t i = 0; i < server->export_count; i++)
		vhost_export_visit(server->exports[i], visitor);
}
