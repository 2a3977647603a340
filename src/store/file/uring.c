// SPDX-License-Identifier: MIT
#include "store/file/uring.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What lanes ask of a ring; it does nothing else.  The last, for a discard on a
 * block device, they can do without: kernels have it from 5.19 on. */
static const uint8_t operations[] = {
	IORING_OP_NOP,	   IORING_OP_READV,	IORING_OP_WRITEV,
	IORING_OP_FSYNC,   IORING_OP_FALLOCATE, IORING_OP_ASYNC_CANCEL,
	IORING_OP_FADVISE, IORING_OP_URING_CMD,
};

#define OPERATIONS (sizeof(operations) / sizeof(operations[0]))

/* How many of the operations this kernel has, from the first on. */
static size_t ring_operations(struct io_uring *ring)
{
	struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
	size_t count = 0;

	while (probe && count < OPERATIONS &&
	       io_uring_opcode_supported(probe, operations[count]))
		count++;
	io_uring_free_probe(probe);
	return count;
}

/* There are several ways to forbid io_uring, each with an error of its own. */
static const char *ring_refusal(int error)
{
	switch (error) {
	case ENOSYS:
		return "the kernel has none, or a seccomp filter hides it";
	case EPERM:
	case EACCES:
		return "forbidden by sysctl kernel.io_uring_disabled or a "
		       "seccomp filter";
	case ENOMEM:
		return "no memory for its rings, see ulimit -l";
	case EMFILE:
	case ENFILE:
		return "no file descriptor left, see ulimit -n";
	default:
		return "expected a kernel from 5.10 on";
	}
}

/*
 * From 5.19 on, the kernel runs the rest of a completion when the owner of the
 * ring next enters the kernel, instead of interrupting it.
 * IORING_SETUP_DEFER_TASKRUN, from 6.1 on, would go further, but does not wake
 * an owner that sleeps in epoll_wait (seen on 6.18).
 */
static int ring_make(struct io_uring *ring)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_R_DISABLED | IORING_SETUP_CQSIZE |
			 IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
		.cq_entries = 8 * FILE_URING_ENTRIES,
	};
	struct io_uring_params old = {
		.flags = IORING_SETUP_R_DISABLED | IORING_SETUP_CQSIZE,
		.cq_entries = params.cq_entries,
	};
	int err =
		-io_uring_queue_init_params(FILE_URING_ENTRIES, ring, &params);

	return err == EINVAL ? -io_uring_queue_init_params(FILE_URING_ENTRIES,
							   ring, &old)
			     : err;
}

/* liburing 2.3 declares functions for this that it does not export. */
static int ring_register(const struct io_uring *ring, unsigned int operation,
			 const void *argument, unsigned int count)
{
	return syscall(SYS_io_uring_register, ring->ring_fd, operation,
		       argument, count) < 0
		       ? errno
		       : 0;
}

/* For good: neither operations nor what may be registered can be added. */
static int ring_restrict(const struct io_uring *ring, size_t count)
{
	struct io_uring_restriction rules[OPERATIONS + 1];
	int err;

	memset(rules, 0, sizeof(rules));
	for (size_t i = 0; i < count; i++) {
		rules[i].opcode = IORING_RESTRICTION_SQE_OP;
		rules[i].sqe_op = operations[i];
	}
	rules[count].opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
	rules[count].sqe_flags = IOSQE_ASYNC;
	err = ring_register(ring, IORING_REGISTER_RESTRICTIONS, rules,
			    (unsigned int)count + 1);
	return err ? err
		   : ring_register(ring, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

/*
 * A request that must wait occupies a thread of the kernel.  All lanes of one
 * thread share a few, four per processor, so stuck requests of one store would
 * stop the others.  Let the kernel make as many as there are requests; it makes
 * them when they are needed.  Kernels before 5.15 do nothing here.
 */
static void ring_allow_threads(struct io_uring *ring)
{
	/* The second is for requests that are not about files: 0 leaves it. */
	unsigned int threads[2] = { UINT16_MAX, 0 };

	io_uring_register_iowq_max_workers(ring, threads);
}

/* The rest of making one.  False: the ring is still to be ended. */
static bool ring_complete(struct io_uring *ring, struct store_error *error)
{
	size_t count = ring_operations(ring);
	int err;

	if (count < OPERATIONS - 1)
		return store_fail(
			error, "io_uring cannot be used: it lacks readv, "
			       "writev, fsync, fallocate, fadvise or cancel; "
			       "expected a kernel from 5.10 on");
	ring_allow_threads(ring);
	err = ring_restrict(ring, count);
	return err == 0 ||
	       store_fail(error,
			  "io_uring cannot be restricted to what is needed: "
			  "%s; expected a kernel from 5.10 on",
			  strerror(err));
}

bool file_uring_open(struct io_uring *ring, struct store_error *error)
{
	int err = ring_make(ring);

	if (err)
		return store_fail(error, "io_uring cannot be used: %s (%s)",
				  strerror(err), ring_refusal(err));
	if (ring_complete(ring, error))
		return true;
	io_uring_queue_exit(ring);
	return false;
}

bool file_uring_submit(struct io_uring *ring)
{
	while (io_uring_sq_ready(ring)) {
		int got = io_uring_submit(ring);

		if (got == -EINTR)
			continue;
		if (got <= 0)
			return false;
	}
	return true;
}

struct io_uring_sqe *file_uring_entry(struct io_uring *ring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	if (sqe || !file_uring_submit(ring))
		return sqe;
	return io_uring_get_sqe(ring);
}

bool file_uring_next(struct io_uring *ring, void **data, int32_t *got)
{
	struct io_uring_cqe *cqe;

	if (io_uring_peek_cqe(ring, &cqe) != 0)
		return false;
	*data = io_uring_cqe_get_data(cqe);
	*got = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return true;
}

void file_uring_cancel(struct io_uring *ring, void *data)
{
	struct io_uring_sqe *sqe = file_uring_entry(ring);

	if (!sqe)
		return;
	io_uring_prep_cancel(sqe, data, 0);
	io_uring_sqe_set_data(sqe, NULL);
}
