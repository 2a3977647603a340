// SPDX-License-Identifier: MIT
/*
 * Who holds the gate has all that is of the loops that it named to itself, and
 * finds none of them in a turn, whoever else wants to hold it at the same time;
 * a task runs on the thread of its loop; nobody waits in a circle; and a loop
 * that has guests, or is called, does not leave.
 */
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "device/device.h"
#include "tests/expect.h"

#define LOOPS 4u
#define TURNS 1500u
#define EVERY 4u /* turns, a loop holds the gate */

static struct gate gate;
static struct {
	struct loop loop;
	pthread_t thread;
	volatile bool in_turn;
	/* Counted without a lock, by whoever may. */
	uint64_t done;
	uint64_t held; /* times that it has held the gate */
	struct device_part part;
} ones[LOOPS];

static uint32_t own(const struct loop *loop)
{
	uint32_t i = 0;

	while (loop != &ones[i].loop)
		i++;
	return i;
}

static void turn(uint32_t i)
{
	ones[i].in_turn = true;
	for (volatile uint32_t wait = 0; wait < 50; wait++)
		continue;
	ones[i].done++;
	ones[i].in_turn = false;
}

static void task(void *argument)
{
	uint32_t i = own(argument);

	EXPECT(pthread_equal(pthread_self(), ones[i].thread));
	ones[i].done++;
}

/* With all others, each counted once by us and once by itself. */
static void hold(uint32_t self)
{
	struct loop *others[LOOPS];
	uint32_t count = 0;

	for (uint32_t i = 0; i < LOOPS; i++)
		if (i != self)
			others[count++] = &ones[i].loop;
	if (!gate_hold(&ones[self].loop, others, count))
		return;
	ones[self].held++;
	for (uint32_t i = 0; i < LOOPS; i++) {
		EXPECT(!ones[i].in_turn);
		ones[i].done++;
		if (i == self)
			task(&ones[i].loop);
		else
			gate_run(&ones[i].loop, task, &ones[i].loop);
	}
	gate_let_go(&ones[self].loop, others, count);
}

static void *serve(void *argument)
{
	uint32_t self = own(argument);

	ones[self].thread = pthread_self();
	for (uint32_t i = 0; i < TURNS; i++) {
		turn(self);
		gate_pass(&ones[self].loop);
		if (i % EVERY == self % EVERY)
			hold(self);
	}
	while (!gate_leave(&ones[self].loop))
		gate_pass(&ones[self].loop);
	return NULL;
}

static void all_of_them(void)
{
	pthread_t threads[LOOPS];
	uint64_t held = 0;

	for (uint32_t i = 0; i < LOOPS; i++)
		MUST(pthread_create(&threads[i], NULL, serve, &ones[i].loop) ==
		     0);
	for (uint32_t i = 0; i < LOOPS; i++)
		MUST(pthread_join(threads[i], NULL) == 0);
	for (uint32_t i = 0; i < LOOPS; i++)
		held += ones[i].held;
	EXPECT(held > 0);
	for (uint32_t i = 0; i < LOOPS; i++)
		EXPECT(ones[i].done == TURNS + 2 * held);
}

/* Nobody else is there any more. */
static void leaving(void)
{
	struct loop *gone = &ones[0].loop;
	struct loop *loop = &ones[1].loop;

	EXPECT(!gate_hold(loop, &gone, 1));
	loop->post.gone = false;
	TAILQ_INSERT_TAIL(&loop->guests, &ones[1].part, guest);
	EXPECT(!gate_leave(loop));
	EXPECT(gate_hold(&ones[2].loop, &loop, 0));
	gate_let_go(&ones[2].loop, &loop, 0);
	TAILQ_REMOVE(&loop->guests, &ones[1].part, guest);
	EXPECT(gate_leave(loop));
}

int main(void)
{
	const char *what;

	alarm(60);
	gate_init(&gate);
	for (uint32_t i = 0; i < LOOPS; i++) {
		MUST(loop_open(&ones[i].loop, POLLING_NEVER, &what));
		ones[i].loop.post.gate = &gate;
	}
	all_of_them();
	leaving();
	for (uint32_t i = 0; i < LOOPS; i++)
		loop_close(&ones[i].loop);
	gate_destroy(&gate);
	return expect_end();
}
