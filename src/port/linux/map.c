// SPDX-License-Identifier: MIT
#include "linux.h"
#include "provide.h"
#include "rules.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/vfs.h>

/* How a range of memory becomes a region: mapped from a file that a client
 * lent, or adopted where something else has mapped it. */

#define OPTIONS_ADOPT ((uint32_t)(PREC_TOLERATE | PREC_KEEP_ON_FORK))
#define OPTIONS_MAP                                                            \
	(OPTIONS_ADOPT | (uint32_t)(PREC_ADMIT_ANY_FILE | PREC_ADMIT_SPARSE |  \
				    PREC_ADMIT_STRICT))

static bool sensible_rights(uint32_t rights)
{
	uint32_t both = PREC_READ | PREC_WRITE;

	return rights != 0 && (rights & ~both) == 0;
}

/* Fields of a later version, which this one would not obey. */
static bool is_zero(const uint64_t reserved[4])
{
	return !(reserved[0] | reserved[1] | reserved[2] | reserved[3]);
}

static bool sensible(const struct prec_lending *lending)
{
	return lending->size > 0 && sensible_rights(lending->rights) &&
	       (lending->options & ~OPTIONS_MAP) == 0 &&
	       lending->reserved == 0 && is_zero(lending->reserved_more) &&
	       lending->size < PREC_ADDRESS_MAX &&
	       lending->window < PREC_ADDRESS_MAX &&
	       lending->offset < PREC_ADDRESS_MAX &&
	       lending->address <= PREC_ADDRESS_MAX - lending->size;
}

/* What a lending and an adoption have in common. */
#define RULES_OF_REGION(region, how, known)                                    \
	do {                                                                   \
		RULE_MAY_HOLD();                                               \
		RULE(prec_rule_new(region),                                    \
		     "the structure is not that of a mapped region");          \
		RULE(sensible_rights((how)->rights),                           \
		     "the rights are PREC_READ, PREC_WRITE or both");          \
		RULE(((how)->options & ~(known)) == 0,                         \
		     "the options are known");                                 \
		RULE((how)->reserved == 0 && is_zero((how)->reserved_more),    \
		     "reserved fields are 0");                                 \
	} while (0)

static uint64_t whole_pages(uint64_t size, uint64_t page)
{
	return (size + page - 1) / page * page;
}

static uint32_t protection(uint32_t rights)
{
	return rights & PREC_WRITE ? PROT_READ | PROT_WRITE : PROT_READ;
}

static void begin(struct prec_region *new, uint64_t size, uint64_t address,
		  uint32_t rights, uint32_t options)
{
	new->span.size = size;
	new->span.address = address;
	new->span.index = PREC_NONE;
	new->span.rights = rights;
	new->flags |= options &PREC_TOLERATE ? REGION_TOLERATES : 0;
	new->flags |= options &PREC_KEEP_ON_FORK ? REGION_KEPT : 0;
	own(new)->prot = protection(rights);
	own(new)->mapped = whole_pages(size, new->page_size);
	own(new)->born = prec_generation;
	own(new)->file = PREC_NONE;
}

/* The range is set aside whole, beyond the end of the file too. */
static enum prec_refusal open_window(struct prec_region *new,
				     const struct prec_lending *lending)
{
	uint64_t window = whole_pages(lending->window, new->page_size);

	if (window <= own(new)->mapped)
		return PREC_REFUSAL_NONE;
	if (new->page_size != getauxval(AT_PAGESZ))
		return PREC_REFUSAL_PAGE_SIZE;
	own(new)->mapped = window;
	return PREC_REFUSAL_NONE;
}

/*
 * Before Linux 6.7 a file that is sealed against writing cannot be mapped
 * shared, even to be read.  A private mapping is the same for a reader.
 */
static void *map_it(const struct prec_region *region, int fd, int flags)
{
	size_t size = own(region)->mapped;
	int prot = (int)own(region)->prot;
	off_t offset = (off_t)own(region)->file_offset;
	void *at = mmap(NULL, size, prot, MAP_SHARED | flags, fd, offset);

	if (at == MAP_FAILED && errno == EPERM && !(prot & PROT_WRITE))
		at = mmap(NULL, size, prot, MAP_PRIVATE | flags, fd, offset);
	return at;
}

/* Map the file and check it again, before the region can be found. */
static enum prec_status attach(struct prec_region *region,
			       const struct prec_lending *lending,
			       enum prec_refusal *refusal)
{
	bool keeps_size = false;
	/* Huge pages that are set aside for a mapping are paid for too. */
	void *at = map_it(region, lending->fd,
			  lending->budget ? MAP_NORESERVE : 0);

	if (at == MAP_FAILED)
		return PREC_SYSTEM;
	if (!(lending->options & PREC_KEEP_ON_FORK) &&
	    madvise(at, own(region)->mapped, MADV_DONTFORK) != 0) {
		munmap(at, own(region)->mapped);
		return PREC_SYSTEM;
	}
	region->span.host = (uint64_t)(uintptr_t)at;
	*refusal = prec_admit_again(lending, &keeps_size);
	if (!*refusal)
		*refusal = prec_provide_begin(region, lending);
	if (*refusal) {
		munmap(at, own(region)->mapped);
		return PREC_REFUSED;
	}
	region->flags |= keeps_size ? REGION_KEEPS_SIZE : 0;
	return PREC_OK;
}

/* The caller holds the lock of the index. */
static enum prec_status enter_index(struct prec_region *region)
{
	if (prec_void_file() < 0)
		return PREC_SYSTEM;
	return prec_index_insert(region);
}

