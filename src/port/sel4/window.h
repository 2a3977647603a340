/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PORT_SEL4_WINDOW_H
#define PRECARIUM_PORT_SEL4_WINDOW_H

#include "calls.h"

/*
 * The book of the window: what each page holds.  The capability of page i is in
 * slot slots + i, always, so there is no list and no search; whatever a client
 * revokes, what the book says of its own frames stays true.
 *
 *   state      slot                                    mapping
 *   PAGE_FREE  empty                                   none; nobody's
 *   PAGE_LENT  the client's copy, or what revoking     there, or none
 *              left of it: nothing
 *   PAGE_ZERO  a copy of our one frame of zeroes,      read-only
 *              which may be shared as nobody writes it
 *   PAGE_OURS  a copy of a frame of ours, which no     read-write
 *              other page has; cleared before
 *   PAGE_VOID  empty: taken back                       none; the region's
 */
enum page_state { PAGE_FREE = 0, PAGE_LENT, PAGE_ZERO, PAGE_OURS, PAGE_VOID };

/*@
  predicate page_ok{L}(struct prec_keeper k, integer i) =
    k.window_book.state[i] <= PAGE_VOID &&
    k.window_book.owner[i] <= PREC_KEEPER_REGIONS &&
    (k.window_book.state[i] == PAGE_FREE ||
     k.window_book.state[i] == PAGE_VOID ==> cap_is[i] == CAP_NONE) &&
    (k.window_book.state[i] == PAGE_LENT ==>
      cap_is[i] == CAP_NONE || cap_is[i] == CAP_CLIENT) &&
    (k.window_book.state[i] == PAGE_ZERO ==>
      cap_is[i] == CAP_ZERO && cap_write[i] == 0) &&
    (k.window_book.state[i] == PAGE_OURS ==>
      k.window_book.frame_of[i] < PREC_KEEPER_FRAMES &&
      cap_is[i] == CAP_OURS &&
      cap_of[i] == k.window_book.frame_of[i] &&
      k.window_book.used_by[k.window_book.frame_of[i]] == i + 1) &&
    // A page is mapped at its own place, or not at all.
    (cap_is[i] != CAP_NONE ==>
      cap_at[i] == 0 || cap_at[i] == k.window + 4096 * i);

  predicate pages_ok{L}(struct prec_keeper k) =
    \forall integer i; 0 <= i < k.pages ==> page_ok(k, i);

  // A frame of ours that is taken is in the page that took it: none is lost.
  predicate taken_ok(struct prec_keeper k) =
    \forall integer f; 0 <= f < PREC_KEEPER_FRAMES &&
      k.window_book.used_by[f] != 0 ==>
      k.window_book.used_by[f] <= k.pages &&
      k.window_book.state[k.window_book.used_by[f] - 1] == PAGE_OURS &&
      k.window_book.frame_of[k.window_book.used_by[f] - 1] == f;

  predicate given_ok(struct prec_keeper k) =
    0 < k.pages <= PREC_KEEPER_PAGES &&
    k.frame_count <= PREC_KEEPER_FRAMES &&
    k.window % 4096 == 0 &&
    0 < k.window <= PREC_ADDRESS_MAX - 4096 * k.pages &&
    k.slots + k.pages <= UINT64_MAX &&
    k.frames + k.frame_count <= UINT64_MAX;

  predicate window_ok{L}(struct prec_keeper k) =
    given_ok(k) && pages_ok(k) && taken_ok(k);

  // All pages but one, which is being changed.
  predicate but_one{L}(struct prec_keeper k, integer page) =
    \forall integer i; 0 <= i < k.pages && i != page ==> page_ok(k, i);

  // It holds nothing of the client's, who cannot reach it.
  predicate is_ours{L}(integer page) =
    cap_is[page] == CAP_ZERO || cap_is[page] == CAP_OURS;
*/

/*@
  // Nobody has these pages.
  predicate is_room(struct prec_keeper k, integer first, integer count) =
    \forall integer i; first <= i < first + count ==>
      k.window_book.owner[i] == 0;

  // A page of ours is there already, and does for such an access.
  predicate covered(struct prec_keeper k, integer page, integer write) =
    k.window_book.state[page] == PAGE_OURS ||
    (k.window_book.state[page] == PAGE_ZERO && write == 0);

  // How many of our first n frames this client has.
  logic integer share(struct prec_keeper k, integer client, integer n) =
    n <= 0 ? 0 : share(k, client, n - 1) +
      (k.window_book.used_by[n - 1] != 0 &&
       k.window_book.used_for[n - 1] == client ? 1 : 0);

  // One is free, and this client has not had its share.
  predicate may_have_frame(struct prec_keeper k, integer client) =
    share(k, client, k.frame_count) < k.client_frames &&
    \exists integer f; 0 <= f < k.frame_count &&
      k.window_book.used_by[f] == 0;
*/

/*@
  predicate ranges_meet(integer a, integer a_count, integer b,
      integer b_count) =
    a < b + b_count && b < a + a_count;
*/

/* Have [a, a + a_count) and [b, b + b_count) a number in common? */
/*@
  requires some: 0 < a_count && 0 < b_count;
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures meet: \result <==> ranges_meet(a, a_count, b, b_count);
*/
static inline bool do_ranges_meet(uint64_t a, uint64_t a_count, uint64_t b,
				  uint64_t b_count)
{
	return a < b ? b - a < a_count : a - b < b_count;
}

