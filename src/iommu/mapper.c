// SPDX-License-Identifier: MIT
#include "iommu/mapper.h"

#include <stdlib.h>
#include <sys/eventfd.h>

/* What becomes of a mapping; it goes down this list, and from MAPPED or HALF
 * only when it is asked to. */
enum job_state {
	JOB_MAPPING,
	JOB_UNDOING, /* a piece could not be mapped */
	JOB_REFUSED,
	JOB_MAPPED,
	JOB_UNMAPPING,
	JOB_UNMAPPED,
	JOB_HALF, /* some of it may still be mapped */
};

struct mapper_job {
	TAILQ_ENTRY(mapper_job) entry; /* while it moves */
	struct iommu_mapping mapping;
	int told_fd;
	uint64_t mapped;      /* bytes, from the start on; the worker's */
	enum job_state state; /* under the lock */
};

void mapper_init(struct mapper *mapper, const struct mapper_ops *ops,
		 void *device, int work_fd)
{
	mapper->ops = ops;
	mapper->device = device;
	mapper->work_fd = work_fd;
	pthread_mutex_init(&mapper->lock, NULL);
	TAILQ_INIT(&mapper->jobs);
}

void mapper_destroy(struct mapper *mapper)
{
	pthread_mutex_destroy(&mapper->lock);
}

static void tell(int fd)
{
	/* Full is told, too. */
	(void)!eventfd_write(fd, 1);
}

static void begin(struct mapper *mapper, struct mapper_job *job,
		  enum job_state state, int told_fd)
{
	pthread_mutex_lock(&mapper->lock);
	job->state = state;
	job->told_fd = told_fd;
	TAILQ_INSERT_TAIL(&mapper->jobs, job, entry);
	pthread_mutex_unlock(&mapper->lock);
	tell(mapper->work_fd);
}

static enum job_state state_of(struct mapper *mapper,
			       const struct mapper_job *job)
{
	enum job_state state;

	pthread_mutex_lock(&mapper->lock);
	state = job->state;
	pthread_mutex_unlock(&mapper->lock);
	return state;
}

static void forget(struct iommu_mapping *mapping)
{
	free(mapping->own);
	mapping->own = NULL;
}

enum iommu_answer mapper_map(struct mapper *mapper,
			     struct iommu_mapping *mapping, int told_fd)
{
	struct mapper_job *job = mapping->own;

	if (!job) {
		job = calloc(1, sizeof(*job));
		if (!job)
			return IOMMU_FAILED;
		job->mapping = *mapping;
		mapping->own = job;
		begin(mapper, job, JOB_MAPPING, told_fd);
		return IOMMU_NOT_YET;
	}
	switch (state_of(mapper, job)) {
	case JOB_MAPPED:
		return IOMMU_DONE;
	case JOB_REFUSED:
		forget(mapping);
		return IOMMU_FAILED;
	default:
		return IOMMU_NOT_YET;
	}
}

enum iommu_answer mapper_unmap(struct mapper *mapper,
			       struct iommu_mapping *mapping, int told_fd)
{
	struct mapper_job *job = mapping->own;

	switch (state_of(mapper, job)) {
	case JOB_MAPPED:
		begin(mapper, job, JOB_UNMAPPING, told_fd);
		return IOMMU_NOT_YET;
	case JOB_UNMAPPED:
		forget(mapping);
		return IOMMU_DONE;
	case JOB_HALF:
		return IOMMU_FAILED;
	default:
		return IOMMU_NOT_YET;
	}
}

/* The piece of the mapping that begins so many bytes into it. */
static struct iommu_mapping piece_at(const struct mapper_job *job, uint64_t at)
{
	struct iommu_mapping piece = job->mapping;

	piece.iova += at;
	piece.host += at;
	piece.size -= at;
	if (piece.size > MAPPER_PIECE)
		piece.size = MAPPER_PIECE;
	return piece;
}

static enum job_state map_piece(struct mapper *mapper, struct mapper_job *job)
{
	struct iommu_mapping piece = piece_at(job, job->mapped);

	if (!mapper->ops->map(mapper->device, &piece))
		return job->mapped > 0 ? JOB_UNDOING : JOB_REFUSED;
	job->mapped += piece.size;
	return job->mapped == job->mapping.size ? JOB_MAPPED : JOB_MAPPING;
}

/* The last piece that is mapped. */
static enum job_state unmap_piece(struct mapper *mapper, struct mapper_job *job,
				  enum job_state state)
{
	uint64_t at = (job->mapped - 1) / MAPPER_PIECE * MAPPER_PIECE;
	struct iommu_mapping piece = piece_at(job, at);

	if (mapper->ops->unmap(mapper->device, piece.iova, piece.size) !=
	    piece.size)
		return JOB_HALF;
	job->mapped = at;
	if (at > 0)
		return state;
	return state == JOB_UNDOING ? JOB_REFUSED : JOB_UNMAPPED;
}

bool mapper_work(struct mapper *mapper)
{
	struct mapper_job *job;
	enum job_state state;
	int told_fd;

	pthread_mutex_lock(&mapper->lock);
	job = TAILQ_FIRST(&mapper->jobs);
	if (job)
		TAILQ_REMOVE(&mapper->jobs, job, entry);
	state = job ? job->state : JOB_UNMAPPED;
	pthread_mutex_unlock(&mapper->lock);
	if (!job)
		return false;
	told_fd = job->told_fd;
	state = state == JOB_MAPPING ? map_piece(mapper, job)
				     : unmap_piece(mapper, job, state);
	pthread_mutex_lock(&mapper->lock);
	job->state = state;
	/* Others have their turn in between. */
	if (state == JOB_MAPPING || state == JOB_UNDOING ||
	    state == JOB_UNMAPPING)
		TAILQ_INSERT_TAIL(&mapper->jobs, job, entry);
	pthread_mutex_unlock(&mapper->lock);
	/* From here on its owner may have freed it. */
	tell(told_fd);
	return true;
}
