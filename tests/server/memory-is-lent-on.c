// SPDX-License-Identifier: MIT
/*
 * G8, G9: clients' memory that the server lends on to a device, by a store over
 * a simulated one.  Memory is used when it is pinned, and others are served
 * while it is; a message that takes it back is acknowledged when the device can
 * no longer reach it, in bounded time also with commands that are stuck, and
 * then not one byte is written; what nobody vouches for is never acknowledged;
 * a client that is gone keeps its number until its memory has left.
 */
#include "serve.h"

#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "client/protocol.h"

#include "store/null.h"
#include "store/options.h"
#include "tests/iommu/lending-store.h"
#include "vhost/server.h"

#define SIZE	 4096u
#define DEPTH	 6u
#define DISK	 (1u << 20)
#define REGION	 (64u << 10)
#define DRAIN_MS 250
#define LOOK_MS	 20 /* a look before the deadline */
#define PAST_MS	 (4 * DRAIN_MS)
#define SLACK_MS 20000 /* on a machine that has other things to do */
#define OWN	 0xa5

static struct vhost_server *server;
static struct lending_store lending;
static struct store *null;
static char paths[2][100];
static struct counters sum; /* of the lending store's clients … */
static int ask_fd, told_fd; /* … once this was read, and that written */

static void *run(void *argument)
{
	(void)argument;
	vhost_server_run(server);
	return NULL;
}

static void check_store(void)
{
	struct lending_control control = lending_look(&lending);

	CHECK(!control.wrong, "%s", control.wrong);
}

/* Wait until the store is as wanted. */
static void await(bool (*is)(const struct lending_control *), const char *what)
{
	uint64_t end = client_now_ns() + SLACK_MS * 1000000ull;
	struct lending_control control = lending_look(&lending);

	while (!is(&control)) {
		CHECK(client_now_ns() < end, "not so in time: %s", what);
		poll(NULL, 0, 1);
		control = lending_look(&lending);
	}
}

static bool is_full(const struct lending_control *control)
{
	return control->in_flight == DEPTH;
}

static bool holds_some(const struct lending_control *control)
{
	return control->held > 0;
}

/* What statistics say of all clients of the lending store. */
static void add_up(void *argument, const struct vhost_export_stats *stats)
{
	if (strcmp(stats->name, "lending") == 0)
		*(struct counters *)argument = stats->counters;
}

static void pass(void *argument, const struct vhost_client_stats *stats)
{
	(void)argument;
	(void)stats;
}

/* On the thread that runs the server. */
static void look_at_all(void *argument)
{
	const struct vhost_stats_visitor visitor = { add_up, pass, argument };
	eventfd_t asked;

	CHECK(eventfd_read(ask_fd, &asked) == 0, "asked");
	vhost_server_visit(server, &visitor);
	CHECK(eventfd_write(told_fd, 1) == 0, "told");
}

static struct counters counted(void)
{
	eventfd_t told;

	CHECK(eventfd_write(ask_fd, 1) == 0 &&
		      eventfd_read(told_fd, &told) == 0,
	      "no statistics");
	return sum;
}

/* Wait until so many bytes are in each state. */
static void await_bytes(uint64_t pinned, uint64_t leaving, uint64_t condemned)
{
	uint64_t end = client_now_ns() + SLACK_MS * 1000000ull;
	struct counters now = counted();

	while (now.pinned != pinned || now.leaving != leaving ||
	       now.condemned != condemned) {
		CHECK(client_now_ns() < end,
		      "%" PRIu64 " pinned, %" PRIu64 " quiet, %" PRIu64
		      " condemned",
		      now.pinned, now.leaving, now.condemned);
		poll(NULL, 0, 1);
		now = counted();
	}
}

static bool is_closed(const struct lending_control *control)
{
	return !control->open;
}

