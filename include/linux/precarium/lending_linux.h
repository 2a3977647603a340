/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_LENDING_LINUX_H
#define PRECARIUM_LENDING_LINUX_H

#include <stdint.h>

#include <precarium/region.h>
#include <precarium/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * How clients lend memory on Linux: as descriptors of files.  What is done with
 * a region afterwards is in region.h, and the same on each platform.
 */

/* The number of regions that one process may have at a time. */
#define PREC_REGION_MAX 16384u

/* Why memory was not accepted (status PREC_REFUSED). */
enum prec_refusal {
	PREC_REFUSAL_NONE = 0,
	PREC_REFUSAL_NOT_A_FILE,   /* a pipe, socket, directory, O_PATH … */
	PREC_REFUSAL_FILE_SYSTEM,  /* not tmpfs or hugetlbfs: may block */
	PREC_REFUSAL_TOO_SHORT,    /* the file ends before the claimed range */
	PREC_REFUSAL_ALIGNMENT,    /* the offset is no multiple of a page */
	PREC_REFUSAL_PAGE_SIZE,    /* huge pages larger than allowed */
	PREC_REFUSAL_SPARSE,       /* holes: reading them is charged to us */
	PREC_REFUSAL_SEALS,        /* strict mode, and it cannot be sealed */
	PREC_REFUSAL_RIGHTS,       /* not open for the rights, or sealed */
	PREC_REFUSAL_SECRET,       /* secret memory, which neither the kernel
				      nor a device can access */
};

/* One line for a person that says what was expected.  Never NULL. */
PREC_EXPORT const char *prec_refusal_text(enum prec_refusal refusal);

/* Options of prec_region_map beside PREC_TOLERATE, or'ed.  The default, 0, is
 * safe. */
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
	/* Keep the region in a child after fork.  The default is not to: the
	 * child may unmap or revoke it, which changes no mapping there. */
	PREC_KEEP_ON_FORK = 1u << 3,
};

struct prec_budget;

struct prec_lending {
	int fd;          /* borrowed for the call; the caller closes it */
	uint32_t rights; /* PREC_READ, PREC_WRITE or both; at least one */
	uint64_t offset; /* into the file, a multiple of its page size */
	uint64_t size;   /* bytes; not 0.  Whole pages are mapped, and bytes
			    after the end of the file read as zeroes */
	uint64_t address;    /* the client's address of its first byte, or 0 */
	uint64_t sparse_max; /* bytes of holes accepted; 0: 256 MiB */
	uint32_t options;    /* as above; else 0 */
	uint32_t reserved;   /* 0 */
	/* What filling its holes may cost (see budget.h), in place of a limit
	 * on the holes it has; NULL: that limit. */
	struct prec_budget *budget;
	/* The addresses to set aside, in bytes, so that prec_region_grow can
	 * lend more of the file without moving it.  They may reach beyond its
	 * end, where an access finds the memory gone.  0: no more than `size`.
	 * Not for huge pages, whose files a mapping enlarges. */
	uint64_t window;
	uint64_t reserved_more[4]; /* 0 */
};

/*
 * Map what a client lent, and handle its loss from then on.  Installs the fault
 * handler if that was not done before (see signals_linux.h).  Admission is
 * decided before the mapping and checked again after it, because the client may
 * change the file meanwhile.  The library keeps one descriptor for each file.
 *
 * PREC_REFUSED: *refusal says why (refusal may be NULL).  PREC_FULL: there are
 * PREC_REGION_MAX regions already.  PREC_INVALID: offset, size, window or
 * rights make no sense, or an option or a reserved field is unknown.
 * PREC_SYSTEM: see errno.  Nothing is mapped on error.  Any thread; not in a
 * signal handler.
 */
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_region_map(struct prec_region *region, const struct prec_lending *lending,
		enum prec_refusal *refusal);

/* Memory of a client that something else has mapped, such as a toolkit. */
struct prec_adoption {
	void *at;           /* where; a multiple of the page size */
	uint64_t size;      /* bytes; not 0.  Its last page is meant whole */
	uint64_t address;   /* the client's address of its first byte, or 0 */
	uint32_t rights;    /* PREC_READ, PREC_WRITE or both, as it is mapped */
	uint32_t options;   /* PREC_TOLERATE; a platform may allow more */
	uint32_t page_size; /* of huge pages; 0: the system's */
	uint32_t reserved;  /* 0 */
	uint64_t reserved_more[4]; /* 0 */
};

/*
 * Handle the loss of memory that is mapped already.  The mapping stays its
 * owner's, who must not change it before prec_region_unmap; that call leaves it
 * where it is.  Pages that were replaced, and a range that was revoked, stay as
 * they are even then.  Where the memory comes from is not known: a lost page is
 * replaced with all that follow it.
 *
 * PREC_INVALID: an argument makes no sense.  PREC_OVERLAP: part of it is a
 * region already.  PREC_FULL, PREC_SYSTEM: as for mapping.  Nothing has changed
 * on error.  Any thread; not in a handler.
 */
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_region_adopt(struct prec_region *region,
		  const struct prec_adoption *adoption);

/*
 * Lend `size` bytes of the region from now on, which are all in its window: the
 * client says that its memory has grown, or has shrunk.  Nothing moves, and
 * spans made before keep their size.  Where empty pages took the place of lost
 * ones, the client's pages are put back, and the epoch moves; so a call with
 * the size that the region has heals it.
 *
 * PREC_RANGE: it is not in the window.  PREC_GONE: the client's memory does not
 * cover it, or the region was revoked.  PREC_INVALID: it is not mapped, the
 * size is 0, or it has empty pages and it is not known what they replaced.
 * PREC_SYSTEM: the system refuses; if holes of a region with a budget could not
 * be watched any more, it has been revoked.  Nothing has changed on any other
 * error.  Any thread; not in a handler.
 */
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_region_grow(struct prec_region *region, uint64_t size);

/*
 * prec_region_adopt, of memory that is mapped from `fd` at `offset`: what is
 * lost is then asked of the file, so that pages which are still there are not
 * replaced.  `fd` is borrowed for the call.  The file is not examined as one
 * that prec_region_map maps, because whoever mapped it has taken it; page_size
 * may be 0 for huge pages, too.  PREC_KEEP_ON_FORK may be given to either.
 * PREC_REFUSED: it is not a file that is open for these rights.
 */
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_region_adopt_file(struct prec_region *region,
		       const struct prec_adoption *adoption, int fd,
		       uint64_t offset);

#ifdef __cplusplus
}
#endif
#endif
