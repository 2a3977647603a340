/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_FEATURE_H
#define PRECARIUM_DEVICE_FEATURE_H

#include "device/device.h"
#include "virtio/blk.h"

/* The features that a device offers, without those of the transport. */
uint64_t device_features(const struct device_policy *policy);

/* The device as requests are decoded for it, and its configuration, which a
 * driver reads before features are negotiated. */
struct vblk_device device_of(const struct device *device);
void device_config(const struct device *device,
		   struct virtio_blk_config *config);

/* True if both sides say by an index when they want to be notified. */
bool device_event_index(const struct device *device);
/* True if the driver wants to be notified, whatever it suppresses, when the
 * available ring is empty. */
bool device_notifies_on_empty(const struct device *device);
/* VIRTIO 1.2, 6: addresses are those of the platform, which may have an
 * IOMMU. */
#define VIRTIO_F_ACCESS_PLATFORM 33

bool device_packed(const struct device *device);
/* True if writes must be durable before they complete. */
bool device_writes_through(const struct device *device);

#endif
