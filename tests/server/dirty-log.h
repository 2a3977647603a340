/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TESTS_SERVER_DIRTY_LOG_H
#define PRECARIUM_TESTS_SERVER_DIRTY_LOG_H

/* How a client has written down what the server writes (vhost-user.rst,
 * "Migration"). */
#include "serve.h"

#include "client/protocol.h"

#define PAGE	 4096u
#define LOG_ALL	 26
#define RING_LOG 1u

static int log_base(struct client *client, uint64_t size, uint64_t offset,
		    int fd)
{
	const struct vhost_user_log_base base = { size, offset };

	return client_tell(client, VHOST_USER_SET_LOG_BASE, &base, sizeof(base),
			   fd);
}

/* From now on all is logged, also the first ring, which runs. */
static void log_rings(struct client *client)
{
	const struct client_queue *queue = &client->queues[0];
	uint64_t features = client->features | 1ull << LOG_ALL;
	const struct vhost_user_vring_address address = {
		.flags = RING_LOG,
		.descriptors = (uintptr_t)queue->ring.desc,
		.available = (uintptr_t)queue->ring.avail,
		.used = (uintptr_t)queue->ring.used,
		.log = client_address(client, queue->used_place),
	};

	DO(client, client_tell(client, VHOST_USER_SET_FEATURES, &features,
			       sizeof(features), -1));
	DO(client, client_tell(client, VHOST_USER_SET_VRING_ADDR, &address,
			       sizeof(address), -1));
}

#endif
