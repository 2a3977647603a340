/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/memory.h"
#include "client/protocol.h"

#define BIT(number) (1ull << (number))

static void set_defaults(struct client_options *options)
{
	uint32_t least;

	if (!options->region_count)
		options->region_count = 1;
	if (!options->queue_count)
		options->queue_count = 1;
	if (!options->depth)
		options->depth = 1;
	if (!options->buffer_size)
		options->buffer_size = 4096;
	if (!options->segments)
		options->segments = 1;
	if (!options->timeout_ms)
		options->timeout_ms = 20000;
	least = options->depth * (2 + options->segments);
	if (!options->queue_size)
		for (options->queue_size = 4; options->queue_size < least;)
			options->queue_size *= 2;
	if (!options->region_size)
		options->region_size = client_ring_need(options);
}

static int check_options(struct client *client)
{
	const struct client_options *options = &client->options;

	if (options->region_count > CLIENT_REGIONS_MAX ||
	    options->queue_count > CLIENT_QUEUES_MAX ||
	    options->segments > CLIENT_SEGMENTS_MAX)
		return client_fail(client, "too many regions, queues or "
					   "segments");
	if (options->queue_size > 32768 ||
	    options->queue_size < options->depth * (2 + options->segments))
		return client_fail(client,
				   "a queue of %u is too small (or "
				   "large) for depth %u",
				   options->queue_size, options->depth);
	return 0;
}

/* A listener whose backlog is full makes connect block: bound that too. */
static int join(struct client *client)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	const char *path = client->options.socket_path;
	struct timeval limit = {
		.tv_sec = client->options.timeout_ms / 1000,
		.tv_usec = client->options.timeout_ms % 1000 * 1000L,
	};

	if (strlen(path) >= sizeof(name.sun_path))
		return client_fail(client,
				   "expected a path of at most %zu bytes",
				   sizeof(name.sun_path) - 1);
	memcpy(name.sun_path, path, strlen(path) + 1);
	client->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (client->socket < 0)
		return client_fail(client, "socket: %s", strerror(errno));
	if (setsockopt(client->socket, SOL_SOCKET, SO_SNDTIMEO, &limit,
		       sizeof(limit)))
		return client_fail(client, "SO_SNDTIMEO: %s", strerror(errno));
	if (connect(client->socket, (struct sockaddr *)&name, sizeof(name)))
		return client_fail(client, "%s: %s", path, strerror(errno));
	client->lost = false;
	return 0;
}

static int agree_on_protocol(struct client *client)
{
	uint64_t wanted = BIT(VHOST_USER_PROTOCOL_F_MQ) |
			  BIT(VHOST_USER_PROTOCOL_F_LOG_SHMFD) |
			  BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK) |
			  BIT(VHOST_USER_PROTOCOL_F_CONFIG) |
			  BIT(VHOST_USER_PROTOCOL_F_STATUS);
	uint64_t offered;

	if (client->options.unacknowledged)
		wanted &= ~BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK);
	if (!client->options.mem_table)
		wanted |= BIT(VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS);
	if (client->options.channel || client->options.iommu)
		wanted |= BIT(VHOST_USER_PROTOCOL_F_BACKEND_REQ);
	if (client->options.inflight)
		wanted |= BIT(VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD);
	client->protocol = 0;
	if (client_ask(client, VHOST_USER_GET_PROTOCOL_FEATURES, NULL, 0,
		       &offered, sizeof(offered)))
		return -1;
	offered &= wanted;
	if (client_tell(client, VHOST_USER_SET_PROTOCOL_FEATURES, &offered,
			sizeof(offered), -1))
		return -1;
	client->protocol = offered;
	return 0;
}

/* The server gets one end of a pair, we keep the other. */
static int open_channel(struct client *client)
{
	int pair[2], failed;

	if (!(client->protocol & BIT(VHOST_USER_PROTOCOL_F_BACKEND_REQ)))
		return 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return client_fail(client, "socketpair: %s", strerror(errno));
	failed = client_tell(client, VHOST_USER_SET_BACKEND_REQ_FD, NULL, 0,
			     pair[1]);
	close(pair[1]);
	if (client->channel >= 0)
		close(client->channel);
	client->channel = pair[0];
	return failed;
}

