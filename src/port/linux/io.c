// SPDX-License-Identifier: MIT
#include "linux.h"
#include "rules.h"

#include <errno.h>
#include <unistd.h>

#include <precarium/budget.h>
#include <precarium/io_linux.h>

/* Holes are filled so many bytes at a time, and a hole that another thread
 * fills meanwhile is tried again so often. */
#define PIECE	  65536u
#define AGAIN_MAX 100u

enum prec_status prec_span_iovec(struct prec_span span, uint64_t offset,
				 uint64_t size, uint32_t rights,
				 struct iovec *iov)
{
	if (offset > span.size || size > span.size - offset)
		return PREC_RANGE;
	if ((span.rights & rights) != rights)
		return PREC_RIGHTS;
	iov->iov_base = (void *)(uintptr_t)(span.host + offset);
	iov->iov_len = size;
	return PREC_OK;
}

typedef ssize_t mover(int fd, const struct iovec *iov, off_t at);

static ssize_t read_at(int fd, const struct iovec *iov, off_t at)
{
	return preadv(fd, iov, 1, at);
}

static ssize_t write_at(int fd, const struct iovec *iov, off_t at)
{
	return pwritev(fd, iov, 1, at);
}

/* The kernel could not reach a byte of the span.  True: it may now. */
static bool reach(struct prec_span span, uint64_t offset, uint64_t size,
		  uint32_t *again)
{
	struct prec_region *region = prec_region_at(span.host + offset);
	enum prec_status status = PREC_GONE;
	uint64_t made = 0;

	if (!region)
		return false;
	if (region_flags(region) & REGION_WATCHED)
		status = prec_span_provide(span, offset,
					   size < PIECE ? size : PIECE, &made);
	if (made > 0)
		*again = 0;
	if (status == PREC_OK && ++*again < AGAIN_MAX)
		return true;
	if (status != PREC_FULL || made > 0)
		region_move_epoch(region);
	return false;
}

static struct prec_result move_all(mover *move, int fd, struct prec_span span,
				   uint64_t offset, uint64_t size,
				   uint64_t file_offset)
{
	struct prec_result r = { .status = PREC_OK };
	uint32_t again = 0;

	while (r.done < size) {
		struct iovec iov = { (void *)(uintptr_t)(span.host + offset +
							 r.done),
				     size - r.done };
		ssize_t moved = move(fd, &iov, (off_t)(file_offset + r.done));

		if (moved == 0)
			break;
		if (moved > 0) {
			r.done += (uint64_t)moved;
		} else if (errno == EFAULT) {
			if (reach(span, offset + r.done, size - r.done, &again))
				continue;
			r.status = PREC_GONE;
			break;
		} else if (errno != EINTR) {
			r.error = errno;
			r.status = PREC_SYSTEM;
			break;
		}
	}
	return r;
}

struct prec_result prec_pread(int fd, struct prec_span span, uint64_t offset,
			      uint64_t size, uint64_t file_offset)
{
	struct iovec iov;
	struct prec_result r = { .done = 0 };

	RULE_MAY_HOLD();
	r.status = prec_span_iovec(span, offset, size, PREC_WRITE, &iov);
	return r.status
		       ? r
		       : move_all(read_at, fd, span, offset, size, file_offset);
}

struct prec_result prec_pwrite(int fd, struct prec_span span, uint64_t offset,
			       uint64_t size, uint64_t file_offset)
{
	struct iovec iov;
	struct prec_result r = { .done = 0 };

	RULE_MAY_HOLD();
	r.status = prec_span_iovec(span, offset, size, PREC_READ, &iov);
	return r.status ? r
			: move_all(write_at, fd, span, offset, size,
				   file_offset);
}
