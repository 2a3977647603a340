/* SPDX-License-Identifier: MIT */
/*
 * G1: what a client sends may take hours to close, and memory that it lent
 * seconds to free.  Neither a worker nor the thread that accepts does that,
 * however the descriptor comes to be closed; and a client that sends more and
 * more of them fills neither the process with descriptors nor the place of the
 * clients of another export.
 */
#include "statistics.h"

#include <dirent.h>
#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "client/protocol.h"
#include "client/slow.h"

#define SIZE	  16384u
#define CLIENTS	  60u
#define MANY	  20u
#define STORM	  60u /* connections: as many as may wait */
#define STORM_FDS 8u  /* of each */
#define STORMS	  3u
/* So much may be left to release before no more is taken, and each client may
 * have brought a message and its connection. */
#define PENDING_MAX (256u + CLIENTS * (STORM_FDS + 1))
#define MEMORY	    (512ull << 20)

static struct client good;

/* In several turns of the worker: what it closes it closes at the end of
 * one. */
static void check_good(const char *when)
{
	for (uint32_t i = 0; i < 3; i++) {
		int status = client_io(&good, 0, VIRTIO_BLK_T_IN, 0, SIZE);

		CHECK(status == 0, "%s: the good client: status %d %s", when,
		      status, good.error);
	}
}

static struct client_options options_of(uint32_t export)
{
	return (struct client_options){
		.socket_path = backend.exports[export].socket_path,
		.buffer_size = SIZE,
		.channel = true,
	};
}

/* The last descriptors of them must be the server's: they are sent while it is
 * frozen, or it could have closed its own before we close ours. */
static struct slow_sockets slow(uint32_t count)
{
	struct slow_sockets sockets;

	CHECK(slow_sockets_make(&sockets, count) == 0, "no sockets");
	return sockets;
}

static struct vhost_user_header header_of(uint32_t request, uint32_t size)
{
	return (struct vhost_user_header){
		.request = request,
		.flags = VHOST_USER_VERSION,
		.size = size,
	};
}

/* The server sees what is sent meanwhile all at once.  All its threads have
 * stopped: one that still closed what was sent would leave this test the last
 * to close it. */
static void freeze(void)
{
	int status;

	CHECK(kill(backend.pid, SIGSTOP) == 0, "no SIGSTOP");
	CHECK(waitpid(backend.pid, &status, WUNTRACED) == backend.pid &&
		      WIFSTOPPED(status),
	      "not stopped");
}

static void thaw(void)
{
	CHECK(kill(backend.pid, SIGCONT) == 0, "no SIGCONT");
}

/* It may be a moment until those before have left. */
static void open_client(struct client *client)
{
	const struct client_options options = options_of(0);
	uint64_t end = client_now_ns() + 20000000000ull;

	while (client_open(client, &options)) {
		CHECK(client_now_ns() < end, "not served: %s", client->error);
		poll(NULL, 0, 5);
	}
}

/* The next message, with a descriptor, is there when this one is read. */
static void one_after_the_other(void)
{
	struct {
		struct vhost_user_header header;
		struct vhost_user_vring_state state;
	} base = { header_of(VHOST_USER_SET_VRING_BASE, 8), { 0, 0 } };
	struct {
		struct vhost_user_header header;
		uint64_t queue;
	} __attribute__((packed))
	call = { header_of(VHOST_USER_SET_VRING_CALL, 8), 0 };
	struct client client;
	uint64_t number;

	open_client(&client);
	freeze();
	CHECK(slow_send(client.socket, &base, sizeof(base), NULL, 0) == 0 &&
		      slow_send(client.socket, &call, sizeof(call),
				&client.queues[0].call_fd, 1) == 0,
	      "not sent");
	thaw();
	DO(&client, client_ask(&client, VHOST_USER_GET_QUEUE_NUM, NULL, 0,
			       &number, sizeof(number)));
	client_close(&client);
}

/* More descriptors than any message may have. */
static void too_many(void)
{
	struct vhost_user_header header = header_of(VHOST_USER_GET_FEATURES, 0);
	struct slow_sockets sockets = slow(MANY);
	struct client client;

	open_client(&client);
	freeze();
	CHECK(slow_send(client.socket, &header, sizeof(header), sockets.fds,
			MANY) == 0,
	      "not sent");
	slow_sockets_leave(&sockets);
	thaw();
	check_good("too many descriptors");
	client_close(&client);
	slow_sockets_end(&sockets);
}