int client_await_change(struct client *client, uint32_t timeout_ms)
{
	struct pollfd poller = { .fd = client->channel, .events = POLLIN };
	struct vhost_user_header header;

	if (client->channel < 0)
		return client_fail(client, "the server has no channel");
	if (poll(&poller, 1, (int)timeout_ms) != 1)
		return 0;
	if (recv(client->channel, &header, sizeof(header), MSG_WAITALL) !=
	    sizeof(header))
		return client_fail(client, "the channel is closed");
	if (header.request != VHOST_USER_BACKEND_CONFIG_CHANGE_MSG ||
	    header.flags != VHOST_USER_VERSION || header.size != 0)
		return client_fail(client, "message %u, flags %x, %u bytes",
				   header.request, header.flags, header.size);
	return 1;
}

int client_read_config(struct client *client)
{
	struct vhost_user_config asked = { .size = VHOST_USER_CONFIG_SIZE };
	struct vhost_user_config answer;
	__virtio64 capacity;

	if (!(client->protocol & BIT(VHOST_USER_PROTOCOL_F_CONFIG)))
		return client_fail(client, "the server has no CONFIG");
	if (client_ask(client, VHOST_USER_GET_CONFIG, &asked, sizeof(asked),
		       &answer, sizeof(answer)))
		return -1;
	memcpy(&capacity,
	       answer.bytes + offsetof(struct virtio_blk_config, capacity),
	       sizeof(capacity));
	client->capacity = capacity;
	return 0;
}

/* It is offered once the server knows that there is a channel. */
static int agree_to_translate(struct client *client)
{
	if (client_ask(client, VHOST_USER_GET_FEATURES, NULL, 0,
		       &client->offered, sizeof(client->offered)))
		return -1;
	client->features |= client->offered & BIT(VIRTIO_F_ACCESS_PLATFORM);
	if (!client_has(client, VIRTIO_F_ACCESS_PLATFORM))
		return client_fail(client, "ACCESS_PLATFORM is not offered");
	return 0;
}

static int negotiate(struct client *client)
{
	uint64_t wanted = BIT(VHOST_USER_F_PROTOCOL_FEATURES) |
			  BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_BLK_F_RO) |
			  BIT(VIRTIO_BLK_F_FLUSH) | BIT(VIRTIO_BLK_F_MQ) |
			  BIT(VIRTIO_BLK_F_DISCARD) |
			  BIT(VIRTIO_BLK_F_WRITE_ZEROES);
	uint64_t count;

	if (client->options.indirect)
		wanted |= BIT(VIRTIO_RING_F_INDIRECT_DESC);
	if (client->options.event_idx)
		wanted |= BIT(VIRTIO_RING_F_EVENT_IDX);
	if (client->options.packed)
		wanted |= BIT(VIRTIO_F_RING_PACKED);
	if (client_ask(client, VHOST_USER_GET_FEATURES, NULL, 0,
		       &client->offered, sizeof(client->offered)))
		return -1;
	client->features = client->offered & wanted;
	if (!client_has(client, VHOST_USER_F_PROTOCOL_FEATURES) ||
	    !client_has(client, VIRTIO_F_VERSION_1))
		return client_fail(client, "features %llx are too few",
				   (unsigned long long)client->offered);
	if (client->options.packed && !client_has(client, VIRTIO_F_RING_PACKED))
		return client_fail(client, "packed rings are not offered");
	if (agree_on_protocol(client))
		return -1;
	client->queue_limit = 1;
	if (client->protocol & BIT(VHOST_USER_PROTOCOL_F_MQ)) {
		if (client_ask(client, VHOST_USER_GET_QUEUE_NUM, NULL, 0,
			       &count, sizeof(count)))
			return -1;
		client->queue_limit = (uint32_t)count;
	}
	if (client->options.queue_count > client->queue_limit)
		return client_fail(client, "the device has %u queues",
				   client->queue_limit);
	if (client_tell(client, VHOST_USER_SET_OWNER, NULL, 0, -1))
		return -1;
	if (open_channel(client))
		return -1;
	if (client->options.iommu && agree_to_translate(client))
		return -1;
	return client_read_config(client);
}

