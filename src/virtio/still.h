/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_VIRTIO_STILL_H
#define PRECARIUM_VIRTIO_STILL_H

#include "virtio/lent.h"

/*
 * The still image of a request; for the prover only.
 *
 * A request is fetched piece by piece, while its client may change its memory.
 * No byte is fetched twice, so there is one image of the client's memory that
 * has each byte as it was fetched.  Here this image is a function of the log of
 * fetches, and still.c proves that it has all that was fetched.  What split.h
 * and packed.h call `still` decodes a request from the image alone: a device
 * that had stopped the client, copied its memory, and taken its time, would
 * have found the same.
 *
 * `packed` is 1 for a packed ring and 0 for a split one, because their
 * descriptors differ; `table` is the fetch that brought the indirect table, or
 * -1.
 */

/*@
  // Byte k of a number, the lowest first (1.4).
  logic integer byte_of(integer value, integer k) =
    k == 0 ? value % 0x100 :
    k == 1 ? value / 0x100 % 0x100 :
    k == 2 ? value / 0x10000 % 0x100 :
    k == 3 ? value / 0x1000000 % 0x100 :
    k == 4 ? value / 0x100000000 % 0x100 :
    k == 5 ? value / 0x10000000000 % 0x100 :
    k == 6 ? value / 0x1000000000000 % 0x100 :
    value / 0x100000000000000 % 0x100;

  // Byte b of a descriptor (2.7.5), and of one of a packed ring (2.8.13).
  logic integer desc_byte(struct virtq_desc d, integer b) =
    b < 8 ? byte_of(d.addr, b) : b < 12 ? byte_of(d.len, b - 8) :
    b < 14 ? byte_of(d.flags, b - 12) : byte_of(d.next, b - 14);

  logic integer packed_byte(struct pvirtq_desc d, integer b) =
    b < 8 ? byte_of(d.addr, b) : b < 12 ? byte_of(d.len, b - 8) :
    b < 14 ? byte_of(d.id, b - 12) : byte_of(d.flags, b - 14);

  logic integer table_byte{L}(integer packed, integer b) =
    packed != 0 ? packed_byte(fetch_packed_table[b / 16], b % 16) :
    desc_byte(fetch_table[b / 16], b % 16);

  // Byte b of what fetch m brought.
  logic integer fetched_byte{L}(integer packed, integer table, integer m,
                                integer b) =
    m == table ? table_byte(packed, b) :
    fetch_size[m] == 2 ? byte_of(fetch_value[m], b) :
    packed != 0 ? packed_byte(fetch_packed[m], b) :
    desc_byte(fetch_desc[m], b);

  predicate fetch_covers{L}(integer m, integer at) =
    fetch_at[m] <= at && at < fetch_at[m] + fetch_size[m];

  // The byte at this address, in the image that n fetches make: 0 where nothing
  // was fetched.
  logic integer image{L}(integer packed, integer table, integer n,
                         integer at) =
    n <= 0 ? 0 :
    fetch_at[n - 1] <= at && at < fetch_at[n - 1] + fetch_size[n - 1] ?
      fetched_byte(packed, table, n - 1, at - fetch_at[n - 1]) :
      image(packed, table, n - 1, at);

  // It has each byte of the first n fetches as it was fetched.
  predicate image_has{L}(integer packed, integer table, integer n) =
    \forall integer m, at; 0 <= m < n && fetch_covers(m, at) ==>
      image(packed, table, n, at) ==
        fetched_byte(packed, table, m, at - fetch_at[m]);

  // The numbers that the image has at an address.
  logic integer still16{L}(integer packed, integer table, integer at) =
    image(packed, table, fetch_count, at) +
    0x100 * image(packed, table, fetch_count, at + 1);

  logic integer still32{L}(integer packed, integer table, integer at) =
    still16(packed, table, at) + 0x10000 * still16(packed, table, at + 2);

  logic integer still64{L}(integer packed, integer table, integer at) =
    still32(packed, table, at) + 0x100000000 * still32(packed, table, at + 4);

  // The descriptor that the image has at this address.
  predicate still_desc{L}(integer table, integer at, struct virtq_desc d) =
    d.addr == still64(0, table, at) && d.len == still32(0, table, at + 8) &&
    d.flags == still16(0, table, at + 12) &&
    d.next == still16(0, table, at + 14);

  predicate still_packed{L}(integer table, integer at, integer addr,
                            integer len, integer id) =
    addr == still64(1, table, at) && len == still32(1, table, at + 8) &&
    id == still16(1, table, at + 12);

  // 2.7.5: the index of the descriptor that is n after `first`, in a table at
  // this address.
  logic integer still_link{L}(integer table, integer at, integer first,
                              integer n) =
    n <= 0 ? first :
    still16(0, table, at + 16 * still_link(table, at, first, n - 1) + 14);

  // The address of that descriptor.
  logic integer still_place{L}(integer table, integer at, integer first,
                               integer n) =
    at + 16 * still_link(table, at, first, n);
*/

#endif
