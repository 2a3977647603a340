/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PORT_SEL4_REGIONS_H
#define PRECARIUM_PORT_SEL4_REGIONS_H

#include "window.h"

#include <precarium/lending_sel4.h>

/*
 * The book of the regions: which pages of the window each has.  A page is free,
 * or it is of one region.  Regions are named by their numbers here; lend.c
 * knows what is in a struct prec_region, which other threads read.
 */

/*@
  predicate region_ok(struct prec_keeper k, integer r) =
    k.region_book.pages[r] != 0 ==>
      k.region_book.first[r] + k.region_book.pages[r] <= k.pages &&
      k.region_book.client[r] < PREC_KEEPER_CLIENTS &&
      (\forall integer i; k.region_book.first[r] <= i <
         k.region_book.first[r] + k.region_book.pages[r] ==>
         k.window_book.owner[i] == r + 1);

  predicate has_page(struct prec_keeper k, integer r, integer i) =
    k.region_book.pages[r] != 0 &&
    k.region_book.first[r] <= i <
      k.region_book.first[r] + k.region_book.pages[r];

  predicate owner_ok(struct prec_keeper k, integer i) =
    (k.window_book.owner[i] == 0 <==> k.window_book.state[i] == PAGE_FREE) &&
    (k.window_book.owner[i] != 0 ==>
      k.window_book.owner[i] <= PREC_KEEPER_REGIONS &&
      has_page(k, k.window_book.owner[i] - 1, i));

  predicate regions_ok(struct prec_keeper k) =
    (\forall integer r; 0 <= r < PREC_KEEPER_REGIONS ==> region_ok(k, r)) &&
    (\forall integer i; 0 <= i < k.pages ==> owner_ok(k, i));

  predicate book_ok{L}(struct prec_keeper k) = window_ok(k) && regions_ok(k);

  // Page i of the window is none of these.
  predicate is_outside(integer i, integer first, integer count) =
    0 <= i < PREC_KEEPER_PAGES && !(first <= i < first + count);

  // What was done to these pages was done to no other, but by clients.
  predicate only{A, B}(integer first, integer count) =
    \forall integer i; is_outside(i, first, count) ==> left_alone{A, B}(i);

  predicate lending_ok(struct prec_keeper k, struct prec_lending l) =
    0 < l.size <= 4096 * PREC_KEEPER_PAGES && l.size % 4096 == 0 &&
    l.address + l.size <= PREC_ADDRESS_MAX &&
    l.frames + l.size / 4096 <= UINT64_MAX &&
    (l.rights == PREC_READ || l.rights == (PREC_READ | PREC_WRITE)) &&
    (l.options == 0 || l.options == PREC_TOLERATE) && l.reserved == 0 &&
    l.client < PREC_KEEPER_CLIENTS &&
    !ranges_meet(k.slots, k.pages, l.frames, l.size / 4096);
*/

/*@
  // The region of the driver has a number.
  predicate is_mapped(struct prec_keeper k, struct prec_region *region) =
    \exists integer r; 0 <= r < PREC_KEEPER_REGIONS &&
      k.region_book.pages[r] != 0 && k.region[r] == region;

  predicate has_no_number(struct prec_keeper k) =
    \forall integer r; 0 <= r < PREC_KEEPER_REGIONS ==>
      k.region_book.pages[r] != 0;

  predicate has_no_room(struct prec_keeper k, integer pages) =
    \forall integer p; 0 <= p <= k.pages - pages ==> !is_room(k, p, pages);
*/

/* The number of a region, or PREC_NONE: it is not mapped. */
/*@
  requires keeper: \valid_read(keeper);
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures found: \result != PREC_NONE ==> \result < PREC_KEEPER_REGIONS &&
    keeper->region_book.pages[\result] != 0 &&
    keeper->region[\result] == region;
  ensures none: \result == PREC_NONE ==> \forall integer r;
    0 <= r < PREC_KEEPER_REGIONS && keeper->region_book.pages[r] != 0 ==>
    keeper->region[r] != region;
*/
uint32_t regions_find(const struct prec_keeper *keeper,
		      struct prec_region *region);

