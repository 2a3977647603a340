// SPDX-License-Identifier: MIT
/*
 * An export whose clients cost the others too much takes no new one for a
 * while: twice as long each time, an hour at the most; what was an hour ago is
 * forgiven.
 */
#include "tests/expect.h"
#include "vhost/bar.h"

#define START	1000
#define HOUR_MS 3600000

/* For how long it is up from now on, which is a power of two of the first. */
static int64_t raised(struct vhost_bar *bar, int64_t now_ms)
{
	vhost_bar_raise(bar, now_ms);
	EXPECT(vhost_bar_is_up(bar, now_ms));
	EXPECT(vhost_bar_is_up(bar, bar->until_ms - 1));
	EXPECT(!vhost_bar_is_up(bar, bar->until_ms));
	return bar->until_ms - now_ms;
}

static void doubles_up_to_an_hour(void)
{
	struct vhost_bar bar = { 0 };
	int64_t now_ms = START, ms = 250;

	EXPECT(!vhost_bar_is_up(&bar, 0));
	EXPECT(!vhost_bar_is_up(&bar, now_ms));
	for (int i = 0; i < 100; i++) {
		EXPECT(raised(&bar, now_ms) == (ms < HOUR_MS ? ms : HOUR_MS));
		/* As soon as it may be, and the next time in mid bar. */
		now_ms = bar.until_ms - i % 2;
		ms *= ms < HOUR_MS ? 2 : 1;
	}
}

static void is_forgiven_after_an_hour(void)
{
	struct vhost_bar bar = { 0 };

	EXPECT(raised(&bar, START) == 250);
	EXPECT(raised(&bar, bar.until_ms) == 500);
	EXPECT(raised(&bar, bar.until_ms + HOUR_MS - 1) == 1000);
	EXPECT(raised(&bar, bar.until_ms + HOUR_MS) == 250);
	EXPECT(raised(&bar, bar.until_ms) == 500);
}

int main(void)
{
	doubles_up_to_an_hour();
	is_forgiven_after_an_hour();
	return expect_end();
}
