/* SPDX-License-Identifier: MIT */
/* Whole acts: requests in flight on every queue, and then the harm. */
#include "client/hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/protocol.h"

static uint32_t rings_region(void)
{
	return 0;
}

static uint32_t control_region(const struct client *client)
{
	return client->options.region_count > 1;
}

static uint32_t data_region(const struct client *client, uint64_t random)
{
	uint32_t count = client->options.region_count;

	return count > 2 ? 2 + (uint32_t)(random >> 32) % (count - 2)
			 : count - 1;
}

int hostile_load(struct client *client, uint64_t random)
{
	uint32_t sectors = client->options.buffer_size / CLIENT_SECTOR, i, j;
	uint64_t room = client->capacity / sectors;

	if (room == 0)
		return client_fail(client, "the disk is too small");
	for (i = 0; i < client->options.queue_count; i++) {
		for (j = 0; j < client->options.depth; j++) {
			uint64_t draw = hostile_random(&random);

			if (client->queues[i].slots[j].busy)
				continue;
			if (client_submit(client, i, j,
					  draw & 1 ? VIRTIO_BLK_T_IN
						   : VIRTIO_BLK_T_OUT,
					  (draw >> 1) % room * sectors,
					  client->options.buffer_size))
				return -1;
		}
		if (client_kick(client, i))
			return -1;
	}
	return 0;
}

static int truncate_data(struct client *client, uint64_t random)
{
	if (hostile_load(client, random))
		return -1;
	return hostile_truncate(client, data_region(client, random), 0);
}

static int truncate_part(struct client *client, uint64_t random)
{
	uint32_t region = data_region(client, random);

	if (hostile_load(client, random))
		return -1;
	return hostile_truncate(client, region,
				client->regions[region].size / 8 *
					(random % 8));
}

static int truncate_rings(struct client *client, uint64_t random)
{
	if (hostile_load(client, random))
		return -1;
	return hostile_truncate(client, rings_region(), 0);
}

static int truncate_status(struct client *client, uint64_t random)
{
	if (hostile_load(client, random))
		return -1;
	return hostile_truncate(client, control_region(client), 0);
}

static int truncate_all(struct client *client, uint64_t random)
{
	uint32_t i;

	if (hostile_load(client, random))
		return -1;
	for (i = 0; i < client->options.region_count; i++)
		if (hostile_truncate(client, i, 0))
			return -1;
	return 0;
}

/* Taken away before the server learns of the requests. */
static int truncate_before(struct client *client, uint64_t random)
{
	uint32_t region = data_region(client, random);
	bool own = region == 0;

	if (client_submit(client, 0, 0, VIRTIO_BLK_T_IN, 0,
			  client->options.buffer_size) ||
	    hostile_truncate(client, own ? 0 : region, 0))
		return -1;
	return own ? 0 : client_kick(client, 0);
}

static int shrink_and_grow(struct client *client, uint64_t random)
{
	int i;

	if (hostile_load(client, random))
		return -1;
	for (i = 0; i < 4; i++)
		if (hostile_shrink_and_grow(client,
					    data_region(client, random << i)))
			return -1;
	return 0;
}

static int punch_data(struct client *client, uint64_t random)
{
	uint32_t region = data_region(client, random);

	if (hostile_load(client, random))
		return -1;
	return hostile_punch(client, region, 0, client->regions[region].size);
}

static int punch_rings(struct client *client, uint64_t random)
{
	if (hostile_load(client, random))
		return -1;
	return hostile_punch(client, 0, 0, client->regions[0].size);
}

static int spoil_read(struct client *client, uint64_t random)
{
	return hostile_chain(client,
			     (enum hostile_chain)(random % HOSTILE_CHAINS),
			     VIRTIO_BLK_T_IN);
}

static int spoil_write(struct client *client, uint64_t random)
{
	return hostile_chain(client,
			     (enum hostile_chain)(random % HOSTILE_CHAINS),
			     VIRTIO_BLK_T_OUT);
}

static int bad_message(struct client *client, uint64_t random)
{
	if (hostile_load(client, random))
		return -1;
	return hostile_message(
		client, (enum hostile_message)(random % HOSTILE_MESSAGES));
}

static int clog_call(struct client *client, uint64_t random)
{
	if (hostile_clog(client, 0))
		return -1;
	return hostile_load(client, random);
}

static int vanish(struct client *client, uint64_t random)
{
	if (hostile_load(client, random))
		return -1;
	client_hang_up(client);
	return 0;
}

