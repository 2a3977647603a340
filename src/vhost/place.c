// SPDX-License-Identifier: MIT
#include "vhost/place.h"

uint32_t vhost_place_choose(const struct vhost_place *places, uint32_t count,
			    uint32_t first)
{
	uint32_t least = places[0].load, best = count;

	for (uint32_t i = 1; i < count; i++)
		least = places[i].load < least ? places[i].load : least;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t next = (first + i) % count;

		if (places[next].load <= least + VHOST_PLACE_SAME &&
		    (best == count ||
		     places[next].clients < places[best].clients))
			best = next;
	}
	return best;
}
