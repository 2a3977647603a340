// SPDX-License-Identifier: MIT
#include "window.h"

uint32_t window_find_room(const struct prec_keeper *keeper, uint32_t pages)
{
	uint32_t run = 0, i;

	/*@
	  loop invariant range: 0 <= i <= keeper->pages && run <= i &&
	    run < pages;
	  loop invariant free: \forall integer j; i - run <= j < i ==>
	    keeper->window_book.owner[j] == 0;
	  loop invariant edge: run < i ==>
	    keeper->window_book.owner[i - run - 1] != 0;
	  loop invariant none: \forall integer p; 0 <= p <= i - pages ==>
	    !is_room(*keeper, p, pages);
	  loop assigns run, i;
	  loop variant keeper->pages - i;
	*/
	for (i = 0; i < keeper->pages; i++) {
		run = keeper->window_book.owner[i] ? 0 : run + 1;
		if (run == pages)
			return i + 1 - pages;
	}
	return PREC_NONE;
}

/* What is in the page's slot is of this state: enter it. */
/*@
  requires keeper: \valid(keeper) && given_ok(*keeper);
  requires rest: but_one(*keeper, page) && taken_ok(*keeper);
  requires range: page < keeper->pages;
  requires was: keeper->window_book.state[page] != PAGE_OURS;
  requires state: state == PAGE_LENT || state == PAGE_ZERO;
  terminates \true;
  exits \false;
  assigns keeper->window_book.state[page];
  ensures taken: taken_ok(*keeper);
  ensures rest: but_one(*keeper, page);
  ensures given: given_ok(*keeper);
  ensures this: keeper->window_book.state[page] == state;
*/
static void enter_state(struct prec_keeper *keeper, uint32_t page,
			uint8_t state)
{
	keeper->window_book.state[page] = state;
}

/*@
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures not: \result ==
    (mapped == CALL_LARGE ? WINDOW_NOT_SMALL : WINDOW_NOT_MEMORY);
*/
static enum window_lent why_not(enum call_mapped mapped)
{
	return mapped == CALL_LARGE ? WINDOW_NOT_SMALL : WINDOW_NOT_MEMORY;
}

enum window_lent window_lend(struct prec_keeper *keeper, uint32_t page,
			     uint64_t from, bool write)
{
	enum call_mapped mapped;

	if (!call_is_memory(keeper, from))
		return WINDOW_NOT_MEMORY;
	if (!call_copy_lent(keeper, page, from, write))
		return call_is_memory(keeper, from) ? WINDOW_IN_USE
						    : WINDOW_NOT_MEMORY;
	mapped = call_map(keeper, page, write);
	if (mapped != CALL_MAPPED) {
		call_delete(keeper, page);
		return why_not(mapped);
	}
	enter_state(keeper, page, PAGE_LENT);
	return WINDOW_LENT;
}

void window_clear(struct prec_keeper *keeper, uint32_t page, uint8_t state)
{
	uint8_t frame = keeper->window_book.frame_of[page];

	if (keeper->window_book.state[page] == PAGE_OURS)
		keeper->window_book.used_by[frame] = 0;
	keeper->window_book.state[page] = state;
	call_delete(keeper, page);
}

/* ---- substitution -------------------------------------------------------- */

/* How many of our frames this client has. */
/*@
  requires keeper: \valid_read(keeper) && given_ok(*keeper);
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures bound: \result <= keeper->frame_count;
  ensures used: \result == share(*keeper, client, keeper->frame_count);
*/
static uint32_t frames_used(const struct prec_keeper *keeper, uint32_t client)
{
	uint32_t used = 0, i;

	/*@
	  loop invariant range: 0 <= i <= keeper->frame_count && used <= i;
	  loop invariant used: used == share(*keeper, client, i);
	  loop assigns used, i;
	  loop variant keeper->frame_count - i;
	*/
	for (i = 0; i < keeper->frame_count; i++)
		used += keeper->window_book.used_by[i] &&
			keeper->window_book.used_for[i] == client;
	return used;
}

/* A frame of ours that no page has; `frame_count` if there is none, or if this
 * client has had its share. */
/*@
  requires keeper: \valid_read(keeper) && given_ok(*keeper);
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures range: \result <= keeper->frame_count;
  ensures free: \result < keeper->frame_count ==>
    keeper->window_book.used_by[\result] == 0;
  ensures some: \result < keeper->frame_count <==>
    may_have_frame(*keeper, client);
*/
static uint32_t find_frame(const struct prec_keeper *keeper, uint32_t client)
{
	uint32_t i;

	if (frames_used(keeper, client) >= keeper->client_frames)
		return keeper->frame_count;
	/*@
	  loop invariant range: 0 <= i <= keeper->frame_count;
	  loop invariant taken: \forall integer f; 0 <= f < i ==>
	    keeper->window_book.used_by[f] != 0;
	  loop assigns i;
	  loop variant keeper->frame_count - i;
	*/
	for (i = 0; i < keeper->frame_count; i++)
		if (keeper->window_book.used_by[i] == 0)
			break;
	return i;
}

