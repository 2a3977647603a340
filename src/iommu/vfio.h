/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_IOMMU_VFIO_H
#define PRECARIUM_IOMMU_VFIO_H

#include <stdbool.h>
#include <stdint.h>

#include <precarium/region.h>

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

/* Runs of device addresses that an IOMMU offers; real ones have two or
 * three. */
#define VFIO_RUNS 8u

/* Zeroed before vfio_open.  What is not private may be read. */
struct vfio {
	struct prec_region registers; /* BAR 0 */
	uint32_t vectors;	      /* of MSI-X; 0: it has none */
	/* Readable once the device has to be given back, as somebody removes
	 * it or takes its driver away, or has failed for good. */
	int removed_fd;
	char why[400]; /* one line: why a call has failed */

	/* Private. */
	int container;
	int group;
	int device;
	uint32_t run_count;
	uint64_t run_start[VFIO_RUNS];
	uint64_t run_end[VFIO_RUNS]; /* one past the last */
	uint32_t run;		     /* that is being given away */
	uint64_t next;		     /* its first address that is free */
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

/* Signal `fd`, an eventfd, for this vector from now on; -1: none. */
bool vfio_interrupt(struct vfio *vfio, uint32_t vector, int fd);

/* Reset the device alone.  False: it cannot be, or did not come back. */
bool vfio_reset(struct vfio *vfio);

#endif
