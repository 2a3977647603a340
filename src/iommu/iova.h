/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_IOMMU_IOVA_H
#define PRECARIUM_IOMMU_IOVA_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Device addresses: which are in use, and a place for more.  The IOMMU says
 * which ranges it translates.  They have holes: what a device writes to the
 * window of interrupts at 0xfee00000, for one, is never translated.
 *
 * An address that is given out is used again only after it was given back,
 * which is when the device's table no longer has it and no command that was
 * told of it is in flight.
 *
 * A device has one such record, which all that map memory for it share: any
 * thread may call what follows, but for the first and the last.
 */
#define IOVA_RANGES_MAX 16u
#define IOVA_TAKEN_MAX	4096u

/* So that an address which nobody has set reaches nothing. */
#define IOVA_LOWEST    0x100000u
#define IOVA_PAGE      4096u
#define IOVA_HUGE_PAGE (2u << 20)

/* First and last address, as the IOMMU says them. */
struct iova_range {
	uint64_t first;
	uint64_t last;
};

struct iova {
	pthread_mutex_t lock;
	uint32_t range_count;
	struct iova_range range[IOVA_RANGES_MAX]; /* whole pages, ascending */
	uint32_t count;
	uint64_t start[IOVA_TAKEN_MAX]; /* ascending */
	uint64_t size[IOVA_TAKEN_MAX];
};

/*
 * Begin with what the IOMMU translates, in any order.  Addresses below
 * IOVA_LOWEST are left out, also because a device takes 0 for none, and so is
 * what lies beyond PREC_ADDRESS_MAX.  False: no page is left, or there are too
 * many ranges, and there is nothing to destroy.
 */
bool iova_init(struct iova *iova, const struct iova_range *ranges,
	       uint32_t count);
void iova_destroy(struct iova *iova);

/* Likewise, allocated.  NULL: also no memory. */
struct iova *iova_new(const struct iova_range *ranges, uint32_t count);
/* NULL is ignored. */
void iova_free(struct iova *iova);

/*
 * Take `size` bytes, whole pages, at the lowest place that is free.  The
 * address lies in its huge page as `host` does in its own, so that the IOMMU
 * can map huge pages as such.  False: no place is left; nothing has changed.
 */
bool iova_take(struct iova *iova, uint64_t size, uint64_t host, uint64_t *at);

/* Give back what was taken at `at`. */
void iova_give(struct iova *iova, uint64_t at);

#endif
