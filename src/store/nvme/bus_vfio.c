// SPDX-License-Identifier: MIT
#include "store/nvme/bus_vfio.h"

#include <stdlib.h>
#include <string.h>

#include <precarium/access.h>

#include "iommu/vfio.h"
#include "store/nvme/wire.h"

struct vfio_bus {
	struct nvme_bus bus;
	struct vfio vfio;
	char address[16];
};

static struct vfio *vfio_of(struct nvme_bus *bus)
{
	return &((struct vfio_bus *)bus)->vfio;
}

static bool load(struct nvme_bus *bus, uint32_t offset, uint32_t *value)
{
	return prec_load32(vfio_of(bus)->registers.span, offset, value) ==
	       PREC_OK;
}

static bool store(struct nvme_bus *bus, uint32_t offset, uint32_t value)
{
	return prec_store32(vfio_of(bus)->registers.span, offset, value) ==
	       PREC_OK;
}

static bool map(struct nvme_bus *bus, void *at, uint64_t size,
		uint64_t *address, struct store_error *error)
{
	return vfio_map(vfio_of(bus), at, size, address) ||
	       store_fail(error, "%s: %s", bus->name, vfio_of(bus)->why);
}

static bool lend(struct nvme_bus *bus, const struct iommu_mapping *mapping)
{
	return vfio_lend(vfio_of(bus), mapping);
}

static uint64_t take_back(struct nvme_bus *bus, uint64_t iova, uint64_t size)
{
	return vfio_take_back(vfio_of(bus), iova, size);
}

static bool interrupt(struct nvme_bus *bus, uint32_t vector, int fd)
{
	return vfio_interrupt(vfio_of(bus), vector, fd);
}

static bool reset(struct nvme_bus *bus)
{
	return vfio_reset(vfio_of(bus));
}

static void close_bus(struct nvme_bus *bus)
{
	/* Not ours any more. */
	vfio_of(bus)->addresses = NULL;
	vfio_close(vfio_of(bus));
	free(bus);
}

static const struct nvme_bus_ops vfio_ops = {
	.load = load,
	.store = store,
	.map = map,
	.lend = lend,
	.take_back = take_back,
	.interrupt = interrupt,
	.reset = reset,
	.close = close_bus,
};

struct nvme_bus *nvme_bus_vfio_open(const char *address,
				    struct store_error *error)
{
	struct vfio_bus *bus = calloc(1, sizeof(*bus));

	if (!bus) {
		store_fail(error, "out of memory");
		return NULL;
	}
	if (!vfio_open(&bus->vfio, address, NVME_PCI_CLASS,
		       "an NVMe controller")) {
		store_fail(error, "%s", bus->vfio.why);
		free(bus);
		return NULL;
	}
	memcpy(bus->address, address, strlen(address) + 1);
	bus->bus.ops = &vfio_ops;
	bus->bus.name = bus->address;
	bus->bus.size = bus->vfio.registers.span.size > UINT32_MAX
				? UINT32_MAX
				: (uint32_t)bus->vfio.registers.span.size;
	bus->bus.vectors = bus->vfio.vectors;
	bus->bus.removed_fd = bus->vfio.removed_fd;
	bus->bus.addresses = bus->vfio.addresses;
	return &bus->bus;
}
