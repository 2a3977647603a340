/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_BUDGET_H
#define PRECARIUM_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include <precarium/region.h>
#include <precarium/space.h>
#include <precarium/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * What a client may cost us.
 *
 * Lent memory may have holes: pages that nobody has touched yet, or that the
 * client gave back to the system.  Whoever touches a hole makes the page and
 * pays for it, in its memory cgroup, for as long as the client keeps the file.
 * A region that is mapped with a budget is watched: an access to a hole, by the
 * program or by the kernel on its behalf, faults and makes no page.  The
 * library then makes the page and charges it.  Past the budget the access ends
 * with PREC_GONE, as for memory that was taken back, but the epoch of the
 * region does not move.
 *
 * Pages that the client gives back later are credited: when the budget runs
 * short, the library looks, in small steps, which pages are still there.
 *
 * When a region is unmapped its charge stays until the file is gone or is lent
 * again, because the client may keep the file.
 *
 * Placed by the caller, until prec_budget_end; all zero but for the first two.
 */
struct prec_budget {
	uint64_t max;		 /* bytes; constant while it is used */
	struct prec_budget *all; /* must allow it too; NULL: none */
	uint64_t used;		 /* private: prec_budget_used */
	uint64_t refused;	 /* private: prec_budget_refused */
	uint64_t look_at_ns;	 /* private: when to look for credit again */
	uint64_t looked_to;	 /* private: where the last look ended */
	uint32_t looking;	 /* private */
	uint32_t short_of_all;	 /* private: prec_budget_short */
	uint64_t reserved[4];	 /* 0 */
};

/*
 * Can holes be watched here?  Opens the process's userfaultfd, once; the first
 * region with a budget does so otherwise.  A program that gives up rights, or
 * filters its own system calls, calls it before.  The filter must let through
 * ioctl(UFFDIO_REGISTER), ioctl(UFFDIO_ZEROPAGE), mmap, munmap and madvise.
 * PREC_SYSTEM: errno says what stands in the way; regions with a budget are
 * then charged for all the holes they have when they are lent, and holes that
 * the client makes later are not seen.  Any thread; not in a signal handler.
 */
PREC_EXPORT PREC_MUST_CHECK enum prec_status prec_budget_prepare(void);

/* Credit what unmapped regions were charged for, where the file is gone by now.
 * Mapping, unmapping and prec_span_provide do so too.  Any thread; not in a
 * signal handler. */
PREC_EXPORT void prec_budget_settle(void);

/* Bytes charged now.  Any thread, and in signal handlers. */
PREC_EXPORT uint64_t prec_budget_used(const struct prec_budget *budget);

/* How many accesses found a hole that the budget did not allow to fill.  Only
 * grows: if memory is found gone and the number has grown, this is why.  Any
 * thread, and in signal handlers. */
PREC_EXPORT uint64_t prec_budget_refused(const struct prec_budget *budget);

/* Which was short at the last refusal: this one, or one above it.  Any thread,
 * and in signal handlers. */
PREC_EXPORT const struct prec_budget *
prec_budget_short(const struct prec_budget *budget);

/* End the budget: what it is charged for is credited to those above it, and its
 * memory may be freed.  No region may be mapped with it.  Not in a signal
 * handler. */
PREC_EXPORT void prec_budget_end(struct prec_budget *budget);

/*
 * Make the pages that are missing in part of a span, for system calls and
 * devices: to them a hole of a watched region is memory that cannot be reached
 * (EFAULT, or a short count).  Accessors, copies and transactions need no such
 * call.  *made: pages that were made; 0 if they were all there.
 *
 * PREC_OK: all pages are there, or were a moment ago; or the region has no
 * budget.  PREC_FULL: the budget does not allow it; some may have been made.
 * PREC_GONE: the file does not have them any more.  PREC_RANGE: not inside the
 * span.  Some 1 µs a page, so the caller bounds `size`.  Any thread.
 */
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_span_provide(struct prec_span span, uint64_t offset, uint64_t size,
		  uint64_t *made);

#ifdef __cplusplus
}
#endif
#endif
