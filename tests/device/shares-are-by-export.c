// SPDX-License-Identifier: MIT
/*
 * G11: clients that always have requests share a worker by export, then by
 * client, and not by queue: one client of an export gets as much as 31 of
 * another together; and a client with eight queues no more than one with one.
 * Where no other export has anything, one gets whole turns.
 */
#include "owner.h"

#define CROWD 31u
#define TURNS 600u

static struct owner crowded, quiet;
static struct greedy crowd[CROWD], neighbour;

static void run(bool with_neighbour)
{
	for (uint32_t i = 0; i < TURNS; i++) {
		for (uint32_t j = 0; j < CROWD; j++)
			greedy_refill(&crowd[j]);
		if (with_neighbour)
			greedy_refill(&neighbour);
		loop_take_events(&loop, 0);
		turn_serve(&loop);
	}
}

static uint64_t crowd_served(void)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < CROWD; i++)
		sum += greedy_served(&crowd[i]);
	return sum;
}

int main(void)
{
	uint64_t all, many, one;

	owners_begin();
	owner_init(&crowded, "crowded");
	owner_init(&quiet, "quiet");
	greedy_open(&crowd[0], &crowded, QUEUES, VIRTIO_BLK_T_FLUSH);
	for (uint32_t i = 1; i < CROWD; i++)
		greedy_open(&crowd[i], &crowded, 1, VIRTIO_BLK_T_FLUSH);
	greedy_open(&neighbour, &quiet, 1, VIRTIO_BLK_T_FLUSH);
	run(true);
	all = crowd_served();
	many = greedy_served(&crowd[0]);
	one = greedy_served(&neighbour);
	printf("31 clients: %llu, one of another export: %llu\n",
	       (unsigned long long)all, (unsigned long long)one);
	EXPECT(one * 10 >= all * 9 && one * 9 <= all * 10);
	printf("with 8 queues: %llu, others on average: %llu\n",
	       (unsigned long long)many,
	       (unsigned long long)((all - many) / (CROWD - 1)));
	EXPECT(many * 2 <= (all - many) / (CROWD - 1) * 3);
	EXPECT(many * 3 >= (all - many) / (CROWD - 1) * 2);
	run(false);
	printf("alone: %llu in a turn\n",
	       (unsigned long long)((crowd_served() - all) / TURNS));
	EXPECT((crowd_served() - all) / TURNS >= 100);
	greedy_close(&neighbour);
	for (uint32_t i = 0; i < CROWD; i++)
		greedy_close(&crowd[i]);
	loop_close(&loop);
	return expect_end();
}
