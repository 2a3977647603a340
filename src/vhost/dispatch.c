// SPDX-License-Identifier: MIT
#include "vhost/dispatch.h"

#include <string.h>

#include "vhost/channel.h"
#include "device/feature.h"
#include "device/queue.h"
#include "virtio/blk_wire.h"

/* Only what works is offered. */
#define PROTOCOL_FEATURES                                                      \
	(1ull << VHOST_PROTOCOL_MQ | 1ull << VHOST_PROTOCOL_LOG_SHMFD |        \
	 1ull << VHOST_PROTOCOL_REPLY_ACK |                                    \
	 1ull << VHOST_PROTOCOL_BACKEND_REQ | 1ull << VHOST_PROTOCOL_CONFIG |  \
	 1ull << VHOST_PROTOCOL_RESET_DEVICE |                                 \
	 1ull << VHOST_PROTOCOL_CONFIGURE_MEM_SLOTS |                          \
	 1ull << VHOST_PROTOCOL_INFLIGHT_SHMFD |                               \
	 1ull << VHOST_PROTOCOL_STATUS)

static enum vhost_outcome answer_number(struct vhost_connection *connection,
					uint64_t number, const char **why)
{
	return vhost_answer(connection, &number, sizeof(number), -1, why);
}

/* The messages of an IOTLB need a channel, and are acknowledged. */
#define TRANSLATING                                                            \
	(1ull << VHOST_PROTOCOL_BACKEND_REQ | 1ull << VHOST_PROTOCOL_REPLY_ACK)

/*
 * ACCESS_PLATFORM is offered to those that can translate, which they have said
 * by then: QEMU asks for the features once more.  Others, such as User-Mode
 * Linux, pass on to the guest any feature that they do not know.
 */
static uint64_t offered(const struct vhost_connection *connection)
{
	uint64_t features = device_features(connection->device.policy) |
			    1ull << VHOST_F_PROTOCOL_FEATURES |
			    1ull << VHOST_F_LOG_ALL;

	if ((connection->protocol_features & TRANSLATING) == TRANSLATING)
		features |= 1ull << VIRTIO_F_ACCESS_PLATFORM;
	return features;
}

/* Rings that run have addresses of one kind. */
static bool set_translated(struct vhost_connection *connection, bool translated,
			   const char **why)
{
	struct device *device = &connection->device;

	if (translated == (device->iotlb != NULL))
		return true;
	*why = "ACCESS_PLATFORM changes while rings run";
	if (device_in_flight(device) > 0 || !device_is_stopped(device))
		return false;
	*why = "out of memory";
	return device_translate(device, translated);
}

static enum vhost_outcome set_features(struct vhost_connection *connection,
				       const char **why)
{
	struct device *device = &connection->device;
	uint64_t asked = connection->message.payload.number;

	if (asked & ~offered(connection)) {
		*why = "features that were not offered";
		return VHOST_REFUSED;
	}
	if (!set_translated(connection, asked >> VIRTIO_F_ACCESS_PLATFORM & 1,
			    why))
		return VHOST_REFUSED;
	device_set_features(device, asked);
	device->dirty.all = asked >> VHOST_F_LOG_ALL & 1;
	connection->features_set = true;
	/* Without protocol features there is no message to enable a ring. */
	if (!(asked & (1ull << VHOST_F_PROTOCOL_FEATURES)))
		device_enable(device);
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

union all_config {
	struct virtio_blk_config config;
	uint8_t bytes[VHOST_CONFIG_MAX];
};

/* Some front-ends send a payload of one size, whatever part they name. */
static bool config_range(const struct vhost_message *message)
{
	const struct vhost_config *config = &message->payload.config;

	return config->size <= VHOST_CONFIG_MAX &&
	       config->offset <= VHOST_CONFIG_MAX - config->size &&
	       message->header.size >= VHOST_CONFIG_HEADER + config->size;
}

static enum vhost_outcome get_config(struct vhost_connection *connection,
				     const char **why)
{
	struct vhost_config *config = &connection->message.payload.config;
	union all_config all = { .bytes = { 0 } };

	/* A reply without bytes reports an error. */
	if (!config_range(&connection->message))
		return vhost_answer(connection, config, 0, -1, why);
	device_note_size(&connection->device);
	device_config(&connection->device, &all.config);
	memset(config->bytes, 0, sizeof(config->bytes));
	memcpy(config->bytes, all.bytes + config->offset, config->size);
	return vhost_answer(connection, config, connection->message.header.size,
			    -1, why);
}

/* A front-end may write back what it has read. */
static enum vhost_outcome set_config(struct vhost_connection *connection,
				     const char **why)
{
	const struct vhost_config *config = &connection->message.payload.config;
	union all_config all = { .bytes = { 0 } };

	*why = "expected a part of the configuration, and all of it in the "
	       "message";
	if (!config_range(&connection->message))
		return VHOST_REFUSED;
	device_config(&connection->device, &all.config);
	*why = "no field of the configuration may be written";
	return memcmp(all.bytes + config->offset, config->bytes,
		      config->size) == 0
		       ? VHOST_DONE
		       : VHOST_REFUSED;
}

/* As after connecting, but memory stays lent. */
static enum vhost_outcome reset_device(struct vhost_connection *connection)
{
	if (!device_stop(&connection->device))
		return VHOST_LATER;
	device_reset(&connection->device);
	connection->status = 0;
	return VHOST_DONE;
}

enum vhost_outcome vhost_dispatch(struct vhost_connection *connection,
				  const char **why)
{
	switch (connection->message.header.request) {
	case VHOST_GET_FEATURES:
		return answer_number(connection, offered(connection), why);
	case VHOST_SET_FEATURES:
		return set_features(connection, why);
	case VHOST_GET_PROTOCOL_FEATURES:
		return answer_number(connection, PROTOCOL_FEATURES, why);
	case VHOST_SET_PROTOCOL_FEATURES:
		return set_protocol_features(connection, why);
	case VHOST_SET_OWNER:
		return VHOST_DONE;
	case VHOST_GET_QUEUE_NUM:
		return answer_number(connection, connection->device.queue_count,
				     why);
	case VHOST_GET_MAX_MEM_SLOTS:
		return answer_number(
			connection,
			connection->device.policy->admission.regions_max, why);
	case VHOST_SET_MEM_TABLE:
		return vhost_set_table(connection, why);
	case VHOST_ADD_MEM_REG:
		return vhost_add_region(connection, why);
	case VHOST_REM_MEM_REG:
		return vhost_remove_region(connection, why);
	case VHOST_IOTLB_MSG:
		return vhost_iotlb(connection, why);
	case VHOST_SET_VRING_NUM:
		return vhost_set_num(connection, why);
	case VHOST_SET_VRING_BASE:
		return vhost_set_base(connection, why);
	case VHOST_SET_VRING_ADDR:
		return vhost_set_addr(connection, why);
	case VHOST_SET_VRING_ENABLE:
		return vhost_set_enable(connection, why);
	case VHOST_GET_VRING_BASE:
		return vhost_get_base(connection, why);
	case VHOST_SET_VRING_KICK:
	case VHOST_SET_VRING_CALL:
	case VHOST_SET_VRING_ERR:
		return vhost_set_ring_fd(connection, why);
	case VHOST_SET_BACKEND_REQ_FD:
		return vhost_channel_set(connection, why) ? VHOST_DONE
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
