// SPDX-License-Identifier: MIT
#include "linux.h"
#include "machine.h"
#include "provide.h"
#include "rules.h"

#include <errno.h>
#include <sys/mman.h>

#include <precarium/access.h>

/*
 * A region lends more of its window, and gets back what was replaced.
 *
 * Putting the client's pages back undoes what other threads may be doing in the
 * fault handler (substitute.c).  So a flag makes whoever wants to replace a
 * page try its access again, and those that have begun are waited for: they are
 * in the handler, run to its end, and wait for nobody.  No signal handler runs
 * on this thread meanwhile, because it could wait for us.
 *
 * The holes of a region with a budget must be watched from the first instant.
 * So it is mapped without rights, watched, and then gets its rights; an access
 * that comes in between is tried again (fault.c).
 */
static bool is_whole(const struct prec_region *region)
{
	return !(region_flags(region) &
		 (REGION_SUBSTITUTED | REGION_UNCOVERABLE));
}

/* If it cannot be watched any more it is revoked, so that nothing goes
 * uncharged.  errno says why. */
static bool watch_again(struct prec_region *region)
{
	int saved;

	if (prec_provide_again(region) &&
	    mprotect((void *)(uintptr_t)region->span.host, own(region)->mapped,
		     (int)own(region)->prot) == 0)
		return true;
	saved = errno;
	(void)!prec_region_withdraw(region);
	errno = saved;
	return false;
}

static enum prec_status map_again(struct prec_region *region)
{
	int fd = prec_file_descriptor(own(region)->file);
	bool watched = region_flags(region) & REGION_WATCHED;
	int prot = watched ? PROT_NONE : (int)own(region)->prot;
	int flags = MAP_FIXED | (own(region)->budget ? MAP_NORESERVE : 0);
	void *host = (void *)(uintptr_t)region->span.host;
	off_t offset = (off_t)own(region)->file_offset;
	void *at = mmap(host, own(region)->mapped, prot, MAP_SHARED | flags, fd,
			offset);

	if (at == MAP_FAILED && errno == EPERM &&
	    !(region->span.rights & PREC_WRITE))
		at = mmap(host, own(region)->mapped, prot, MAP_PRIVATE | flags,
			  fd, offset);
	if (at == MAP_FAILED)
		return PREC_SYSTEM;
	if (watched && !watch_again(region))
		return PREC_SYSTEM;
	if (!(region_flags(region) & (REGION_KEPT | REGION_ADOPTED)))
		madvise(at, own(region)->mapped, MADV_DONTFORK);
	region_has_none_replaced(region);
	region_unmark(region, REGION_SUBSTITUTED | REGION_UNCOVERABLE);
	region_move_epoch(region);
	return PREC_OK;
}

static enum prec_status heal(struct prec_region *region)
{
	enum prec_status status;
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	__atomic_or_fetch(&region->flags, REGION_HEALING, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&own(region)->covering, __ATOMIC_SEQ_CST) != 0)
		prec_raw_pause();
	status = map_again(region);
	region_unmark(region, REGION_HEALING);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return status;
}

static enum prec_status grow(struct prec_region *region, uint64_t size)
{
	enum prec_status status = PREC_OK;
	bool known = own(region)->file != PREC_NONE;

	if (!region_is_mapped(region) || size == 0)
		return PREC_INVALID;
	if (size > own(region)->mapped)
		return PREC_RANGE;
	if (region_left(region) || region_flags(region) & REGION_WITHDRAWN)
		return PREC_GONE;
	if (!is_whole(region) && !known)
		return PREC_INVALID;
	if (known && !region_file_covers(region, size))
		return PREC_GONE;
	if (!is_whole(region))
		status = heal(region);
	if (status == PREC_OK)
		__atomic_store_n(&region->span.size, size, __ATOMIC_RELEASE);
	return status;
}

enum prec_status prec_region_grow(struct prec_region *region, uint64_t size)
{
	enum prec_status status;

	RULE_MAY_HOLD();
	prec_index_lock();
	RULE_MAPPED(region);
	status = grow(region, size);
	prec_index_unlock();
	return status;
}