/* No client is there: the next finds a device like this. */
static void begin(bool hangs, uint64_t quota)
{
	const struct sim_manner manner = { .hangs = hangs ? SIM_NEVER : 0 };

	lending_configure(&lending, quota, &manner);
}

static void end(void)
{
	await(is_closed, "the store is closed");
	check_store();
}

static void open_client(struct client *client, uint32_t regions)
{
	const struct client_options options = {
		.socket_path = paths[0],
		.region_count = regions,
		.region_size = REGION,
		.depth = DEPTH,
		.buffer_size = SIZE,
		.timeout_ms = SLACK_MS,
	};

	CHECK(client_open(client, &options) == 0, "open: %s", client->error);
	DO(client, client_start(client));
}

static void write_and_read(struct client *client, uint32_t sector)
{
	uint8_t *data = client_data(client, 0, 0);

	client_pattern(data, SIZE, 7, sector);
	CHECK(client_io(client, 0, VIRTIO_BLK_T_OUT, sector, SIZE) == 0,
	      "a write: %s", client->error);
	memset(data, 0, SIZE);
	CHECK(client_io(client, 0, VIRTIO_BLK_T_IN, sector, SIZE) == 0,
	      "a read: %s", client->error);
	CHECK(client_verify(data, SIZE, 7, sector) == SIZE, "wrong data");
}

static bool answered(const struct client *client, int timeout_ms)
{
	struct pollfd poller = { .fd = client->socket, .events = POLLIN };

	return poll(&poller, 1, timeout_ms) == 1;
}

static void load(struct client *client)
{
	for (uint32_t i = 0; i < DEPTH; i++)
		DO(client,
		   client_submit(client, 0, i, VIRTIO_BLK_T_IN, i * 8, SIZE));
	DO(client, client_kick(client, 0));
	await(is_full, "its requests are in the store");
}

static void fill(struct client *client, uint32_t region)
{
	memset(client->regions[region].host, OWN, client->regions[region].size);
}

static void check_untouched(struct client *client, uint32_t region,
			    const char *after)
{
	const struct client_region *memory = &client->regions[region];

	/* That nothing happens is no event: the only thing to do is to wait. */
	poll(NULL, 0, 50);
	for (uint64_t i = 0; i < memory->size; i++)
		CHECK(memory->host[i] == OWN, "after %s: byte %llu was written",
		      after, (unsigned long long)i);
}

/* Ask for a region to be taken, or to be lent again, and wait for nothing. */
static void ask(struct client *client, uint32_t request, uint32_t region)
{
	const struct client_region *memory = &client->regions[region];
	const struct vhost_user_one_region one = {
		.region = { .guest_address = memory->address,
			    .size = memory->size,
			    .user_address = (uintptr_t)memory->host },
	};

	DO(client, client_send(client, request, VHOST_USER_NEED_REPLY, &one,
			       sizeof(one), &memory->lent_fd,
			       request == VHOST_USER_ADD_MEM_REG));
}

static void take_answer(struct client *client, uint32_t request,
			uint64_t expected)
{
	uint64_t failed = 99;

	DO(client,
	   client_receive(client, request, &failed, sizeof(failed), NULL));
	CHECK(failed == expected, "answered by %llu",
	      (unsigned long long)failed);
}

static uint32_t count_failed(struct client *client)
{
	struct client_completion done;
	uint32_t failed = 0;

	while (client->queues[0].busy) {
		CHECK(client_wait(client, 0, &done, SLACK_MS) == 1,
		      "a request never ended: %s", client->error);
		failed += done.status != VIRTIO_BLK_S_OK;
	}
	return failed;
}

/* A client of the same worker, on a store that lends nothing. */
static void neighbour_is_served(const char *when)
{
	const struct client_options options = { .socket_path = paths[1],
						.buffer_size = SIZE,
						.timeout_ms = SLACK_MS };
	struct client client;

	CHECK(client_open(&client, &options) == 0, "%s: %s", when,
	      client.error);
	DO(&client, client_start(&client));
	CHECK(client_io(&client, 0, VIRTIO_BLK_T_IN, 0, SIZE) == 0,
	      "%s: the neighbour is not served", when);
	client_close(&client);
}

