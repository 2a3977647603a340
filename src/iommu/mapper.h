/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_IOMMU_MAPPER_H
#define PRECARIUM_IOMMU_MAPPER_H

#include <pthread.h>
#include <sys/queue.h>

#include "iommu/domain.h"

/*
 * Mappings, made and removed by another thread: to pin memory takes 20 to 45 ms
 * a GiB, more if its pages have to be made first, and an IOMMU waits to be
 * flushed.  Threads that serve clients have no such time.
 *
 * A mapping is made and removed in pieces, one for each call of mapper_work, so
 * that the thread can do something else in between: a client that lends a
 * terabyte does not keep a controller from being reset.
 *
 * Any number of domains share a mapper, each by its own thread, and one thread
 * calls mapper_work.
 */
#define MAPPER_PIECE (256ull << 20)

/* What it asks of the system.  Both may take long. */
struct mapper_ops {
	/* Pin these whole pages and let the device reach them: all or none. */
	bool (*map)(void *device, const struct iommu_mapping *piece);
	/* Remove what was mapped at an address, and unpin it.  Returns the
	 * bytes that were removed: exactly `size`, or it is not certain that
	 * the device does not reach them. */
	uint64_t (*unmap)(void *device, uint64_t iova, uint64_t size);
};

struct mapper_job;

struct mapper {
	const struct mapper_ops *ops;
	void *device;
	int work_fd; /* an eventfd, signalled when there is work */

	/* Private. */
	pthread_mutex_t lock;
	TAILQ_HEAD(, mapper_job) jobs;
};

/* `work_fd` is borrowed, as is what `device` points to. */
void mapper_init(struct mapper *mapper, const struct mapper_ops *ops,
		 void *device, int work_fd);
/* Nothing may be on its way. */
void mapper_destroy(struct mapper *mapper);

/*
 * The answers of iommu_ops.map and .unmap.  `told_fd`, an eventfd, is signalled
 * when the answer is no longer NOT_YET.  A mapping has a job, in `own`, from
 * the first call of mapper_map until mapper_unmap answers DONE, or until it
 * could not be made; FAILED is also: out of memory.  What was made in part and
 * can then not be removed is NOT_YET for ever: nobody knows what it is.
 */
enum iommu_answer mapper_map(struct mapper *mapper,
			     struct iommu_mapping *mapping, int told_fd);
enum iommu_answer mapper_unmap(struct mapper *mapper,
			       struct iommu_mapping *mapping, int told_fd);

/* The other thread: do a piece of work.  False: there is none. */
bool mapper_work(struct mapper *mapper);

#endif
