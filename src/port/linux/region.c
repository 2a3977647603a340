// SPDX-License-Identifier: MIT
#include "linux.h"
#include "provide.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPTIONS_KNOWN                                                          \
	((uint32_t)(PREC_ADMIT_ANY_FILE | PREC_ADMIT_SPARSE |                  \
		    PREC_ADMIT_STRICT | PREC_ADMIT_TAIL | PREC_KEEP_ON_FORK))

static bool sensible(const struct prec_lending *lending)
{
	uint32_t both = PREC_READ | PREC_WRITE;

	return lending->size > 0 && lending->rights != 0 &&
	       (lending->rights & ~both) == 0 &&
	       (lending->options & ~OPTIONS_KNOWN) == 0 &&
	       lending->size < PREC_ADDRESS_MAX &&
	       lending->offset < PREC_ADDRESS_MAX &&
	       lending->address <= PREC_ADDRESS_MAX - lending->size;
}

static enum prec_status keep_file(struct prec_region *region, int fd)
{
	region->file = prec_descriptor_keep(fd);
	return region->file < 0 ? PREC_SYSTEM : PREC_OK;
}

static int protection(uint32_t rights)
{
	return rights & PREC_WRITE ? PROT_READ | PROT_WRITE : PROT_READ;
}

/* Map the file and check it again, before the region can be found. */
static enum prec_status attach(struct prec_region *region,
			       const struct prec_lending *lending,
			       enum prec_refusal *refusal)
{
	bool keeps_size = false;
	/* Huge pages that are set aside for a mapping are paid for too. */
	int how = lending->budget ? MAP_SHARED | MAP_NORESERVE : MAP_SHARED;
	void *at = mmap(NULL, lending->size, (int)region->prot, how,
			region->file, (off_t)lending->offset);

	if (at == MAP_FAILED)
		return PREC_SYSTEM;
	if (!(lending->options & PREC_KEEP_ON_FORK) &&
	    madvise(at, lending->size, MADV_DONTFORK) != 0) {
		munmap(at, lending->size);
		return PREC_SYSTEM;
	}
	region->span.host = (uint64_t)(uintptr_t)at;
	*refusal = prec_admit_again(lending, &keeps_size);
	if (!*refusal)
		*refusal = prec_provide_begin(region, lending);
	if (*refusal) {
		munmap(at, lending->size);
		return PREC_REFUSED;
	}
	region->flags |= keeps_size ? REGION_KEEPS_SIZE : 0;
	if (lending->options & PREC_ADMIT_TAIL)
		region->flags |= REGION_TAIL;
	if (lending->options & PREC_KEEP_ON_FORK)
		region->flags |= REGION_KEPT;
	return PREC_OK;
}

static enum prec_status enter_index(struct prec_region *region)
{
	enum prec_status status = PREC_FULL;

	prec_index_lock();
	if (prec_void_file() < 0) {
		status = PREC_SYSTEM;
	} else if (prec_index_insert(region)) {
		status = PREC_OK;
	}
	prec_index_unlock();
	return status;
}

enum prec_status prec_region_map(struct prec_region *region,
				 const struct prec_lending *lending,
				 enum prec_refusal *refusal)
{
	enum prec_refusal reason = PREC_REFUSAL_NONE;
	enum prec_status status;
	struct prec_region new = { .prot = 0 };
	bool keeps_size;

	if (!sensible(lending))
		return PREC_INVALID;
	reason = prec_admit(lending, &new.page_size, &keeps_size);
	if (refusal)
		*refusal = reason;
	if (reason)
		return PREC_REFUSED;
	status = prec_fault_install();
	if (status)
		return status;
	new.span.size = lending->size;
	new.span.address = lending->address;
	new.span.index = PREC_NONE;
	new.span.rights = lending->rights;
	new.prot = (uint32_t)protection(lending->rights);
	new.lost = lending->size;
	new.born = prec_generation;
	new.file_offset = lending->offset;
	status = keep_file(&new, lending->fd);
	if (status)
		return status;
	status = attach(&new, lending, &reason);
	if (status == PREC_OK) {
		*region = new;
		status = enter_index(region);
		if (status) {
			prec_provide_end(region);
			munmap((void *)(uintptr_t) new.span.host,
			       new.span.size);
		}
	}
	if (status) {
		int saved = errno;

		close(new.file);
		errno = saved;
		if (refusal)
			*refusal = reason;
	}
	return status;
}

