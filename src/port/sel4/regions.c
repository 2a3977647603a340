// SPDX-License-Identifier: MIT
#include "regions.h"

uint32_t regions_find(const struct prec_keeper *keeper,
		      struct prec_region *region)
{
	uint32_t i;

	/*@
	  loop invariant range: 0 <= i <= PREC_KEEPER_REGIONS;
	  loop invariant none: \forall integer r;
	    0 <= r < i && keeper->region_book.pages[r] != 0 ==>
	    keeper->region[r] != region;
	  loop assigns i;
	  loop variant PREC_KEEPER_REGIONS - i;
	*/
	for (i = 0; i < PREC_KEEPER_REGIONS; i++)
		if (keeper->region_book.pages[i] != 0 &&
		    keeper->region[i] == region)
			return i;
	return PREC_NONE;
}

uint32_t regions_page_at(const struct prec_keeper *keeper, uint64_t host)
{
	uint64_t page;

	if (host < keeper->window)
		return PREC_NONE;
	page = (host - keeper->window) / 4096;
	if (page >= keeper->pages || keeper->window_book.owner[page] == 0)
		return PREC_NONE;
	return (uint32_t)page;
}

/* ---- mapping ------------------------------------------------------------- */

/* The keeper's own slots are not lent. */
/*@
  requires keeper: \valid_read(keeper) && given_ok(*keeper);
  requires lending: \valid_read(lending);
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures ok: \result <==> lending_ok(*keeper, *lending);
*/
static bool makes_sense(const struct prec_keeper *keeper,
			const struct prec_lending *lending)
{
	if (lending->size == 0 || lending->size % 4096 != 0 ||
	    lending->size / 4096 > PREC_KEEPER_PAGES ||
	    lending->frames > UINT64_MAX - lending->size / 4096)
		return false;
	if (lending->address > PREC_ADDRESS_MAX - lending->size ||
	    lending->reserved != 0 || lending->client >= PREC_KEEPER_CLIENTS)
		return false;
	if (lending->rights != PREC_READ &&
	    lending->rights != (PREC_READ | PREC_WRITE))
		return false;
	if (lending->options != 0 && lending->options != PREC_TOLERATE)
		return false;
	return !do_ranges_meet(keeper->slots, keeper->pages, lending->frames,
			       lending->size / 4096);
}

/* A number that no region has, or PREC_NONE. */
/*@
  requires keeper: \valid_read(keeper);
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures free: \result != PREC_NONE ==> \result < PREC_KEEPER_REGIONS &&
    keeper->region_book.pages[\result] == 0;
  ensures none: \result == PREC_NONE ==> \forall integer r;
    0 <= r < PREC_KEEPER_REGIONS ==> keeper->region_book.pages[r] != 0;
*/
static uint32_t find_number(const struct prec_keeper *keeper)
{
	uint32_t i;

	/*@
	  loop invariant range: 0 <= i <= PREC_KEEPER_REGIONS;
	  loop invariant taken: \forall integer r; 0 <= r < i ==>
	    keeper->region_book.pages[r] != 0;
	  loop assigns i;
	  loop variant PREC_KEEPER_REGIONS - i;
	*/
	for (i = 0; i < PREC_KEEPER_REGIONS; i++)
		if (keeper->region_book.pages[i] == 0)
			return i;
	return PREC_NONE;
}

/* Take these pages back. */
/*@
  requires keeper: \valid(keeper) && window_ok(*keeper);
  requires pages: first + count <= keeper->pages;
  requires state: state == PAGE_FREE || state == PAGE_VOID;
  terminates \true;
  exits \false;
  assigns keeper->window_book.state[0 .. PREC_KEEPER_PAGES - 1],
    keeper->window_book.used_by[0 .. PREC_KEEPER_FRAMES - 1], CAPS;
  ensures ok: window_ok(*keeper);
  ensures cleared: \forall integer i; first <= i < first + count ==>
    keeper->window_book.state[i] == state && cap_is[i] == CAP_NONE &&
    cap_at[i] == 0;
  ensures kept: \forall integer i; is_outside(i, first, count) ==>
    keeper->window_book.state[i] == \old(keeper->window_book.state[i]);
  ensures only: only{Pre, Post}(first, count);
*/
static void clear_pages(struct prec_keeper *keeper, uint32_t first,
			uint32_t count, uint8_t state)
{
	uint32_t page, end = first + count;

	/*@
	  loop invariant range: first <= page <= end;
	  loop invariant ok: window_ok(*keeper);
	  loop invariant cleared: \forall integer i; first <= i < page ==>
	    keeper->window_book.state[i] == state && cap_is[i] == CAP_NONE &&
	    cap_at[i] == 0;
	  loop invariant kept: \forall integer i;
	    is_outside(i, first, count) ==>
	    keeper->window_book.state[i] ==
	    \at(keeper->window_book.state[i], Pre);
	  loop invariant only: only{Pre, Here}(first, count);
	  loop assigns page,
	    keeper->window_book.state[0 .. PREC_KEEPER_PAGES - 1],
	    keeper->window_book.used_by[0 .. PREC_KEEPER_FRAMES - 1], CAPS;
	  loop variant end - page;
	*/
	for (page = first; page < end; page++)
		window_clear(keeper, page, state);
}