static int withdraw_busy(struct client *client, uint64_t random)
{
	uint32_t region = data_region(client, random);

	if (hostile_load(client, random))
		return -1;
	/* A refusal is an answer too. */
	client_take_back(client, region);
	return client->lost ? 0 : hostile_truncate(client, region, 0);
}

const struct hostile_act hostile_acts[] = {
	{ "truncate-data", true, truncate_data },
	{ "truncate-part", true, truncate_part },
	{ "truncate-rings", true, truncate_rings },
	{ "truncate-status", true, truncate_status },
	{ "truncate-all", true, truncate_all },
	{ "truncate-before", true, truncate_before },
	{ "shrink-and-grow", true, shrink_and_grow },
	{ "punch-data", true, punch_data },
	{ "punch-rings", true, punch_rings },
	{ "withdraw-busy", true, withdraw_busy },
	{ "spoil-read", false, spoil_read },
	{ "spoil-write", false, spoil_write },
	{ "bad-message", false, bad_message },
	{ "clog-call", false, clog_call },
	{ "vanish", false, vanish },
};

const uint32_t hostile_act_count =
	sizeof(hostile_acts) / sizeof(hostile_acts[0]);

int hostile_round(const struct client_options *options,
		  const struct hostile_act *act, uint64_t random, bool die,
		  char *error)
{
	struct pollfd poller = { .events = POLLRDHUP };
	struct client client;
	bool acted;

	if (client_open(&client, options)) {
		memcpy(error, client.error, sizeof(client.error));
		return -1;
	}
	if (client_start(&client)) {
		memcpy(error, client.error, sizeof(client.error));
		client_close(&client);
		return 0;
	}
	/* What it says of its own failures is of no interest: the server may
	 * hang up at any point of it. */
	acted = act->run(&client, random) == 0;
	/* Until the server hangs up, or a few milliseconds. */
	poller.fd = client.socket;
	poll(&poller, 1, (int)(random >> 40) % 4);
	if (die && acted)
		raise(SIGKILL);
	client_close(&client);
	return acted ? 2 : 1;
}

static int send_memory(struct client *client, enum hostile_message kind)
{
	const struct client_region *region = &client->regions[0];
	struct vhost_user_one_region one = {
		.region = {
			.guest_address = 0x100000,
			.size = region->size,
			.user_address = 0x100000,
		},
	};
	int fds[VHOST_USER_FDS_MAX], pipes[2], result;
	uint32_t count = 1, i;

	if (pipe2(pipes, O_CLOEXEC))
		return client_fail(client, "no pipe");
	for (i = 0; i < VHOST_USER_FDS_MAX; i++)
		fds[i] = region->fd;
	if (kind == HOSTILE_MESSAGE_NO_FD)
		count = 0;
	else if (kind == HOSTILE_MESSAGE_PIPE)
		fds[0] = pipes[0];
	else if (kind == HOSTILE_MESSAGE_FDS)
		count = VHOST_USER_FDS_MAX;
	else if (kind == HOSTILE_MESSAGE_TWICE)
		one.region.guest_address = region->address;
	else if (kind == HOSTILE_MESSAGE_WRAP)
		one.region.file_offset = 0xfffffffffffff000ull;
	else if (kind == HOSTILE_MESSAGE_BEYOND)
		one.region.size *= 1024;
	result = client_send(client, VHOST_USER_ADD_MEM_REG, 0, &one,
			     sizeof(one), fds, count);
	close(pipes[0]);
	close(pipes[1]);
	return result;
}

/* Stop the ring, as one may, and start it with sizes that no ring has. */
static int restart_ring(struct client *client)
{
	static const uint32_t sizes[] = { 3, 0, 65536, 0xffffffff };
	struct vhost_user_vring_state state = { .index = 0 };
	uint64_t number = 0;
	uint32_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		state.number = 0;
		if (client_send(client, VHOST_USER_GET_VRING_BASE, 0, &state,
				sizeof(state), NULL, 0))
			return -1;
		state.number = sizes[i];
		if (client_send(client, VHOST_USER_SET_VRING_NUM, 0, &state,
				sizeof(state), NULL, 0) ||
		    client_send(client, VHOST_USER_SET_VRING_KICK, 0, &number,
				sizeof(number), &client->queues[0].kick_fd,
				1) ||
		    client_kick(client, 0))
			return -1;
	}
	return 0;
}