static int make_pipes(struct client_queue *queue)
{
	int kick[2], call[2];

	if (pipe2(kick, O_CLOEXEC | O_NONBLOCK))
		return -1;
	queue->lent_kick_fd = kick[0];
	queue->kick_fd = kick[1];
	if (pipe2(call, O_CLOEXEC | O_NONBLOCK))
		return -1;
	queue->call_fd = call[0];
	queue->lent_call_fd = call[1];
	return 0;
}

static int make_eventfds(struct client_queue *queue)
{
	queue->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	queue->call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	queue->lent_kick_fd = queue->kick_fd;
	queue->lent_call_fd = queue->call_fd;
	return queue->kick_fd < 0 || queue->call_fd < 0 ? -1 : 0;
}

static int make_notifications(struct client *client)
{
	uint32_t i;

	for (i = 0; i < client->options.queue_count; i++) {
		struct client_queue *queue = &client->queues[i];

		if (client->options.pipes ? make_pipes(queue)
					  : make_eventfds(queue))
			return client_fail(client, "eventfd, pipe: %s",
					   strerror(errno));
	}
	return 0;
}

static void close_notifications(struct client_queue *queue)
{
	if (queue->lent_kick_fd >= 0 && queue->lent_kick_fd != queue->kick_fd)
		close(queue->lent_kick_fd);
	if (queue->lent_call_fd >= 0 && queue->lent_call_fd != queue->call_fd)
		close(queue->lent_call_fd);
	if (queue->kick_fd >= 0)
		close(queue->kick_fd);
	if (queue->call_fd >= 0)
		close(queue->call_fd);
	queue->kick_fd = queue->call_fd = -1;
	queue->lent_kick_fd = queue->lent_call_fd = -1;
}

int client_open(struct client *client, const struct client_options *options)
{
	uint32_t i;

	memset(client, 0, sizeof(*client));
	client->options = *options;
	client->socket = client->inflight_fd = client->channel = -1;
	client_memory_init(client);
	for (i = 0; i < CLIENT_QUEUES_MAX; i++) {
		client->queues[i].kick_fd = client->queues[i].call_fd = -1;
		client->queues[i].lent_kick_fd = -1;
		client->queues[i].lent_call_fd = -1;
	}
	set_defaults(&client->options);
	if (check_options(client) || join(client) || negotiate(client) ||
	    client_memory_make(client) || client_ring_place(client) ||
	    make_notifications(client)) {
		client_close(client);
		return -1;
	}
	client_ring_reset(client);
	return 0;
}

/* We keep the log of requests in flight, which outlives the server. */
static int share_inflight(struct client *client)
{
	struct vhost_user_inflight log = {
		.queue_count = (uint16_t)client->options.queue_count,
		.queue_size = (uint16_t)client->options.queue_size,
	};

	if (!(client->protocol & BIT(VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD)))
		return 0;
	if (client->inflight_fd < 0) {
		if (client_send(client, VHOST_USER_GET_INFLIGHT_FD, 0, &log,
				sizeof(log), NULL, 0) ||
		    client_receive(client, VHOST_USER_GET_INFLIGHT_FD, &log,
				   sizeof(log), &client->inflight_fd))
			return -1;
		if (client->inflight_fd < 0)
			return client_fail(client, "no in-flight log came");
		client->inflight_size = log.size;
	}
	log.size = client->inflight_size;
	log.offset = 0;
	log.queue_count = (uint16_t)client->options.queue_count;
	log.queue_size = (uint16_t)client->options.queue_size;
	return client_tell(client, VHOST_USER_SET_INFLIGHT_FD, &log,
			   sizeof(log), client->inflight_fd);
}

/* A ring is named by our own address, unless there is another that the server
 * finds it by. */
static uint64_t ring_address(struct client *client, struct client_place place)
{
	return client->options.iommu ? client_address(client, place)
				     : (uintptr_t)client_at(client, place);
}

