// SPDX-License-Identifier: MIT
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "vhost/connection.h"
#include "vhost/queue.h"
#include "vhost/setup.h"
#include "virtio/blk_wire.h"

/*
 * What each message does.  Everything it says is checked before anything is
 * changed; a message that is refused has changed nothing.
 */

/* Offered is what works, nothing else. */
#define PROTOCOL_FEATURES                                                      \
	(1ull << VHOST_PROTOCOL_MQ | 1ull << VHOST_PROTOCOL_LOG_SHMFD |        \
	 1ull << VHOST_PROTOCOL_REPLY_ACK |                                    \
	 1ull << VHOST_PROTOCOL_BACKEND_REQ | 1ull << VHOST_PROTOCOL_CONFIG |  \
	 1ull << VHOST_PROTOCOL_RESET_DEVICE |                                 \
	 1ull << VHOST_PROTOCOL_CONFIGURE_MEM_SLOTS |                          \
	 1ull << VHOST_PROTOCOL_INFLIGHT_SHMFD |                               \
	 1ull << VHOST_PROTOCOL_STATUS)

enum vhost_outcome vhost_answer(struct vhost_connection *connection,
				const void *payload, uint32_t size, int with,
				const char **why)
{
	*why = vhost_message_reply(connection->fd, &connection->message,
				   payload, size, with);
	return *why ? VHOST_BROKEN : VHOST_ANSWERED;
}

static enum vhost_outcome answer_number(struct vhost_connection *connection,
					uint64_t number, const char **why)
{
	return vhost_answer(connection, &number, sizeof(number), -1, why);
}

static struct vhost_queue *queue_at(struct vhost_connection *connection,
				    uint64_t index, const char **why)
{
	if (index < connection->queue_count)
		return &connection->queues[index];
	*why = "no such queue; expected an index below the number of queues";
	return NULL;
}

static enum vhost_outcome set_features(struct vhost_connection *connection,
				       const char **why)
{
	uint64_t asked = connection->message.payload.number;

	if (asked & ~vhost_device_features(connection->export)) {
		*why = "features that were not offered";
		return VHOST_REFUSED;
	}
	connection->features = asked;
	connection->features_set = true;
	connection->dirty.all = asked >> VHOST_F_LOG_ALL & 1;
	for (uint32_t i = 0; i < connection->queue_count; i++)
		vhost_queue_features_changed(&connection->queues[i]);
	/* Without protocol features there is no message to enable a ring. */
	if (!(asked & (1ull << VHOST_F_PROTOCOL_FEATURES))) {
		for (uint32_t i = 0; i < connection->queue_count; i++)
			vhost_queue_enable(&connection->queues[i], true);
	}
	return VHOST_DONE;
}

static enum vhost_outcome
set_protocol_features(struct vhost_connection *connection, const char **why)
{
	uint64_t asked = connection->message.payload.number;

	if (asked & ~PROTOCOL_FEATURES) {
		*why = "protocol features that were not offered";
		return VHOST_REFUSED;
	}
	connection->protocol_features = asked;
	return VHOST_DONE;
}

static enum vhost_outcome set_num(struct vhost_connection *connection,
				  const char **why)
{
	const struct vhost_ring_state *state =
		&connection->message.payload.state;
	struct vhost_queue *queue = queue_at(connection, state->index, why);

	if (!queue || !vhost_queue_set_num(queue, state->num, why))
		return VHOST_REFUSED;
	return VHOST_DONE;
}

static enum vhost_outcome set_base(struct vhost_connection *connection,
				   const char **why)
{
	const struct vhost_ring_state *state =
		&connection->message.payload.state;
	struct vhost_queue *queue = queue_at(connection, state->index, why);

	if (!queue || !vhost_queue_set_base(queue, state->num, why))
		return VHOST_REFUSED;
	return VHOST_DONE;
}

static enum vhost_outcome set_addr(struct vhost_connection *connection,
				   const char **why)
{
	const struct vhost_ring_addr *addr = &connection->message.payload.addr;
	struct vhost_queue *queue = queue_at(connection, addr->index, why);

	if (!queue)
		return VHOST_REFUSED;
	/* Rings may move while they run; what is in flight belongs to the old
	 * ones.  That they are logged from now on is true of it, too. */
	if (!vhost_queue_is_quiet(queue) && !vhost_queue_stays(queue, addr))
		return VHOST_LATER;
	return vhost_queue_set_addr(queue, addr, why) ? VHOST_DONE
						      : VHOST_REFUSED;
}

static enum vhost_outcome set_enable(struct vhost_connection *connection,
				     const char **why)
{
	const struct vhost_ring_state *state =
		&connection->message.payload.state;
	struct vhost_queue *queue = queue_at(connection, state->index, why);

	if (!queue)
		return VHOST_REFUSED;
	if (state->num > 1) {
		*why = "expected 0 or 1";
		return VHOST_REFUSED;
	}
	vhost_queue_enable(queue, state->num == 1);
	return VHOST_DONE;
}

/* The ring must be quiet when its index is told: the front-end may take the
 * ring, and the memory, as its own from then on. */
static enum vhost_outcome get_base(struct vhost_connection *connection,
				   const char **why)
{
	struct vhost_ring_state state = connection->message.payload.state;
	struct vhost_queue *queue = queue_at(connection, state.index, why);

	if (!queue)
		return VHOST_BROKEN;
	if (!vhost_queue_stop(queue))
		return VHOST_LATER;
	state.num = queue->base;
	return vhost_answer(connection, &state, sizeof(state), -1, why);
}