/* Adding waits for the pin, and nobody else does. */
static void adding_waits(void)
{
	struct client client;
	uint64_t before;

	begin(false, 1 << 30);
	open_client(&client, 4);
	write_and_read(&client, 8);
	await_bytes(4 * REGION, 0, 0);
	DO(&client, client_take_back(&client, 3));
	await_bytes(3 * REGION, 0, 0);
	lending_hold(&lending, true, false, false);
	before = counted().pin_ms;
	ask(&client, VHOST_USER_ADD_MEM_REG, 3);
	neighbour_is_served("memory is pinned");
	CHECK(!answered(&client, LOOK_MS), "acknowledged before it was pinned");
	lending_hold(&lending, false, false, false);
	take_answer(&client, VHOST_USER_ADD_MEM_REG, 0);
	CHECK(counted().pin_ms >= before + 10, "the wait was not counted");
	write_and_read(&client, 16);
	client_close(&client);
	end();
}

/* Too long: the client is ended without an acknowledgement, when the device has
 * let go of its memory. */
static void pinning_takes_too_long(void)
{
	struct client client;
	char byte;

	begin(false, 1 << 30);
	open_client(&client, 3);
	DO(&client, client_take_back(&client, 2));
	lending_hold(&lending, true, false, false);
	ask(&client, VHOST_USER_ADD_MEM_REG, 2);
	CHECK(!answered(&client, PAST_MS),
	      "an answer, or an end, while the device can reach the memory");
	neighbour_is_served("memory is pinned for ever");
	lending_hold(&lending, false, false, false);
	CHECK(answered(&client, SLACK_MS), "not let go");
	CHECK(recv(client.socket, &byte, 1, 0) <= 0, "acknowledged");
	client_close(&client);
	end();
}

static bool has_four_mapped(const struct lending_control *control)
{
	return control->mappings == 4;
}

static bool has_three_mapped(const struct lending_control *control)
{
	return control->mappings == 3;
}

/* What is cut while it is pinned is not taken, and leaves the device. */
static void cut_while_it_is_pinned(void)
{
	struct client client;

	begin(false, 1 << 30);
	open_client(&client, 4);
	write_and_read(&client, 8);
	DO(&client, client_take_back(&client, 3));
	await(has_three_mapped, "a region was taken back");
	lending_hold(&lending, true, false, false);
	ask(&client, VHOST_USER_ADD_MEM_REG, 3);
	await(has_four_mapped, "it is pinned");
	CHECK(ftruncate(client.regions[3].fd, 0) == 0, "truncate");
	lending_hold(&lending, false, false, false);
	take_answer(&client, VHOST_USER_ADD_MEM_REG, 1);
	await(has_three_mapped, "it was unmapped");
	write_and_read(&client, 16);
	client_close(&client);
	end();
}

/* Taking back waits for the unmap, with nothing in flight. */
static void taking_back_waits(void)
{
	struct client client;

	begin(false, 1 << 30);
	open_client(&client, 3);
	write_and_read(&client, 8);
	lending_hold(&lending, false, true, false);
	ask(&client, VHOST_USER_REM_MEM_REG, 2);
	neighbour_is_served("memory is unmapped");
	CHECK(!answered(&client, LOOK_MS),
	      "acknowledged while the device can reach it");
	lending_hold(&lending, false, false, false);
	take_answer(&client, VHOST_USER_REM_MEM_REG, 0);
	client_close(&client);
	end();
}