int client_set_up_queue(struct client *client, uint32_t index)
{
	struct client_queue *queue = &client->queues[index];
	struct vhost_user_vring_state state = { .index = index };
	struct vhost_user_vring_address address = {
		.index = index,
		.descriptors = ring_address(client, queue->desc_place),
		.available = ring_address(client, queue->avail_place),
		.used = ring_address(client, queue->used_place),
	};
	uint64_t number = index;
	uint64_t without = index | VHOST_USER_NO_FD;
	bool kicks = !client->options.unkicked;
	bool calls = !client->options.uncalled;

	queue->fresh = true;
	state.number = queue->ring.num;
	if (client_tell(client, VHOST_USER_SET_VRING_NUM, &state, sizeof(state),
			-1))
		return -1;
	/* With an in-flight log the server goes on at what was used; else both
	 * sides start together at our position. */
	state.number = client_has(client, VIRTIO_F_RING_PACKED)
			       ? client_packed_base(queue)
			       : queue->used_index;
	if (client_tell(client, VHOST_USER_SET_VRING_BASE, &state,
			sizeof(state), -1) ||
	    client_tell(client, VHOST_USER_SET_VRING_ADDR, &address,
			sizeof(address), -1) ||
	    client_tell(client, VHOST_USER_SET_VRING_CALL,
			calls ? &number : &without, sizeof(number),
			calls ? queue->lent_call_fd : -1))
		return -1;
	return client_tell(client, VHOST_USER_SET_VRING_KICK,
			   kicks ? &number : &without, sizeof(number),
			   kicks ? queue->lent_kick_fd : -1);
}

static int start_queue(struct client *client, uint32_t index)
{
	struct vhost_user_vring_state state = {
		.index = index,
		.number = !client->options.asleep,
	};

	if (client_set_up_queue(client, index))
		return -1;
	return client_tell(client, VHOST_USER_SET_VRING_ENABLE, &state,
			   sizeof(state), -1);
}

int client_start(struct client *client)
{
	uint32_t i;

	/* The layout of the log is by the features. */
	if (client_tell(client, VHOST_USER_SET_FEATURES, &client->features,
			sizeof(client->features), -1) ||
	    share_inflight(client) || client_lend_all(client))
		return -1;
	for (i = 0; i < client->options.queue_count; i++)
		if (start_queue(client, i))
			return -1;
	client->started = true;
	return 0;
}

int client_stop(struct client *client)
{
	uint32_t i;

	for (i = 0; i < client->options.queue_count; i++) {
		struct vhost_user_vring_state state = { .index = i }, answer;

		if (client_tell(client, VHOST_USER_SET_VRING_ENABLE, &state,
				sizeof(state), -1) ||
		    client_ask(client, VHOST_USER_GET_VRING_BASE, &state,
			       sizeof(state), &answer, sizeof(answer)))
			return -1;
		if (answer.index != i)
			return client_fail(client,
					   "asked for the base of "
					   "queue %u, got that of %u",
					   i, answer.index);
		if (client_has(client, VIRTIO_F_RING_PACKED) &&
		    client->queues[i].busy == 0 &&
		    answer.number != client_packed_base(&client->queues[i]))
			return client_fail(
				client, "queue %u stopped at %x, not at %x", i,
				answer.number,
				client_packed_base(&client->queues[i]));
	}
	client->started = false;
	return 0;
}

void client_hang_up(struct client *client)
{
	uint32_t i;

	if (client->socket >= 0)
		close(client->socket);
	client->socket = -1;
	client->started = false;
	for (i = 0; i < CLIENT_REGIONS_MAX; i++)
		client->regions[i].lent = false;
	if (client->channel >= 0)
		close(client->channel);
	client->channel = -1;
}

int client_reopen(struct client *client)
{
	uint32_t i;

	client_hang_up(client);
	if (join(client) || negotiate(client))
		return -1;
	if (client->inflight_fd >= 0) {
		/* Completions that we have not seen yet are still there. */
		for (i = 0; i < client->options.queue_count; i++)
			eventfd_write(client->queues[i].kick_fd, 1);
		return 0;
	}
	client_ring_reset(client);
	return 0;
}

void client_close(struct client *client)
{
	uint32_t i;

	client_hang_up(client);
	client_memory_free(client);
	for (i = 0; i < CLIENT_QUEUES_MAX; i++) {
		struct client_queue *queue = &client->queues[i];

		close_notifications(queue);
		free(queue->slots);
		queue->slots = NULL;
	}
	if (client->inflight_fd >= 0)
		close(client->inflight_fd);
	client->inflight_fd = -1;
}
