// SPDX-License-Identifier: MIT
#include "linux.h"
#include "provide.h"
#include "rules.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <precarium/budget.h>

/*
 * Holes of lent memory, and the pages that we put there.
 *
 * A region with a budget is registered with a userfaultfd of which nobody
 * reads.  With UFFD_FEATURE_SIGBUS an access to a page that the file does not
 * have is a SIGBUS, or EFAULT for the kernel, whether the page is a hole or
 * lies beyond the end.  Pages that are there are mapped as before and cost no
 * more.
 *
 * A page is then made in one of two ways:
 *
 *	zeropage  UFFDIO_ZEROPAGE, where we may write to a file of small pages
 *	mapping	  otherwise: a mapping that is not watched makes the page and is
 *		  removed again.  For huge pages, and for files that we may only
 *		  read: the kernel refuses to watch a shared mapping of those,
 *		  so they are mapped privately, which is the same for a reader.
 *
 * Needed: Linux 5.14, for MADV_POPULATE_READ.
 */
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

#define FEATURES                                                               \
	(UFFD_FEATURE_SIGBUS | UFFD_FEATURE_MISSING_SHMEM |                    \
	 UFFD_FEATURE_MISSING_HUGETLBFS)

/* How often to try again what the kernel says to try again. */
#define AGAIN_MAX 100u

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int watcher = -1;
static int why_not; /* it was tried: an error number */

void prec_provide_lock(void)
{
	pthread_mutex_lock(&lock);
}

void prec_provide_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

/* In a child after fork: it would act on the parent's memory. */
void prec_provide_forked(void)
{
	if (watcher >= 0)
		close(watcher);
	watcher = -1;
	why_not = 0;
	prec_left_forked();
}

/* Does the kernel know MADV_POPULATE_READ?  It tells whether pages are there,
 * and makes none in a mapping that is watched. */