static int send_ring(struct client *client, enum hostile_message kind)
{
	struct vhost_user_vring_state state = { .index = 0, .number = 3 };
	struct vhost_user_vring_address address = {
		.descriptors = 0x10,
		.used = 0x20,
		.available = 0x30,
	};

	switch (kind) {
	case HOSTILE_MESSAGE_RING_SIZE:
		return restart_ring(client);
	case HOSTILE_MESSAGE_QUEUE:
		state.index = 0xffffff;
		return client_send(client, VHOST_USER_SET_VRING_NUM, 0, &state,
				   sizeof(state), NULL, 0);
	case HOSTILE_MESSAGE_RING_ODD:
		address.descriptors = (uintptr_t)client->regions[0].host + 1;
		address.used = address.descriptors + 4096;
		address.available = address.used + 4096;
		/* fall through */
	case HOSTILE_MESSAGE_RING_WILD:
		return client_send(client, VHOST_USER_SET_VRING_ADDR, 0,
				   &address, sizeof(address), NULL, 0);
	default: /* HOSTILE_MESSAGE_REBASE */
		state.number = 0x8000;
		return client_send(client, VHOST_USER_SET_VRING_BASE, 0, &state,
				   sizeof(state), NULL, 0);
	}
}

static int send_flood(struct client *client)
{
	uint32_t i;

	/* Until nothing more goes in: then the server has stopped reading, or
	 * has hung up, and both are right. */
	for (i = 0; i < 4096; i++) {
		uint32_t timeout_ms = client->options.timeout_ms;
		int result;

		client->options.timeout_ms = 10;
		result = client_send(client, VHOST_USER_GET_FEATURES, 0, NULL,
				     0, NULL, 0);
		client->options.timeout_ms = timeout_ms;
		if (result)
			break;
	}
	return 0;
}

static int send_bytes(struct client *client, const void *bytes, size_t size)
{
	if (send(client->socket, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return client_fail(client, "send: %s", strerror(errno));
	return 0;
}

int hostile_message(struct client *client, enum hostile_message kind)
{
	uint64_t bytes[4] = { 0 };
	struct vhost_user_header header = {
		.request = VHOST_USER_SET_FEATURES,
		.flags = VHOST_USER_VERSION,
		.size = 8,
	};

	switch (kind) {
	case HOSTILE_MESSAGE_UNKNOWN:
		return client_send(client, 0xbad, 0, bytes, 8, NULL, 0);
	case HOSTILE_MESSAGE_VERSION:
		return client_send(client, VHOST_USER_SET_FEATURES, 2, bytes, 8,
				   NULL, 0);
	case HOSTILE_MESSAGE_HUGE:
		header.size = 0xffffffff;
		return send_bytes(client, &header, sizeof(header));
	case HOSTILE_MESSAGE_CUT:
		return send_bytes(client, &header, 5);
	case HOSTILE_MESSAGE_SHORT:
		return client_send(client, VHOST_USER_SET_VRING_ADDR, 0, bytes,
				   8, NULL, 0);
	case HOSTILE_MESSAGE_REPLY:
		return client_send(client, VHOST_USER_GET_FEATURES,
				   VHOST_USER_REPLY, bytes, 8, NULL, 0);
	case HOSTILE_MESSAGE_FLOOD:
		return send_flood(client);
	case HOSTILE_MESSAGE_NO_FD:
	case HOSTILE_MESSAGE_PIPE:
	case HOSTILE_MESSAGE_FDS:
	case HOSTILE_MESSAGE_TWICE:
	case HOSTILE_MESSAGE_WRAP:
	case HOSTILE_MESSAGE_BEYOND:
		return send_memory(client, kind);
	default:
		return send_ring(client, kind);
	}
}

/* Of each layout, in few and in many pieces. */
static const struct client_options lendings[] = {
	{ .region_count = 3, .depth = 16, .buffer_size = 65536 },
	{ .region_count = 3,
	  .depth = 16,
	  .buffer_size = 65536,
	  .indirect = true },
	{ .region_count = 1,
	  .depth = 4,
	  .buffer_size = 16384,
	  .mem_table = true },
	{ .region_count = 2, .depth = 8, .buffer_size = 262144, .segments = 4 },
	{ .region_count = 3,
	  .depth = 16,
	  .buffer_size = 65536,
	  .packed = true,
	  .event_idx = true },
	{ .region_count = 2,
	  .depth = 8,
	  .buffer_size = 65536,
	  .packed = true,
	  .indirect = true },
	{ .region_count = 2,
	  .depth = 8,
	  .buffer_size = 65536,
	  .inflight = true },
};

struct client_options hostile_lending(uint64_t random)
{
	return lendings[random % (sizeof(lendings) / sizeof(lendings[0]))];
}
