/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_FEATURE_H
#define PRECARIUM_DEVICE_FEATURE_H

#include "device/device.h"
#include "virtio/blk.h"

/* The features that a device offers, those of the transport excepted. */
uint64_t device_features(const struct device_policy *policy);

/* The device as requests are decoded for it, and its configuration, which is
 * read before features are agreed on. */
struct vblk_device device_of(const struct device *device);
void device_config(const struct device *device,
		   struct virtio_blk_config *config);

/* Do both sides tell by an index when they want to be notified? */
bool device_event_index(const struct device *device);
/* Is the driver to be notified, whatever it suppresses, when it has nothing
 * more available? */
bool device_notifies_on_empty(const struct device *device);
bool device_packed(const struct device *device);
/* Must writes be durable before they are reported? */
bool device_writes_through(const struct device *device);

#endif
