/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PORT_SEL4_SETUP_H
#define PRECARIUM_PORT_SEL4_SETUP_H

#include "regions.h"

/*@
  // What prec_keeper_init is given makes sense.
  predicate numbers_ok(struct prec_keeper k) =
    given_ok(k) && 0 < k.depth <= 64 &&
    0 < k.scratch && k.scratch % 4096 == 0 &&
    !ranges_meet(k.window, 4096 * k.pages, k.scratch, 4096);

  predicate slots_ok(struct prec_keeper k) =
    !ranges_meet(k.slots, k.pages, k.zero, 1) &&
    !ranges_meet(k.slots, k.pages, k.scratch_slot, 1) &&
    (0 < k.frame_count ==>
      !ranges_meet(k.slots, k.pages, k.frames, k.frame_count) &&
      !ranges_meet(k.frames, k.frame_count, k.scratch_slot, 1) &&
      !ranges_meet(k.frames, k.frame_count, k.zero, 1));

  // What was tried in slot i is gone again; a client may have revoked what was
  // there.
  predicate slot_kept{A, B}(integer i) =
    left_alone{A, B}(i) || (\at(cap_is[i], B) == CAP_NONE &&
      (\at(cap_is[i], A) == CAP_NONE || \at(cap_is[i], A) == CAP_CLIENT));

  predicate slots_kept{A, B} =
    \forall integer i; 0 <= i < PREC_KEEPER_PAGES ==> slot_kept{A, B}(i);
*/

/*
 * Try what the caller of prec_keeper_init has given, and make the book, in
 * which nothing is lent: from here on it is true.  See there.
 */
/*@
  requires keeper: \valid(keeper);
  requires closed: frame_open == -1;
  terminates \true;
  exits \false;
  assigns keeper->window_book, keeper->region_book.pages[0 ..
    PREC_KEEPER_REGIONS - 1], CAPS, shown, shown_frame, frame_open;
  ensures said: \result == PREC_OK || \result == PREC_INVALID ||
    \result == PREC_BUSY || \result == PREC_SYSTEM;
  ensures ok: \result == PREC_OK ==> book_ok(*keeper) && numbers_ok(*keeper) &&
    slots_ok(*keeper);
  ensures empty: \result == PREC_OK ==> \forall integer i;
    0 <= i < keeper->pages ==> keeper->window_book.state[i] == PAGE_FREE &&
    cap_is[i] == CAP_NONE;
  ensures invalid: !numbers_ok(*keeper) || !slots_ok(*keeper) ==>
    \result == PREC_INVALID;
  ensures kept: slots_kept{Pre, Post} && frame_open == -1;
*/
enum prec_status setup_keeper(struct prec_keeper *keeper);

#endif