/* Of what was left behind by a fork only the book-keeping is here. */
static bool is_mapped(const struct prec_region *region)
{
	return region_left(region) ? region->span.size != 0
				   : prec_index_has(region);
}

static enum prec_status withdraw(struct prec_region *region)
{
	int fd = prec_void_file();
	uint32_t i;
	void *at;

	if (fd < 0)
		return PREC_SYSTEM;
	region_mark(region, REGION_WITHDRAWN);
	region_move_epoch(region);
	if (region_left(region))
		return PREC_OK;
	at = mmap((void *)(uintptr_t)region->span.host, region->span.size,
		  (int)region->prot, MAP_SHARED | MAP_FIXED, fd, 0);
	if (at == MAP_FAILED) {
		region_unmark(region, REGION_WITHDRAWN);
		return PREC_SYSTEM;
	}
	if (!(region_flags(region) & REGION_KEPT))
		madvise(at, region->span.size, MADV_DONTFORK);
	/* This has removed the substituted pages: from here on they may be
	 * substituted again. */
	for (i = 0; i < sizeof(region->singles) / sizeof(uint64_t); i++)
		__atomic_store_n(&region->singles[i], 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&region->lost, region->span.size, __ATOMIC_SEQ_CST);
	return PREC_OK;
}

enum prec_status prec_region_revoke(struct prec_region *region)
{
	enum prec_status status = PREC_OK;

	prec_index_lock();
	if (!is_mapped(region)) {
		status = PREC_INVALID;
	} else if (!region->withdrawn) {
		status = withdraw(region);
		region->withdrawn = status == PREC_OK;
	}
	prec_index_unlock();
	return status;
}

/* From here on no transaction can be opened on it; or nothing has changed. */
static enum prec_status shut(struct prec_region *region)
{
	enum prec_status status;

	if (!is_mapped(region))
		return PREC_INVALID;
	region_mark(region, REGION_CLOSING);
	status = prec_thread_holds(region);
	if (status == PREC_OK && !region_close(region))
		status = PREC_BUSY;
	if (status)
		region_unmark(region, REGION_CLOSING);
	return status;
}

enum prec_status prec_region_unmap(struct prec_region *region)
{
	enum prec_status status;

	prec_index_lock();
	status = shut(region);
	if (status == PREC_OK && !region_left(region)) {
		prec_index_remove(region);
		munmap((void *)(uintptr_t)region->span.host, region->span.size);
	}
	prec_index_unlock();
	if (status)
		return status;
	prec_provide_end(region);
	close(region->file);
	region->file = -1;
	region->span.size = 0;
	return PREC_OK;
}

uint64_t prec_region_epoch(const struct prec_region *region)
{
	return region_epoch(region);
}

bool prec_region_revoked(const struct prec_region *region)
{
	return region_flags(region) & REGION_WITHDRAWN;
}

enum prec_status prec_region_check(struct prec_region *region)
{
	uint32_t flags = region_flags(region);
	struct stat file;
	uint64_t end = region->file_offset + region->span.size;
	uint64_t tail = flags & REGION_TAIL ? region->page_size - 1 : 0;

	if (flags & (REGION_WITHDRAWN | REGION_SUBSTITUTED) ||
	    region_left(region))
		return PREC_GONE;
	if (flags & REGION_KEEPS_SIZE)
		return PREC_OK;
	if (fstat(region->file, &file) == 0 &&
	    (uint64_t)file.st_size + tail >= end)
		return PREC_OK;
	region_move_epoch(region);
	return PREC_GONE;
}
