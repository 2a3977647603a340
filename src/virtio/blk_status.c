// SPDX-License-Identifier: MIT
#include "virtio/blk_status.h"

bool vblk_place_status(const struct virtq *q, const struct prec_space *space,
		       struct virtq_request *c, struct prec_span *status)
{
	struct prec_span place;
	uint32_t last;

	(void)q;
	(void)space;
	if (c->count == c->readable)
		return false;
	last = c->count - 1;
	place = c->segment[last];
	place.host += place.size - 1;
	place.address += place.size - 1;
	place.size = 1;
	*status = place;
	if (c->segment[last].size == 1)
		c->count = last;
	else
		c->segment[last].size--;
	/*@ ghost
	  uint32_t i = 0;
	  /@
	    loop invariant range: 0 <= i <= last;
	    loop invariant same: \forall integer j; 0 <= j <= i ==>
	      bytes_before(*c, j) == bytes_before(\at(*c, Pre), j);
	    loop invariant places: \forall integer j, k; 0 <= j <= i ==>
	      read_place(*c, j, k) == read_place(\at(*c, Pre), j, k);
	    loop invariant some: c->readable < i ==>
	      bytes_before(*c, c->readable) < bytes_before(*c, i);
	    loop assigns i;
	    loop variant last - i;
	  @/
	  while (i < last) i++;
	*/
	/*@ assert same: \forall integer j; 0 <= j < c->readable ==>
	      c->segment[j] == \at(c->segment[j], Pre); */
	/*@ assert piece: \forall integer j, n; 0 <= j < c->readable ==>
	      piece(*c, j, n) == piece(\at(*c, Pre), j, n); */
	/*@ assert apart: \forall integer j, n; 0 <= j < c->readable ==>
	      piece_apart(*q, \at(*c, Pre), j, n) ==>
	      piece_apart(*q, *c, j, n); */
	/*@ assert laid_out:
	      laid_out(*q, \at(*c, Pre), VIRTIO_BLK_HEADER_SIZE) ==>
	      laid_out(*q, *c, VIRTIO_BLK_HEADER_SIZE); */
	/*@ assert all_laid_out: laid_out(*q, \at(*c, Pre),
	      bytes_before(\at(*c, Pre), c->readable)) ==>
	      laid_out(*q, *c, bytes_before(*c, c->readable)); */
	return true;
}

/*@ ghost
  void see_whole(struct vblk_device d, struct virtq_request whole,
                 struct virtq_request c, struct virtq_request now,
                 struct vblk_request r, struct vblk_ranges w)
  {
    /@ assert byte: \forall integer packed, table, k;
         read8(c, packed, table, k) == read8(whole, packed, table, k); @/
    /@ assert range: \forall integer i; range_still(c, w.range[i], i) ==>
         range_still(whole, w.range[i], i); @/
    /@ assert none: c.count == c.readable ==> bytes_out(whole) == 0; @/
  }
*/