/* All these pages, from consecutive slots, or none. */
/*@
  requires keeper: \valid(keeper) && window_ok(*keeper);
  requires pages: first + count <= keeper->pages;
  requires slots: from + count <= UINT64_MAX;
  requires free: \forall integer i; first <= i < first + count ==>
    keeper->window_book.state[i] == PAGE_FREE;
  terminates \true;
  exits \false;
  assigns keeper->window_book.state[0 .. PREC_KEEPER_PAGES - 1],
    keeper->window_book.used_by[0 .. PREC_KEEPER_FRAMES - 1],
    CAPS, shown, shown_frame;
  ensures ok: window_ok(*keeper);
  ensures said: \result == WINDOW_LENT || \result == WINDOW_NOT_MEMORY ||
    \result == WINDOW_NOT_SMALL || \result == WINDOW_IN_USE;
  ensures last: \result == WINDOW_LENT && 0 < count ==>
    shown_frame == from + count - 1;
  ensures rights: \forall integer i; first <= i < first + count &&
    cap_is[i] == CAP_CLIENT && cap_write[i] == 1 ==> write;
  ensures all: \result == WINDOW_LENT ==>
    \forall integer i; first <= i < first + count ==>
      keeper->window_book.state[i] == PAGE_LENT;
  ensures none: \result != WINDOW_LENT ==>
    \forall integer i; first <= i < first + count ==>
      keeper->window_book.state[i] == PAGE_FREE;
  ensures kept: \forall integer i; is_outside(i, first, count) ==>
    keeper->window_book.state[i] == \old(keeper->window_book.state[i]);
  ensures only: only{Pre, Post}(first, count);
*/
static enum window_lent lend_pages(struct prec_keeper *keeper, uint32_t first,
				   uint32_t count, uint64_t from, bool write)
{
	enum window_lent lent;
	uint32_t i;

	/*@
	  loop invariant range: 0 <= i <= count;
	  loop invariant ok: window_ok(*keeper);
	  loop invariant last: 0 < i ==> shown_frame == from + i - 1;
	  loop invariant rights: \forall integer j; first <= j < first + i &&
	    cap_is[j] == CAP_CLIENT && cap_write[j] == 1 ==> write;
	  loop invariant lent: \forall integer j; first <= j < first + i ==>
	    keeper->window_book.state[j] == PAGE_LENT;
	  loop invariant free: \forall integer j;
	    first + i <= j < first + count ==>
	    keeper->window_book.state[j] == PAGE_FREE;
	  loop invariant kept: \forall integer j;
	    is_outside(j, first, count) ==>
	    keeper->window_book.state[j] ==
	    \at(keeper->window_book.state[j], Pre);
	  loop invariant only: only{Pre, Here}(first, count);
	  loop assigns i, lent,
	    keeper->window_book.state[0 .. PREC_KEEPER_PAGES - 1],
	    CAPS, shown, shown_frame;
	  loop variant count - i;
	*/
	for (i = 0; i < count; i++) {
		lent = window_lend(keeper, first + i, from + i, write);
		if (lent != WINDOW_LENT) {
			clear_pages(keeper, first, i, PAGE_FREE);
			return lent;
		}
	}
	return WINDOW_LENT;
}

