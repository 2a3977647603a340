/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_VHOST_BAR_H
#define PRECARIUM_VHOST_BAR_H

#include <stdbool.h>
#include <stdint.h>

/* For how long an export takes no new client.  All zeroes: it takes them. */
struct vhost_bar {
	int64_t until_ms;
	uint32_t count; /* of those that were raised, and not forgiven */
};

/* One of its clients had to be ended for what it cost the others: take no new
 * one for a quarter of a second, and twice as long each time that this happens,
 * up to an hour.  An hour after the last bar was lifted all are forgiven. */
void vhost_bar_raise(struct vhost_bar *bar, int64_t now_ms);
bool vhost_bar_is_up(const struct vhost_bar *bar, int64_t now_ms);

#endif
