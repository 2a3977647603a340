/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_REGION_H
#define PRECARIUM_REGION_H

#include <stdbool.h>
#include <stdint.h>

#include <precarium/space.h>
#include <precarium/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * One range of client memory in this process.  A platform's own header says how
 * a client lends memory and how that is mapped: lending_linux.h, or
 * lending_sel4.h.  What any platform can do with a region is here.
 *
 * The caller provides the structure, and must not move or reuse it from the
 * call that makes it a region until prec_region_unmap.  The fields that are not
 * private may be read; only the calls below change them.
 */
struct prec_region {
	struct prec_span span; /* all of it; constant but for its size */
	uint32_t page_size;    /* the system's, or of the huge pages */
	uint32_t flags;        /* private */
	uint64_t epoch;        /* private: prec_region_epoch */
	uint64_t port[32];     /* private: the platform's own */
};

/* Options that any platform knows, or'ed; 0 is the default. */
enum {
	/*
	 * Any plain access to the region is tolerated, by any thread, at any
	 * time, outside all transactions: if the memory is gone, an empty page
	 * takes its place and the epoch moves.  So there is nothing to enter or
	 * to leave, and an access costs what it costs: read the epoch before
	 * the work and compare it afterwards.  What is stored to an empty page
	 * never reaches the client.  Up to eight single pages are replaced in a
	 * region; with more, or where the end is gone, all from that page on.
	 * prec_region_grow puts the client's pages back.  Accessors, copies and
	 * transactions work as in other regions.  If the system refuses a page,
	 * the fault is passed on, which mostly ends the process.
	 */
	PREC_TOLERATE = 1u << 5,
};

/*
 * Detach the client's memory: once this call has returned, no access of any
 * thread reaches it.  Later accesses find it gone, and open transactions are
 * abandoned or continue on substituted pages at their next access.  The address
 * range stays reserved.  The caller must first drain requests that were handed
 * to the kernel or a device.  Idempotent.  Any thread, at any time; not in a
 * handler.  PREC_SYSTEM: the range could not be replaced, and the memory can
 * still be reached.  PREC_INVALID: it is not mapped.
 */
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_region_revoke(struct prec_region *region);

/*
 * Give the address range back; one that was adopted stays its owner's.  The
 * caller promises that no thread uses a span of it any more; if that is in
 * doubt, revoke first.  PREC_BUSY: a transaction is open on it, or was being
 * opened.  PREC_INVALID: it is not mapped.  PREC_SYSTEM: it cannot be told
 * whether a transaction is open.  In each case nothing has changed, for no
 * thread.  Any thread; not in a handler.
 */
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_region_unmap(struct prec_region *region);

/*
 * The epoch of a region.  It grows when the memory is found gone, is replaced
 * by an empty page, or is revoked.  Read it before an operation and compare it
 * afterwards: if it has changed, do not report success.  Takes one load; any
 * thread, and in handlers.
 */
PREC_EXPORT uint64_t prec_region_epoch(const struct prec_region *region);

/*
 * Ask the system whether the client's memory still covers the region, for
 * losses that no access of ours has met: a device or the kernel may have
 * written to pages that are gone.  PREC_GONE: it does not, and the epoch has
 * moved.  Takes no time for memory that cannot shrink, else one system call
 * (some 150 ns).  Memory that was shrunk and grown again is not noticed, nor is
 * any loss if it is not known where the memory comes from.
 */
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_region_check(struct prec_region *region);

/*
 * The same of the bytes [offset, offset + size) of it, as a request names them:
 * where the system has to be asked about each page, that takes less time.  A
 * region of which any page was replaced, or that was revoked, is PREC_GONE
 * whatever the part.  PREC_RANGE: the part is empty, or not inside the region.
 */
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_region_check_part(struct prec_region *region, uint64_t offset,
		       uint64_t size);

/* Has prec_region_revoke been called on it? */
PREC_EXPORT bool prec_region_revoked(const struct prec_region *region);

/* The region that holds an address of this process, or NULL.  No lock; any
 * thread, and in handlers. */
PREC_EXPORT struct prec_region *prec_region_at(uint64_t host);

#ifdef __cplusplus
}
#endif
#endif
