// SPDX-License-Identifier: MIT
/*
 * One thread keeps every queue of every client full: it takes completions,
 * refills the slots, publishes once, and goes on to the next queue.  A client
 * that polls makes no system call while there is work, unless the server asks
 * for a kick; one that sleeps makes two each time.
 */
#include "program/bench/bench.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Polls without a completion before the clock is read. */
#define IDLE_LOOKS 4096u

/* Completions to take before new requests are made available, so that the
 * server has work meanwhile. */
#define PIECE	  16u
#define EVENTS	  64
#define OF_CLIENT (1ull << 32)

int load_fail(struct load *load, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(load->error, sizeof(load->error), format, args);
	va_end(args);
	return -1;
}

static int watch(struct load *load, int fd, uint32_t events, uint64_t mark)
{
	struct epoll_event event = { .events = events, .data.u64 = mark };

	if (epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD, fd, &event))
		return load_fail(load, "epoll: %s", strerror(errno));
	return 0;
}

static int open_lane(struct load *load, struct client *client, uint32_t queue)
{
	struct lane *lane = &load->lanes[load->lane_count];
	uint32_t depth = load->options->depth, i;

	if (burst_init(&lane->burst, client, queue))
		return load_fail(load, "%s", client->error);
	load->lane_count++;
	lane->requests = calloc(depth, sizeof(*lane->requests));
	lane->started_ns = calloc(depth, sizeof(*lane->started_ns));
	lane->free_slots = calloc(depth, sizeof(*lane->free_slots));
	if (!lane->requests || !lane->started_ns || !lane->free_slots)
		return load_fail(load, "no memory for depth %u", depth);
	for (i = 0; i < depth; i++)
		lane->free_slots[lane->free_count++] = i;
	/* Edge-triggered: the descriptor need not be read. */
	return load->options->polling
		       ? 0
		       : watch(load, lane->burst.queue->call_fd,
			       EPOLLIN | EPOLLET, load->lane_count - 1);
}

static int open_client(struct load *load)
{
	const struct bench_options *options = load->options;
	struct client *client = &load->clients[load->client_count];
	struct client_options wanted = {
		.socket_path = options->socket_path,
		.queue_count = options->queues,
		.depth = options->depth,
		.buffer_size = options->block_size,
		.timeout_ms = options->timeout_ms,
		.event_idx = !options->no_event_idx,
		.packed = options->packed,
		.polling = options->polling,
	};
	uint32_t queue;

	if (client_open(client, &wanted))
		return load_fail(load, "%s", client->error);
	load->client_count++;
	for (queue = 0; queue < options->queues; queue++)
		if (open_lane(load, client, queue))
			return -1;
	if (client_start(client))
		return load_fail(load, "%s", client->error);
	return watch(load, client->socket, EPOLLRDHUP,
		     OF_CLIENT | (load->client_count - 1));
}

