// SPDX-License-Identifier: MIT
#include "vhost/unheard.h"

#include "device/queue.h"
#include "device/setup.h"

enum sequel {
	ENDS, /* what the two believe of memory or features differs, or the
		 client waits for a reply that does not come */
	GOES_ON,
	STOPS_RING,
};

/* precarium(1) has this table. */
static const enum sequel sequels[VHOST_MESSAGE_END] = {
	/* Requests that are not served, and have no reply of their own. */
	[VHOST_SEND_RARP] = GOES_ON,
	[VHOST_NET_SET_MTU] = GOES_ON,
	[VHOST_SET_VRING_ENDIAN] = GOES_ON,
	[VHOST_CLOSE_CRYPTO_SESSION] = GOES_ON,
	[VHOST_POSTCOPY_LISTEN] = GOES_ON,
	[VHOST_GPU_SET_SOCKET] = GOES_ON,
	[VHOST_VRING_KICK] = GOES_ON,
	/* Without what they ask for less is known, and all else is right. */
	[VHOST_IOTLB_MSG] = GOES_ON,
	[VHOST_SET_LOG_FD] = GOES_ON,
	[VHOST_SET_VRING_ERR] = GOES_ON,
	[VHOST_SET_VRING_ENABLE] = GOES_ON,
	[VHOST_SET_BACKEND_REQ_FD] = GOES_ON,
	[VHOST_SET_CONFIG] = GOES_ON,
	[VHOST_SET_STATUS] = GOES_ON,
	[VHOST_SET_VRING_NUM] = STOPS_RING,
	[VHOST_SET_VRING_ADDR] = STOPS_RING,
	[VHOST_SET_VRING_BASE] = STOPS_RING,
	[VHOST_SET_VRING_KICK] = STOPS_RING,
	[VHOST_SET_VRING_CALL] = STOPS_RING,
};

static enum sequel sequel_of(uint32_t request)
{
	/* Nobody waits for a reply to what the specification does not have. */
	return request < VHOST_MESSAGE_END && request > 0 ? sequels[request]
							  : GOES_ON;
}

/* Where each of these messages has its index. */
static uint64_t ring_of(const struct vhost_message *message)
{
	switch (message->header.request) {
	case VHOST_SET_VRING_KICK:
	case VHOST_SET_VRING_CALL:
		return message->payload.number & VHOST_RING_INDEX;
	case VHOST_SET_VRING_ADDR:
		return message->payload.addr.index;
	default:
		return message->payload.state.index;
	}
}

/* One that does not exist has nothing to stop. */
static void stop_ring(struct vhost_connection *connection, const char *why)
{
	struct device *device = &connection->device;
	uint64_t index = ring_of(&connection->message);
	struct queue *queue;

	if (index >= device->queue_count)
		return;
	queue = device_queue(device, (uint32_t)index);
	if (queue)
		queue_distrust(queue, why);
	else
		device_end(device, "out of memory");
}

void vhost_refused_unheard(struct vhost_connection *connection, const char *why)
{
	switch (sequel_of(connection->message.header.request)) {
	case GOES_ON:
		break;
	case STOPS_RING:
		stop_ring(connection, why);
		break;
	case ENDS:
		device_end(&connection->device, "a message was refused");
		break;
	}
}
