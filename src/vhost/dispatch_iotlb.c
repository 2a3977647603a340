// SPDX-License-Identifier: MIT
#include "vhost/dispatch.h"

/*
 * The messages by which a client translates addresses, and takes that back.
 *
 * From the acknowledgement on of what is taken back not one byte may be written
 * there, so it waits for requests in flight, as a region does that is removed.
 * A translation of what was not translated waits for nothing.
 */

static enum vhost_outcome update(struct vhost_connection *connection,
				 const struct vhost_iotlb *said,
				 const char **why)
{
	struct device *device = &connection->device;
	uint32_t rights = 0;

	*why = "ACCESS_PLATFORM was not negotiated";
	if (!device->iotlb)
		return VHOST_REFUSED;
	*why = "expected the right to read, to write, or both";
	if (said->rights == 0 ||
	    said->rights > (VHOST_IOTLB_READ | VHOST_IOTLB_WRITE))
		return VHOST_REFUSED;
	if (said->rights & VHOST_IOTLB_READ)
		rights |= PREC_READ;
	if (said->rights & VHOST_IOTLB_WRITE)
		rights |= PREC_WRITE;
	if (device_in_flight(device) > 0 &&
	    !iotlb_is_new(device->iotlb, device->memory, said->address,
			  said->size, said->user, rights))
		return VHOST_LATER;
	if (!iotlb_update(device->iotlb, device->memory, said->address,
			  said->size, said->user, rights, why))
		return VHOST_REFUSED;
	device_retranslate(device);
	return VHOST_DONE;
}

/* QEMU takes back more than it gave. */
static enum vhost_outcome invalidate(struct vhost_connection *connection,
				     const struct vhost_iotlb *said)
{
	struct device *device = &connection->device;
	/* All that there is wraps to 0. */
	uint64_t size = said->size ? said->size : PREC_ADDRESS_MAX;

	if (!device->iotlb || !iotlb_has(device->iotlb, said->address, size))
		return VHOST_DONE;
	if (device_in_flight(device) > 0)
		return VHOST_LATER;
	iotlb_invalidate(device->iotlb, said->address, size);
	device_retranslate(device);
	return VHOST_DONE;
}

enum vhost_outcome vhost_iotlb(struct vhost_connection *connection,
			       const char **why)
{
	const struct vhost_iotlb *said = &connection->message.payload.iotlb;

	switch (said->type) {
	case VHOST_IOTLB_UPDATE:
		return update(connection, said, why);
	case VHOST_IOTLB_INVALIDATE:
		return invalidate(connection, said);
	default:
		*why = "expected a translation, or one that ends";
		return VHOST_REFUSED;
	}
}
