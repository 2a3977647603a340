/* SPDX-License-Identifier: MIT */
/*
 * G11: with few descriptors, the clients of one export take all that they can
 * get, connections and regions, while the server is asked for statistics: what
 * they use is counted and not reserved for them, and a client of another export
 * gets its connection, its queues and its regions all the same.  Who is turned
 * away is logged once a second.  Lent memory is not part of a core dump.
 */
#include "serve.h"

#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "client/protocol.h"
#include "log-lines.h"

#define DESCRIPTORS 1024u
#define CROWD	    300u
#define GREEDY	    12u
#define REGIONS	    509u
#define USUAL	    32u
#define QUEUES	    16u

static int crowd[CROWD];
static struct client greedy[GREEDY];

/* A connection that was answered; -1: it was turned away. */
static int connect_idle(const char *path)
{
	static const uint32_t ask[3] = { VHOST_USER_GET_FEATURES, 1, 0 };
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timeval patience = { .tv_sec = 10 };
	char answer[20];

	strcpy(name.sun_path, path);
	CHECK(fd >= 0 &&
		      connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0,
	      "no connection");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (send(fd, ask, sizeof(ask), MSG_NOSIGNAL) == sizeof(ask) &&
	    recv(fd, answer, sizeof(answer), MSG_WAITALL) == sizeof(answer))
		return fd;
	close(fd);
	return -1;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Asks for statistics by a signal, and waits for them. */
static void ask_for_statistics(void)
{
	int tries = 0;

	unlink(backend.stats_path);
	kill(backend.pid, SIGUSR1);
	while (access(backend.stats_path, F_OK) < 0) {
		CHECK(tries++ < 2000, "no statistics");
		poll(NULL, 0, 5);
	}
}

static void idle_crowd(void)
{
	uint64_t began = now_ms();
	uint32_t before = lines_in_log("was turned away");
	uint32_t served = 0, seconds, lines;

	for (uint32_t i = 0; i < CROWD; i++) {
		crowd[i] = connect_idle(backend.exports[0].socket_path);
		served += crowd[i] >= 0;
	}
	seconds = (uint32_t)((now_ms() - began) / 1000) + 2;
	printf("%u of %u idle clients, the server has %u descriptors\n", served,
	       CROWD, backend_descriptors(&backend));
	CHECK(served >= 50, "%u of %u descriptors are for %u clients",
	      backend_descriptors(&backend), DESCRIPTORS, served);
	CHECK(served < CROWD, "nobody was turned away");
	lines = lines_in_log("was turned away") - before;
	CHECK(before + lines > 0 && lines <= seconds, "%u lines in %u seconds",
	      lines, seconds);
	CHECK(lines_in_log("have the file descriptors, see ulimit -n") ==
		      before + lines,
	      "no line names the limit");
}

static void end_crowd(uint32_t first)
{
	for (uint32_t i = first; i < CROWD; i++) {
		if (crowd[i] >= 0)
			close(crowd[i]);
		crowd[i] = -1;
	}
}

/* Lends the same memory under many names, until it is refused. */
static uint32_t lend_all(struct client *client)
{
	uint32_t lent = 0;

	client->options.region_count = REGIONS;
	for (uint32_t i = 0; i < REGIONS; i++) {
		if (client->regions[i].lent)
			continue;
		client->regions[i] = client->regions[0];
		client->regions[i].address += (uint64_t)i << 32;
		client->regions[i].host += (uint64_t)i << 32;
		client->regions[i].lent = false;
		if (client_lend(client, i))
			return lent;
		lent++;
	}
	return lent;
}

static void take_all_regions(void)
{
	struct client_options options = {
		.socket_path = backend.exports[0].socket_path,
		.region_count = 2,
		.timeout_ms = 10000,
	};
	uint32_t lent = 0;

	for (uint32_t i = 0; i < GREEDY; i++) {
		greedy[i].socket = -1;
		if (client_open(&greedy[i], &options))
			continue;
		lent += lend_all(&greedy[i]);
		ask_for_statistics();
	}
	printf("%u regions were taken\n", lent);
	CHECK(lent > USUAL, "%u regions were taken", lent);
}

static void end_greedy(void)
{
	for (uint32_t i = 0; i < GREEDY; i++) {
		for (uint32_t r = 1; r < REGIONS; r++)
			memset(&greedy[i].regions[r], 0,
			       sizeof(greedy[i].regions[r]));
		if (greedy[i].socket >= 0)
			client_close(&greedy[i]);
	}
}

/* Each mapping of a memfd of ours has the flag `dd`. */
static void check_dumps(void)
{
	char path[60], line[600];
	bool of_client = false;
	uint32_t checked = 0;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/smaps", (int)backend.pid);
	maps = fopen(path, "re");
	while (maps && fgets(line, sizeof(line), maps)) {
		if (strstr(line, "/memfd:"))
			of_client = true;
		if (strncmp(line, "VmFlags:", 8) != 0)
			continue;
		if (of_client) {
			checked++;
			CHECK(strstr(line, " dd"), "lent memory is dumped: %s",
			      line);
		}
		of_client = false;
	}
	if (maps)
		fclose(maps);
	CHECK(checked >= USUAL, "%u mappings were found", checked);
}

static void another_owner(void)
{
	const struct client_options options = {
		.socket_path = backend.exports[1].socket_path,
		.region_count = USUAL,
		.region_size = 256u << 10,
		.queue_count = QUEUES,
		.sparse = true,
		.timeout_ms = 10000,
	};
	static struct client client;

	CHECK(client_open(&client, &options) == 0, "another owner: %s",
	      client.error);
	DO(&client, client_start(&client));
	for (uint32_t i = 0; i < QUEUES; i++)
		CHECK(client_io(&client, i, VIRTIO_BLK_T_IN, 0, 4096) == 0,
		      "queue %u: %s", i, client.error);
	check_dumps();
	client_close(&client);
}

int main(void)
{
	const struct rlimit few = { DESCRIPTORS, DESCRIPTORS };

	serve_init(60);
	backend_add(&backend, NULL, 1u << 20);
	backend_add(&backend, NULL, 1u << 20);
	backend.clients = 1000;
	/* The server inherits it. */
	CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0, "setrlimit");
	serve_start();
	idle_crowd();
	another_owner();
	end_crowd(10);
	take_all_regions();
	another_owner();
	end_greedy();
	end_crowd(0);
	/* What they took came back. */
	idle_crowd();
	another_owner();
	end_crowd(0);
	return serve_end();
}
