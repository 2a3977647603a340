// SPDX-License-Identifier: MIT
/*
 * A worker that polls looks at a ring for a window after its last request, however
 * busy its other rings keep it.
 */
#include "tests/expect.h"
#include "device/polling.h"

#define WINDOW VHOST_POLL_WINDOW_MAX_NS

/* It has slept before: nothing that it looked at took long. */
static struct vhost_poll worker(enum vhost_polling mode)
{
	return (struct vhost_poll){ .mode = mode,
				    .slept = true,
				    .window_ns = WINDOW };
}

static uint64_t busy_turn(struct vhost_poll *poll)
{
	uint64_t turn;

	vhost_poll_begin(poll, false);
	turn = vhost_poll_found(poll);
	vhost_poll_end(poll);
	return turn;
}

/* In a turn that begins so long after the last one's end. */
static bool goes_on(struct vhost_poll poll, uint64_t after_ns, uint64_t turn)
{
	poll.now_ns = poll.found_ns + after_ns;
	return vhost_poll_goes_on(&poll, turn);
}

static void beside_a_busy_one(enum vhost_polling mode)
{
	struct vhost_poll poll = worker(mode);
	uint64_t idle = busy_turn(&poll), busy;

	EXPECT(goes_on(poll, WINDOW - 1, idle));
	do
		busy = busy_turn(&poll);
	while (poll.now_ns - idle < 2 * WINDOW);
	EXPECT(goes_on(poll, 1, busy));
	EXPECT(goes_on(poll, 1, idle) == (mode == VHOST_POLL_ALWAYS));
}

/* However long the turn took in which its client was answered. */
static void from_the_end_of_its_turn(void)
{
	struct vhost_poll poll = worker(VHOST_POLL_ADAPTIVE);
	uint64_t turn = busy_turn(&poll);

	poll.found_ns = turn + 10 * WINDOW;
	EXPECT(goes_on(poll, WINDOW - 1, turn));
	EXPECT(!goes_on(poll, WINDOW, turn));
}

static void without_polling(void)
{
	struct vhost_poll poll = { .mode = VHOST_POLL_NEVER };
	uint64_t turn = busy_turn(&poll);

	EXPECT(!goes_on(poll, 0, turn));
}

int main(void)
{
	beside_a_busy_one(VHOST_POLL_ADAPTIVE);
	beside_a_busy_one(VHOST_POLL_ALWAYS);
	from_the_end_of_its_turn();
	without_polling();
	return expect_end();
}
