// SPDX-License-Identifier: MIT
/*
 * A worker that polls looks at a ring for a window after its last request,
 * however busy its other rings keep it.
 */
#include "tests/expect.h"
#include "device/polling.h"

#define WINDOW 50000u

static const struct look look;

/* It has slept before: nothing that it looked at took long. */
static struct polling worker(enum polling_mode mode)
{
	return (struct polling){ .mode = mode,
				 .slept = true,
				 .price_ns = WINDOW };
}

static uint64_t busy_turn(struct polling *poll)
{
	struct look found = look;
	uint64_t turn = 0;

	polling_begin(poll, false);
	polling_found(poll, &found, &turn);
	polling_end(poll);
	return turn;
}

/* In a turn that begins so long after the last one's end. */
static bool goes_on(struct polling poll, uint64_t after_ns, uint64_t turn)
{
	poll.now_ns = poll.found_ns + after_ns;
	return polling_continues(&poll, &look, turn);
}

static void beside_a_busy_one(enum polling_mode mode)
{
	struct polling poll = worker(mode);
	uint64_t idle = busy_turn(&poll), busy;

	EXPECT(goes_on(poll, WINDOW - 1, idle));
	do
		busy = busy_turn(&poll);
	while (poll.now_ns - idle < 2 * WINDOW);
	EXPECT(goes_on(poll, 1, busy));
	EXPECT(goes_on(poll, 1, idle) == (mode == POLLING_ALWAYS));
}

/* However long the turn took in which its client was answered. */
static void from_the_end_of_its_turn(void)
{
	struct polling poll = worker(POLLING_ADAPTIVE);
	uint64_t turn = busy_turn(&poll);

	poll.found_ns = turn + 10 * WINDOW;
	EXPECT(goes_on(poll, WINDOW - 1, turn));
	EXPECT(!goes_on(poll, WINDOW, turn));
}

static void without_polling(void)
{
	struct polling poll = { .mode = POLLING_NEVER };
	uint64_t turn = busy_turn(&poll);

	EXPECT(!goes_on(poll, 0, turn));
}

int main(void)
{
	beside_a_busy_one(POLLING_ADAPTIVE);
	beside_a_busy_one(POLLING_ALWAYS);
	from_the_end_of_its_turn();
	without_polling();
	return expect_end();
}