/* The page of the window at an address, if a region has it; or PREC_NONE. */
/*@
  requires keeper: \valid_read(keeper) && book_ok(*keeper);
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures found: \result != PREC_NONE ==> \result < keeper->pages &&
    keeper->window_book.state[\result] != PAGE_FREE &&
    has_page(*keeper, keeper->window_book.owner[\result] - 1, \result) &&
    keeper->window + 4096 * \result <= host <
      keeper->window + 4096 * \result + 4096;
  ensures none: \result == PREC_NONE ==> \forall integer i;
    0 <= i < keeper->pages && keeper->window_book.state[i] != PAGE_FREE ==>
    !(keeper->window + 4096 * i <= host < keeper->window + 4096 * i + 4096);
*/
uint32_t regions_page_at(const struct prec_keeper *keeper, uint64_t host);

/*
 * Map what is lent, for a region whose number is `*number`; or map nothing, and
 * say why, as prec_region_map.  The caller enters the region itself.
 */
/*@
  requires keeper: \valid(keeper) && book_ok(*keeper);
  requires lending: \valid_read(lending) && \valid(refusal) && \valid(number);
  requires apart: \separated(keeper, lending, refusal, number, region);
  terminates \true;
  exits \false;
  assigns keeper->window_book.state[0 .. PREC_KEEPER_PAGES - 1],
    keeper->window_book.owner[0 .. PREC_KEEPER_PAGES - 1],
    keeper->window_book.used_by[0 .. PREC_KEEPER_FRAMES - 1],
    keeper->region_book, *refusal, *number, CAPS, shown,
    shown_frame;
  ensures ok: book_ok(*keeper);
  ensures said: \result == PREC_OK || \result == PREC_INVALID ||
    \result == PREC_FULL || \result == PREC_BUSY || \result == PREC_REFUSED;
  ensures mapped: \result == PREC_OK ==> lending_ok(*keeper, *lending) &&
    *number < PREC_KEEPER_REGIONS &&
    keeper->region_book.pages[*number] == lending->size / 4096 &&
    keeper->region_book.client[*number] == lending->client;
  ensures lent: \result == PREC_OK ==> \forall integer i;
    has_page(*keeper, *number, i) ==>
    keeper->window_book.state[i] == PAGE_LENT;
  ensures rights: \result == PREC_OK ==> \forall integer i;
    has_page(*keeper, *number, i) && cap_is[i] == CAP_CLIENT &&
    cap_write[i] == 1 ==> lending->rights == (PREC_READ | PREC_WRITE);
  ensures only: \result == PREC_OK ==> only{Pre, Post}(
    keeper->region_book.first[*number], keeper->region_book.pages[*number]);
  ensures invalid: \result == PREC_INVALID <==>
    !lending_ok(\old(*keeper), *lending) || \old(is_mapped(*keeper, region));
  ensures full: \result == PREC_FULL <==>
    lending_ok(\old(*keeper), *lending) && !\old(is_mapped(*keeper, region)) &&
    (has_no_number(\old(*keeper)) ||
      has_no_room(\old(*keeper), lending->size / 4096));
  ensures refused: \result == PREC_REFUSED ==>
    *refusal == PREC_REFUSAL_NOT_MEMORY ||
    *refusal == PREC_REFUSAL_PAGE_SIZE;
  // Nothing of what was lent is left.
  ensures nothing: \result != PREC_OK ==>
    keeper->region_book == \old(keeper->region_book) &&
    (\forall integer i; 0 <= i < keeper->pages ==>
      keeper->window_book.state[i] == \old(keeper->window_book.state[i]) &&
      keeper->window_book.owner[i] == \old(keeper->window_book.owner[i]));
*/
enum prec_status regions_map(struct prec_keeper *keeper,
			     struct prec_region *region,
			     const struct prec_lending *lending,
			     uint32_t *number, enum prec_refusal *refusal);