/* Its reads are stuck in the device: it is made to forget them. */
static void stuck_reads_are_ended(void)
{
	struct lending_control control;
	struct client client;

	begin(true, 1 << 30);
	open_client(&client, 3);
	lending_hold(&lending, false, false, true);
	load(&client);
	ask(&client, VHOST_USER_REM_MEM_REG, 2);
	CHECK(!answered(&client, LOOK_MS), "acknowledged with reads in flight");
	/* From now on it works, but for what hangs until it is reset. */
	lending_hold(&lending, false, false, false);
	take_answer(&client, VHOST_USER_REM_MEM_REG, 0);
	fill(&client, 2);
	CHECK(count_failed(&client) > 0, "nothing was stuck");
	check_untouched(&client, 2, "stuck reads were ended");
	client_close(&client);
	end();
	control = lending_look(&lending);
	CHECK(control.counts.quiesced[IOMMU_DEVICE] > 0,
	      "the device was not reset");
}

/* More than may be pinned: that is refused, and what was lent before stays. */
static void too_much_is_refused(void)
{
	const struct client_options options = {
		.socket_path = paths[0],
		.region_count = 3,
		.region_size = REGION,
		.buffer_size = SIZE,
		.timeout_ms = SLACK_MS,
		.mem_table = true,
	};
	struct client client;

	begin(false, 5 * REGION);
	CHECK(client_open(&client, &options) == 0, "open: %s", client.error);
	DO(&client, client_start(&client));
	write_and_read(&client, 8);
	/* A table is lent before the one that it replaces has left. */
	CHECK(client_lend_all(&client) != 0, "twice as much was pinned");
	write_and_read(&client, 8);
	client_close(&client);
	end();
	begin(false, 6 * REGION);
	CHECK(client_open(&client, &options) == 0, "open: %s", client.error);
	DO(&client, client_start(&client));
	DO(&client, client_lend_all(&client));
	write_and_read(&client, 8);
	client_close(&client);
	end();
}

static bool has_five_mapped(const struct lending_control *control)
{
	return control->mappings == 5;
}

/* The memory is cut, with reads in flight: they are no success, and the others
 * go on. */
static void cut_memory_is_taken_back(void)
{
	struct client client;
	struct client other;

	begin(false, 1 << 30);
	open_client(&client, 3);
	open_client(&other, 3);
	write_and_read(&other, 64);
	lending_hold(&lending, false, false, true);
	load(&client);
	CHECK(ftruncate(client.regions[2].fd, 0) == 0, "truncate");
	lending_hold(&lending, false, false, false);
	CHECK(count_failed(&client) == DEPTH, "success in memory that is gone");
	await(has_five_mapped, "what is gone has left the device");
	write_and_read(&other, 64);
	client_close(&client);
	client_close(&other);
	end();
}

/* A client is killed while its memory is in the device's reach: who comes next
 * has another number, and the memory leaves. */
static void killed_clients_keep_their_number(void)
{
	struct client client, next;

	begin(false, 1 << 30);
	open_client(&client, 3);
	lending_hold(&lending, false, true, false);
	client_hang_up(&client);
	await_bytes(0, 3 * REGION, 0);
	open_client(&next, 3);
	write_and_read(&next, 8);
	check_store();
	lending_hold(&lending, false, false, false);
	client_close(&client);
	client_close(&next);
	end();
}

/* Nothing ends its reads: it is never acknowledged, and its memory is held
 * until the device is closed. */
static void nobody_vouches(void)
{
	const struct sim_manner lost = {
		.hangs = SIM_NEVER,
		.no_queue = true,
		.no_disable = true,
		.no_reset = true,
	};
	struct client client;
	char byte;

	lending_configure(&lending, 1 << 30, &lost);
	open_client(&client, 3);
	lending_hold(&lending, false, false, true);
	load(&client);
	ask(&client, VHOST_USER_REM_MEM_REG, 2);
	await(holds_some, "the device is given up");
	neighbour_is_served("a device is lost");
	CHECK(!answered(&client, PAST_MS),
	      "an answer, or an end, while the device can reach the memory");
	await_bytes(0, 0, REGION);
	fill(&client, 2);
	check_untouched(&client, 2, "the device was given up");
	lending_bury(&lending);
	/* The end of the connection, and no acknowledgement. */
	CHECK(answered(&client, SLACK_MS), "not let go");
	CHECK(recv(client.socket, &byte, 1, 0) <= 0, "acknowledged");
	client_close(&client);
	end();
	await_bytes(0, 0, 0);
}

