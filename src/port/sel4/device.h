/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PORT_SEL4_DEVICE_H
#define PRECARIUM_PORT_SEL4_DEVICE_H

#include "regions.h"

/*
 * What a device sees of the window: pages of regions that are lent to it, each
 * at the page's own address, or not at all.
 */

/*@
  predicate io_given_ok(struct prec_keeper k, struct prec_io d) =
    d.at % 4096 == 0 && 0 < d.at <= PREC_ADDRESS_MAX - 4096 * k.pages &&
    d.slots + k.pages <= UINT64_MAX;

  predicate io_slots_ok(struct prec_keeper k, struct prec_io d) =
    !ranges_meet(k.slots, k.pages, d.slots, k.pages) &&
    !ranges_meet(d.slots, k.pages, k.zero, 1) &&
    !ranges_meet(d.slots, k.pages, k.scratch_slot, 1) &&
    (0 < k.frame_count ==>
      !ranges_meet(d.slots, k.pages, k.frames, k.frame_count));

  predicate io_page_ok{L}(struct prec_keeper k, struct prec_io d, integer i) =
    (io_is[i] == 0 ==> io_at[i] == 0) &&
    (io_is[i] != 0 ==>
      k.window_book.owner[i] != 0 && d.lent[k.window_book.owner[i] - 1] != 0 &&
      (io_at[i] == 0 || io_at[i] == d.at + 4096 * i));

  predicate io_ok{L}(struct prec_keeper k, struct prec_io d) =
    io_given_ok(k, d) &&
    \forall integer i; 0 <= i < k.pages ==> io_page_ok(k, d, i);

  predicate io_only{A, B}(integer first, integer count) =
    \forall integer i; is_outside(i, first, count) ==>
      io_left_alone{A, B}(i);
*/

/* Try what the caller of prec_keeper_add_device has given; see there. */
/*@
  requires keeper: \valid_read(keeper) && book_ok(*keeper);
  requires io: \valid(io) && \separated(keeper, io);
  terminates \true;
  exits \false;
  assigns io->lent[0 .. PREC_KEEPER_REGIONS - 1], CAPS;
  ensures said: \result == PREC_OK || \result == PREC_INVALID ||
    \result == PREC_BUSY || \result == PREC_SYSTEM;
  ensures book: book_ok(*keeper);
  ensures others: all_left_alone{Pre, Post};
  ensures ok: \result == PREC_OK ==> io_ok(*keeper, *io) &&
    io_slots_ok(*keeper, *io);
  ensures invalid: !io_given_ok(*keeper, *io) || !io_slots_ok(*keeper, *io) ==>
    \result == PREC_INVALID;
*/
enum prec_status device_set_up(const struct prec_keeper *keeper,
			       struct prec_io *io);

/* Let the device reach all pages of a region, or none: as prec_io_lend. */
/*@
  requires keeper: \valid_read(keeper) && book_ok(*keeper);
  requires io: \valid(io) && \separated(keeper, io) && io_ok(*keeper, *io);
  requires number: number < PREC_KEEPER_REGIONS &&
    keeper->region_book.pages[number] != 0;
  terminates \true;
  exits \false;
  assigns io->lent[number], CAPS, IO_CAPS;
  ensures said: \result == PREC_OK || \result == PREC_GONE ||
    \result == PREC_BUSY || \result == PREC_SYSTEM;
  ensures book: book_ok(*keeper);
  ensures others: all_left_alone{Pre, Post};
  ensures ok: io_ok(*keeper, *io);
  ensures only: io_only{Pre, Post}(keeper->region_book.first[number],
    keeper->region_book.pages[number]);
  // A page that is still there is there for the device, at its address.
  ensures lent: \result == PREC_OK ==> io->lent[number] == 1 &&
    \forall integer i; has_page(*keeper, number, i) &&
      cap_is[i] == CAP_CLIENT ==>
      io_is[i] == 1 && io_at[i] == io->at + 4096 * i;
  ensures rights: \result == PREC_OK && !write ==> \forall integer i;
    has_page(*keeper, number, i) && io_is[i] == 1 ==> io_write[i] == 0;
  ensures busy: \old(io->lent[number]) != 0 ==> \result == PREC_BUSY;
  ensures not: \result != PREC_OK ==>
    io->lent[number] == \old(io->lent[number]);
  ensures nothing: \result != PREC_OK && \old(io->lent[number]) == 0 ==>
    \forall integer i; has_page(*keeper, number, i) ==> io_is[i] == 0;
*/
enum prec_status device_lend(const struct prec_keeper *keeper,
			     struct prec_io *io, uint32_t number, bool write);

/* Cut it off from all pages of a region, which stays lent to it in the book. */
/*@
  requires keeper: \valid_read(keeper) && book_ok(*keeper);
  requires io: \valid_read(io) && io_ok(*keeper, *io);
  requires number: number < PREC_KEEPER_REGIONS &&
    keeper->region_book.pages[number] != 0;
  terminates \true;
  exits \false;
  assigns CAPS, IO_CAPS;
  ensures book: book_ok(*keeper);
  ensures others: all_left_alone{Pre, Post};
  ensures ok: io_ok(*keeper, *io);
  ensures only: io_only{Pre, Post}(keeper->region_book.first[number],
    keeper->region_book.pages[number]);
  ensures gone: \forall integer i; has_page(*keeper, number, i) ==>
    io_is[i] == 0 && io_at[i] == 0;
*/
void device_cut_off(const struct prec_keeper *keeper, const struct prec_io *io,
		    uint32_t number);

#endif
