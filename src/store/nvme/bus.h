/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_STORE_NVME_BUS_H
#define PRECARIUM_STORE_NVME_BUS_H

#include <stdbool.h>
#include <stdint.h>

#include "iommu/domain.h"
#include "store/error.h"

struct nvme_bus;

/*
 * How a controller is reached: its registers, and the memory that it may reach.
 * VFIO is one way (bus_vfio.h); tests are controllers themselves.
 */
struct nvme_bus_ops {
	/* Read or write 32 bits.  A controller that sees such a write sees
	 * what this thread has stored to its memory before.  False: the
	 * controller is not there any more.  Any thread. */
	bool (*load)(struct nvme_bus *bus, uint32_t offset, uint32_t *value);
	bool (*store)(struct nvme_bus *bus, uint32_t offset, uint32_t value);
	/* Let it read and write memory of ours, whole pages, until the bus is
	 * closed; *address is where it finds them.  One thread at a time. */
	bool (*map)(struct nvme_bus *bus, void *at, uint64_t size,
		    uint64_t *address, struct store_error *error);
	/* Let it reach memory of a client, at an address of `addresses`, and
	 * take that back: see vfio_lend and vfio_take_back. */
	bool (*lend)(struct nvme_bus *bus, const struct iommu_mapping *mapping);
	uint64_t (*take_back)(struct nvme_bus *bus, uint64_t iova,
			      uint64_t size);
	/* Signal this eventfd for the vector. */
	bool (*interrupt)(struct nvme_bus *bus, uint32_t vector, int fd);
	/* Reset it by other means than its registers. */
	bool (*reset)(struct nvme_bus *bus);
	/* Once this has returned, the controller reaches no memory of ours. */
	void (*close)(struct nvme_bus *bus);
};

/* Derived by each way. */
struct nvme_bus {
	const struct nvme_bus_ops *ops;
	const char *name; /* for messages: the PCI address */
	uint32_t size;	  /* bytes of registers, with doorbells */
	uint32_t vectors;
	int removed_fd; /* readable when it has to be closed; -1: never */
	/* Those in use.  Outlives the bus: whoever opened that frees it. */
	struct iova *addresses;
};

#endif
