// SPDX-License-Identifier: MIT
#include "program/torture/case.h"
#include "client/slow.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

struct torture_case *add_case(struct case_list *list, const char *group,
			      void (*run)(struct attack *attack,
					  const struct torture_case *self),
			      const char *first, const char *second)
{
	struct torture_case *new;

	if (list->count == CASES_MAX)
		abort();
	new = &list->cases[list->count++];
	new->group = group;
	new->run = run;
	snprintf(new->name, sizeof(new->name), "%s%s%s", first,
		 second[0] ? "-" : "", second);
	return new;
}

void attack_found(struct attack *attack, enum verdict verdict,
		  const char *format, ...)
{
	va_list args;

	/* The first report counts. */
	if (attack->finding->verdict != VERDICT_SURVIVED)
		return;
	va_start(args, format);
	vsnprintf(attack->finding->text, sizeof(attack->finding->text), format,
		  args);
	va_end(args);
	attack->finding->verdict = verdict;
}

bool attack_lacks(struct attack *attack, unsigned int feature, const char *name)
{
	if (client_has(&attack->client, feature))
		return false;
	attack_found(attack, VERDICT_NOT_APPLICABLE, "no %s", name);
	return true;
}

bool attack_lacks_protocol(struct attack *attack, unsigned int feature,
			   const char *name)
{
	if (attack->client.protocol >> feature & 1)
		return false;
	attack_found(attack, VERDICT_NOT_APPLICABLE, "no %s", name);
	return true;
}

/* What is offered does not change with time. */
static bool never(const struct attack *attack,
		  const struct client_options *options)
{
	const struct client *client = &attack->client;

	if (!client_has(client, VHOST_USER_F_PROTOCOL_FEATURES))
		return false;
	return (options->packed && !client_has(client, VIRTIO_F_RING_PACKED)) ||
	       (options->iommu &&
		!client_has(client, VIRTIO_F_ACCESS_PLATFORM));
}

/* A server for one client at a time hangs up on the next one until it has
 * cleaned up after the last: try again. */
int attack_open(struct attack *attack, struct client_options options)
{
	uint64_t end =
		client_now_ns() + attack->options->answer_ms * 1000000ull;

	options.socket_path = attack->options->socket_path;
	if (!options.region_count)
		options.region_count = 3;
	if (!options.buffer_size)
		options.buffer_size = 8192;
	if (!options.depth)
		options.depth = 8;
	if (!options.timeout_ms)
		options.timeout_ms = 500;
	for (;;) {
		if (client_open(&attack->client, &options) == 0)
			return 0;
		if (client_now_ns() > end || never(attack, &options))
			break;
		poll(NULL, 0, 2);
	}
	attack_found(attack, VERDICT_NOT_APPLICABLE, "could not begin: %s",
		     attack->client.error);
	return -1;
}

int attack_start(struct attack *attack, struct client_options options)
{
	uint64_t number = 0;

	if (attack_open(attack, options))
		return -1;
	if (client_start(&attack->client)) {
		attack_found(attack, VERDICT_NOT_APPLICABLE,
			     "could not begin: %s", attack->client.error);
		return -1;
	}
	if (attack->err_fd <= 0)
		attack->err_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	/* Not every server takes one, so ask for no answer. */
	return attack_say(attack, VHOST_USER_SET_VRING_ERR, &number,
			  sizeof(number), attack->err_fd);
}

void attack_linger(struct attack *attack, int ms)
{
	struct pollfd pollers[2] = {
		{ attack->client.socket, POLLRDHUP, 0 },
		{ attack->err_fd > 0 ? attack->err_fd : -1, POLLIN, 0 },
	};

	poll(pollers, 2, ms);
}

bool attack_moved(struct attack *attack, uint16_t before)
{
	struct client_queue *queue = &attack->client.queues[0];
	const uint16_t both = 1u << VRING_PACKED_DESC_F_AVAIL |
			      1u << VRING_PACKED_DESC_F_USED;
	uint16_t flags;

	if (!client_has(&attack->client, VIRTIO_F_RING_PACKED))
		return __atomic_load_n(&queue->ring.used->idx,
				       __ATOMIC_ACQUIRE) != before;
	flags = __atomic_load_n(&client_packed_desc(queue, before)->flags,
				__ATOMIC_ACQUIRE);
	return (flags & both) == (queue->used_wrap ? both : 0);
}

bool attack_served(struct attack *attack, uint16_t before, int ms)
{
	struct client_queue *queue = &attack->client.queues[0];
	uint64_t end = client_now_ns() + (uint64_t)ms * 1000000u;
	struct pollfd pollers[3] = {
		{ attack->client.socket, POLLRDHUP, 0 },
		{ attack->err_fd, POLLIN, 0 },
		{ queue->call_fd, POLLIN, 0 },
	};
	eventfd_t calls;

	while (!attack_moved(attack, before)) {
		if (client_now_ns() > end)
			return false;
		if (poll(pollers, 3, 5) > 0 &&
		    (pollers[0].revents || pollers[1].revents))
			return false;
		if (pollers[2].revents)
			eventfd_read(queue->call_fd, &calls);
	}
	return true;
}