/* KICK, CALL and ERR: a queue, and one descriptor unless it says none. */
static enum vhost_outcome set_ring_fd(struct vhost_connection *connection,
				      const char **why)
{
	struct vhost_message *message = &connection->message;
	uint64_t number = message->payload.number;
	bool none = number & VHOST_RING_NO_FD;
	struct vhost_queue *queue =
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
	if (!none && !vhost_notifier_knows(&connection->loop->notifier,
					   message->fds[0])) {
		*why = "the descriptor is not an eventfd";
		return VHOST_REFUSED;
	}
	fd = vhost_message_take_fd(message, 0);
	if (message->header.request == VHOST_SET_VRING_CALL)
		vhost_queue_set_call(queue, fd);
	else if (message->header.request == VHOST_SET_VRING_ERR)
		vhost_queue_set_err(queue, fd);
	else if (!vhost_queue_set_kick(queue, fd, why))
		return VHOST_REFUSED;
	return VHOST_DONE;
}

static bool config_range(const struct vhost_message *message)
{
	const struct vhost_config *config = &message->payload.config;

	return config->size <= VHOST_CONFIG_MAX &&
	       config->offset <= VHOST_CONFIG_MAX - config->size &&
	       message->header.size == VHOST_CONFIG_HEADER + config->size;
}

static enum vhost_outcome get_config(struct vhost_connection *connection,
				     const char **why)
{
	struct vhost_config *config = &connection->message.payload.config;
	uint8_t bytes[VHOST_CONFIG_MAX];

	/* An error is told by an answer of no bytes. */
	if (!config_range(&connection->message))
		return vhost_answer(connection, config, 0, -1, why);
	vhost_device_config(connection, bytes);
	memcpy(config->bytes, bytes + config->offset, config->size);
	return vhost_answer(connection, config,
			    VHOST_CONFIG_HEADER + config->size, -1, why);
}

/* One field may be written, and only by a driver that knows it. */
static enum vhost_outcome set_config(struct vhost_connection *connection,
				     const char **why)
{
	const struct vhost_config *config = &connection->message.payload.config;

	*why = "expected one byte, the cache mode: 0 or 1";
	if (!config_range(&connection->message) || config->size != 1 ||
	    config->offset != offsetof(struct virtio_blk_config, writeback) ||
	    config->bytes[0] > 1)
		return VHOST_REFUSED;
	connection->cache_mode = config->bytes[0];
	return VHOST_DONE;
}

/* As after connecting, but for the memory. */
static enum vhost_outcome reset_device(struct vhost_connection *connection)
{
	bool quiet = true;

	for (uint32_t i = 0; i < connection->queue_count; i++)
		quiet &= vhost_queue_stop(&connection->queues[i]);
	if (!quiet)
		return VHOST_LATER;
	for (uint32_t i = 0; i < connection->queue_count; i++)
		vhost_queue_reset(&connection->queues[i]);
	vhost_forget_inflight(connection);
	connection->cache_mode = 1;
	connection->status = 0;
	return VHOST_DONE;
}

enum vhost_outcome vhost_dispatch(struct vhost_connection *connection,
				  const char **why)
{
	switch (connection->message.header.request) {
	case VHOST_GET_FEATURES:
		return answer_number(connection,
				     vhost_device_features(connection->export),
				     why);
	case VHOST_SET_FEATURES:
		return set_features(connection, why);
	case VHOST_GET_PROTOCOL_FEATURES:
		return answer_number(connection, PROTOCOL_FEATURES, why);
	case VHOST_SET_PROTOCOL_FEATURES:
		return set_protocol_features(connection, why);
	case VHOST_SET_OWNER:
		return VHOST_DONE;
	case VHOST_GET_QUEUE_NUM:
		return answer_number(connection, connection->queue_count, why);
	case VHOST_GET_MAX_MEM_SLOTS:
		return answer_number(connection,
				     connection->export->admission.regions_max,
				     why);
	case VHOST_SET_MEM_TABLE:
		return vhost_set_table(connection, why);
	case VHOST_ADD_MEM_REG:
		return vhost_add_region(connection, why);
	case VHOST_REM_MEM_REG:
		return vhost_remove_region(connection, why);
	case VHOST_SET_VRING_NUM:
		return set_num(connection, why);
	case VHOST_SET_VRING_BASE:
		return set_base(connection, why);
	case VHOST_SET_VRING_ADDR:
		return set_addr(connection, why);
	case VHOST_SET_VRING_ENABLE:
		return set_enable(connection, why);
	case VHOST_GET_VRING_BASE:
		return get_base(connection, why);
	case VHOST_SET_VRING_KICK:
	case VHOST_SET_VRING_CALL:
	case VHOST_SET_VRING_ERR:
		return set_ring_fd(connection, why);
	case VHOST_SET_BACKEND_REQ_FD:
		return vhost_backend_set(connection, why) ? VHOST_DONE
							  : VHOST_REFUSED;
	case VHOST_GET_CONFIG:
		return get_config(connection, why);
	case VHOST_SET_CONFIG:
		return set_config(connection, why);
	case VHOST_GET_STATUS:
		return vhost_get_status(connection, why);
	case VHOST_SET_STATUS:
		return vhost_set_status(connection, why);
	case VHOST_SET_LOG_BASE:
		return vhost_set_log_base(connection, why);
	case VHOST_SET_LOG_FD:
		return vhost_set_log_fd(connection, why);
	case VHOST_GET_INFLIGHT_FD:
		return vhost_get_inflight(connection, why);
	case VHOST_SET_INFLIGHT_FD:
		return vhost_set_inflight(connection, why);
	case VHOST_RESET_OWNER:
	case VHOST_RESET_DEVICE:
		return reset_device(connection);
	default:
		*why = "a request that was not offered";
		return VHOST_REFUSED;
	}
}