/* What another client has stored there is not found by this one. */
/*@
  requires keeper: \valid_read(keeper);
  requires frame: frame < keeper->frame_count <= PREC_KEEPER_FRAMES;
  requires closed: frame_open == -1;
  terminates \true;
  exits \false;
  assigns CAPS, frame_open, frame_clean[frame];
  ensures others: all_left_alone{Pre, Post};
  ensures closed: frame_open == -1;
  ensures clean: \result ==> frame_clean[frame] == 1;
*/
static bool scrub(const struct prec_keeper *keeper, uint32_t frame)
{
	if (!call_scratch_open(keeper, frame))
		return false;
	call_scratch_clear(keeper);
	call_scratch_close(keeper);
	return true;
}

/* Frame `frame` of ours is at this page: enter it.  `client` is whose share it
 * counts to. */
/*@
  requires keeper: \valid(keeper) && given_ok(*keeper);
  requires rest: but_one(*keeper, page) && taken_ok(*keeper);
  requires range: page < keeper->pages && frame < PREC_KEEPER_FRAMES;
  requires client: client < PREC_KEEPER_CLIENTS;
  requires was: keeper->window_book.state[page] != PAGE_OURS;
  requires free: keeper->window_book.used_by[frame] == 0;
  terminates \true;
  exits \false;
  assigns keeper->window_book.state[page], keeper->window_book.frame_of[page],
    keeper->window_book.used_by[frame], keeper->window_book.used_for[frame];
  ensures taken: taken_ok(*keeper);
  ensures rest: but_one(*keeper, page);
  ensures this: keeper->window_book.state[page] == PAGE_OURS &&
    keeper->window_book.frame_of[page] == frame &&
    keeper->window_book.used_by[frame] == page + 1 &&
    keeper->window_book.used_for[frame] == client;
*/
static void enter_frame(struct prec_keeper *keeper, uint32_t page,
			uint32_t frame, uint32_t client)
{
	keeper->window_book.used_by[frame] = (uint16_t)(page + 1);
	keeper->window_book.used_for[frame] = (uint8_t)client;
	keeper->window_book.frame_of[page] = (uint8_t)frame;
	keeper->window_book.state[page] = PAGE_OURS;
}

/* The page is VOID, and its slot empty. */
/*@
  requires keeper: \valid(keeper) && window_ok(*keeper);
  requires page: page < keeper->pages;
  requires void: keeper->window_book.state[page] == PAGE_VOID;
  terminates \true;
  exits \false;
  assigns keeper->window_book.state[page], CAPS;
  ensures ok: window_ok(*keeper);
  ensures others: others{Pre, Post}(page);
  ensures done: \result ==> keeper->window_book.state[page] == PAGE_ZERO &&
    cap_is[page] == CAP_ZERO && cap_write[page] == 0 &&
    cap_at[page] == keeper->window + 4096 * page;
  ensures not: !\result ==>
    keeper->window_book.state[page] == PAGE_VOID &&
    cap_is[page] == CAP_NONE;
*/
static bool put_zero(struct prec_keeper *keeper, uint32_t page)
{
	if (!call_copy_zero(keeper, page))
		return false;
	if (call_map(keeper, page, false) != CALL_MAPPED) {
		call_delete(keeper, page);
		return false;
	}
	enter_state(keeper, page, PAGE_ZERO);
	return true;
}

/*@
  requires keeper: \valid(keeper) && window_ok(*keeper);
  requires page: page < keeper->pages;
  requires frame: frame < keeper->frame_count;
  requires void: keeper->window_book.state[page] == PAGE_VOID;
  requires free: keeper->window_book.used_by[frame] == 0;
  requires client: client < PREC_KEEPER_CLIENTS;
  requires closed: frame_open == -1;
  terminates \true;
  exits \false;
  assigns keeper->window_book.state[page], keeper->window_book.frame_of[page],
    keeper->window_book.used_by[frame], keeper->window_book.used_for[frame],
    CAPS, frame_clean[frame], frame_open;
  ensures ok: window_ok(*keeper) && frame_open == -1;
  ensures others: others{Pre, Post}(page);
  ensures done: \result ==> keeper->window_book.state[page] == PAGE_OURS &&
    cap_is[page] == CAP_OURS && cap_at[page] == keeper->window + 4096 * page;
  ensures not: !\result ==>
    keeper->window_book.state[page] == PAGE_VOID &&
    cap_is[page] == CAP_NONE;
*/
static bool put_frame(struct prec_keeper *keeper, uint32_t page, uint32_t frame,
		      uint32_t client)
{
	if (!scrub(keeper, frame) || !call_copy_frame(keeper, page, frame))
		return false;
	if (call_map(keeper, page, true) != CALL_MAPPED) {
		call_delete(keeper, page);
		return false;
	}
	/*@ assert rest: but_one(*keeper, page) && taken_ok(*keeper); */
	/*@ assert there: cap_is[page] == CAP_OURS && cap_of[page] == frame &&
	      cap_at[page] == keeper->window + 4096 * page; */
	enter_frame(keeper, page, frame, client);
	/*@ assert this: page_ok(*keeper, page); */
	return true;
}

