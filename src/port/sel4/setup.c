// SPDX-License-Identifier: MIT
#include "setup.h"

/*@
  requires keeper: \valid_read(keeper);
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures ok: \result <==> numbers_ok(*keeper);
*/
static bool numbers_make_sense(const struct prec_keeper *keeper)
{
	if (keeper->pages == 0 || keeper->pages > PREC_KEEPER_PAGES ||
	    keeper->frame_count > PREC_KEEPER_FRAMES || keeper->depth == 0 ||
	    keeper->depth > 64)
		return false;
	if (keeper->window == 0 || keeper->window % 4096 != 0 ||
	    keeper->window > PREC_ADDRESS_MAX - 4096 * (uint64_t)keeper->pages)
		return false;
	if (keeper->slots > UINT64_MAX - keeper->pages ||
	    keeper->frames > UINT64_MAX - keeper->frame_count)
		return false;
	return keeper->scratch != 0 && keeper->scratch % 4096 == 0 &&
	       !do_ranges_meet(keeper->window, 4096 * (uint64_t)keeper->pages,
			       keeper->scratch, 4096);
}

/* The frames are apart from the other slots. */
/*@
  requires keeper: \valid_read(keeper) && given_ok(*keeper);
  requires some: 0 < keeper->frame_count;
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures ok: \result <==>
    !ranges_meet(keeper->slots, keeper->pages, keeper->frames,
                 keeper->frame_count) &&
    !ranges_meet(keeper->frames, keeper->frame_count, keeper->scratch_slot,
                 1) &&
    !ranges_meet(keeper->frames, keeper->frame_count, keeper->zero, 1);
*/
static bool frames_are_apart(const struct prec_keeper *keeper)
{
	return !do_ranges_meet(keeper->slots, keeper->pages, keeper->frames,
			       keeper->frame_count) &&
	       !do_ranges_meet(keeper->frames, keeper->frame_count,
			       keeper->scratch_slot, 1) &&
	       !do_ranges_meet(keeper->frames, keeper->frame_count,
			       keeper->zero, 1);
}

/*@
  requires keeper: \valid_read(keeper) && given_ok(*keeper);
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures ok: \result <==> slots_ok(*keeper);
*/
static bool slots_are_apart(const struct prec_keeper *keeper)
{
	if (do_ranges_meet(keeper->slots, keeper->pages, keeper->zero, 1) ||
	    do_ranges_meet(keeper->slots, keeper->pages, keeper->scratch_slot,
			   1))
		return false;
	return keeper->frame_count == 0 || frames_are_apart(keeper);
}

/*@
  requires keeper: \valid_read(keeper) && given_ok(*keeper);
  terminates \true;
  exits \false;
  assigns CAPS, shown, shown_frame;
  ensures others: all_left_alone{Pre, Post};
  ensures zero: \result ==> shown == 1 && shown_frame == keeper->zero;
*/
static bool frames_are_memory(const struct prec_keeper *keeper)
{
	uint32_t i;

	/*@
	  loop invariant range: 0 <= i <= keeper->frame_count;
	  loop invariant others: all_left_alone{Pre, Here};
	  loop assigns i, CAPS, shown, shown_frame;
	  loop variant keeper->frame_count - i;
	*/
	for (i = 0; i < keeper->frame_count; i++)
		if (!call_is_memory(keeper, keeper->frames + i))
			return false;
	return call_is_memory(keeper, keeper->zero);
}

/* One page, with the frame of zeroes, which nobody reads there. */
/*@
  requires keeper: \valid_read(keeper) && given_ok(*keeper);
  requires page: page < keeper->pages;
  terminates \true;
  exits \false;
  assigns CAPS;
  ensures said: \result == PREC_OK || \result == PREC_BUSY ||
    \result == PREC_SYSTEM;
  ensures others: others{Pre, Post}(page);
  ensures kept: slot_kept{Pre, Post}(page);
  ensures empty: \result == PREC_OK ==> cap_is[page] == CAP_NONE;
*/
static enum prec_status try_page(const struct prec_keeper *keeper,
				 uint32_t page)
{
	enum call_mapped mapped;

	if (!call_copy_zero(keeper, page))
		return PREC_BUSY;
	mapped = call_map(keeper, page, false);
	call_delete(keeper, page);
	return mapped == CALL_MAPPED ? PREC_OK : PREC_SYSTEM;
}

/*@
  requires keeper: \valid_read(keeper) && given_ok(*keeper);
  terminates \true;
  exits \false;
  assigns CAPS;
  ensures said: \result == PREC_OK || \result == PREC_BUSY ||
    \result == PREC_SYSTEM;
  ensures kept: slots_kept{Pre, Post};
  ensures empty: \result == PREC_OK ==> \forall integer i;
    0 <= i < keeper->pages ==> cap_is[i] == CAP_NONE;
*/
static enum prec_status try_pages(const struct prec_keeper *keeper)
{
	enum prec_status status;
	uint32_t page;

