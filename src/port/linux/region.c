// SPDX-License-Identifier: MIT
#include "linux.h"
#include "provide.h"
#include "rules.h"

#include <sys/mman.h>

static enum prec_status cut_off(struct prec_region *region)
{
	int fd = prec_void_file();
	void *at;

	if (fd < 0)
		return PREC_SYSTEM;
	region_mark(region, REGION_WITHDRAWN);
	region_move_epoch(region);
	if (region_left(region))
		return PREC_OK;
	at = mmap((void *)(uintptr_t)region->span.host, own(region)->mapped,
		  (int)own(region)->prot, MAP_SHARED | MAP_FIXED, fd, 0);
	if (at == MAP_FAILED) {
		region_unmark(region, REGION_WITHDRAWN);
		return PREC_SYSTEM;
	}
	if (!(region_flags(region) & (REGION_KEPT | REGION_ADOPTED)))
		madvise(at, own(region)->mapped, MADV_DONTFORK);
	/* This has removed the substituted pages: from here on they may be
	 * substituted again. */
	region_has_none_replaced(region);
	return PREC_OK;
}

enum prec_status prec_region_withdraw(struct prec_region *region)
{
	enum prec_status status = PREC_OK;

	if (!own(region)->withdrawn) {
		status = cut_off(region);
		own(region)->withdrawn = status == PREC_OK;
	}
	return status;
}

enum prec_status prec_region_revoke(struct prec_region *region)
{
	enum prec_status status;

	RULE_MAY_HOLD();
	prec_index_lock();
	RULE_MAPPED(region);
	status = region_is_mapped(region) ? prec_region_withdraw(region)
					  : PREC_INVALID;
	prec_index_unlock();
	return status;
}

/* From here on no transaction can be opened on it; or nothing has changed. */
static enum prec_status shut(struct prec_region *region)
{
	enum prec_status status;

	if (!region_is_mapped(region))
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
	bool mapped;

	RULE_MAY_HOLD();
	RULE(prec_rule_not_inside(region),
	     "this thread has no transaction open on the region");
	prec_index_lock();
	RULE_MAPPED(region);
	status = shut(region);
	mapped = !region_left(region);
	if (status == PREC_OK && mapped)
		prec_index_remove(region);
	prec_index_unlock();
	if (status)
		return status;
	/* How long these take is up to who lent the memory: there may be much
	 * of it, and we the last to have it.  No other region waits. */
	if (mapped && !(region_flags(region) & REGION_ADOPTED))
		munmap((void *)(uintptr_t)region->span.host,
		       own(region)->mapped);
	prec_provide_end(region);
	prec_file_let_go(own(region)->file);
	own(region)->file = PREC_NONE;
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

static enum prec_status check(struct prec_region *region, uint64_t end)
{
	uint32_t flags = region_flags(region);

	if (flags & (REGION_WITHDRAWN | REGION_SUBSTITUTED) ||
	    region_left(region))
		return PREC_GONE;
	if (flags & REGION_KEEPS_SIZE || region_file_covers(region, end))
		return PREC_OK;
	region_move_epoch(region);
	return PREC_GONE;
}

enum prec_status prec_region_check(struct prec_region *region)
{
	return check(region, region->span.size);
}

/* A file loses its end, so the last byte of the part tells. */
enum prec_status prec_region_check_part(struct prec_region *region,
					uint64_t offset, uint64_t size)
{
	uint64_t all = region->span.size;

	if (size == 0 || offset > all || size > all - offset)
		return PREC_RANGE;
	return check(region, offset + size);
}