/* As the hardware of a store may do.  The lane of this one is woken all the
 * time while something is in flight. */
static void another_size_is_told(void)
{
	const struct client_options options = {
		.socket_path = paths[0],
		.buffer_size = SIZE,
		.timeout_ms = SLACK_MS,
		.channel = true,
	};
	struct client client;

	begin(false, 1 << 30);
	CHECK(client_open(&client, &options) == 0, "open: %s", client.error);
	DO(&client, client_start(&client));
	lending_hold(&lending, false, false, true);
	DO(&client, client_submit(&client, 0, 0, VIRTIO_BLK_T_IN, 8, SIZE));
	DO(&client, client_kick(&client, 0));
	store_set_capacity(&lending.store, DISK / 2);
	CHECK(client_await_change(&client, SLACK_MS) == 1, "not told: %s",
	      client.error);
	DO(&client, client_read_config(&client));
	CHECK(client.capacity == DISK / 2 / CLIENT_SECTOR, "%llu sectors",
	      (unsigned long long)client.capacity);
	lending_hold(&lending, false, false, false);
	CHECK(count_failed(&client) == 0, "a read failed");
	client_close(&client);
	end();
	store_set_capacity(&lending.store, DISK);
}

static void serve(void)
{
	const struct vhost_limits limits = { .drain_timeout_ms = DRAIN_MS };
	struct vhost_export_options exports[] = {
		{ .fd = -1, .name = "lending", .store = &lending.store },
		{ .fd = -1, .name = "null" },
	};
	const struct store_setting size = { "null", NULL, DISK };
	struct store_options options = { .read_only = false };
	struct vhost_watched watched = { -1, look_at_all, &sum };
	struct store_error why;
	struct vhost_error error;

	store_options_set(&options, &size);
	null = null_kind.open(&options, &why);
	CHECK(null, "%s", why.text);
	exports[1].store = null;
	server = vhost_server_new(&limits, &error);
	CHECK(server, "%s", error.text);
	for (uint32_t i = 0; i < 2; i++) {
		snprintf(paths[i], sizeof(paths[i]), "%s/socket%u",
			 backend.directory, i);
		exports[i].socket_path = paths[i];
		CHECK(vhost_server_add(server, &exports[i], &error), "%s",
		      error.text);
	}
	ask_fd = eventfd(0, EFD_CLOEXEC);
	told_fd = eventfd(0, EFD_CLOEXEC);
	CHECK(ask_fd >= 0 && told_fd >= 0, "an eventfd");
	watched.fd = ask_fd;
	vhost_server_watch(server, &watched);
	CHECK(vhost_server_start(server, &error), "%s", error.text);
}

int main(void)
{
	const struct lending_options options = {
		.drain_ms = DRAIN_MS / 2,
		.patience_ms = DRAIN_MS / 2,
	};
	pthread_t thread;

	serve_init(60);
	lending_open(&lending, DISK, &options);
	serve();
	CHECK(pthread_create(&thread, NULL, run, NULL) == 0, "thread");
	adding_waits();
	pinning_takes_too_long();
	cut_while_it_is_pinned();
	taking_back_waits();
	stuck_reads_are_ended();
	too_much_is_refused();
	cut_memory_is_taken_back();
	killed_clients_keep_their_number();
	another_size_is_told();
	nobody_vouches();
	vhost_server_interrupt(server);
	pthread_join(thread, NULL);
	vhost_server_free(server);
	null->ops->close(null);
	lending_close(&lending);
	backend_free(&backend);
	return 0;
}
