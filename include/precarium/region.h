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

/* The number of regions that one process may have mapped at a time. */
#define PREC_REGION_MAX 16384u

/* Why memory was not accepted (status PREC_REFUSED). */
enum prec_refusal {
	PREC_REFUSAL_NONE = 0,
	PREC_REFUSAL_NOT_A_FILE,   /* a pipe, socket, directory, O_PATH … */
	PREC_REFUSAL_FILE_SYSTEM,  /* not tmpfs or hugetlbfs: may block */
	PREC_REFUSAL_TOO_SHORT,    /* the file ends before the claimed range */
	PREC_REFUSAL_ALIGNMENT,    /* offset or size is no multiple of a page */
	PREC_REFUSAL_PAGE_SIZE,    /* huge pages larger than allowed */
	PREC_REFUSAL_SPARSE,       /* holes: reading them is charged to us */
	PREC_REFUSAL_SEALS,        /* strict mode, and it cannot be sealed */
	PREC_REFUSAL_RIGHTS,       /* not open for the rights asked */
	PREC_REFUSAL_SECRET,       /* secret memory, which neither the kernel
				      nor a device can access */
};

/* One line for a person that says what was expected.  Never NULL. */
PREC_EXPORT const char *prec_refusal_text(enum prec_refusal refusal);

/* Options of prec_region_map, or'ed.  The default, 0, is safe. */
enum {
	/* Accept any regular file.  A fault in it may block for ever (network,
	 * FUSE) or meet an I/O error, which is handled as a loss. */
	PREC_ADMIT_ANY_FILE = 1u << 0,
	/* Accept more than `sparse_max` bytes of holes. */
	PREC_ADMIT_SPARSE = 1u << 1,
	/* After mapping, seal the file with F_SEAL_SHRINK, F_SEAL_FUTURE_WRITE
	 * and F_SEAL_SEAL, which rules out truncation and hole punching.  The
	 * client must have created a sealable memfd. */
	PREC_ADMIT_STRICT = 1u << 2,
	/* The file may end inside the last page, whose rest reads as zeroes. */
	PREC_ADMIT_TAIL = 1u << 4,
	/* Keep the region in a child after fork.  The default is not to: the
	 * child may unmap or revoke it, which changes no mapping there. */
	PREC_KEEP_ON_FORK = 1u << 3,
};

struct prec_budget;

struct prec_lending {
	int fd;          /* borrowed for the call; the caller closes it */
	uint32_t rights; /* PREC_READ, PREC_WRITE or both; at least one */
	uint64_t offset; /* into the file, a multiple of the page size */
	uint64_t size;   /* bytes; not 0 */
	uint64_t address;    /* the client's address of its first byte, or 0 */
	uint64_t sparse_max; /* bytes of holes accepted; 0: 256 MiB */
	uint32_t options;    /* PREC_ADMIT_*, PREC_KEEP_ON_FORK */
	/* What filling its holes may cost (see budget.h), in place of a limit
	 * on the holes it has; NULL: that limit. */
	struct prec_budget *budget;
};

/*
 * One range of client memory, mapped in this process.  The caller provides the
 * structure, and must not move or reuse it between map and unmap.  The fields
 * that are not private may be read; only the calls below change them.
 */
struct prec_region {
	struct prec_span span; /* all of it; constant while mapped */
	uint32_t page_size;    /* the system's, or of the huge pages */
	uint32_t flags;        /* private */
	uint64_t epoch;        /* private: prec_region_epoch */
	uint64_t lost;         /* private: substituted from here to the end */
	uint64_t singles[8];   /* private: single pages substituted */
	uint64_t file_offset;  /* private */
	uint32_t born;         /* private: forks before it was mapped */
	int32_t file;          /* private: our own descriptor of the file */
	uint32_t prot;         /* private */
	bool withdrawn;        /* private: revoke has finished */
	struct prec_budget *budget; /* private */
	uint64_t *made;        /* private: bits of the pages that we made */
	uint64_t charged;      /* private: bytes, in the budget */
};

/*
 * Map what a client lent, and handle its loss from then on.  Installs the fault
 * handler if that was not done before (see fault.h).  Admission is decided
 * before the mapping and checked again after it, because the client may change
 * the file meanwhile.
 *
 * PREC_REFUSED: *refusal says why (refusal may be NULL).  PREC_FULL: there are
 * PREC_REGION_MAX regions already.  PREC_INVALID: offset, size or rights make
 * no sense, or an option is unknown.  PREC_SYSTEM: see errno.  Nothing is
 * mapped on error.  Any thread; not in a signal handler.
 */
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_region_map(struct prec_region *region, const struct prec_lending *lending,
		enum prec_refusal *refusal);

/*
 * Detach the client's memory: once this call has returned, no access of any
 * thread reaches it.  Later accesses find it gone, and open transactions are
 * abandoned or continue on substituted pages at their next access.  The address
 * range stays reserved.  The caller must first drain requests that were handed
 * to the kernel or a device.  Idempotent.  Any thread, at any time; not in a
 * signal handler.  PREC_SYSTEM: the range could not be replaced, and the memory
 * can still be reached.  PREC_INVALID: it is not mapped.
 */
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_region_revoke(struct prec_region *region);

/*
 * Give the address range back.  The caller promises that no thread uses a span
 * of it any more; if that is in doubt, revoke first.  PREC_BUSY: a transaction
 * is open on it, or was being opened.  PREC_INVALID: it is not mapped.
 * PREC_SYSTEM: membarrier(2) is refused, and worked before; so it is not known
 * whether a transaction is open.  In each case nothing has changed, for no
 * thread.  Any thread; not in a signal handler.
 */
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_region_unmap(struct prec_region *region);

/*
 * The epoch of a region.  It grows when the memory is found gone, is replaced
 * by an empty page, or is revoked.  Read it before an operation and compare it
 * afterwards: if it has changed, do not report success.  Takes one load; any
 * thread, and in signal handlers.
 */
PREC_EXPORT uint64_t prec_region_epoch(const struct prec_region *region);

/*
 * Ask the system whether the file still covers the region, for losses that no
 * access of ours has met: a device or the kernel may have written to pages that
 * the file has lost.  PREC_GONE: it does not, and the epoch has moved.  Takes
 * no time for a file that is sealed against shrinking, else one system call
 * (some 150 ns).  A file that was shrunk and grown again is not noticed.
 */
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_region_check(struct prec_region *region);

/* Has prec_region_revoke been called on it? */
PREC_EXPORT bool prec_region_revoked(const struct prec_region *region);

/* The region that holds an address of this process, or NULL.  No lock; any
 * thread, and in signal handlers. */
PREC_EXPORT struct prec_region *prec_region_at(uint64_t host);

#ifdef __cplusplus
}
#endif
#endif
