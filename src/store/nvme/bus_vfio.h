/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_STORE_NVME_BUS_VFIO_H
#define PRECARIUM_STORE_NVME_BUS_VFIO_H

#include "store/nvme/bus.h"

/* Open the controller at this PCI address, by VFIO.  NULL: *error says why, and
 * the device is as it was. */
struct nvme_bus *nvme_bus_vfio_open(const char *address,
				    struct store_error *error);

#endif
