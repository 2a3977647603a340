// SPDX-License-Identifier: MIT
#include "virtio/blk_complete.h"

enum vblk_end vblk_complete(struct virtq *q, const struct prec_space *space,
			    const struct vblk_request *r, struct vblk_done done,
			    bool hold)
{
	struct vblk_outcome outcome = vblk_outcome(r, done);

	/*@ ghost store_count = 0; */
	/*@ ghost status_count = 0; */
	if (lent_store8(space, r->status, 0, outcome.status))
		return VBLK_STATUS_GONE;
	/*@ ghost status_count = store_count; */
	/*@ ghost status_at = store_at[0]; */
	/*@ ghost status_size = store_size[0]; */
	/*@ ghost status_value = store_value[0]; */
	if (hold)
		return VBLK_HELD;
	if (vring_complete(q, space, r->head, outcome.used))
		return VBLK_USED_GONE;
	return VBLK_TOLD;
}
