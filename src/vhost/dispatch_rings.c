// SPDX-License-Identifier: MIT
#include "vhost/dispatch.h"

#include "device/kick.h"
#include "device/pipe.h"
#include "device/queue.h"
#include "device/setup.h"

/*
 * The messages by which rings are set up, started and stopped.
 */

static struct queue *queue_at(struct vhost_connection *connection,
			      uint64_t index, const char **why)
{
	*why = "no such queue; expected an index below the number of queues";
	if (index >= connection->device.queue_count)
		return NULL;
	*why = "out of memory";
	return device_queue(&connection->device, (uint32_t)index);
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
		return VHOST_MEANWHILE;
	state.num = queue->base;
	return vhost_answer(connection, &state, sizeof(state), -1, why);
}

/* None came: the ring is looked at unasked, if that is what workers do. */
static int kick_by_none(struct loop *loop, const char **why)
{
	*why = "a ring without a kick has to be polled, which "
	       "--polling=never rules out; expected an eventfd or a pipe";
	if (loop->poll.mode == POLLING_NEVER)
		return -1;
	*why = "no descriptor or memory for the clock of a ring without a kick";
	return kick_by_clock(loop);
}

/* The descriptor by which the ring is kicked: the client's eventfd, or one of
 * ours.  -1: *why says what was expected. */
static int kick_of(struct vhost_connection *connection,
		   const struct queue *queue, const char **why)
{
	struct vhost_message *message = &connection->message;
	struct device *device = &connection->device;
	struct loop *loop = queue->part->loop;
	int fd, ours;

	if (message->fd_count == 0)
		return kick_by_none(loop, why);
	fd = message->fds[0];
	if (pipe_is(fd, false)) {
		*why = "no descriptor or memory to watch a pipe";
		ours = kick_by_pipe(loop, device->policy->releases, fd,
				    &device->pipe_fds);
		if (ours >= 0)
			vhost_message_take_fd(message, 0);
		return ours;
	}
	*why = "the descriptor is neither an eventfd nor a pipe that can be "
	       "read, or the system lacks memory to see if it is";
	return notifier_knows(&loop->notifier, fd)
		       ? vhost_message_take_fd(message, 0)
		       : -1;
}

static enum vhost_outcome set_kick(struct vhost_connection *connection,
				   struct queue *queue, const char **why)
{
	int fd = kick_of(connection, queue, why);

	return fd >= 0 && queue_set_kick(queue, fd, why) ? VHOST_DONE
							 : VHOST_REFUSED;
}

/* The descriptor of the message may be signalled, or there is none. */
static bool may_notify(struct vhost_connection *connection,
		       const struct queue *queue, const char **why)
{
	const struct vhost_message *message = &connection->message;
	struct device *device = &connection->device;

	*why = "the descriptor is neither an eventfd, a pipe that can be "
	       "written nor one of a pair of sockets, or the system lacks "
	       "memory to see if it is";
	return message->fd_count == 0 ||
	       notifier_takes(&queue->part->loop->notifier, message->fds[0],
			      device->policy->releases, &device->pipe_fds);
}

/* KICK, CALL and ERR: a queue, and one descriptor, unless the message says that
 * there is none. */
enum vhost_outcome vhost_set_ring_fd(struct vhost_connection *connection,
				     const char **why)
{
	struct vhost_message *message = &connection->message;
	uint64_t number = message->payload.number;
	struct queue *queue =
		queue_at(connection, number & VHOST_RING_INDEX, why);
	bool none = number & VHOST_RING_NO_FD;

	if (!queue)
		return VHOST_REFUSED;
	if (none != (message->fd_count == 0) ||
	    number & ~(uint64_t)(VHOST_RING_INDEX | VHOST_RING_NO_FD)) {
		*why = "expected one descriptor, or bit 8 set and none";
		return VHOST_REFUSED;
	}
	if (message->header.request == VHOST_SET_VRING_KICK)
		return set_kick(connection, queue, why);
	if (!may_notify(connection, queue, why))
		return VHOST_REFUSED;
	if (message->header.request == VHOST_SET_VRING_CALL)
		queue_set_call(queue, vhost_message_take_fd(message, 0));
	else
		queue_set_err(queue, vhost_message_take_fd(message, 0));
	return VHOST_DONE;
}
