// SPDX-License-Identifier: MIT
#include "vhost/dispatch.h"

/*
 * The device status (VIRTIO 1.2, 2.1).  A client that negotiated STATUS passes
 * on what its guest's driver sets.
 */
enum {
	STATUS_FEATURES_OK = 8,
	STATUS_NEEDS_RESET = 64,
};

enum vhost_outcome vhost_get_status(struct vhost_connection *connection,
				    const char **why)
{
	uint64_t status = connection->status;

	if (status && device_is_broken(&connection->device))
		status |= STATUS_NEEDS_RESET;
	return vhost_answer(connection, &status, sizeof(status), -1, why);
}

/*
 * 0 resets the device: its rings stop, and from the reply on not one byte is
 * written (2.4.2).  Each ring keeps its base: QEMU before 8.1 asks for it after
 * this.
 */
static enum vhost_outcome reset(struct vhost_connection *connection)
{
	if (!device_stop(&connection->device))
		return VHOST_LATER;
	connection->status = 0;
	return VHOST_DONE;
}

/* 2.1.1: bits are added one after the other, and only a reset clears them.
 * 3.1.1: no FEATURES_OK without features. */
enum vhost_outcome vhost_set_status(struct vhost_connection *connection,
				    const char **why)
{
	uint64_t asked = connection->message.payload.number;

	if (asked == 0)
		return reset(connection);
	*why = "expected 0, or bits of one byte added to those that are set";
	if (asked > UINT8_MAX || connection->status & ~asked)
		return VHOST_REFUSED;
	if (!connection->features_set)
		asked &= ~(uint64_t)STATUS_FEATURES_OK;
	connection->status = (uint8_t)(asked & ~(uint64_t)STATUS_NEEDS_RESET);
	return VHOST_DONE;
}