	/*@
	  loop invariant range: 0 <= page <= keeper->pages;
	  loop invariant kept: slots_kept{Pre, Here};
	  loop invariant empty: \forall integer i; 0 <= i < page ==>
	    cap_is[i] == CAP_NONE;
	  loop assigns page, status, CAPS;
	  loop variant keeper->pages - page;
	*/
	for (page = 0; page < keeper->pages; page++) {
		status = try_page(keeper, page);
		if (status != PREC_OK)
			return status;
	}
	return PREC_OK;
}

/*@
  requires keeper: \valid_read(keeper) && given_ok(*keeper);
  requires closed: frame_open == -1;
  terminates \true;
  exits \false;
  assigns CAPS, frame_open;
  ensures said: \result == PREC_OK || \result == PREC_SYSTEM;
  ensures others: all_left_alone{Pre, Post};
  ensures closed: frame_open == -1;
*/
static enum prec_status try_scratch(const struct prec_keeper *keeper)
{
	if (keeper->frame_count == 0)
		return PREC_OK;
	if (!call_scratch_open(keeper, 0))
		return PREC_SYSTEM;
	call_scratch_close(keeper);
	return PREC_OK;
}

/* No page is used, */
/*@
  requires keeper: \valid(keeper);
  terminates \true;
  exits \false;
  assigns keeper->window_book.state[0 .. PREC_KEEPER_PAGES - 1],
    keeper->window_book.owner[0 .. PREC_KEEPER_PAGES - 1];
  ensures free: \forall integer i; 0 <= i < PREC_KEEPER_PAGES ==>
    keeper->window_book.state[i] == PAGE_FREE &&
    keeper->window_book.owner[i] == 0;
*/
static void empty_pages(struct prec_keeper *keeper)
{
	uint32_t i;

	/*@
	  loop invariant range: 0 <= i <= PREC_KEEPER_PAGES;
	  loop invariant free: \forall integer j; 0 <= j < i ==>
	    keeper->window_book.state[j] == PAGE_FREE &&
	    keeper->window_book.owner[j] == 0;
	  loop assigns i, keeper->window_book.state[0 .. PREC_KEEPER_PAGES - 1],
	    keeper->window_book.owner[0 .. PREC_KEEPER_PAGES - 1];
	  loop variant PREC_KEEPER_PAGES - i;
	*/
	for (i = 0; i < PREC_KEEPER_PAGES; i++) {
		keeper->window_book.state[i] = PAGE_FREE;
		keeper->window_book.owner[i] = 0;
	}
}

/* no frame of ours, */
/*@
  requires keeper: \valid(keeper);
  terminates \true;
  exits \false;
  assigns keeper->window_book.used_by[0 .. PREC_KEEPER_FRAMES - 1];
  ensures free: \forall integer f; 0 <= f < PREC_KEEPER_FRAMES ==>
    keeper->window_book.used_by[f] == 0;
*/
static void empty_frames(struct prec_keeper *keeper)
{
	uint32_t i;

	/*@
	  loop invariant range: 0 <= i <= PREC_KEEPER_FRAMES;
	  loop invariant free: \forall integer f; 0 <= f < i ==>
	    keeper->window_book.used_by[f] == 0;
	  loop assigns i,
	    keeper->window_book.used_by[0 .. PREC_KEEPER_FRAMES - 1];
	  loop variant PREC_KEEPER_FRAMES - i;
	*/
	for (i = 0; i < PREC_KEEPER_FRAMES; i++)
		keeper->window_book.used_by[i] = 0;
}

/* and no number of a region. */
/*@
  requires keeper: \valid(keeper);
  terminates \true;
  exits \false;
  assigns keeper->region_book.pages[0 .. PREC_KEEPER_REGIONS - 1];
  ensures free: \forall integer r; 0 <= r < PREC_KEEPER_REGIONS ==>
    keeper->region_book.pages[r] == 0;
*/
static void empty_regions(struct prec_keeper *keeper)
{
	uint32_t i;

	/*@
	  loop invariant range: 0 <= i <= PREC_KEEPER_REGIONS;
	  loop invariant free: \forall integer r; 0 <= r < i ==>
	    keeper->region_book.pages[r] == 0;
	  loop assigns i,
	    keeper->region_book.pages[0 .. PREC_KEEPER_REGIONS - 1];
	  loop variant PREC_KEEPER_REGIONS - i;
	*/
	for (i = 0; i < PREC_KEEPER_REGIONS; i++)
		keeper->region_book.pages[i] = 0;
}

enum prec_status setup_keeper(struct prec_keeper *keeper)
{
	enum prec_status status;

	if (!numbers_make_sense(keeper) || !slots_are_apart(keeper) ||
	    !frames_are_memory(keeper))
		return PREC_INVALID;
	status = try_pages(keeper);
	if (status == PREC_OK)
		status = try_scratch(keeper);
	if (status != PREC_OK)
		return status;
	empty_pages(keeper);
	empty_frames(keeper);
	empty_regions(keeper);
	return PREC_OK;
}
