/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_VIRTIO_BLK_STATUS_H
#define PRECARIUM_VIRTIO_BLK_STATUS_H

#include <stdbool.h>

#include "virtio/blk.h"

/*@
  // The data are all that the device writes of this chain.
  predicate all_written(struct virtq_request c, struct virtq_request now,
                        struct vblk_request r) =
    r.first == c.readable && r.first + r.count == c.count &&
    (\forall integer i; c.readable <= i < c.count ==>
      now.segment[i] == c.segment[i]);
*/

/*
 * Take off the last byte that the device writes: it is the status, not data.
 * False: the device writes none.  `q` and `space` are for the contract alone.
 */
/*@
  requires table: space_ok(*space) && virtq_ok(*space, *q);
  requires chain: \valid(c) && request_ok(*space, *q, *c);
  requires out: \valid(status) && \separated(status, c, q, space);
  terminates \true;
  exits \false;
  assigns *status, c->count, c->segment[0 .. VIRTQ_SEGMENTS_MAX - 1];
  ensures chain: request_ok(*space, *q, *c);
  ensures there: \result <==> \old(c->readable) < \old(c->count);
  ensures last: \result ==> status->address == last_byte(\old(*c));
  ensures place: \result ==>
    writable_span(*space, *status) && status->size == 1;
  ensures before: \forall integer i; 0 <= i <= c->readable ==>
    bytes_before(*c, i) == bytes_before(\old(*c), i);
  ensures places: \forall integer i, k; 0 <= i <= c->readable ==>
    read_place(*c, i, k) == read_place(\old(*c), i, k);
  ensures readable: c->readable == \old(c->readable);
  ensures header: 0 < c->readable ==>
    c->segment[0] == \old(c->segment[0]);
  ensures laid_out: laid_out(*q, \old(*c), VIRTIO_BLK_HEADER_SIZE) ==>
    laid_out(*q, *c, VIRTIO_BLK_HEADER_SIZE);
  ensures all_laid_out:
    laid_out(*q, \old(*c), bytes_before(\old(*c), c->readable)) ==>
    laid_out(*q, *c, bytes_before(*c, c->readable));
  ensures one: \result ==> bytes_before(*c, c->count) + 1 ==
    bytes_before(\old(*c), \old(c->count));
  ensures some: \result && c->readable < c->count ==>
    bytes_before(*c, c->readable) < bytes_before(*c, c->count);
  ensures count: \result ==> c->count == \old(c->count) -
    (\old(c->segment[c->count - 1].size) == 1 ? 1 : 0);
  ensures others: \result ==>
    \forall integer i; 0 <= i < \old(c->count) - 1 ==>
      c->segment[i] == \old(c->segment[i]);
  ensures cut: c->count == \old(c->count) && \result ==>
    span_cut(\old(c->segment[c->count - 1]), c->segment[c->count - 1], 0, 1);
*/
bool vblk_place_status(const struct virtq *q, const struct prec_space *space,
		       struct virtq_request *c, struct prec_span *status);

/* Ghost: what holds of a chain without its status, `c`, holds of the whole one.
 * `now` is what is left when the header is taken off, too. */
/*@ ghost
  /@ requires readable: 0 < c.readable == whole.readable;
     requires written: c.readable <= c.count && whole.readable < whole.count;
     requires header: c.segment[0] == whole.segment[0];
     requires before: \forall integer i; 0 <= i <= c.readable ==>
       bytes_before(c, i) == bytes_before(whole, i);
     requires places: \forall integer i, k; 0 <= i <= c.readable ==>
       read_place(c, i, k) == read_place(whole, i, k);
     requires one: bytes_before(c, c.count) + 1 ==
       bytes_before(whole, whole.count);
     requires some: c.readable < c.count ==>
       bytes_before(c, c.readable) < bytes_before(c, c.count);
     requires count: c.count == whole.count -
       (whole.segment[whole.count - 1].size == 1 ? 1 : 0);
     requires others: \forall integer i; 0 <= i < whole.count - 1 ==>
       c.segment[i] == whole.segment[i];
     requires cut: c.count == whole.count ==>
       span_cut(whole.segment[whole.count - 1], c.segment[whole.count - 1],
         0, 1);
     terminates \true;
     exits \false;
     assigns \nothing;
     ensures still: request_still(c, r) ==> request_still(whole, r);
     ensures still_ranges: ranges_still(c, w) ==> ranges_still(whole, w);
     ensures table: by_table(d, r, bytes_in(c),
         bytes_before(c, c.count) - bytes_before(c, c.readable)) ==>
       by_table(d, r, bytes_in(whole), bytes_out(whole));
     ensures ranges: \forall integer from;
       by_range_table(d, r, w, bytes_in(c), c.count - c.readable, from) ==>
       by_range_table(d, r, w, bytes_in(whole), bytes_out(whole), from);
     ensures in: data_in(c, now, r) ==> data_in(whole, now, r);
     ensures out: all_written(c, now, r) ==> data_out(whole, now, r); @/
  void see_whole(struct vblk_device d, struct virtq_request whole,
                 struct virtq_request c, struct virtq_request now,
                 struct vblk_request r, struct vblk_ranges w);
*/

#endif
