// SPDX-License-Identifier: MIT
#include "vhost/bar.h"

#define FIRST_MS     250
#define MOST_MS	     3600000
#define DOUBLED_MOST 14u /* more than it takes from the first to the most */

void vhost_bar_raise(struct vhost_bar *bar, int64_t now_ms)
{
	int64_t ms;

	if (bar->count > 0 && now_ms >= bar->until_ms + MOST_MS)
		bar->count = 0;
	ms = (int64_t)FIRST_MS << bar->count;
	if (bar->count < DOUBLED_MOST)
		bar->count++;
	bar->until_ms = now_ms + (ms < MOST_MS ? ms : MOST_MS);
}

bool vhost_bar_is_up(const struct vhost_bar *bar, int64_t now_ms)
{
	return bar->count > 0 && now_ms < bar->until_ms;
}
