/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_IOMMU_LOAN_H
#define PRECARIUM_IOMMU_LOAN_H

#include "iommu/domain.h"

/* Loans, for the other files of this folder. */

/* LIVE or COMING: no new command uses it. */
void loan_revoke(struct iommu_domain *domain, uint32_t range, uint64_t now);

/* The last command that used the range, which is revoked, has ended. */
void loan_quiet(struct iommu_domain *domain, uint32_t range);

/* What a command that uses it may still do cannot be known. */
void loan_hold(struct iommu_domain *domain, uint32_t range, uint64_t now);

/* The device is closed: it has LEFT, whatever it was. */
void loan_bury(struct iommu_domain *domain, uint32_t range);

/* See what has become of its mappings.  True: its deadline has passed just
 * now, and its commands must be ended. */
bool loan_step(struct iommu_domain *domain, uint32_t range, uint64_t now);

/* `now` and `more`, or as late as can be said. */
static inline uint64_t iommu_later(uint64_t now, uint64_t more)
{
	return more > UINT64_MAX - now ? UINT64_MAX : now + more;
}

#endif
