// SPDX-License-Identifier: MIT
#include "store/file/uring.h"

#include <errno.h>
#include <string.h>

static const int needed[] = {
	IORING_OP_READV,     IORING_OP_WRITEV,	     IORING_OP_FSYNC,
	IORING_OP_FALLOCATE, IORING_OP_ASYNC_CANCEL,
};

static bool ring_does_all(struct io_uring *ring)
{
	struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
	bool all = probe != NULL;

	for (size_t i = 0; all && i < sizeof(needed) / sizeof(needed[0]); i++)
		all = io_uring_opcode_supported(probe, needed[i]);
	io_uring_free_probe(probe);
	return all;
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
		return "expected a kernel from 5.6 on";
	}
}

/*
 * From 5.19 on, the kernel runs the rest of a completion when the owner of the
 * ring next enters the kernel, instead of interrupting it.
 * IORING_SETUP_DEFER_TASKRUN, from 6.1 on, would go further, but does not wake
 * an owner that sleeps in epoll_wait (seen on 6.18).
 */
static int ring_make(struct io_uring *ring, unsigned int entries)
{
	unsigned int calm =
		IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
	int err = -io_uring_queue_init(entries, ring, calm);

	return err == EINVAL ? -io_uring_queue_init(entries, ring, 0) : err;
}

bool file_uring_open(struct io_uring *ring, unsigned int entries,
		     struct store_error *error)
{
	int err = ring_make(ring, entries);

	if (err)
		return store_fail(error, "io_uring cannot be used: %s (%s)",
				  strerror(err), ring_refusal(err));
	if (!ring_does_all(ring)) {
		io_uring_queue_exit(ring);
		return store_fail(error,
				  "io_uring cannot be used: it lacks readv, "
				  "writev, fsync, fallocate or cancel; "
				  "expected a kernel from 5.6 on");
	}
	return true;
}

void file_uring_add_threads(struct io_uring *ring, int count)
{
	/* Zeroes query the limits.  The second is for requests that are not
	 * about files. */
	unsigned int threads[2] = { 0, 0 };

	if (io_uring_register_iowq_max_workers(ring, threads) < 0)
		return;
	threads[0] += (unsigned int)count;
	threads[1] = 0;
	io_uring_register_iowq_max_workers(ring, threads);
}
