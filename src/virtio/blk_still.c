// SPDX-License-Identifier: MIT
#include "virtio/blk_fetch.h"

/*
 * The snapshot theorem of a block request: ghost code only, as in still.c.  The
 * image has each byte in the log of bytes, as none is there twice, and still
 * has the header and what was fetched before, as no fetch covers a byte of
 * another.  A number is its bytes.
 */

/*@ ghost
  void see_place(const struct virtq_request *c, uint32_t i)
  {
    uint32_t n = i + 1;
    /@ loop invariant range: i < n <= c->readable;
       loop invariant after: bytes_before(*c, i) + c->segment[i].size <=
         bytes_before(*c, n);
       loop invariant place: \forall integer k; bytes_before(*c, i) <= k <
         bytes_before(*c, i) + c->segment[i].size ==>
         read_place(*c, n, k) ==
           c->segment[i].address + (k - bytes_before(*c, i));
       loop assigns n;
       loop variant c->readable - n; @/
    while (n < c->readable) n++;
  }
*/

/* The image has all that was fetched. */
/*@ ghost
  /@ requires once: fetched_once;
     requires placed: bytes_placed;
     requires first: 0 <= read_first < fetch_count &&
       read_first <= byte_first <= read_first + 1;
     terminates \true;
     exits \false;
     assigns \nothing;
     ensures bytes: \forall integer packed, table, i; 0 <= i < byte_count ==>
       read_image(packed, table, byte_count, byte_at[i]) == fetch_byte[i];
     ensures header: \forall integer packed, table, at;
       read_first < byte_first && fetch_covers(read_first, at) ==>
       read_image(packed, table, byte_count, at) ==
         header_byte(fetch_header[read_first], at - fetch_at[read_first]);
     ensures continued: image_continued; @/
  static void read_image_is_true(void)
  {
    int n = 0;
    /@ loop invariant range: 0 <= n <= byte_count;
       loop invariant bytes: \forall integer packed, table, i; 0 <= i < n ==>
         read_image(packed, table, n, byte_at[i]) == fetch_byte[i];
       loop invariant header: \forall integer packed, table, at;
         read_first < byte_first && fetch_covers(read_first, at) ==>
         read_image(packed, table, n, at) ==
           header_byte(fetch_header[read_first], at - fetch_at[read_first]);
       loop invariant continued: \forall integer packed, table, m, at;
         0 <= m < read_first && fetch_covers(m, at) ==>
         read_image(packed, table, n, at) ==
           image(packed, table, read_first, at);
       loop assigns n;
       loop variant byte_count - n; @/
    while (n < byte_count) {
      int f = byte_fetch[n];
      /@ assert covered: fetch_covers(f, byte_at[n]); @/
      /@ assert new: \forall integer packed, table;
           read_image(packed, table, n + 1, byte_at[n]) == fetch_byte[n]; @/
      /@ assert kept: \forall integer packed, table, at; at != byte_at[n] ==>
           read_image(packed, table, n + 1, at) ==
           read_image(packed, table, n, at); @/
      /@ assert other: \forall integer m; 0 <= m < f ==>
           !fetch_covers(m, byte_at[n]); @/
      n++;
    }
  }
*/

/* A number is its bytes. */
/*@ ghost
  /@ terminates \true;
     exits \false;
     assigns \nothing;
     ensures whole: value == byte_of(value, 0) + 0x100 * byte_of(value, 1) +
       0x10000 * byte_of(value, 2) + 0x1000000 * byte_of(value, 3); @/
  static void bytes_of_32(uint32_t value)
  {
    /@ assert second: value / 0x10000 == value / 0x100 / 0x100; @/
    /@ assert third: value / 0x1000000 == value / 0x10000 / 0x100; @/
  }
*/
/*@ ghost
  /@ terminates \true;
     exits \false;
     assigns \nothing;
     ensures whole: value == byte_of(value, 0) + 0x100 * byte_of(value, 1) +
       0x10000 * byte_of(value, 2) + 0x1000000 * byte_of(value, 3) +
       0x100000000 * (byte_of(value, 4) + 0x100 * byte_of(value, 5) +
       0x10000 * byte_of(value, 6) + 0x1000000 * byte_of(value, 7)); @/
  static void bytes_of_64(uint64_t value)
  {
    /@ assert second: value / 0x10000 == value / 0x100 / 0x100; @/
    /@ assert third: value / 0x1000000 == value / 0x10000 / 0x100; @/
    /@ assert fourth: value / 0x100000000 == value / 0x1000000 / 0x100; @/
    /@ assert fifth: value / 0x10000000000 ==
         value / 0x100000000 / 0x100; @/
    /@ assert sixth: value / 0x1000000000000 ==
         value / 0x10000000000 / 0x100; @/
    /@ assert seventh: value / 0x100000000000000 ==
         value / 0x1000000000000 / 0x100; @/
  }
*/

/*@ ghost
  void still_read(const struct virtq_request *c, uint32_t type,
                  uint64_t sector)
  {
    int i = 0;
    read_image_is_true();
    see_place(c, 0);
    bytes_of_32(type);
    bytes_of_64(sector);
    /@ loop invariant range: 0 <= i <= byte_count;
       loop invariant bytes:
         \let skip = VIRTIO_BLK_HEADER_SIZE - header_logged(*c);
         \forall integer packed, table, k; skip <= k < skip + i ==>
         read8(*c, packed, table, k) == fetch_byte[k - skip];
       loop assigns i;
       loop variant byte_count - i; @/
    while (i < byte_count) {
      /@ assert place: byte_at[i] == read_place(*c, c->readable,
           i + (VIRTIO_BLK_HEADER_SIZE - header_logged(*c))); @/
      /@ assert has: \forall integer packed, table;
           read_image(packed, table, byte_count, byte_at[i]) ==
             fetch_byte[i]; @/
      /@ assert this: \forall integer packed, table; fetch_byte[i] ==
           read8(*c, packed, table,
             i + VIRTIO_BLK_HEADER_SIZE - header_logged(*c)); @/
      i++;
    }
    /@ assert pieces: header_logged(*c) == 0 ||
         header_logged(*c) == VIRTIO_BLK_HEADER_SIZE; @/
    /@ assert logged: header_logged(*c) != 0 ==>
         \forall integer packed, table, k; 0 <= k < VIRTIO_BLK_HEADER_SIZE ==>
           read8(*c, packed, table, k) == fetch_byte[k]; @/
    /@ assert whole: header_logged(*c) == 0 ==>
         \forall integer packed, table, k; 0 <= k < VIRTIO_BLK_HEADER_SIZE ==>
           read8(*c, packed, table, k) ==
             header_byte(fetch_header[read_first], k); @/
    /@ assert type: \forall integer packed, table;
         type == read32(*c, packed, table, 0); @/
    /@ assert low: \forall integer packed, table;
         header_logged(*c) == 0 ==> read32(*c, packed, table, 8) ==
           byte_of(sector, 0) + 0x100 * byte_of(sector, 1) +
           0x10000 * byte_of(sector, 2) + 0x1000000 * byte_of(sector, 3); @/
    /@ assert high: \forall integer packed, table;
         header_logged(*c) == 0 ==> read32(*c, packed, table, 12) ==
           byte_of(sector, 4) + 0x100 * byte_of(sector, 5) +
           0x10000 * byte_of(sector, 6) + 0x1000000 * byte_of(sector, 7); @/
    /@ assert sector: \forall integer packed, table;
         sector == read64(*c, packed, table, 8); @/
  }
*/