/* A client has descriptors for a socket, its memory and two per queue. */
static void raise_limit(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

static int check_disk(struct load *load)
{
	const struct bench_options *options = load->options;
	uint64_t capacity = load->clients[0].capacity * CLIENT_SECTOR;
	uint64_t requests =
		(uint64_t)options->clients * options->queues * options->depth;

	if (options->area > capacity)
		return load_fail(load, "--area=%llu: the disk has %llu bytes",
				 (unsigned long long)options->area,
				 (unsigned long long)capacity);
	if (client_has(&load->clients[0], VIRTIO_BLK_F_RO) &&
	    (options->verify || options->read_share < 100))
		return load_fail(load, "the disk is read-only; expected --read="
				       "100, and no --verify");
	if (disk_init(&load->disk, options, capacity))
		return load_fail(load, "no memory to verify an area so large");
	if (load->disk.block_count == 0)
		return load_fail(load,
				 "no block of %u bytes fits into the area",
				 options->block_size);
	if (options->verify && load->disk.block_count <= requests)
		return load_fail(load,
				 "%llu blocks are too few to verify %llu "
				 "requests in flight",
				 (unsigned long long)load->disk.block_count,
				 (unsigned long long)requests);
	return 0;
}

/* The process that listens, or the one of --pid. */
static void find_server(struct load *load)
{
	struct ucred who = { .pid = 0 };
	socklen_t size = sizeof(who);

	load->server = load->options->pid;
	if (load->server == 0 && getsockopt(load->clients[0].socket, SOL_SOCKET,
					    SO_PEERCRED, &who, &size) == 0)
		load->server = who.pid;
}

int load_open(struct load *load, const struct bench_options *options)
{
	uint32_t i;

	load->options = options;
	raise_limit();
	load->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	load->clients = calloc(options->clients, sizeof(*load->clients));
	load->lanes = calloc((size_t)options->clients * options->queues,
			     sizeof(*load->lanes));
	if (load->epoll_fd < 0 || !load->clients || !load->lanes)
		return load_fail(load, "no memory for %u clients",
				 options->clients);
	for (i = 0; i < options->clients; i++)
		if (open_client(load))
			return -1;
	find_server(load);
	return check_disk(load);
}

void load_close(struct load *load)
{
	uint32_t i;

	for (i = 0; i < load->lane_count; i++) {
		burst_free(&load->lanes[i].burst);
		free(load->lanes[i].requests);
		free(load->lanes[i].started_ns);
		free(load->lanes[i].free_slots);
	}
	for (i = 0; i < load->client_count; i++)
		client_close(&load->clients[i]);
	free(load->lanes);
	free(load->clients);
	disk_free(&load->disk);
	if (load->epoll_fd >= 0)
		close(load->epoll_fd);
}

static bool more(const struct load *load, uint64_t now)
{
	return load->submitted < load->limit && now < load->end_ns;
}

/* Keeps a queue full. */
static int fill_lane(struct load *load, struct lane *lane, uint64_t now)
{
	struct disk_request request;
	bool any = false;

	while (lane->free_count > 0 && more(load, now) &&
	       disk_next(&load->disk, &request)) {
		uint32_t slot = lane->free_slots[--lane->free_count];

		disk_prepare(&load->disk, &request,
			     lane->burst.slots[slot].data);
		lane->requests[slot] = request;
		lane->started_ns[slot] = now;
		burst_put(&lane->burst, slot,
			  request.write ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN,
			  disk_sector(&load->disk, request.block));
		load->submitted++;
		load->in_flight++;
		any = true;
	}
	if (any && burst_publish(&lane->burst))
		return load_fail(load, "%s", lane->burst.client->error);
	return 0;
}

static int settle(struct load *load, struct lane *lane, uint32_t slot,
		  uint64_t now)
{
	const struct disk_request *request = &lane->requests[slot];
	const struct burst_slot *place = &lane->burst.slots[slot];
	const char *what = request->write ? "write" : "read";
	unsigned long long sector = disk_sector(&load->disk, request->block);
	size_t right;

	if (*place->status != VIRTIO_BLK_S_OK)
		return load_fail(load,
				 "a %s of %u bytes at sector %llu failed "
				 "with status %u",
				 what, load->disk.block_size, sector,
				 *place->status);
	right = disk_done(&load->disk, request, place->data);
	if (right < load->disk.block_size)
		return load_fail(load,
				 "a read at sector %llu gave other bytes "
				 "than were written, from byte %zu on",
				 sector, right);
	lane->free_slots[lane->free_count++] = slot;
	load->in_flight--;
	if (load->disk.phase != DISK_LOAD)
		return 0;
	latency_add(&load->latencies, now - lane->started_ns[slot]);
	if (request->write)
		load->writes++;
	else
		load->reads++;
	return 0;
}

/* Takes some completions and refills their slots.  1: there was a
 * completion. */
static int serve_lane(struct load *load, struct lane *lane)
{
	uint32_t slot;
	uint64_t now;
	int found;

	found = burst_take(&lane->burst, &slot);
	if (found == 0)
		return 0;
	now = client_now_ns();
	while (found == 1) {
		if (settle(load, lane, slot, now))
			return -1;
		found = lane->free_count < PIECE
				? burst_take(&lane->burst, &slot)
				: 0;
	}
	if (found < 0)
		return load_fail(load, "%s", lane->burst.client->error);
	load->answer_ns = now;
	return fill_lane(load, lane, now) ? -1 : 1;
}

/* Repeat until nothing has completed between the request for a call and the
 * check. */
static int serve_sleeper(struct load *load, struct lane *lane)
{
	int served;

	do {
		do
			served = serve_lane(load, lane);
		while (served > 0);
		if (served < 0)
			return -1;
		burst_want_call(&lane->burst);
		served = serve_lane(load, lane);
	} while (served > 0);
	return served;
}

static int check_answers(struct load *load)
{
	uint32_t ms = load->options->timeout_ms;

	if (client_now_ns() < load->answer_ns + ms * 1000000ull)
		return 0;
	return load_fail(load,
			 "%llu requests in flight, and no answer for "
			 "%u ms",
			 (unsigned long long)load->in_flight, ms);
}

static int take_events(struct load *load, int timeout_ms)
{
	struct epoll_event events[EVENTS];
	int count = epoll_wait(load->epoll_fd, events, EVENTS, timeout_ms), i;

	for (i = 0; i < count; i++) {
		uint64_t mark = events[i].data.u64;

		if (mark & OF_CLIENT)
			return load_fail(load, "the server hung up");
		if (serve_sleeper(load, &load->lanes[mark]))
			return -1;
	}
	return count > 0 ? 0 : check_answers(load);
}

static int sleep_round(struct load *load)
{
	load->sleeps++;
	return take_events(load, (int)load->options->timeout_ms);
}

static int poll_round(struct load *load)
{
	static uint32_t idle;
	bool any = false;
	uint32_t i;

	for (i = 0; i < load->lane_count; i++) {
		int served = serve_lane(load, &load->lanes[i]);

		if (served < 0)
			return -1;
		any |= served > 0;
	}
	if (any)
		return 0;
	/* The other thread of the core may run the server. */
	__builtin_ia32_pause();
	if (++idle % IDLE_LOOKS != 0)
		return 0;
	return take_events(load, 0);
}

static int run_phase(struct load *load, enum disk_phase phase, uint64_t limit,
		     uint64_t end_ns)
{
	uint64_t now = client_now_ns();
	uint32_t i;

	disk_begin(&load->disk, phase);
	load->submitted = 0;
	load->limit = limit;
	load->end_ns = end_ns;
	load->answer_ns = now;
	for (i = 0; i < load->lane_count; i++)
		if (fill_lane(load, &load->lanes[i], now) ||
		    (!load->options->polling &&
		     serve_sleeper(load, &load->lanes[i])))
			return -1;
	while (load->in_flight > 0)
		if (load->options->polling ? poll_round(load)
					   : sleep_round(load))
			return -1;
	return 0;
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec time = { 0, 0 };

	clock_gettime(clock, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static uint64_t count_kicks(const struct load *load)
{
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < load->lane_count; i++)
		sum += load->lanes[i].burst.queue->kicks;
	return sum;
}

static int measure(struct load *load)
{
	const struct bench_options *options = load->options;
	uint64_t start, server, client, kicks = count_kicks(load);
	clockid_t clock = CLOCK_MONOTONIC;

	/* The kernel counts all threads, including those that have ended. */
	load->server_known = load->server > 0 &&
			     clock_getcpuclockid(load->server, &clock) == 0;
	load->sleeps = 0;
	server = clock_ns(clock);
	client = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	start = client_now_ns();
	if (run_phase(load, DISK_LOAD,
		      options->request_limit ? options->request_limit
					     : UINT64_MAX,
		      start + options->duration_ms * 1000000ull))
		return -1;
	load->elapsed_ns = client_now_ns() - start;
	load->client_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - client;
	load->server_ns = clock_ns(clock) - server;
	load->kicks = count_kicks(load) - kicks;
	return 0;
}

int load_run(struct load *load)
{
	uint32_t i;

	if (load->options->verify) {
		if (run_phase(load, DISK_FILL, UINT64_MAX, UINT64_MAX))
			return -1;
		load->filled = load->submitted;
	}
	if (measure(load))
		return -1;
	if (load->options->verify) {
		if (run_phase(load, DISK_CHECK, UINT64_MAX, UINT64_MAX))
			return -1;
		load->checked = load->submitted;
	}
	for (i = 0; i < load->client_count; i++)
		if (client_stop(&load->clients[i]))
			return load_fail(load, "%s", load->clients[i].error);
	return 0;
}
