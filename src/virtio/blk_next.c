// SPDX-License-Identifier: MIT
#include "virtio/blk_next.h"

enum virtq_answer vblk_next(const struct vblk_device *d, struct virtq *q,
			    const struct prec_space *space,
			    struct virtq_request *c, struct vblk_request *r,
			    struct vblk_ranges *w)
{
	enum virtq_answer answer = vring_next(q, space, c);

	/*@ ghost chain_taken = *c; */
	/*@ ghost ring_said = answer; */
	/* One that is malformed may have a status byte. */
	if (answer != VIRTQ_TAKEN && answer != VIRTQ_MALFORMED)
		return answer;
	return vblk_decode(d, q, space, c, r, w);
}