int attack_send(struct attack *attack, const void *bytes, size_t size,
		const int *fds, uint32_t fd_count)
{
	return slow_send(attack->client.socket, bytes, size, fds, fd_count);
}

int attack_say(struct attack *attack, uint32_t request, const void *payload,
	       uint32_t size, int fd)
{
	return client_send(&attack->client, request, 0, payload, size, &fd,
			   fd >= 0);
}

int attack_tell(struct attack *attack, uint32_t request, const void *payload,
		uint32_t size, int fd)
{
	struct client *client = &attack->client;

	if (client_tell(client, request, payload, size, fd))
		return client->lost ? -1 : 1;
	return client->protocol >> VHOST_USER_PROTOCOL_F_REPLY_ACK & 1 ? 0 : 1;
}

void attack_place_rings(struct attack *attack, const struct set_up *set_up,
			uint32_t left)
{
	const struct client_region *region = &attack->client.regions[0];
	const struct client_queue *queue = &attack->client.queues[0];
	struct vhost_user_vring_address address = { .index = 0 };
	uint64_t places[3] = { (uintptr_t)queue->ring.desc,
			       (uintptr_t)queue->ring.avail,
			       (uintptr_t)queue->ring.used };
	uint32_t i;

	if (set_up->how == SET_UP_MISALIGNED)
		places[set_up->number] += 1;
	else if (set_up->how == SET_UP_EDGE)
		places[set_up->number] =
			(uintptr_t)region->host + region->size - left;
	else if (set_up->how == SET_UP_UNLENT)
		places[set_up->number] = 0x1000;
	for (i = 1; set_up->how == SET_UP_SAME && i < 3; i++)
		if (set_up->number >> i & 1)
			places[i] = places[0];
	address.descriptors = places[0];
	address.available = places[1];
	address.used = places[2];
	attack_tell(attack, VHOST_USER_SET_VRING_ADDR, &address,
		    sizeof(address), -1);
}

void attack_listen(struct attack *attack)
{
	char bytes[4096];

	while (recv(attack->client.socket, bytes, sizeof(bytes), MSG_DONTWAIT) >
	       0)
		continue;
}

void craft(struct attack *attack, uint32_t type, uint64_t sector,
	   struct vring_desc *chain)
{
	struct client *client = &attack->client;
	struct client_slot *slot = &client->queues[0].slots[0];
	struct virtio_blk_outhdr *header = client_at(client, slot->header);
	uint16_t way = type == VIRTIO_BLK_T_OUT ? 0 : VRING_DESC_F_WRITE;

	*header = (struct virtio_blk_outhdr){ .type = type, .sector = sector };
	*(uint8_t *)client_at(client, slot->status) = CLIENT_STATUS_NONE;
	chain[0] = (struct vring_desc){ client_address(client, slot->header),
					sizeof(*header), VRING_DESC_F_NEXT, 1 };
	chain[1] =
		(struct vring_desc){ client_address(client, slot->data),
				     CRAFT_SIZE, VRING_DESC_F_NEXT | way, 2 };
	chain[2] = (struct vring_desc){ client_address(client, slot->status), 1,
					VRING_DESC_F_WRITE, 0 };
}

void craft_available(struct attack *attack, uint16_t head)
{
	struct client_queue *queue = &attack->client.queues[0];
	struct vring *ring = &queue->ring;

	ring->avail->ring[queue->avail_index % ring->num] = head;
	__atomic_store_n(&ring->avail->idx, ++queue->avail_index,
			 __ATOMIC_RELEASE);
}

void craft_kick(struct attack *attack)
{
	eventfd_write(attack->client.queues[0].kick_fd, 1);
}

int craft_submit(struct attack *attack, const struct vring_desc *chain,
		 uint32_t count, bool indirect)
{
	struct client *client = &attack->client;
	struct client_queue *queue = &client->queues[0];
	/* The data of the last slot has room for a long table. */
	struct client_place place =
		queue->slots[client->options.depth - 1].data;

	if (indirect) {
		memcpy(client_at(client, place), chain, count * sizeof(*chain));
		queue->ring.desc[0] =
			(struct vring_desc){ client_address(client, place),
					     count * (uint32_t)sizeof(*chain),
					     VRING_DESC_F_INDIRECT, 0 };
	} else {
		memcpy(queue->ring.desc, chain, count * sizeof(*chain));
	}
	craft_available(attack, 0);
	craft_kick(attack);
	return client->lost ? -1 : 0;
}

uint8_t craft_status(struct attack *attack)
{
	struct client *client = &attack->client;
	uint8_t status = CLIENT_STATUS_NONE;

	client_peek(client, client->queues[0].slots[0].status, &status, 1);
	return status;
}

void craft_expect_failure(struct attack *attack, const char *what)
{
	attack_served(attack, attack->client.queues[0].used_index, 30);
	if (craft_status(attack) == VIRTIO_BLK_S_OK)
		attack_found(attack, VERDICT_CORRUPTED, "%s: told success",
			     what);
}
