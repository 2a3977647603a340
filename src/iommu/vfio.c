// SPDX-License-Identifier: MIT
#include "iommu/vfio.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <precarium/lending_linux.h>

#define PATH_SIZE 128u
#define WORD_SIZE 64u

/* No IOMMU tells more than this of itself. */
#define INFO_MAX 65536u

__attribute__((format(printf, 2, 3))) static bool fail(struct vfio *vfio,
						       const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(vfio->why, sizeof(vfio->why), format, args);
	va_end(args);
	return false;
}

/* 0000:00:04.0, and nothing that would lead elsewhere in a path. */
static bool is_address(const char *text)
{
	static const char form[] = "xxxx:xx:xx.x";
	size_t i = 0;

	for (; form[i]; i++) {
		bool digit = text[i] >= '0' && text[i] <= '9';
		bool letter = text[i] >= 'a' && text[i] <= 'f';

		if (form[i] == 'x' ? !digit && !letter : text[i] != form[i])
			return false;
	}
	return text[i] == 0;
}

/* The last part of what a link of the device in sysfs points to; "": it is not
 * there. */
static void read_link(const char *address, const char *name,
		      char word[WORD_SIZE])
{
	char path[PATH_SIZE], target[256];
	const char *slash;
	ssize_t size;

	word[0] = 0;
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", address,
		 name);
	size = readlink(path, target, sizeof(target) - 1);
	if (size <= 0)
		return;
	target[size] = 0;
	slash = strrchr(target, '/');
	snprintf(word, WORD_SIZE, "%.60s", slash ? slash + 1 : target);
}

/* The first line of a file; "": there is none. */
static void read_line(const char *path, char word[WORD_SIZE])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t size = fd < 0 ? -1 : read(fd, word, WORD_SIZE - 1);

	if (fd >= 0)
		close(fd);
	word[size > 0 ? size : 0] = 0;
	word[strcspn(word, "\n")] = 0;
}

static bool check_class(struct vfio *vfio, const char *address, uint32_t class,
			const char *what)
{
	char path[PATH_SIZE], word[WORD_SIZE];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/class", address);
	read_line(path, word);
	if (!word[0])
		return fail(vfio,
			    "%s: there is no such device; expected the PCI "
			    "address of %s, as 0000:00:04.0",
			    address, what);
	if (strtoul(word, NULL, 16) != class)
		return fail(vfio,
			    "%s: is of class %.10s; expected %s, which has "
			    "class 0x%06x",
			    address, word, what, class);
	return true;
}

static bool check_driver(struct vfio *vfio, const char *address)
{
	char driver[WORD_SIZE];

	read_link(address, "driver", driver);
	if (strcmp(driver, "vfio-pci") == 0)
		return true;
	return fail(vfio,
		    "%s: is bound to %s%s; expected vfio-pci (driverctl "
		    "set-override %s vfio-pci)",
		    address, driver[0] ? "the driver " : "no driver", driver,
		    address);
}

static bool check_iommu(struct vfio *vfio, const char *address,
			char group[WORD_SIZE])
{
	char path[PATH_SIZE], name[WORD_SIZE];

	read_link(address, "iommu_group", group);
	if (!group[0])
		return fail(vfio,
			    "%s: no IOMMU stands before it; expected one that "
			    "is enabled in the firmware and the kernel "
			    "(intel_iommu=on)",
			    address);
	snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%s/name", group);
	read_line(path, name);
	if (strcmp(name, "vfio-noiommu") == 0)
		return fail(vfio,
			    "%s: VFIO has it without an IOMMU, so it reaches "
			    "all memory; expected an IOMMU that is enabled",
			    address);
	return true;
}

static bool open_container(struct vfio *vfio, const char *address)
{
	vfio->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (vfio->container < 0)
		return fail(vfio,
			    "%s: /dev/vfio/vfio: %s; expected a kernel with "
			    "VFIO (modprobe vfio-pci), and to be allowed to "
			    "open it",
			    address, strerror(errno));
	if (ioctl(vfio->container, VFIO_GET_API_VERSION) != VFIO_API_VERSION ||
	    ioctl(vfio->container, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) <=
		    0)
		return fail(vfio,
			    "%s: VFIO has no type 1 here; expected the module "
			    "vfio_iommu_type1",
			    address);
	return true;
}