/*@
  requires not: lent == WINDOW_NOT_MEMORY || lent == WINDOW_NOT_SMALL ||
    lent == WINDOW_IN_USE;
  requires refusal: \valid(refusal);
  terminates \true;
  exits \false;
  assigns *refusal;
  ensures busy: lent == WINDOW_IN_USE ==> \result == PREC_BUSY &&
    *refusal == \old(*refusal);
  ensures refused: lent != WINDOW_IN_USE ==> \result == PREC_REFUSED;
  ensures large: lent == WINDOW_NOT_SMALL ==>
    *refusal == PREC_REFUSAL_PAGE_SIZE;
  ensures other: lent == WINDOW_NOT_MEMORY ==>
    *refusal == PREC_REFUSAL_NOT_MEMORY;
*/
static enum prec_status refused(enum window_lent lent,
				enum prec_refusal *refusal)
{
	if (lent == WINDOW_IN_USE)
		return PREC_BUSY;
	*refusal = lent == WINDOW_NOT_SMALL ? PREC_REFUSAL_PAGE_SIZE
					    : PREC_REFUSAL_NOT_MEMORY;
	return PREC_REFUSED;
}

/* These pages are this region's from now on, or nobody's: 0. */
/*@
  requires keeper: \valid(keeper) && window_ok(*keeper);
  requires pages: first + count <= keeper->pages;
  requires owner: owner <= PREC_KEEPER_REGIONS;
  terminates \true;
  exits \false;
  assigns keeper->window_book.owner[0 .. PREC_KEEPER_PAGES - 1];
  ensures ok: window_ok(*keeper);
  ensures owned: \forall integer i; first <= i < first + count ==>
    keeper->window_book.owner[i] == owner;
  ensures kept: \forall integer i; is_outside(i, first, count) ==>
    keeper->window_book.owner[i] == \old(keeper->window_book.owner[i]);
*/
static void give_pages(struct prec_keeper *keeper, uint32_t first,
		       uint32_t count, uint8_t owner)
{
	uint32_t page, end = first + count;

	/*@
	  loop invariant range: first <= page <= end;
	  loop invariant ok: window_ok(*keeper);
	  loop invariant owned: \forall integer i; first <= i < page ==>
	    keeper->window_book.owner[i] == owner;
	  loop invariant kept: \forall integer i;
	    is_outside(i, first, count) ==>
	    keeper->window_book.owner[i] ==
	    \at(keeper->window_book.owner[i], Pre);
	  loop assigns page,
	    keeper->window_book.owner[0 .. PREC_KEEPER_PAGES - 1];
	  loop variant end - page;
	*/
	for (page = first; page < end; page++)
		keeper->window_book.owner[page] = owner;
}

/* Enter a region, whose pages are lent already and nobody's. */
/*@
  requires keeper: \valid(keeper) && window_ok(*keeper);
  requires number: number < PREC_KEEPER_REGIONS &&
    keeper->region_book.pages[number] == 0;
  requires pages: 0 < count && first + count <= keeper->pages;
  requires client: client < PREC_KEEPER_CLIENTS;
  requires regions: \forall integer r; 0 <= r < PREC_KEEPER_REGIONS ==>
    region_ok(*keeper, r);
  requires owners: \forall integer i; 0 <= i < keeper->pages &&
    !(first <= i < first + count) ==> owner_ok(*keeper, i);
  requires lent: \forall integer i; first <= i < first + count ==>
    keeper->window_book.state[i] == PAGE_LENT &&
    keeper->window_book.owner[i] == 0;
  terminates \true;
  exits \false;
  assigns keeper->window_book.owner[0 .. PREC_KEEPER_PAGES - 1],
    keeper->region_book.first[number], keeper->region_book.pages[number],
    keeper->region_book.client[number];
  ensures ok: book_ok(*keeper);
  ensures entered: keeper->region_book.first[number] == first &&
    keeper->region_book.pages[number] == count &&
    keeper->region_book.client[number] == client;
*/
static void enter(struct prec_keeper *keeper, uint32_t number, uint32_t first,
		  uint32_t count, uint32_t client)
{
	keeper->region_book.first[number] = first;
	keeper->region_book.pages[number] = count;
	keeper->region_book.client[number] = client;
	give_pages(keeper, first, count, (uint8_t)(number + 1));
}

enum prec_status regions_map(struct prec_keeper *keeper,
			     struct prec_region *region,
			     const struct prec_lending *lending,
			     uint32_t *number, enum prec_refusal *refusal)
{
	uint32_t free, first, pages;
	enum window_lent lent;

	if (!makes_sense(keeper, lending) ||
	    regions_find(keeper, region) != PREC_NONE)
		return PREC_INVALID;
	pages = (uint32_t)(lending->size / 4096);
	free = find_number(keeper);
	first = window_find_room(keeper, pages);
	if (free == PREC_NONE || first == PREC_NONE)
		return PREC_FULL;
	lent = lend_pages(keeper, first, pages, lending->frames,
			  lending->rights != PREC_READ);
	if (lent != WINDOW_LENT) {
		/*@ assert same: \forall integer i; 0 <= i < keeper->pages ==>
		      keeper->window_book.state[i] ==
		      \at(keeper->window_book.state[i], Pre); */
		/*@ assert regions: regions_ok(*keeper); */
		return refused(lent, refusal);
	}
	enter(keeper, free, first, pages, lending->client);
	*number = free;
	return PREC_OK;
}

