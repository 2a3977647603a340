// SPDX-License-Identifier: MIT
/* Which worker takes a new client, by how busy each is: at given times. */
#include "device/load.h"
#include "tests/expect.h"
#include "vhost/place.h"

#define SPAN ((uint64_t)LOAD_SPAN_NS)

static void load_is_of_late(void)
{
	struct load load = { .since_ns = 10 * SPAN };

	EXPECT(load_now(&load, 10 * SPAN) == 0);
	for (uint64_t at = 10 * SPAN; at < 12 * SPAN; at += SPAN / 10)
		load_add(&load, at, at + SPAN / 20);
	EXPECT(load_now(&load, 12 * SPAN) > LOAD_FULL * 9 / 20);
	EXPECT(load_now(&load, 12 * SPAN) < LOAD_FULL * 11 / 20);
	/* It has done nothing since. */
	EXPECT(load_now(&load, 13 * SPAN) < LOAD_FULL / 2);
	EXPECT(load_now(&load, 40 * SPAN) < LOAD_FULL / 50);
	/* A turn that takes long is not forgotten. */
	load_add(&load, 40 * SPAN, 80 * SPAN);
	EXPECT(load_now(&load, 80 * SPAN) > LOAD_FULL * 5 / 10);
	load_add(&load, 80 * SPAN, 90 * SPAN);
	EXPECT(load_now(&load, 90 * SPAN) == LOAD_FULL);
}

static void few_clients_where_none_is_busy(void)
{
	const struct vhost_place places[] = { { 0, 2 }, { 200, 1 }, { 0, 3 } };

	EXPECT(vhost_place_choose(places, 3, 0) == 1);
	EXPECT(vhost_place_choose(places, 1, 7) == 0);
}

static void many_idle_ones_before_a_busy_one(void)
{
	const struct vhost_place places[] = { { 900, 1 }, { 10, 30 } };

	EXPECT(vhost_place_choose(places, 2, 0) == 1);
	EXPECT(vhost_place_choose(places, 2, 1) == 1);
}

static void equal_ones_in_turn(void)
{
	const struct vhost_place places[] = { { 0, 0 }, { 0, 0 }, { 0, 0 } };

	for (uint32_t i = 0; i < 6; i++)
		EXPECT(vhost_place_choose(places, 3, i) == i % 3);
}

int main(void)
{
	load_is_of_late();
	few_clients_where_none_is_busy();
	many_idle_ones_before_a_busy_one();
	equal_ones_in_turn();
	return expect_end();
}
