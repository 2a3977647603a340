/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PORT_LINUX_PROVIDE_H
#define PRECARIUM_PORT_LINUX_PROVIDE_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>

#include <precarium/budget.h>
#include <precarium/lending_linux.h>
#include <precarium/region.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

#pragma GCC visibility push(hidden)

/* Pages in the place of holes, and what they may cost: provide.c, budget.c,
 * left.c. */

/* Watch a region, if it was lent with a budget, once it is mapped and before it
 * is in the index; stop when it is out of the index again. */
enum prec_refusal prec_provide_begin(struct prec_region *region,
				     const struct prec_lending *lending);
void prec_provide_end(struct prec_region *region);
/* Watch it as before: it has been mapped anew, without rights, so that nobody
 * touches a hole before it is watched. */
bool prec_provide_again(struct prec_region *region);

/* Around fork, as for the other locks. */
void prec_provide_lock(void);
void prec_provide_unlock(void);
void prec_provide_forked(void);

/* Put a page where the client has a hole.  In signal handlers too. */
enum prec_provided {
	PROVIDE_DONE, /* it is there, or was a moment ago: try again */
	PROVIDE_OVER, /* past the budget */
	PROVIDE_LOST, /* no hole, or not ours to fill */
};
enum prec_provided prec_provide(struct prec_region *region, uint64_t offset,
				bool *made);

/* The budget and all above it.  False: one of them does not allow it. */
bool prec_budget_charge(struct prec_budget *budget, uint64_t bytes);
void prec_budget_credit(struct prec_budget *budget, uint64_t bytes);

/* Around the end of a region, whose charge stays.  Its bits are `made_size`
 * bytes.  All under the lock of provide.c. */
void prec_left_prepare(void);
void prec_left_add(struct prec_region *region, uint64_t made_size);
void prec_left_take(struct prec_region *region, uint64_t made_size);
/* Credit what has gone since.  False: nothing. */
bool prec_left_look(void);
void prec_left_end(const struct prec_budget *budget);
void prec_left_forked(void);

/* Are these pages of a watched region there?  Makes none. */
static inline bool region_has_pages(const struct prec_region *region,
				    uint64_t page, uint64_t count)
{
	uint64_t host = region->span.host + page * region->page_size;

	return madvise((void *)(uintptr_t)host, count * region->page_size,
		       MADV_POPULATE_READ) == 0 ||
	       errno != EFAULT;
}

#pragma GCC visibility pop

#endif
