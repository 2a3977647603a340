// SPDX-License-Identifier: MIT
#include "vhost/held.h"

#include "device/queue.h"

static uint32_t of_queue(const struct queue *queue)
{
	return (uint32_t)(queue->kick_fd >= 0) +
	       (uint32_t)(queue->call_fd >= 0) + (uint32_t)(queue->err_fd >= 0);
}

static uint32_t held_now(const struct vhost_connection *connection)
{
	const struct device *device = &connection->device;
	const struct queue *queue;
	uint32_t count = VHOST_HELD_BY_ALL + device->memory->guest.count;

	TAILQ_FOREACH(queue, &device->queues, entry)
	count += of_queue(queue);
	count += device->pipe_fds;
	count += connection->channel_fd >= 0;
	count += device->inflight.region != NULL;
	count += device->dirty.region != NULL;
	count += device->dirty.call_fd >= 0;
	return count;
}

static bool is_for_ring(const struct vhost_message *message)
{
	switch (message->header.request) {
	case VHOST_SET_VRING_KICK:
	case VHOST_SET_VRING_CALL:
	case VHOST_SET_VRING_ERR:
		return true;
	default:
		return false;
	}
}

/* What comes with a message, and is kept; a pipe is opened twice more, and that
 * of the log once for each worker. */
static uint32_t wanted_for(const struct vhost_connection *connection)
{
	const struct vhost_message *message = &connection->message;
	uint32_t more = 0;

	if (is_for_ring(message))
		more = VHOST_HELD_BY_PIPE;
	else if (message->header.request == VHOST_SET_LOG_FD)
		more = connection->device.part_count;
	return message->fd_count * (1 + more);
}

/* Is it for more regions, or queues, than are usual? */
static bool is_greedy(const struct vhost_connection *connection)
{
	const struct vhost_message *message = &connection->message;

	if (is_for_ring(message))
		return (message->payload.number & VHOST_RING_INDEX) >=
		       VHOST_QUEUES_USUAL;
	return message->header.request == VHOST_ADD_MEM_REG &&
	       connection->device.memory->guest.count >= MEMORY_REGIONS_USUAL;
}

bool vhost_held_expect(struct vhost_connection *connection, const char **why)
{
	uint32_t wanted = held_now(connection) + wanted_for(connection);

	if (wanted <= connection->held)
		return true;
	if (share_take(&connection->export->descriptors,
		       wanted - connection->held, is_greedy(connection))) {
		connection->held = wanted;
		return true;
	}
	*why = "no descriptors are left for it, see ulimit -n; expected fewer "
	       "regions and queues, or fewer clients";
	return false;
}

void vhost_held_settle(struct vhost_connection *connection)
{
	uint32_t now = held_now(connection);

	if (now >= connection->held)
		return;
	share_give(&connection->export->descriptors, connection->held - now);
	connection->held = now;
}
