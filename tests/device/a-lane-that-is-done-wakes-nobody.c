// SPDX-License-Identifier: MIT
/*
 * G11: a store may signal its lane when nothing is in flight there: a last
 * interrupt, or a device that was reset.  The signal is taken, and the loop
 * sleeps again.
 */
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "device/turn.h"
#include "tests/expect.h"
#include "tests/one-lane.h"

static uint32_t reaped;

static enum store_left start(struct store_lane *lane)
{
	(void)lane;
	return STORE_NOTHING;
}

static struct store_io *reap(struct store_lane *lane)
{
	eventfd_t count;

	eventfd_read(lane->fd, &count);
	reaped++;
	return NULL;
}

static const struct store_ops ops = {
	.lane_open = lane_open,
	.lane_close = lane_close,
	.start = start,
	.reap = reap,
};
static const struct store store = { .ops = &ops, .capacity = 1u << 20 };

static bool sleeps(const struct loop *loop)
{
	struct pollfd events = { .fd = loop->epoll_fd, .events = POLLIN };

	return poll(&events, 1, 0) == 0;
}

int main(void)
{
	struct store_error error;
	struct loop loop;
	struct lane *lane;
	const char *what;

	the_lane.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	MUST(the_lane.fd >= 0);
	MUST(loop_open(&loop, POLLING_NEVER, &what));
	lane = lane_get(&loop, &store, &error);
	MUST(lane);
	turn_serve(&loop);
	EXPECT(reaped == 0 && sleeps(&loop));
	MUST(eventfd_write(the_lane.fd, 1) == 0);
	EXPECT(!sleeps(&loop));
	loop_take_events(&loop, 1000);
	turn_serve(&loop);
	EXPECT(reaped == 1 && sleeps(&loop));
	turn_serve(&loop);
	EXPECT(reaped == 1);
	lane_put(&loop, lane);
	loop_close(&loop);
	close(the_lane.fd);
	return expect_end();
}
