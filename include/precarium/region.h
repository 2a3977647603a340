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

/* How many regions one process may have mapped at a time. */
#define PREC_REGION_MAX 16384u

/* Why memory was not accepted (status PREC_REFUSED). */
enum prec_refusal {
	PREC_REFUSAL_NONE = 0,
	PREC_REFUSAL_NOT_A_FILE,   /* a pipe, socket, directory, O_PATH … */
	PREC_REFUSAL_FILE_SYSTEM,  /* not tmpfs or hugetlbfs: may block for ever */
	PREC_REFUSAL_TOO_SHORT,    /* the file ends before the claimed range */
	PREC_REFUSAL_ALIGNMENT,    /* offset or size is no multiple of a page */
	PREC_REFUSAL_PAGE_SIZE,    /* huge pages larger than allowed */
	PREC_REFUSAL_SPARSE,       /* holes: reading them would charge us */
	PREC_REFUSAL_SEALS,        /* strict mode, and not (or not to be) sealed */
	PREC_REFUSAL_RIGHTS,       /* not open for the rights asked */
	PREC_REFUSAL_SECRET,       /* secret memory: neither kernel nor device
				      can be handed it */
};

/* One line for a person, with what was expected.  Never NULL. */
PREC_EXPORT const char *prec_refusal_text(enum prec_refusal refusal);

/* Options of prec_region_map, or'ed.  The default, 0, is safe. */
enum {
	/* Accept any regular file.  A fault in it may block for ever (network,
	 * FUSE) or find an I/O error: the latter is claimed like a loss. */
	PREC_ADMIT_ANY_FILE = 1u << 0,
	/* Accept more than `sparse_max` bytes of holes. */
	PREC_ADMIT_SPARSE = 1u << 1,
	/* Once mapped, seal the file with F_SEAL_SHRINK, F_SEAL_FUTURE_WRITE
	 * and F_SEAL_SEAL, so that truncation and hole punching stop.  The
	 * client must have made a sealable memfd. */
	PREC_ADMIT_STRICT = 1u << 2,
	/* The file may end inside the last page; the rest of it is zeroes. */
	PREC_ADMIT_TAIL = 1u << 4,
	/* Leave the region in a child after fork (default: not). */
	PREC_KEEP_ON_FORK = 1u << 3,
};

struct prec_lending {
	int fd;          /* borrowed for the call; the caller closes it */
	uint32_t rights; /* PREC_READ, PREC_WRITE or both; at least one */
	uint64_t offset; /* into the file, a multiple of the page size */
	uint64_t size;   /* bytes; not 0 */
	uint64_t address;    /* the client's name for its first byte, or 0 */
	uint64_t sparse_max; /* bytes of holes accepted; 0: 256 MiB */
	uint32_t options;    /* PREC_ADMIT_*, PREC_KEEP_ON_FORK */
};

/*
 * One range of client memory, mapped in this process.  Placed by the caller,
 * who must not move or reuse it between map and unmap.  Fields are for
 * reading, and only through the calls below.
 */
struct prec_region {
	struct prec_span span; /* all of it; constant while mapped */
	uint32_t page_size;    /* of the file: 4096, or of its huge pages */
	uint32_t flags;        /* private */
	uint64_t epoch;        /* private: prec_region_epoch */
	uint64_t lost;         /* private: substituted from here to the end */
	uint64_t singles[8];   /* private: single pages substituted */
	uint64_t file_offset;  /* private */
	int32_t file;          /* private: our own descriptor of the file */
	uint32_t prot;         /* private */
	bool withdrawn;        /* private: revoke has finished */
};

/*
 * Map what a client lent and watch over it.  Installs the fault handler if
 * nobody has yet (see fault.h).  Admission is decided before the mapping and
 * checked again after it, because the client may change the file meanwhile.
 *
 * PREC_REFUSED: *refusal says why (refusal may be NULL).  PREC_FULL: more
 * than PREC_REGION_MAX.  PREC_INVALID: offset, size or rights make no sense.
 * PREC_SYSTEM: errno tells.  Nothing is mapped on error.
 * Any thread; not in a signal handler.
 */
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_region_map(struct prec_region *region, const struct prec_lending *lending,
		enum prec_refusal *refusal);

/*
 * The polite end: from the return of this call no access of any thread reaches
 * the client's memory.  Later accesses find it gone; transactions inside are
 * abandoned or substituted at their next access.  The address range stays
 * ours.  Requests already handed to the kernel or a device must be drained by
 * the caller first.  Idempotent.  Any thread, at any time; not in a signal
 * handler.  PREC_SYSTEM: the range could not be replaced and the memory can
 * still be reached.
 */
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_region_revoke(struct prec_region *region);

/*
 * Give the address range back.  The caller promises that no thread uses a span
 * of it any more (revoke first, if that is in doubt); an open transaction on
 * it is found and answered with PREC_BUSY, everything left as it was.
 */
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_region_unmap(struct prec_region *region);

/*
 * The epoch: moves when the memory is found gone, is replaced by an empty
 * page, or is revoked; never back.  Sample it before an operation and compare
 * after: if it moved, do not report success.  One load; any thread, and in
 * signal handlers.
 */
PREC_EXPORT uint64_t prec_region_epoch(const struct prec_region *region);

/*
 * Ask the system whether the file still covers the region, for losses that no
 * access of ours has met: a device or the kernel may have written to pages
 * that the file has lost.  Moves the epoch and says PREC_GONE if not.  Free
 * for a file that is sealed against shrinking, else one system call (some
 * 150 ns).  A file shrunk and grown again since is not noticed.
 */
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_region_check(struct prec_region *region);

/* Has it been revoked, by prec_region_revoke? */
PREC_EXPORT bool prec_region_revoked(const struct prec_region *region);

/* The region that holds an address of this process, or NULL.  No lock; any
 * thread, and in signal handlers. */
PREC_EXPORT struct prec_region *prec_region_at(uint64_t host);

#ifdef __cplusplus
}
#endif
#endif