static bool open_group(struct vfio *vfio, const char *address,
		       const char *group)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "/dev/vfio/%s", group);
	vfio->group = open(path, O_RDWR | O_CLOEXEC);
	if (vfio->group < 0 && errno == EBUSY)
		return fail(vfio,
			    "%s: %s is open already, in this program or in "
			    "another; expected nobody else to use the device",
			    address, path);
	if (vfio->group < 0)
		return fail(vfio,
			    "%s: %s: %s; expected to be allowed to read and "
			    "write it",
			    address, path, strerror(errno));
	if (ioctl(vfio->group, VFIO_GROUP_GET_STATUS, &status) < 0 ||
	    !(status.flags & VFIO_GROUP_FLAGS_VIABLE))
		return fail(
			vfio,
			"%s: its IOMMU group %s is not viable; expected "
			"each device in /sys/kernel/iommu_groups/%s/devices "
			"to be bound to vfio-pci or to no driver",
			address, group, group);
	if (ioctl(vfio->group, VFIO_GROUP_SET_CONTAINER, &vfio->container) < 0)
		return fail(vfio, "%s: %s cannot be put into a container: %s",
			    address, path, strerror(errno));
	if (ioctl(vfio->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) < 0)
		return fail(vfio,
			    "%s: the IOMMU cannot be set up: %s; expected one "
			    "that remaps interrupts, too",
			    address, strerror(errno));
	return true;
}

/* Follow the chain of capabilities; each lies behind the one before. */
static uint32_t read_ranges(const struct vfio_iommu_type1_info *info,
			    struct iova_range *ranges)
{
	uint32_t at = info->flags & VFIO_IOMMU_INFO_CAPS ? info->cap_offset : 0;
	uint32_t count = 0;

	while (at) {
		const struct vfio_info_cap_header *header =
			(const void *)((const char *)info + at);
		const struct vfio_iommu_type1_info_cap_iova_range *told =
			(const void *)header;

		if (header->id == VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE) {
			for (uint32_t i = 0;
			     i < told->nr_iovas && count < IOVA_RANGES_MAX; i++)
				ranges[count++] = (struct iova_range){
					told->iova_ranges[i].start,
					told->iova_ranges[i].end,
				};
		}
		at = header->next > at ? header->next : 0;
	}
	return count;
}

/* Which addresses the device may be given.  There is a hole where interrupts
 * are signalled. */
static bool learn_addresses(struct vfio *vfio, const char *address)
{
	struct vfio_iommu_type1_info asked = { .argsz = sizeof(asked) };
	struct vfio_iommu_type1_info *info = NULL;
	struct iova_range ranges[IOVA_RANGES_MAX];
	uint32_t count = 0;

	if (ioctl(vfio->container, VFIO_IOMMU_GET_INFO, &asked) == 0 &&
	    asked.argsz >= sizeof(asked) && asked.argsz <= INFO_MAX)
		info = calloc(1, asked.argsz);
	if (info) {
		info->argsz = asked.argsz;
		if (ioctl(vfio->container, VFIO_IOMMU_GET_INFO, info) == 0 &&
		    info->argsz <= asked.argsz)
			count = read_ranges(info, ranges);
	}
	free(info);
	vfio->addresses = iova_new(ranges, count);
	if (!vfio->addresses)
		return fail(vfio,
			    "%s: the IOMMU does not tell which addresses it "
			    "offers; expected Linux 5.4 or newer",
			    address);
	return true;
}

static bool region_info(const struct vfio *vfio, uint32_t index,
			struct vfio_region_info *info)
{
	memset(info, 0, sizeof(*info));
	info->argsz = sizeof(*info);
	info->index = index;
	return ioctl(vfio->device, VFIO_DEVICE_GET_REGION_INFO, info) == 0;
}

