/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_IO_LINUX_H
#define PRECARIUM_IO_LINUX_H

#include <stdint.h>
#include <sys/uio.h>

#include <precarium/space.h>
#include <precarium/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Lent memory in system calls.  The kernel meets a loss as an error, not as a
 * fault, so these need no handler and no transaction.
 */

/* The part [offset, offset + size) of a span for readv(2), sendmsg(2), io_uring
 * and the like; prec_result_of_call says what became of it.  `rights`:
 * PREC_WRITE if the call stores to it, PREC_READ if it reads.  PREC_RANGE,
 * PREC_RIGHTS: *iov is unchanged.  Any thread, and in signal handlers. */
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_span_iovec(struct prec_span span, uint64_t offset, uint64_t size,
		uint32_t rights, struct iovec *iov);

/*
 * Read from the file `fd` at `file_offset` into part of a span, or write part
 * of a span to it, without a copy.  Short counts and interruptions are
 * continued.
 *
 * PREC_OK: `done` is `size`; or the file has no more to read, or takes no more.
 * PREC_GONE: `done` bytes were moved, then the memory was gone, and the epoch
 * of its region has moved.  PREC_SYSTEM: `done` bytes were moved, then the
 * system refused with `error`.  What lies beyond `done` may have been changed
 * by a direct transfer.  Pages that a budget allows are made.  PREC_RANGE,
 * PREC_RIGHTS: nothing was moved.  Any thread.
 */
PREC_EXPORT PREC_MUST_CHECK struct prec_result
prec_pread(int fd, struct prec_span span, uint64_t offset, uint64_t size,
	   uint64_t file_offset);
PREC_EXPORT PREC_MUST_CHECK struct prec_result
prec_pwrite(int fd, struct prec_span span, uint64_t offset, uint64_t size,
	    uint64_t file_offset);

#ifdef __cplusplus
}
#endif
#endif
