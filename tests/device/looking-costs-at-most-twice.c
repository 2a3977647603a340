// SPDX-License-Identifier: MIT
/*
 * For how long a worker looks at a ring before it sleeps, by the times at which
 * requests come: never dearer than twice the best in hindsight, and close to
 * the best where requests come as those before.
 */
#include "device/look.h"
#include "device/polling.h"
#include "device/wakeup.h"
#include "tests/expect.h"

#define PRICE 40000u

/* What a client costs, by the rule and in hindsight. */
struct bill {
	struct look look;
	uint64_t paid;
	uint64_t best;
	uint64_t asleep; /* gaps that were slept through at once */
};

static void come(struct bill *bill, uint64_t gap)
{
	uint64_t looked = look_for_ns(&bill->look, PRICE);

	bill->paid += gap < looked ? gap : looked + PRICE;
	bill->best += gap < PRICE ? gap : PRICE;
	bill->asleep += looked == 0;
	look_ended(&bill->look, gap, PRICE);
}

static void come_often(struct bill *bill, uint64_t gap, uint32_t times)
{
	while (times--)
		come(bill, gap);
}

static bool within_twice(const struct bill *bill)
{
	return bill->paid <= 2 * bill->best + bill->best / LOOK_GRANT;
}

/* The worst that requests can do: come when the worker does not look, and stay
 * away while it does. */
static void whatever_comes(void)
{
	struct bill bill = { .paid = 0 };
	uint32_t random = 1;

	for (uint32_t i = 0; i < 20000; i++) {
		random = random * 1664525 + 1013904223;
		if (i < 5000)
			come(&bill, look_for_ns(&bill.look, PRICE) ? PRICE : 0);
		else if (i < 10000)
			come(&bill, random >> 8 & 1 ? 10 : 10 * PRICE);
		else
			come(&bill, (random >> 8) % (3 * PRICE));
		MUST(within_twice(&bill));
	}
}

static void soon_each_time(void)
{
	struct bill bill = { .paid = 0 };

	come_often(&bill, PRICE - 1, 1000);
	EXPECT(bill.paid == bill.best);
}

/* After the first few, the worker does not look, but for the times it tries. */
static void late_each_time(void)
{
	struct bill bill = { .paid = 0 };

	come_often(&bill, 100 * PRICE, 17);
	EXPECT(look_for_ns(&bill.look, PRICE) == 0);
	bill.asleep = 0;
	come_often(&bill, 100 * PRICE, 330);
	EXPECT(bill.asleep == 320);
	EXPECT(bill.paid == bill.best + (16 + 10) * PRICE);
}

/* One soon, one late: the rule guesses wrong each time, until it has no credit
 * to guess; and it finds out of there when all are late. */
static void in_turns(void)
{
	struct bill bill = { .paid = 0 };

	for (uint32_t i = 0; i < 1000; i++) {
		come(&bill, 100 * PRICE);
		come(&bill, 0);
	}
	EXPECT(within_twice(&bill));
	come_often(&bill, 100 * PRICE, 20);
	bill.asleep = 0;
	come_often(&bill, 100 * PRICE, LOOK_AGAIN + 1);
	EXPECT(bill.asleep == LOOK_AGAIN);
}

/* The habit changes, either way, and is followed. */
static void other_than_before(void)
{
	struct bill bill = { .paid = 0 };

	come_often(&bill, 100 * PRICE, 1000);
	come_often(&bill, PRICE / 4, LOOK_AGAIN);
	EXPECT(look_for_ns(&bill.look, PRICE) == PRICE);
	come_often(&bill, 100 * PRICE, 20);
	EXPECT(look_for_ns(&bill.look, PRICE) == 0);
	EXPECT(within_twice(&bill));
}

/* Requests that are late only as seen by a worker that slept are met by the
 * first look, and by those after it. */
static void late_by_mistake(void)
{
	struct bill bill = { .paid = 0 };

	come_often(&bill, 100 * PRICE, 17);
	for (uint32_t i = 0; i < LOOK_AGAIN; i++)
		come(&bill,
		     look_for_ns(&bill.look, PRICE) ? PRICE / 2 : 2 * PRICE);
	bill.asleep = 0;
	come_often(&bill, PRICE / 2, 100);
	EXPECT(bill.asleep == 0);
}

/* What it took to wake the worker does not make a request late. */
static void waking_is_not_counted(void)
{
	struct polling poll = { .mode = POLLING_ADAPTIVE, .price_ns = PRICE };
	struct look look = { .gain_ns = 0 };
	uint64_t turn = 1000;

	poll.slept = true;
	poll.now_ns = turn + PRICE + PRICE / 4;
	polling_found(&poll, &look, &turn);
	EXPECT(look.gain_ns > 0);
	EXPECT(turn == poll.now_ns);
	poll.now_ns += 2 * PRICE;
	polling_found(&poll, &look, &turn);
	EXPECT(look.gain_ns < 0);
}

/* The price follows what is seen, of threads that were asleep only. */
static void prices_are_corrected(void)
{
	struct polling poll = { .mode = POLLING_ADAPTIVE,
				.price_ns = PRICE,
				.slept = true,
				.now_ns = 90000000,
				.asleep_ns = 1000000 };

	polling_rang(&poll, poll.asleep_ns + 10);
	EXPECT(poll.price_ns == PRICE);
	for (int i = 0; i < 100; i++)
		polling_rang(&poll, poll.now_ns - PRICE);
	EXPECT(poll.price_ns > PRICE * 19 / 10 && poll.price_ns <= 2 * PRICE);
	for (int i = 0; i < 100; i++)
		polling_rang(&poll, poll.now_ns - 1);
	EXPECT(poll.price_ns >= WAKEUP_MIN_NS &&
	       poll.price_ns < WAKEUP_MIN_NS * 11 / 10);
	for (int i = 0; i < 100; i++)
		polling_rang(&poll, poll.now_ns - 50 * PRICE);
	EXPECT(poll.price_ns > WAKEUP_MAX_NS * 19ull / 20 &&
	       poll.price_ns <= WAKEUP_MAX_NS);
	poll.slept = false;
	polling_rang(&poll, poll.now_ns - 1);
	EXPECT(poll.price_ns > WAKEUP_MAX_NS * 19ull / 20);
}

/* On any machine, however busy. */
static void it_is_measured(void)
{
	uint64_t price = wakeup_price_ns();

	EXPECT(price >= WAKEUP_MIN_NS && price <= WAKEUP_MAX_NS);
	EXPECT(wakeup_price_ns() == price);
}

int main(void)
{
	whatever_comes();
	soon_each_time();
	late_each_time();
	in_turns();
	other_than_before();
	late_by_mistake();
	waking_is_not_counted();
	prices_are_corrected();
	it_is_measured();
	return expect_end();
}
