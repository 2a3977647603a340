// SPDX-License-Identifier: MIT
#include "vhost/dispatch.h"
#include "device/queue.h"
#include "device/setup.h"

/*
 * The messages by which rings are set up, started and stopped.
 */

static struct queue *queue_at(struct vhost_connection *connection,
			      uint64_t index, const char **why)
{
	if (index < connection->device.queue_count)
		return &connection->device.queues[index];
	*why = "no such queue; expected an index below the number of queues";
	return NULL;
}

enum vhost_outcome vhost_set_num(struct vhost_connection *connection,
				 const char **why)
{
	const struct vhost_ring_state *state =
		&connection->message.payload.state;
	struct queue *queue = queue_at(connection, state->index, why);

	if (!queue || !queue_set_num(queue, state->num, why))
		return VHOST_REFUSED;
	return VHOST_DONE;
}

enum vhost_outcome vhost_set_base(struct vhost_connection *connection,
				  const char **why)
{
	const struct vhost_ring_state *state =
		&connection->message.payload.state;
	struct queue *queue = queue_at(connection, state->index, why);

	if (!queue || !queue_set_base(queue, state->num, why))
		return VHOST_REFUSED;
	return VHOST_DONE;
}

enum vhost_outcome vhost_set_addr(struct vhost_connection *connection,
				  const char **why)
{
	const struct vhost_ring_addr *said = &connection->message.payload.addr;
	struct queue *queue = queue_at(connection, said->index, why);
	const struct ring_addr addr = {
		.descriptors = said->descriptors,
		.available = said->available,
		.used = said->used,
		.logged = said->flags & VHOST_RING_LOG,
		.log = said->log,
	};

	if (!queue)
		return VHOST_REFUSED;
	if (said->flags & ~VHOST_RING_LOG) {
		*why = "expected no flag but that of the log";
		return VHOST_REFUSED;
	}
	/* Rings may move while they run, but requests in flight belong to the
	 * old ones.  A ring that only becomes logged has not moved. */
	if (!queue_is_quiet(queue) && !queue_stays(queue, &addr))
		return VHOST_LATER;
	return queue_set_addr(queue, &addr, why) ? VHOST_DONE : VHOST_REFUSED;
}

enum vhost_outcome vhost_set_enable(struct vhost_connection *connection,
				    const char **why)
{
	const struct vhost_ring_state *state =
		&connection->message.payload.state;
	struct queue *queue = queue_at(connection, state->index, why);

	if (!queue)
		return VHOST_REFUSED;
	if (state->num > 1) {
		*why = "expected 0 or 1";
		return VHOST_REFUSED;
	}
	queue_enable(queue, state->num == 1);
	return VHOST_DONE;
}

/* The ring must be quiet when its index is reported: from then on the front-end
 * may use the ring, and the memory, as its own. */
enum vhost_outcome vhost_get_base(struct vhost_connection *connection,
				  const char **why)
{
	struct vhost_ring_state state = connection->message.payload.state;
	struct queue *queue = queue_at(connection, state.index, why);

	if (!queue)
		return VHOST_BROKEN;
	if (!device_stop_queue(&connection->device, queue))
		return VHOST_LATER;
	state.num = queue->base;
	return vhost_answer(connection, &state, sizeof(state), -1, why);
}

/* KICK, CALL and ERR: a queue, and one descriptor, unless the message says that
 * there is none. */
enum vhost_outcome vhost_set_ring_fd(struct vhost_connection *connection,
				     const char **why)
{
	struct vhost_message *message = &connection->message;
	uint64_t number = message->payload.number;
	bool none = number & VHOST_RING_NO_FD;
	struct queue *queue =
		queue_at(connection, number & VHOST_RING_INDEX, why);
	int fd;

	if (!queue)
		return VHOST_REFUSED;
	if (none != (message->fd_count == 0) ||
	    number & ~(uint64_t)(VHOST_RING_INDEX | VHOST_RING_NO_FD)) {
		*why = "expected one descriptor, or bit 8 set and none";
		return VHOST_REFUSED;
	}
	if (none && message->header.request == VHOST_SET_VRING_KICK) {
		*why = "rings without a kick are not offered; expected an "
		       "eventfd";
		return VHOST_REFUSED;
	}
	if (!none && !notifier_knows(&connection->device.loop->notifier,
				     message->fds[0])) {
		*why = "the descriptor is not an eventfd, or the system "
		       "lacks memory to see if it is";
		return VHOST_REFUSED;
	}
	fd = vhost_message_take_fd(message, 0);
	if (message->header.request == VHOST_SET_VRING_CALL)
		queue_set_call(queue, fd);
	else if (message->header.request == VHOST_SET_VRING_ERR)
		queue_set_err(queue, fd);
	else if (!queue_set_kick(queue, fd, why))
		return VHOST_REFUSED;
	return VHOST_DONE;
}