static bool map_registers(struct vfio *vfio, const char *address)
{
	struct prec_adoption adoption = { .rights = PREC_READ | PREC_WRITE };
	struct vfio_region_info bar;
	void *at;

	if (!region_info(vfio, VFIO_PCI_BAR0_REGION_INDEX, &bar) ||
	    bar.size == 0 || !(bar.flags & VFIO_REGION_INFO_FLAG_MMAP))
		return fail(vfio, "%s: its registers cannot be mapped",
			    address);
	at = mmap(NULL, bar.size, PROT_READ | PROT_WRITE, MAP_SHARED,
		  vfio->device, (off_t)bar.offset);
	if (at == MAP_FAILED)
		return fail(vfio, "%s: its registers cannot be mapped: %s",
			    address, strerror(errno));
	/* A child that kept the mapping would keep the device: a removal would
	 * wait for it. */
	madvise(at, bar.size, MADV_DONTFORK);
	adoption.at = at;
	adoption.size = bar.size;
	if (prec_region_adopt(&vfio->registers, &adoption) == PREC_OK)
		return true;
	munmap(at, bar.size);
	return fail(vfio, "%s: there are too many regions for its registers",
		    address);
}

/* Let it access memory, and answer accesses to its registers. */
static bool enable(struct vfio *vfio, const char *address)
{
	struct vfio_region_info config;
	uint16_t command;

	if (region_info(vfio, VFIO_PCI_CONFIG_REGION_INDEX, &config) &&
	    pread(vfio->device, &command, sizeof(command),
		  (off_t)config.offset + PCI_COMMAND) == sizeof(command)) {
		command |= PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY;
		if (pwrite(vfio->device, &command, sizeof(command),
			   (off_t)config.offset + PCI_COMMAND) ==
		    sizeof(command))
			return true;
	}
	return fail(vfio, "%s: cannot be enabled: %s", address,
		    strerror(errno));
}

static bool set_irqs(struct vfio *vfio, uint32_t index, uint32_t start,
		     uint32_t count, int fd)
{
	size_t size = sizeof(struct vfio_irq_set) + count * sizeof(int);
	struct vfio_irq_set *set = calloc(1, size);
	bool good;

	if (!set)
		return false;
	set->argsz = (uint32_t)size;
	set->flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	set->index = index;
	set->start = start;
	set->count = count;
	for (uint32_t i = 0; i < count; i++)
		memcpy(set->data + i * sizeof(int), &fd, sizeof(int));
	good = ioctl(vfio->device, VFIO_DEVICE_SET_IRQS, set) == 0;
	free(set);
	return good;
}

/* Vectors can be allotted once, all together; the host has not many. */
static void open_vectors(struct vfio *vfio)
{
	struct vfio_irq_info info = { .argsz = sizeof(info),
				      .index = VFIO_PCI_MSIX_IRQ_INDEX };
	uint32_t count = 0;

	if (ioctl(vfio->device, VFIO_DEVICE_GET_IRQ_INFO, &info) == 0)
		count = info.count < VFIO_VECTORS ? info.count : VFIO_VECTORS;
	if (count > 0 && set_irqs(vfio, VFIO_PCI_MSIX_IRQ_INDEX, 0, count, -1))
		vfio->vectors = count;
}

/* Not each device and kernel has both of them. */
static bool watch_removal(struct vfio *vfio, const char *address)
{
	vfio->removed_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vfio->removed_fd < 0)
		return fail(vfio, "%s: no event descriptor: %s", address,
			    strerror(errno));
	set_irqs(vfio, VFIO_PCI_REQ_IRQ_INDEX, 0, 1, vfio->removed_fd);
	set_irqs(vfio, VFIO_PCI_ERR_IRQ_INDEX, 0, 1, vfio->removed_fd);
	return true;
}

static bool open_device(struct vfio *vfio, const char *address)
{
	vfio->device = ioctl(vfio->group, VFIO_GROUP_GET_DEVICE_FD, address);
	if (vfio->device < 0)
		return fail(vfio, "%s: %s; expected VFIO to hand it out",
			    address, strerror(errno));
	if (!map_registers(vfio, address) || !enable(vfio, address))
		return false;
	open_vectors(vfio);
	return watch_removal(vfio, address);
}