static bool can_populate(void)
{
	long size = sysconf(_SC_PAGESIZE);
	void *page = mmap(NULL, (size_t)size, PROT_READ,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool can;

	if (page == MAP_FAILED)
		return false;
	can = madvise(page, (size_t)size, MADV_POPULATE_READ) == 0;
	munmap(page, (size_t)size);
	return can;
}

static int open_watcher(void)
{
	struct uffdio_api api = { .api = UFFD_API, .features = FEATURES };
	int flags = O_CLOEXEC | O_NONBLOCK;
	int fd = (int)syscall(SYS_userfaultfd, flags | UFFD_USER_MODE_ONLY);
	int kept = -1, saved;

	if (fd < 0)
		return -1;
	if (can_populate() && ioctl(fd, UFFDIO_API, &api) == 0)
		kept = prec_descriptor_keep(fd);
	saved = errno;
	close(fd);
	errno = saved;
	return kept;
}

enum prec_status prec_budget_prepare(void)
{
	int error;

	RULE_MAY_HOLD();
	pthread_mutex_lock(&lock);
	if (watcher < 0 && why_not == 0) {
		watcher = open_watcher();
		why_not = watcher < 0 ? errno : 0;
		prec_left_prepare();
	}
	error = watcher < 0 ? why_not : 0;
	pthread_mutex_unlock(&lock);
	errno = error;
	return error ? PREC_SYSTEM : PREC_OK;
}

static bool enrol(struct prec_region *region, bool *zeropage)
{
	struct uffdio_register range = {
		.range = { region->span.host, own(region)->mapped },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	if (ioctl(watcher, UFFDIO_REGISTER, &range) != 0)
		return false;
	*zeropage = range.ioctls & 1ull << _UFFDIO_ZEROPAGE;
	return true;
}

/* The kernel watches a shared mapping only if we may write to the file, because
 * making a page changes the file. */
static bool enrol_private(struct prec_region *region, int prot)
{
	void *at = (void *)(uintptr_t)region->span.host;
	bool unused;

	if (errno != EPERM || region->span.rights & PREC_WRITE)
		return false;
	if (mmap(at, own(region)->mapped, prot,
		 MAP_PRIVATE | MAP_NORESERVE | MAP_FIXED,
		 prec_file_descriptor(own(region)->file),
		 (off_t)own(region)->file_offset) == MAP_FAILED)
		return false;
	return enrol(region, &unused);
}

static uint64_t bits_size(const struct prec_region *region)
{
	uint64_t pages = own(region)->mapped / region->page_size;

	return (pages / 64 + 1) * sizeof(uint64_t);
}

static bool watch(struct prec_region *region)
{
	bool zeropage = false;
	void *bits;

	if (prec_budget_prepare() != PREC_OK)
		return false;
	bits = mmap(NULL, bits_size(region), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (bits == MAP_FAILED)
		return false;
	if (!enrol(region, &zeropage) &&
	    !enrol_private(region, (int)own(region)->prot)) {
		munmap(bits, bits_size(region));
		return false;
	}
	own(region)->made = bits;
	region->flags |= REGION_WATCHED | (zeropage ? REGION_ZEROPAGE : 0);
	return true;
}

bool prec_provide_again(struct prec_region *region)
{
	bool unused;

	if (watcher < 0)
		return true; /* a child after fork watches nothing */
	return enrol(region, &unused) || enrol_private(region, PROT_NONE);
}

enum prec_refusal prec_provide_begin(struct prec_region *region,
				     const struct prec_lending *lending)
{
	uint64_t holes;

	if (!lending->budget)
		return PREC_REFUSAL_NONE;
	own(region)->budget = lending->budget;
	if (watch(region)) {
		pthread_mutex_lock(&lock);
		prec_left_take(region, bits_size(region));
		pthread_mutex_unlock(&lock);
		return PREC_REFUSAL_NONE;
	}
	if (lending->options & PREC_ADMIT_SPARSE)
		return PREC_REFUSAL_NONE;
	holes = prec_admit_holes(lending);
	if (!prec_budget_charge(own(region)->budget, holes))
		return PREC_REFUSAL_SPARSE;
	own(region)->charged = holes;
	return PREC_REFUSAL_NONE;
}

void prec_provide_end(struct prec_region *region)
{
	if (own(region)->made) {
		pthread_mutex_lock(&lock);
		prec_left_add(region, bits_size(region));
		pthread_mutex_unlock(&lock);
	} else if (own(region)->budget) {
		prec_budget_credit(own(region)->budget, own(region)->charged);
	}
	own(region)->made = NULL;
	own(region)->budget = NULL;
}

/* Does the file still have the page that begins at this offset? */
static bool covers(const struct prec_region *region, uint64_t offset)
{
	struct stat file;

	return prec_file_is_there(own(region)->file, &file) &&
	       (uint64_t)file.st_size > own(region)->file_offset + offset;
}

/* Makes this page only, and not the huge page that it could be part of where
 * files in memory may have such. */
static bool make_by_mapping(const struct prec_region *region, uint64_t page)
{
	uint64_t offset = own(region)->file_offset + page * region->page_size;
	void *at = mmap(NULL, region->page_size, PROT_READ,
			MAP_SHARED | MAP_NORESERVE,
			prec_file_descriptor(own(region)->file), (off_t)offset);
	bool made;

	if (at == MAP_FAILED)
		return false;
	madvise(at, region->page_size, MADV_NOHUGEPAGE);
	made = madvise(at, region->page_size, MADV_POPULATE_READ) == 0;
	munmap(at, region->page_size);
	return made;
}

enum making { MADE, THERE_ALREADY, NOT_MADE };

static enum making make_zeropage(const struct prec_region *region,
				 uint64_t page)
{
	uint64_t host = region->span.host + page * region->page_size;
	uint32_t again;

	for (again = 0; again < AGAIN_MAX; again++) {
		struct uffdio_zeropage zero = {
			.range = { host, region->page_size },
		};

		if (ioctl(watcher, UFFDIO_ZEROPAGE, &zero) == 0)
			return MADE;
		if (errno == EEXIST)
			return THERE_ALREADY;
		if (errno != EAGAIN)
			break;
	}
	return NOT_MADE;
}

static enum making make(const struct prec_region *region, uint64_t page)
{
	if (region_flags(region) & REGION_ZEROPAGE)
		return make_zeropage(region, page);
	return make_by_mapping(region, page) ? MADE : NOT_MADE;
}

/* Note that we pay for the page.  If we had made it before and the client gave
 * it back, it is charged already. */
static void record(struct prec_region *region, uint64_t page)
{
	uint64_t bit = 1ull << page % 64;
	uint64_t old = __atomic_fetch_or(&own(region)->made[page / 64], bit,
					 __ATOMIC_SEQ_CST);

	if (old & bit)
		prec_budget_credit(own(region)->budget, region->page_size);
	else
		__atomic_add_fetch(&own(region)->charged, region->page_size,
				   __ATOMIC_RELAXED);
}

enum prec_provided prec_provide(struct prec_region *region, uint64_t offset,
				bool *made)
{
	uint64_t page = offset / region->page_size;

	*made = false;
	if ((region_flags(region) & (REGION_WATCHED | REGION_WITHDRAWN)) !=
		    REGION_WATCHED ||
	    watcher < 0)
		return PROVIDE_LOST;
	if (!covers(region, page * region->page_size))
		return PROVIDE_LOST;
	if (!prec_budget_charge(own(region)->budget, region->page_size))
		return PROVIDE_OVER;
	switch (make(region, page)) {
	case MADE:
		record(region, page);
		*made = true;
		return PROVIDE_DONE;
	case THERE_ALREADY:
		prec_budget_credit(own(region)->budget, region->page_size);
		return PROVIDE_DONE;
	case NOT_MADE:
		break;
	}
	prec_budget_credit(own(region)->budget, region->page_size);
	return PROVIDE_LOST;
}

/* Pages that are looked at together before any is made. */
#define PIECE 16u

static enum prec_status provide_piece(struct prec_region *region,
				      uint64_t first, uint64_t count,
				      uint64_t *made)
{
	uint64_t page;

	if (region_has_pages(region, first, count))
		return PREC_OK;
	for (page = first; page < first + count; page++) {
		bool new;

		if (region_has_pages(region, page, 1))
			continue;
		switch (prec_provide(region, page * region->page_size, &new)) {
		case PROVIDE_DONE:
			*made += new;
			break;
		case PROVIDE_OVER:
			return PREC_FULL;
		case PROVIDE_LOST:
			return PREC_GONE;
		}
	}
	return PREC_OK;
}

static enum prec_status provide_pages(struct prec_region *region,
				      uint64_t first, uint64_t end,
				      uint64_t *made)
{
	enum prec_status status = PREC_OK;

	while (first < end && status == PREC_OK) {
		uint64_t count = end - first < PIECE ? end - first : PIECE;

		status = provide_piece(region, first, count, made);
		first += count;
	}
	return status;
}

/* Files that have gone since may leave room.  Not for the handler, which must
 * not lock. */
static bool look_at_left(void)
{
	bool found;

	pthread_mutex_lock(&lock);
	found = prec_left_look();
	pthread_mutex_unlock(&lock);
	return found;
}

void prec_budget_settle(void)
{
	RULE_MAY_HOLD();
	look_at_left();
}

enum prec_status prec_span_provide(struct prec_span span, uint64_t offset,
				   uint64_t size, uint64_t *made)
{
	struct prec_region *region = prec_region_at(span.host);
	enum prec_status status;
	uint64_t first, end;

	RULE_MAY_HOLD();
	*made = 0;
	if (offset > span.size || size > span.size - offset || !region)
		return PREC_RANGE;
	if (!(region_flags(region) & REGION_WATCHED) || size == 0)
		return PREC_OK;
	offset += span.host - region->span.host;
	first = offset / region->page_size;
	end = (offset + size - 1) / region->page_size + 1;
	status = provide_pages(region, first, end, made);
	if (status != PREC_FULL || !look_at_left())
		return status;
	return provide_pages(region, first, end, made);
}

void prec_budget_end(struct prec_budget *budget)
{
	RULE_MAY_HOLD();
	RULE(prec_rule_budget_unused(budget),
	     "no region is mapped with the budget");
	pthread_mutex_lock(&lock);
	prec_left_end(budget);
	pthread_mutex_unlock(&lock);
	prec_budget_credit(budget, prec_budget_used(budget));
}
