/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_IOMMU_FLIGHT_H
#define PRECARIUM_IOMMU_FLIGHT_H

#include "iommu/domain.h"

/* Commands in flight, for the other files of this folder.  A slot counts over
 * all queues of a domain. */

/* Is the queue, and with it the device, neither quiesced nor restarted? */
static inline bool flight_is_open(const struct iommu_domain *domain,
				  uint32_t queue)
{
	return domain->quiesce[queue].stage == IOMMU_IDLE &&
	       domain->quiesce[IOMMU_QUEUES].stage == IOMMU_IDLE;
}

bool flight_uses(const struct iommu_flight *flight, uint32_t range);

/* The device says that the slot of the queue is done.  False: it cannot be. */
bool flight_complete(struct iommu_domain *domain, uint32_t queue, uint32_t slot,
		     uint32_t status);

/* A quiesce has ended it: it is to be put again if it may be, else ends. */
void flight_drop(struct iommu_domain *domain, struct iommu_flight *flight);

/* Ask the device to end it, by the deadline. */
void flight_abort(struct iommu_domain *domain, struct iommu_flight *flight,
		  uint64_t deadline);

/* AGAIN, and it may not be any more. */
void flight_end_dropped(struct iommu_domain *domain,
			struct iommu_flight *flight);

/* Nothing ends it. */
void flight_lose(struct iommu_domain *domain, struct iommu_flight *flight,
		 uint64_t now);

/* The device is closed: nothing is in flight. */
void flight_bury(struct iommu_domain *domain, struct iommu_flight *flight);

/* AGAIN: give it to the device anew. */
void flight_put_again(struct iommu_domain *domain, struct iommu_flight *flight);

#endif