struct prec_span regions_span(const struct prec_keeper *keeper, uint32_t number,
			      const struct prec_lending *lending)
{
	struct prec_span span;

	span.host = keeper->window +
		    4096 * (uint64_t)keeper->region_book.first[number];
	span.size = 4096 * (uint64_t)keeper->region_book.pages[number];
	span.address = lending->address;
	span.index = PREC_NONE;
	span.rights = lending->rights;
	return span;
}

/* ---- taking back --------------------------------------------------------- */

void regions_revoke(struct prec_keeper *keeper, uint32_t number)
{
	clear_pages(keeper, keeper->region_book.first[number],
		    keeper->region_book.pages[number], PAGE_VOID);
}

void regions_unmap(struct prec_keeper *keeper, uint32_t number)
{
	uint32_t first = keeper->region_book.first[number];
	uint32_t pages = keeper->region_book.pages[number];

	clear_pages(keeper, first, pages, PAGE_FREE);
	give_pages(keeper, first, pages, 0);
	/*@ assert others: \forall integer r; 0 <= r < PREC_KEEPER_REGIONS &&
	      r != number ==> region_ok(*keeper, r); */
	/*@ assert owners: \forall integer i; 0 <= i < keeper->pages ==>
	      owner_ok(*keeper, i) &&
	      keeper->window_book.owner[i] != number + 1; */
	keeper->region_book.pages[number] = 0;
}

/* ---- looking ------------------------------------------------------------- */

/* Of these pages the first that has no capability any more, or PREC_NONE. */
/*@
  requires keeper: \valid_read(keeper) && window_ok(*keeper);
  requires pages: first <= end <= keeper->pages;
  requires fresh: \forall integer i; 0 <= i < PREC_KEEPER_PAGES ==>
    seen[i] == 0;
  terminates \true;
  exits \false;
  assigns CAPS, seen[0 .. PREC_KEEPER_PAGES - 1];
  ensures ok: window_ok(*keeper);
  ensures others: all_left_alone{Pre, Post};
  ensures gone: \result != PREC_NONE ==> first <= \result < end &&
    cap_is[\result] == CAP_NONE;
  ensures seen: \result == PREC_NONE ==> \forall integer i;
    first <= i < end ==> seen[i] == 1;
*/
static uint32_t find_gone(const struct prec_keeper *keeper, uint32_t first,
			  uint32_t end)
{
	uint32_t page;

	/*@
	  loop invariant range: first <= page <= end;
	  loop invariant ok: window_ok(*keeper);
	  loop invariant others: all_left_alone{Pre, Here};
	  loop invariant seen: \forall integer i; first <= i < page ==>
	    seen[i] == 1;
	  loop assigns page, CAPS, seen[0 .. PREC_KEEPER_PAGES - 1];
	  loop variant end - page;
	*/
	for (page = first; page < end; page++)
		if (!call_is_there(keeper, page))
			return page;
	return PREC_NONE;
}

enum prec_status regions_check(const struct prec_keeper *keeper,
			       uint32_t number, uint64_t offset, uint64_t size)
{
	uint64_t all = 4096 * (uint64_t)keeper->region_book.pages[number];
	uint32_t first = keeper->region_book.first[number];
	uint32_t gone;

	if (size == 0 || offset > all || size > all - offset)
		return PREC_RANGE;
	/*@ ghost
	  uint32_t i;
	  /@
	    loop invariant range: 0 <= i <= PREC_KEEPER_PAGES;
	    loop invariant fresh: \forall integer j; 0 <= j < i ==>
	      seen[j] == 0;
	    loop assigns i, seen[0 .. PREC_KEEPER_PAGES - 1];
	    loop variant PREC_KEEPER_PAGES - i;
	  @/
	  for (i = 0; i < PREC_KEEPER_PAGES; i++)
	    seen[i] = 0;
	*/
	gone = find_gone(keeper, first + (uint32_t)(offset / 4096),
			 first + (uint32_t)((offset + size - 1) / 4096) + 1);
	/*@ ghost missed = gone; */
	return gone == PREC_NONE ? PREC_OK : PREC_GONE;
}