bool vfio_open(struct vfio *vfio, const char *address, uint32_t class,
	       const char *what)
{
	char group[WORD_SIZE];

	memset(vfio, 0, sizeof(*vfio));
	vfio->container = -1;
	vfio->group = -1;
	vfio->device = -1;
	vfio->removed_fd = -1;
	if (!is_address(address))
		return fail(vfio,
			    "%.60s: is no PCI address; expected one as "
			    "0000:00:04.0",
			    address);
	if (check_class(vfio, address, class, what) &&
	    check_driver(vfio, address) && check_iommu(vfio, address, group) &&
	    open_container(vfio, address) && open_group(vfio, address, group) &&
	    learn_addresses(vfio, address) && open_device(vfio, address))
		return true;
	vfio_close(vfio);
	return false;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void vfio_close(struct vfio *vfio)
{
	struct prec_span bar = vfio->registers.span;

	/* No transaction is ever open on it. */
	if (bar.size && prec_region_unmap(&vfio->registers) == PREC_OK)
		munmap((void *)(uintptr_t)bar.host, bar.size);
	vfio->registers.span.size = 0;
	close_fd(&vfio->device);
	close_fd(&vfio->group);
	close_fd(&vfio->container);
	close_fd(&vfio->removed_fd);
	iova_free(vfio->addresses);
	vfio->addresses = NULL;
}

static bool fail_map(struct vfio *vfio, uint64_t size, int error)
{
	struct rlimit limit = { .rlim_cur = RLIM_INFINITY };

	getrlimit(RLIMIT_MEMLOCK, &limit);
	if (error == ENOMEM && limit.rlim_cur != RLIM_INFINITY)
		return fail(vfio,
			    "%" PRIu64 " KiB cannot be locked for the device: "
			    "this process may lock %" PRIu64 " KiB; expected "
			    "more (LimitMEMLOCK= of systemd, ulimit -l)",
			    size / 1024, (uint64_t)limit.rlim_cur / 1024);
	return fail(vfio, "%" PRIu64 " KiB cannot be mapped for the device: %s",
		    size / 1024, strerror(error));
}

static bool map(struct vfio *vfio, const struct iommu_mapping *mapping)
{
	struct vfio_iommu_type1_dma_map dma = {
		.argsz = sizeof(dma),
		.vaddr = mapping->host,
		.iova = mapping->iova,
		.size = mapping->size,
	};

	if (mapping->rights & PREC_READ)
		dma.flags |= VFIO_DMA_MAP_FLAG_READ;
	if (mapping->rights & PREC_WRITE)
		dma.flags |= VFIO_DMA_MAP_FLAG_WRITE;
	return ioctl(vfio->container, VFIO_IOMMU_MAP_DMA, &dma) == 0;
}

bool vfio_map(struct vfio *vfio, void *at, uint64_t size, uint64_t *address)
{
	struct iommu_mapping mapping = {
		.host = (uintptr_t)at,
		.size = size,
		.rights = PREC_READ | PREC_WRITE,
	};

	if (!iova_take(vfio->addresses, size, mapping.host, &mapping.iova))
		return fail(vfio, "the IOMMU has no addresses left");
	*address = mapping.iova;
	return map(vfio, &mapping) || fail_map(vfio, size, errno);
}

bool vfio_lend(struct vfio *vfio, const struct iommu_mapping *mapping)
{
	return map(vfio, mapping);
}

/* Version 2 of type 1 removes what lies within, and says how much that was. */
uint64_t vfio_take_back(struct vfio *vfio, uint64_t iova, uint64_t size)
{
	struct vfio_iommu_type1_dma_unmap dma = {
		.argsz = sizeof(dma),
		.iova = iova,
		.size = size,
	};

	if (ioctl(vfio->container, VFIO_IOMMU_UNMAP_DMA, &dma) < 0)
		return 0;
	return dma.size;
}

bool vfio_interrupt(struct vfio *vfio, uint32_t vector, int fd)
{
	return vector < vfio->vectors &&
	       set_irqs(vfio, VFIO_PCI_MSIX_IRQ_INDEX, vector, 1, fd);
}

bool vfio_reset(struct vfio *vfio)
{
	return ioctl(vfio->device, VFIO_DEVICE_RESET) == 0;
}