/* In a message on the channel, which is not read. */
static void on_the_channel(void)
{
	struct slow_sockets sockets = slow(1);
	struct client client;
	int pair[2];

	open_client(&client);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0 &&
		      slow_send(pair[0], "", 1, sockets.fds, 1) == 0,
	      "not sent");
	slow_sockets_leave(&sockets);
	DO(&client, client_tell(&client, VHOST_USER_SET_BACKEND_REQ_FD, NULL, 0,
				pair[1]));
	close(pair[1]);
	check_good("a descriptor on the channel");
	close(pair[0]);
	client_close(&client);
	slow_sockets_end(&sockets);
}

/* In messages that are not read, because one before them was wrong. */
static void unread(void)
{
	struct vhost_user_header wrong = header_of(VHOST_USER_GET_FEATURES, 0);
	struct vhost_user_header header = header_of(VHOST_USER_GET_FEATURES, 0);
	struct slow_sockets sockets = slow(1);
	struct client client;

	wrong.flags = 0;
	open_client(&client);
	freeze();
	CHECK(slow_send(client.socket, &wrong, sizeof(wrong), NULL, 0) == 0 &&
		      slow_send(client.socket, &header, sizeof(header),
				sockets.fds, 1) == 0,
	      "not sent");
	slow_sockets_leave(&sockets);
	thaw();
	check_good("a message that is not read");
	client_close(&client);
	slow_sockets_end(&sockets);
}

/* -1: so many wait to be accepted that it would have to wait as well. */
static int connect_raw(void)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strcpy(name.sun_path, backend.exports[0].socket_path);
	CHECK(fd >= 0, "no socket");
	if (connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0)
		return fd;
	CHECK(errno == EAGAIN, "no connection: %s", strerror(errno));
	close(fd);
	return -1;
}

/* A new client of the other export is accepted, and the statistics come. */
static void check_accepts(const char *when)
{
	const struct client_options options = options_of(1);
	struct client client;

	CHECK(client_open(&client, &options) == 0, "%s: a new client: %s", when,
	      client.error);
	client_close(&client);
	json_decref(statistics());
}

/* What a client of the other export leaves behind is released meanwhile. */
static void check_releases(const char *when)
{
	const struct client_options options = options_of(1);
	uint64_t end = client_now_ns() + 20000000000ull;
	uint32_t before = backend_descriptors(&backend);
	struct client client;

	CHECK(client_open(&client, &options) == 0 && client_start(&client) == 0,
	      "%s: a new client: %s", when, client.error);
	client_close(&client);
	while (backend_descriptors(&backend) > before) {
		CHECK(client_now_ns() < end, "%s: nothing is released", when);
		poll(NULL, 0, 5);
	}
}

/* On a connection for which there is no room. */
static void turned_away(void)
{
	struct slow_sockets sockets = slow(1);
	int fds[CLIENTS + 1];

	freeze();
	for (uint32_t i = 0; i <= CLIENTS; i++)
		fds[i] = connect_raw();
	CHECK(slow_send(fds[CLIENTS], "", 1, sockets.fds, 1) == 0, "not sent");
	slow_sockets_leave(&sockets);
	thaw();
	check_accepts("turned away");
	for (uint32_t i = 0; i <= CLIENTS; i++)
		close(fds[i]);
	slow_sockets_end(&sockets);
}

/* Connections with as many descriptors as are allowed, in a message that has
 * none.  Returns how many were sent. */
static uint32_t storm(struct slow_sockets *sockets)
{
	struct vhost_user_header header = header_of(VHOST_USER_GET_FEATURES, 0);
	uint32_t sent = 0;
	int fd;

	freeze();
	while (sent < sockets->count && (fd = connect_raw()) >= 0) {
		CHECK(slow_send(fd, &header, sizeof(header),
				&sockets->fds[sent], STORM_FDS) == 0,
		      "not sent");
		sent += STORM_FDS;
		close(fd);
	}
	slow_sockets_keep(sockets, sent);
	slow_sockets_leave(sockets);
	thaw();
	return sent;
}