/* The first of so many pages in a row that nobody has, or PREC_NONE. */
/*@
  requires keeper: \valid_read(keeper) && given_ok(*keeper);
  requires some: 0 < pages;
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures room: \result != PREC_NONE ==>
    \result + pages <= keeper->pages && is_room(*keeper, \result, pages);
  ensures first: \forall integer p; 0 <= p <= keeper->pages - pages &&
    (\result == PREC_NONE || p < \result) ==> !is_room(*keeper, p, pages);
*/
uint32_t window_find_room(const struct prec_keeper *keeper, uint32_t pages);

/* What came of putting a client's frame at a page. */
enum window_lent {
	WINDOW_LENT = 0,
	WINDOW_NOT_MEMORY, /* or it is gone again */
	WINDOW_NOT_SMALL,  /* a large frame */
	WINDOW_IN_USE,	   /* the slot was not empty */
};

/* Put a copy of the client's frame at a page that is free. */
/*@
  requires keeper: \valid(keeper) && window_ok(*keeper);
  requires page: page < keeper->pages;
  requires free: keeper->window_book.state[page] == PAGE_FREE;
  terminates \true;
  exits \false;
  assigns keeper->window_book.state[page], CAPS, shown, shown_frame;
  ensures ok: window_ok(*keeper);
  ensures others: others{Pre, Post}(page);
  ensures said: \result == WINDOW_LENT || \result == WINDOW_NOT_MEMORY ||
    \result == WINDOW_NOT_SMALL || \result == WINDOW_IN_USE;
  ensures lent: \result == WINDOW_LENT ==>
    keeper->window_book.state[page] == PAGE_LENT && shown_frame == from &&
    (cap_is[page] == CAP_CLIENT ==>
      cap_at[page] == keeper->window + 4096 * page) &&
    (cap_write[page] == 1 && cap_is[page] == CAP_CLIENT ==> write);
  ensures not: \result != WINDOW_LENT ==>
    keeper->window_book.state[page] == PAGE_FREE;
*/
enum window_lent window_lend(struct prec_keeper *keeper, uint32_t page,
			     uint64_t from, bool write);

/* Take a page back: what it holds is reached by nobody from here on, and if it
 * was a frame of ours that is free again. */
/*@
  requires keeper: \valid(keeper) && window_ok(*keeper);
  requires page: page < keeper->pages;
  requires state: state == PAGE_FREE || state == PAGE_VOID;
  terminates \true;
  exits \false;
  assigns keeper->window_book.state[page],
    keeper->window_book.used_by[0 .. PREC_KEEPER_FRAMES - 1], CAPS;
  ensures ok: window_ok(*keeper);
  ensures state: keeper->window_book.state[page] == state;
  ensures empty: cap_is[page] == CAP_NONE && cap_at[page] == 0;
  ensures others: others{Pre, Post}(page);
  ensures freed: \old(keeper->window_book.state[page]) == PAGE_OURS ==>
    keeper->window_book.used_by[\old(keeper->window_book.frame_of[page])] == 0;
  ensures kept: \forall integer f; 0 <= f < PREC_KEEPER_FRAMES &&
    \old(keeper->window_book.used_by[f]) != page + 1 ==>
    keeper->window_book.used_by[f] == \old(keeper->window_book.used_by[f]);
*/
void window_clear(struct prec_keeper *keeper, uint32_t page, uint8_t state);

/* What came of an empty page in the place of a lost one. */
enum window_cover {
	COVER_DONE = 0, /* it is there */
	COVER_ALREADY,	/* one was there: the thread saw what was before */
	COVER_FAILED,	/* no frame is left for this client, or the kernel
			   refuses */
};

/*
 * Put an empty page where the client's was.  For a load it is the frame of
 * zeroes; for a store a frame for this page alone, so that what is stored there
 * is found again, and by no other client.
 */
/*@
  requires keeper: \valid(keeper) && window_ok(*keeper);
  requires page: page < keeper->pages;
  requires lost: keeper->window_book.state[page] != PAGE_FREE;
  requires closed: frame_open == -1;
  requires client: client < PREC_KEEPER_CLIENTS;
  terminates \true;
  exits \false;
  assigns keeper->window_book.state[page], keeper->window_book.frame_of[page],
    keeper->window_book.used_by[0 .. PREC_KEEPER_FRAMES - 1],
    keeper->window_book.used_for[0 .. PREC_KEEPER_FRAMES - 1],
    CAPS, FRAMES_CLEAN, frame_open;
  ensures ok: window_ok(*keeper) && frame_open == -1;
  ensures already: \result == COVER_ALREADY <==>
    \old(covered(*keeper, page, write));
  ensures ours: \result != COVER_FAILED ==> is_ours(page);
  ensures done: \result == COVER_DONE ==>
    cap_at[page] == keeper->window + 4096 * page;
  ensures alone: \result != COVER_FAILED && write ==>
    keeper->window_book.state[page] == PAGE_OURS;
  ensures read_only: \result == COVER_DONE && !write ==>
    keeper->window_book.state[page] == PAGE_ZERO && cap_write[page] == 0;
  ensures others: others{Pre, Post}(page);
  ensures taken: keeper->window_book.state[page] != PAGE_FREE;
  // No client has more than its share, and a page is not lost for that.
  ensures none: write && \old(keeper->window_book.state[page]) != PAGE_OURS &&
    !\old(may_have_frame(*keeper, client)) ==> \result == COVER_FAILED &&
    keeper->window_book.state[page] == \old(keeper->window_book.state[page]) &&
    left_alone{Pre, Post}(page);
  // Nothing of the client's is put there, whatever comes of it.
  ensures failed: \result == COVER_FAILED ==> cap_is[page] == CAP_NONE ||
    left_alone{Pre, Post}(page);
*/
enum window_cover window_substitute(struct prec_keeper *keeper, uint32_t page,
				    uint32_t client, bool write);

#endif
