// SPDX-License-Identifier: MIT
#include "linux.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/vfs.h>

/*
 * Decides what is accepted as lent memory.  Seals are read before the size: a
 * seal stays, but a size that was read first may have changed since.
 */
#ifndef SECRETMEM_MAGIC
#define SECRETMEM_MAGIC 0x5345434d
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

#define SPARSE_DEFAULT (256ull << 20)
#define STRICT_SEALS   (F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL)

const char *prec_refusal_text(enum prec_refusal refusal)
{
	switch (refusal) {
	case PREC_REFUSAL_NONE:
		return "accepted";
	case PREC_REFUSAL_NOT_A_FILE:
		return "not an open regular file (a memfd is expected)";
	case PREC_REFUSAL_FILE_SYSTEM:
		return "not on tmpfs or hugetlbfs: a fault in it could block "
		       "forever";
	case PREC_REFUSAL_TOO_SHORT:
		return "the file ends before the range that it is said to hold";
	case PREC_REFUSAL_ALIGNMENT:
		return "the offset must be a multiple of the file's page size";
	case PREC_REFUSAL_PAGE_SIZE:
		return "its huge pages are larger than the range";
	case PREC_REFUSAL_SPARSE:
		return "more holes than allowed: reading them would charge "
		       "this process (let the client preallocate, or allow "
		       "more)";
	case PREC_REFUSAL_SEALS:
		return "strict admission, and the file cannot be sealed "
		       "against shrinking";
	case PREC_REFUSAL_RIGHTS:
		return "the descriptor is not open for the rights asked, or "
		       "the file is sealed against writing";
	case PREC_REFUSAL_SECRET:
		return "secret memory: the kernel cannot be handed its pages";
	}
	return "unknown reason";
}

static bool sealed_against_writing(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);

	return seals >= 0 && (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE));
}

static enum prec_refusal rights(int fd, int mode, uint32_t asked)
{
	/* mmap wants a readable descriptor, whatever the rights. */
	if (mode == O_WRONLY)
		return PREC_REFUSAL_RIGHTS;
	if ((asked & PREC_WRITE) &&
	    (mode != O_RDWR || sealed_against_writing(fd)))
		return PREC_REFUSAL_RIGHTS;
	return PREC_REFUSAL_NONE;
}

static enum prec_refusal file_system(const struct prec_lending *lending,
				     uint32_t *page_size)
{
	struct statfs fs;

	if (fstatfs(lending->fd, &fs) != 0)
		return PREC_REFUSAL_NOT_A_FILE;
	*page_size = (uint32_t)getauxval(AT_PAGESZ);
	if (fs.f_type == SECRETMEM_MAGIC)
		return PREC_REFUSAL_SECRET;
	if (fs.f_type == HUGETLBFS_MAGIC) {
		*page_size = (uint32_t)fs.f_bsize;
		if ((uint64_t)fs.f_bsize > lending->size)
			return PREC_REFUSAL_PAGE_SIZE;
		return PREC_REFUSAL_NONE;
	}
	if (fs.f_type == TMPFS_MAGIC || lending->options & PREC_ADMIT_ANY_FILE)
		return PREC_REFUSAL_NONE;
	return PREC_REFUSAL_FILE_SYSTEM;
}

static bool covers(const struct stat *file, const struct prec_lending *lending)
{
	uint64_t size = (uint64_t)file->st_size;

	return lending->offset <= size &&
	       lending->size <= size - lending->offset;
}

/* Of the whole file: where they are does not matter to who pays. */
static uint64_t holes_of(const struct stat *file,
			 const struct prec_lending *lending)
{
	uint64_t there = (uint64_t)file->st_blocks * 512;
	uint64_t size = (uint64_t)file->st_size;
	uint64_t holes = there < size ? size - there : 0;

	return holes < lending->size ? holes : lending->size;
}

uint64_t prec_admit_holes(const struct prec_lending *lending)
{
	struct stat file;

	if (fstat(lending->fd, &file) != 0)
		return lending->size;
	return holes_of(&file, lending);
}

/* With a budget it is not what there is that counts, but what is touched. */
static bool too_sparse(const struct stat *file,
		       const struct prec_lending *lending)
{
	uint64_t allowed =
		lending->sparse_max ? lending->sparse_max : SPARSE_DEFAULT;

	if (lending->budget || lending->options & PREC_ADMIT_SPARSE)
		return false;
	return holes_of(file, lending) > allowed;
}

static bool sealed_against_shrinking(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);

	return seals >= 0 && (seals & F_SEAL_SHRINK);
}

/* Only files in memory have seals, so these are read first.  Of other files
 * only the kernel's own knowledge is used: asking for the size of a file on
 * FUSE waits for its server, which may be the client. */
static enum prec_refusal in_memory(int fd)
{
	struct statx file;

	if (fcntl(fd, F_GET_SEALS) >= 0)
		return PREC_REFUSAL_NONE;
	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE,
		  &file) != 0 ||
	    !S_ISREG(file.stx_mode))
		return PREC_REFUSAL_NOT_A_FILE;
	return PREC_REFUSAL_FILE_SYSTEM;
}

enum prec_refusal prec_admit(const struct prec_lending *lending,
			     uint32_t *page_size, bool *keeps_size)
{
	int flags = fcntl(lending->fd, F_GETFL);
	enum prec_refusal refusal = PREC_REFUSAL_NONE;
	struct stat file;

	if (flags < 0 || flags & O_PATH)
		return PREC_REFUSAL_NOT_A_FILE;
	if (!(lending->options & PREC_ADMIT_ANY_FILE))
		refusal = in_memory(lending->fd);
	if (refusal)
		return refusal;
	*keeps_size = sealed_against_shrinking(lending->fd);
	if (fstat(lending->fd, &file) != 0 || !S_ISREG(file.st_mode))
		return PREC_REFUSAL_NOT_A_FILE;
	refusal = rights(lending->fd, flags & O_ACCMODE, lending->rights);
	if (refusal)
		return refusal;
	refusal = file_system(lending, page_size);
	if (refusal)
		return refusal;
	if (lending->offset % *page_size)
		return PREC_REFUSAL_ALIGNMENT;
	if (!covers(&file, lending))
		return PREC_REFUSAL_TOO_SHORT;
	if (too_sparse(&file, lending))
		return PREC_REFUSAL_SPARSE;
	return PREC_REFUSAL_NONE;
}

/* After the mapping: the client may have changed the file meanwhile, and only
 * now can it be sealed against writable mappings without preventing our own. */
enum prec_refusal prec_admit_again(const struct prec_lending *lending,
				   bool *keeps_size)
{
	struct stat file;

	if (lending->options & PREC_ADMIT_STRICT) {
		int seals = fcntl(lending->fd, F_GET_SEALS);

		if (seals < 0 ||
		    ((seals & STRICT_SEALS) != STRICT_SEALS &&
		     fcntl(lending->fd, F_ADD_SEALS, STRICT_SEALS) != 0))
			return PREC_REFUSAL_SEALS;
	}
	*keeps_size = sealed_against_shrinking(lending->fd);
	if (fstat(lending->fd, &file) != 0 || !covers(&file, lending))
		return PREC_REFUSAL_TOO_SHORT;
	if (too_sparse(&file, lending))
		return PREC_REFUSAL_SPARSE;
	return PREC_REFUSAL_NONE;
}