/* The page had zeroes, or something that is gone, and keeps that if no frame is
 * to be had: then it is not yet touched. */
/*@
  requires keeper: \valid(keeper) && window_ok(*keeper);
  requires page: page < keeper->pages;
  requires lost: keeper->window_book.state[page] != PAGE_FREE &&
    keeper->window_book.state[page] != PAGE_OURS;
  requires client: client < PREC_KEEPER_CLIENTS;
  requires closed: frame_open == -1;
  terminates \true;
  exits \false;
  assigns keeper->window_book.state[page], keeper->window_book.frame_of[page],
    keeper->window_book.used_by[0 .. PREC_KEEPER_FRAMES - 1],
    keeper->window_book.used_for[0 .. PREC_KEEPER_FRAMES - 1],
    CAPS, FRAMES_CLEAN, frame_open;
  ensures ok: window_ok(*keeper) && frame_open == -1;
  ensures others: others{Pre, Post}(page);
  ensures two: \result == COVER_DONE || \result == COVER_FAILED;
  ensures done: \result == COVER_DONE ==>
    keeper->window_book.state[page] == PAGE_OURS &&
    cap_is[page] == CAP_OURS && cap_at[page] == keeper->window + 4096 * page;
  ensures taken: keeper->window_book.state[page] != PAGE_FREE;
  ensures none: !\old(may_have_frame(*keeper, client)) ==>
    \result == COVER_FAILED &&
    keeper->window_book.state[page] == \old(keeper->window_book.state[page]) &&
    left_alone{Pre, Post}(page);
  ensures failed: \result == COVER_FAILED ==> cap_is[page] == CAP_NONE ||
    left_alone{Pre, Post}(page);
*/
static enum window_cover cover_store(struct prec_keeper *keeper, uint32_t page,
				     uint32_t client)
{
	uint32_t frame = find_frame(keeper, client);

	if (frame == keeper->frame_count)
		return COVER_FAILED;
	window_clear(keeper, page, PAGE_VOID);
	return put_frame(keeper, page, frame, client) ? COVER_DONE
						      : COVER_FAILED;
}

/* The frame of zeroes, which needs none of ours. */
/*@
  requires keeper: \valid(keeper) && window_ok(*keeper);
  requires page: page < keeper->pages;
  terminates \true;
  exits \false;
  assigns keeper->window_book.state[page],
    keeper->window_book.used_by[0 .. PREC_KEEPER_FRAMES - 1], CAPS;
  ensures ok: window_ok(*keeper);
  ensures others: others{Pre, Post}(page);
  ensures two: \result == COVER_DONE || \result == COVER_FAILED;
  ensures done: \result == COVER_DONE ==>
    keeper->window_book.state[page] == PAGE_ZERO &&
    cap_is[page] == CAP_ZERO && cap_write[page] == 0 &&
    cap_at[page] == keeper->window + 4096 * page;
  ensures others: others{Pre, Post}(page);
  ensures taken: keeper->window_book.state[page] != PAGE_FREE;
  ensures failed: \result == COVER_FAILED ==> cap_is[page] == CAP_NONE;
*/
static enum window_cover cover_load(struct prec_keeper *keeper, uint32_t page)
{
	window_clear(keeper, page, PAGE_VOID);
	return put_zero(keeper, page) ? COVER_DONE : COVER_FAILED;
}

/* Is an empty page there already, for this access? */
/*@
  requires keeper: \valid_read(keeper) && window_ok(*keeper);
  requires page: page < keeper->pages;
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures covered: \result <==> covered(*keeper, page, write);
  ensures ours: \result ==> is_ours(page);
  ensures alone: \result && write ==>
    keeper->window_book.state[page] == PAGE_OURS;
  ensures not: !\result ==>
    keeper->window_book.state[page] != PAGE_OURS;
*/
static bool is_covered(const struct prec_keeper *keeper, uint32_t page,
		       bool write)
{
	uint8_t state = keeper->window_book.state[page];

	return state == PAGE_OURS || (state == PAGE_ZERO && !write);
}

enum window_cover window_substitute(struct prec_keeper *keeper, uint32_t page,
				    uint32_t client, bool write)
{
	if (is_covered(keeper, page, write))
		return COVER_ALREADY;
	return write ? cover_store(keeper, page, client)
		     : cover_load(keeper, page);
}