/* All of a region, as a span: what the driver is given. */
/*@
  requires keeper: \valid_read(keeper) && book_ok(*keeper);
  requires number: number < PREC_KEEPER_REGIONS &&
    keeper->region_book.pages[number] != 0;
  requires lending: \valid_read(lending);
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures host: \result.host ==
    keeper->window + 4096 * keeper->region_book.first[number];
  ensures size: \result.size == 4096 * keeper->region_book.pages[number];
  ensures rest: \result.address == lending->address &&
    \result.rights == lending->rights && \result.index == PREC_NONE;
*/
struct prec_span regions_span(const struct prec_keeper *keeper, uint32_t number,
			      const struct prec_lending *lending);

/* Empty all slots of a region, which keeps its pages. */
/*@
  requires keeper: \valid(keeper) && book_ok(*keeper);
  requires number: number < PREC_KEEPER_REGIONS &&
    keeper->region_book.pages[number] != 0;
  terminates \true;
  exits \false;
  assigns keeper->window_book.state[0 .. PREC_KEEPER_PAGES - 1],
    keeper->window_book.used_by[0 .. PREC_KEEPER_FRAMES - 1], CAPS;
  ensures ok: book_ok(*keeper);
  ensures gone: \forall integer i; has_page(*keeper, number, i) ==>
    keeper->window_book.state[i] == PAGE_VOID && cap_is[i] == CAP_NONE &&
    cap_at[i] == 0;
  ensures only: only{Pre, Post}(keeper->region_book.first[number],
    keeper->region_book.pages[number]);
*/
void regions_revoke(struct prec_keeper *keeper, uint32_t number);

/* Empty all slots of a region, and give back its pages and its number. */
/*@
  requires keeper: \valid(keeper) && book_ok(*keeper);
  requires number: number < PREC_KEEPER_REGIONS &&
    keeper->region_book.pages[number] != 0;
  terminates \true;
  exits \false;
  assigns keeper->window_book.state[0 .. PREC_KEEPER_PAGES - 1],
    keeper->window_book.owner[0 .. PREC_KEEPER_PAGES - 1],
    keeper->window_book.used_by[0 .. PREC_KEEPER_FRAMES - 1],
    keeper->region_book.pages[number], CAPS;
  ensures ok: book_ok(*keeper);
  ensures none: keeper->region_book.pages[number] == 0;
  ensures gone: \forall integer i;
    keeper->region_book.first[number] <= i <
      keeper->region_book.first[number] +
      \old(keeper->region_book.pages[number]) ==>
    keeper->window_book.owner[i] == 0 && cap_is[i] == CAP_NONE &&
    cap_at[i] == 0;
  ensures only: only{Pre, Post}(keeper->region_book.first[number],
    \old(keeper->region_book.pages[number]));
*/
void regions_unmap(struct prec_keeper *keeper, uint32_t number);

/*@ ghost
  uint32_t missed;        // the page that regions_check found gone
*/

/* Ask about each page that has bytes of [offset, offset + size).  PREC_GONE:
 * one has no capability any more. */
/*@
  requires keeper: \valid_read(keeper) && book_ok(*keeper);
  requires number: number < PREC_KEEPER_REGIONS &&
    keeper->region_book.pages[number] != 0;
  terminates \true;
  exits \false;
  assigns CAPS, seen[0 .. PREC_KEEPER_PAGES - 1], missed;
  ensures ok: book_ok(*keeper);
  ensures others: all_left_alone{Pre, Post};
  ensures said: \result == PREC_OK || \result == PREC_GONE ||
    \result == PREC_RANGE;
  ensures range: \result == PREC_RANGE <==>
    size == 0 || offset + size > 4096 * keeper->region_book.pages[number];
  ensures gone: \result == PREC_GONE ==>
    has_page(*keeper, number, missed) && cap_is[missed] == CAP_NONE;
  // Each was found there by this call.
  ensures seen: \result == PREC_OK ==> \forall integer i;
    keeper->region_book.first[number] + offset / 4096 <= i <=
      keeper->region_book.first[number] + (offset + size - 1) / 4096 ==>
    seen[i] == 1;
*/
enum prec_status regions_check(const struct prec_keeper *keeper,
			       uint32_t number, uint64_t offset, uint64_t size);

#endif
