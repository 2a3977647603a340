/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_IOMMU_VFIO_H
#define PRECARIUM_IOMMU_VFIO_H

#include <stdbool.h>
#include <stdint.h>

#include <precarium/region.h>

#include "iommu/domain.h"

/*
 * One PCI device behind an IOMMU, by Linux's VFIO (type 1).
 *
 * The device has a container of its own, so it reaches what is mapped here and
 * nothing else.  The kernel pins what is mapped until the container is closed,
 * also if this process is killed: it then stops the device before it unpins.
 *
 * Its registers are a region.  When the device is pulled out the kernel answers
 * accesses with SIGBUS, and the accessors of access.h with PREC_GONE.
 */

/* Vectors of MSI-X that are used: one for each worker that a server may have,
 * and one more. */
#define VFIO_VECTORS 65u

/* Zeroed before vfio_open.  What is not private may be read. */
struct vfio {
	struct prec_region registers; /* BAR 0 */
	uint32_t vectors;	      /* of MSI-X; 0: it has none that works */
	/* Readable once the device has to be given back, as somebody removes
	 * it or takes its driver away, or has failed for good. */
	int removed_fd;
	/* Those in use, shared by all that map; allocated by vfio_open, freed
	 * by vfio_close, unless it was taken: then NULL. */
	struct iova *addresses;
	char why[400]; /* one line: why a call has failed */

	/* Private. */
	int container;
	int group;
	int device;
};

/*
 * Open the device at a PCI address as 0000:00:04.0, whose class of three bytes
 * must be `class`, and `what` says what that is.  It must be bound to vfio-pci.
 * It may then access memory that is mapped for it, of which there is none yet.
 *
 * False: vfio->why says what is wrong, and what was expected; nothing is left
 * open, and the device is as it was.
 */
bool vfio_open(struct vfio *vfio, const char *address, uint32_t class,
	       const char *what);

/* Close it, also one that was not opened.  The kernel resets the device, and
 * unmaps and unpins all that was mapped. */
void vfio_close(struct vfio *vfio);

/*
 * Let the device read and write `size` bytes at `at`, whole pages of this
 * process, until it is closed.  *address is where the device finds them.
 * False: vfio->why says why not.
 */
bool vfio_map(struct vfio *vfio, void *at, uint64_t size, uint64_t *address);

/*
 * Pin memory of a client and let the device reach it, at an address that was
 * taken from `addresses`: all of it or none, as when the client took some of it
 * away.  False: errno.  Any thread; pinning takes 20 to 45 ms a GiB.
 */
bool vfio_lend(struct vfio *vfio, const struct iommu_mapping *mapping);

/* Remove all that was lent from `iova` on, `size` bytes, and unpin it.  Returns
 * how much that was: if it is less, the device may still reach some.  Any
 * thread. */
uint64_t vfio_take_back(struct vfio *vfio, uint64_t iova, uint64_t size);

/* Signal `fd`, an eventfd, for this vector from now on; -1: none. */
bool vfio_interrupt(struct vfio *vfio, uint32_t vector, int fd);

/* Reset the device alone.  False: it cannot be, or did not come back. */
bool vfio_reset(struct vfio *vfio);

#endif
