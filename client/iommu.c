/* SPDX-License-Identifier: MIT */
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "client/client.h"
#include "client/protocol.h"

#define LOOK_MS 20

int client_map(struct client *client, uint64_t address, uint64_t size,
	       const void *memory, uint8_t rights)
{
	const struct vhost_user_iotlb update = {
		.address = address,
		.size = size,
		.user_address = (uintptr_t)memory,
		.permission = rights,
		.type = VHOST_USER_IOTLB_UPDATE,
	};

	return client_tell(client, VHOST_USER_IOTLB_MSG, &update,
			   sizeof(update), -1);
}

int client_unmap(struct client *client, uint64_t address, uint64_t size)
{
	const struct vhost_user_iotlb invalidate = {
		.address = address,
		.size = size,
		.type = VHOST_USER_IOTLB_INVALIDATE,
	};

	return client_tell(client, VHOST_USER_IOTLB_MSG, &invalidate,
			   sizeof(invalidate), -1);
}

int client_next_miss(struct client *client, struct client_miss *miss,
		     uint32_t timeout_ms)
{
	struct pollfd poller = { .fd = client->channel, .events = POLLIN };
	struct {
		struct vhost_user_header header;
		struct vhost_user_iotlb body;
	} __attribute__((packed)) said;

	if (poll(&poller, 1, (int)timeout_ms) != 1)
		return 0;
	if (recv(client->channel, &said, sizeof(said), MSG_WAITALL) !=
	    sizeof(said))
		return client_fail(client, "the channel is closed");
	if (said.header.request != VHOST_USER_BACKEND_IOTLB_MSG ||
	    said.header.flags != VHOST_USER_VERSION ||
	    said.header.size != sizeof(said.body) ||
	    said.body.type != VHOST_USER_IOTLB_MISS)
		return client_fail(client, "message %u, flags %x, type %u",
				   said.header.request, said.header.flags,
				   said.body.type);
	miss->address = said.body.address;
	miss->rights = said.body.permission;
	return 1;
}

int client_answer_miss(struct client *client, const struct client_miss *miss)
{
	uint64_t address = miss->address - CLIENT_IOVA;
	uint32_t i;

	for (i = 0; i < client->options.region_count; i++) {
		const struct client_region *region = &client->regions[i];
		uint64_t offset = address - region->address;

		if (offset >= region->size)
			continue;
		offset -= offset % CLIENT_PAGE;
		return client_map(client,
				  region->address + offset + CLIENT_IOVA,
				  CLIENT_PAGE, region->host + offset, 3);
	}
	return client_fail(client, "asked for %llx, which is nowhere",
			   (unsigned long long)miss->address);
}

int client_wait_translating(struct client *client, uint32_t queue,
			    struct client_completion *completion,
			    uint32_t timeout_ms, uint32_t *misses)
{
	struct pollfd pollers[2] = {
		{ .fd = client->channel, .events = POLLIN },
		{ .fd = client->queues[queue].call_fd, .events = POLLIN },
	};

	uint64_t end = client_now_ns() + timeout_ms * 1000000ull;

	while (client_now_ns() < end) {
		int found = client_wait(client, queue, completion, 0);
		struct client_miss miss;

		if (found)
			return found;
		/* That look may have taken a call that came after it. */
		if (poll(pollers, 2, LOOK_MS) <= 0 || !pollers[0].revents)
			continue;
		found = client_next_miss(client, &miss, 0);
		if (found < 0 || client_answer_miss(client, &miss))
			return -1;
		++*misses;
	}
	return 0;
}