static void leaks_end(void)
{
	struct slow_sockets sockets[STORMS];
	uint32_t before = backend_descriptors(&backend), after, sent = 0;
	struct client client;

	for (uint32_t i = 0; i < STORMS; i++) {
		sockets[i] = slow(STORM * STORM_FDS);
		sent += storm(&sockets[i]);
		check_accepts("in the storm");
		check_good("in the storm");
	}
	check_releases("in the storm");
	after = backend_descriptors(&backend);
	printf("%u descriptors sent: the server had %u, and has %u\n", sent,
	       before, after);
	CHECK(after <= before + PENDING_MAX, "%u descriptors, before %u", after,
	      before);
	for (uint32_t i = 0; i < STORMS; i++)
		slow_sockets_end(&sockets[i]);
	open_client(&client);
	client_close(&client);
}

/* Nanoseconds that a thread of the server has run, and its name. */
static uint64_t time_of(const char *thread, char name[32])
{
	char path[300];
	unsigned long long ns = 0;
	FILE *in;

	snprintf(path, sizeof(path), "/proc/%d/task/%s/comm", backend.pid,
		 thread);
	in = fopen(path, "re");
	if (!in || !fgets(name, 32, in))
		name[0] = 0;
	if (in)
		fclose(in);
	snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", backend.pid,
		 thread);
	in = fopen(path, "re");
	if (in && fscanf(in, "%llu", &ns) != 1)
		ns = 0;
	if (in)
		fclose(in);
	return ns;
}

struct times {
	uint64_t worker, others;
};

static struct times times(void)
{
	struct times sum = { 0, 0 };
	struct dirent *entry;
	char path[40], name[32];
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", backend.pid);
	tasks = opendir(path);
	CHECK(tasks, "%s cannot be read", path);
	while ((entry = readdir(tasks))) {
		uint64_t ns = entry->d_name[0] == '.'
				      ? 0
				      : time_of(entry->d_name, name);

		if (ns && strcmp(name, "worker\n") == 0)
			sum.worker += ns;
		else
			sum.others += ns;
	}
	closedir(tasks);
	return sum;
}

/* Lends memory, and dies, so that the server is the last to have it. */
static void die_with_memory(void)
{
	struct client_options options = options_of(0);
	struct client client;

	options.region_size = MEMORY;
	if (client_open(&client, &options) || client_start(&client))
		_exit(1);
	for (uint32_t i = 0; i < client.options.region_count; i++) {
		munmap(client.regions[i].host, client.regions[i].size);
		close(client.regions[i].fd);
		if (client.regions[i].lent_fd != client.regions[i].fd)
			close(client.regions[i].lent_fd);
	}
	_exit(0);
}

static void memory_is_freed_elsewhere(void)
{
	uint64_t end = client_now_ns() + 20000000000ull;
	struct times before = times(), after;
	pid_t pid = fork();
	int status;

	if (pid == 0)
		die_with_memory();
	CHECK(waitpid(pid, &status, 0) == pid && status == 0, "no memory");
	/* It takes the worker's time as well to set up a client, but less. */
	do {
		poll(NULL, 0, 1);
		after = times();
		after.worker -= before.worker;
		after.others -= before.others;
		CHECK(client_now_ns() < end, "the worker frees memory");
	} while (after.others <= 2 * after.worker);
	printf("memory of %llu MiB: the worker ran for %llu us, other threads "
	       "for %llu us\n",
	       MEMORY >> 20, (unsigned long long)after.worker / 1000,
	       (unsigned long long)after.others / 1000);
}

int main(void)
{
	struct client_options options;

	serve_init(100);
	backend.workers = 1;
	backend.clients = CLIENTS;
	backend_add(&backend, NULL, 1 << 20);
	backend_add(&backend, NULL, 1 << 20);
	serve_start();
	options = options_of(1);
	CHECK(client_open(&good, &options) == 0, "open: %s", good.error);
	DO(&good, client_start(&good));
	memory_is_freed_elsewhere();
	one_after_the_other();
	on_the_channel();
	unread();
	turned_away();
	too_many();
	leaks_end();
	too_many();
	client_close(&good);
	return serve_end();
}