static enum prec_status map_new(struct prec_region *region,
				struct prec_region *new,
				const struct prec_lending *lending,
				enum prec_refusal *refusal)
{
	enum prec_status status = attach(new, lending, refusal);
	int saved;

	if (status)
		return status;
	*region = *new;
	prec_index_lock();
	status = enter_index(region);
	prec_index_unlock();
	if (status == PREC_OK)
		return PREC_OK;
	saved = errno;
	prec_provide_end(region);
	munmap((void *)(uintptr_t)region->span.host, own(region)->mapped);
	errno = saved;
	return status;
}

static uint32_t keep_file(int fd)
{
	uint32_t file;

	prec_index_lock();
	file = prec_file_keep(fd);
	prec_index_unlock();
	return file;
}

static void let_go(uint32_t file)
{
	int saved = errno;

	prec_file_let_go(file);
	errno = saved;
}

enum prec_status prec_region_map(struct prec_region *region,
				 const struct prec_lending *lending,
				 enum prec_refusal *refusal)
{
	enum prec_refusal reason = PREC_REFUSAL_NONE;
	struct prec_region new = { .flags = 0 };
	enum prec_status status;
	bool keeps_size;

	RULES_OF_REGION(region, lending, OPTIONS_MAP);
	if (!sensible(lending))
		return PREC_INVALID;
	reason = prec_admit(lending, &new.page_size, &keeps_size);
	if (!reason) {
		begin(&new, lending->size, lending->address, lending->rights,
		      lending->options);
		reason = open_window(&new, lending);
	}
	if (refusal)
		*refusal = reason;
	if (reason)
		return PREC_REFUSED;
	own(&new)->lost = own(&new)->mapped;
	own(&new)->file_offset = lending->offset;
	status = prec_fault_install();
	if (status)
		return status;
	own(&new)->file = keep_file(lending->fd);
	if (own(&new)->file == PREC_NONE)
		return PREC_SYSTEM;
	status = map_new(region, &new, lending, &reason);
	if (status)
		let_go(own(&new)->file);
	if (refusal)
		*refusal = reason;
	return status;
}

static bool adoptable(const struct prec_adoption *adoption, uint32_t page)
{
	uint64_t at = (uint64_t)(uintptr_t)adoption->at;

	return page != 0 && (page & (page - 1)) == 0 && at != 0 &&
	       at % page == 0 && adoption->size > 0 &&
	       sensible_rights(adoption->rights) &&
	       (adoption->options & ~OPTIONS_ADOPT) == 0 &&
	       adoption->reserved == 0 && is_zero(adoption->reserved_more) &&
	       at < PREC_ADDRESS_MAX &&
	       adoption->size <= PREC_ADDRESS_MAX - at - page &&
	       adoption->address <= PREC_ADDRESS_MAX - adoption->size;
}

static enum prec_status adopt(struct prec_region *region,
			      const struct prec_adoption *adoption, int fd,
			      uint64_t offset, uint32_t page)
{
	struct prec_region new = { .page_size = page, .flags = REGION_ADOPTED };
	enum prec_status status;

	RULE_OF("prec_region_adopt",
		adoption->at && (uint64_t)(uintptr_t)adoption->at % page == 0,
		"memory that is adopted begins at a page");
	if (!adoptable(adoption, page) || offset % page != 0 ||
	    offset >= PREC_ADDRESS_MAX)
		return PREC_INVALID;
	status = prec_fault_install();
	if (status)
		return status;
	begin(&new, adoption->size, adoption->address, adoption->rights,
	      adoption->options);
	new.span.host = (uint64_t)(uintptr_t)adoption->at;
	own(&new)->lost = own(&new)->mapped;
	own(&new)->file_offset = offset;
	prec_index_lock();
	if (fd >= 0)
		own(&new)->file = prec_file_keep(fd);
	if (fd >= 0 && own(&new)->file == PREC_NONE)
		status = PREC_SYSTEM;
	if (status == PREC_OK) {
		*region = new;
		status = enter_index(region);
	}
	prec_index_unlock();
	if (status)
		let_go(own(&new)->file);
	return status;
}

enum prec_status prec_region_adopt(struct prec_region *region,
				   const struct prec_adoption *adoption)
{
	uint32_t page = adoption->page_size;

	RULES_OF_REGION(region, adoption, OPTIONS_ADOPT);
	return adopt(region, adoption, -1, 0,
		     page ? page : (uint32_t)getauxval(AT_PAGESZ));
}

/* Is it a file, open for what is asked?  The size of its pages. */
static uint32_t page_of(int fd, uint32_t rights)
{
	int flags = fcntl(fd, F_GETFL);
	struct statfs fs;

	if (flags < 0 || flags & O_PATH || fstatfs(fd, &fs) != 0)
		return 0;
	if ((flags & O_ACCMODE) == O_WRONLY ||
	    ((rights & PREC_WRITE) && (flags & O_ACCMODE) != O_RDWR))
		return 0;
	if (fs.f_type == HUGETLBFS_MAGIC)
		return (uint32_t)fs.f_bsize;
	return (uint32_t)getauxval(AT_PAGESZ);
}

enum prec_status prec_region_adopt_file(struct prec_region *region,
					const struct prec_adoption *adoption,
					int fd, uint64_t offset)
{
	uint32_t page = page_of(fd, adoption->rights);
	struct stat file;

	RULES_OF_REGION(region, adoption, OPTIONS_ADOPT);
	if (!page || fstat(fd, &file) != 0 || !S_ISREG(file.st_mode))
		return PREC_REFUSED;
	if (adoption->page_size && adoption->page_size != page)
		return PREC_INVALID;
	return adopt(region, adoption, fd, offset, page);
}
