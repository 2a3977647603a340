// SPDX-License-Identifier: MIT
/*
 * While a device has a command, each range that the command names is pinned:
 * it is neither quiet nor released, whatever happens to it meanwhile.  The
 * model is a list of commands, and of what was done to each range.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <precarium/pages.h>
#include <precarium/pin.h>

#define STEPS	20000u
#define RANGES	24u
#define SLOTS	20u
#define CLIENTS 2u

struct command {
	uint32_t ranges; /* 0: the device does not have it */
	uint32_t range[PREC_PAGES_RANGES];
	bool disturbed; /* one of them was revoked meanwhile */
};

static struct prec_ledger ledger;
static struct prec_flights flights;
static struct prec_space windows[CLIENTS];
static struct command commands[SLOTS];
static uint64_t seed = 1;
static uint32_t step;
static uint32_t begun, believed, disbelieved, released;

static void fail(const char *what)
{
	printf("flights: step %u: %s\n", step, what);
	exit(1);
}

static uint32_t below(uint32_t limit)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 32) % limit;
}

/* Of the slots that are used, some at each end. */
static uint32_t slot_of(uint32_t i)
{
	return i < SLOTS / 2 ? i : PREC_FLIGHT_SLOTS - 1 - (i - SLOTS / 2);
}

static uint32_t users(uint32_t range)
{
	uint32_t count = 0;
	uint32_t i, j;

	for (i = 0; i < SLOTS; i++)
		for (j = 0; j < commands[i].ranges; j++)
			count += commands[i].range[j] == range;
	return count;
}

/* Range r: of client r % CLIENTS, one page, at places that follow from r. */
static uint64_t address(uint32_t range)
{
	return 0x10000000ull + range * 0x10000ull;
}

static void lend(void)
{
	uint32_t client = below(CLIENTS);
	uint32_t range;

	if (prec_ledger_grant(&ledger, client, 0, PREC_DEVICE_PAGE, &range) !=
		    PREC_OK ||
	    range >= RANGES)
		return;
	if (users(range) != 0)
		fail("a range in flight was granted anew");
	if (prec_space_add(&windows[client], address(range), PREC_DEVICE_PAGE,
			   address(range) * 4, PREC_READ | PREC_WRITE,
			   range) != PREC_OK)
		fail("a window is refused");
}

static void begin(void)
{
	uint32_t client = below(CLIENTS);
	uint32_t as = below(30) ? client : 1 - client;
	uint32_t i = below(SLOTS);
	const struct prec_space *mine = &windows[client];
	struct prec_pages list;
	enum prec_status want = PREC_OK;
	uint32_t pages = below(PREC_PAGES_RANGES + 1);
	uint32_t slot = below(50) ? slot_of(i) : PREC_FLIGHT_SLOTS + below(2);

	prec_pages_begin(&list, PREC_WRITE);
	while (pages-- > 0 && mine->count > 0) {
		uint32_t w = below(mine->count);

		if (prec_pages_add(&list, mine, mine->start[w],
				   PREC_DEVICE_PAGE) != PREC_OK)
			fail("a page is refused");
	}
	if (slot >= PREC_FLIGHT_SLOTS || list.count == 0)
		want = PREC_INVALID;
	else if (commands[i].ranges > 0)
		want = PREC_BUSY;
	else if (as != client)
		want = PREC_RIGHTS;
	if (prec_flight_begin(&flights, &ledger, &list, as, slot) != want)
		fail("begin says otherwise");
	if (want != PREC_OK)
		return;
	commands[i].ranges = list.ranges;
	memcpy(commands[i].range, list.range, sizeof(list.range));
	commands[i].disturbed = false;
	begun++;
}

/* A list that was made before its range was taken back. */
static void begin_too_late(void)
{
	struct prec_space *mine = &windows[0];
	struct prec_pages list;
	uint32_t quiet, range;

	if (mine->count == 0)
		return;
	prec_pages_begin(&list, PREC_WRITE);
	if (prec_pages_add(&list, mine, mine->start[0], PREC_DEVICE_PAGE) !=
	    PREC_OK)
		fail("a page is refused");
	range = mine->slot[0];
	if (users(range) > 0)
		return;
	if (prec_ledger_revoke(&ledger, range, &quiet) != PREC_OK ||
	    quiet != range)
		fail("an idle range is not quiet");
	prec_space_remove(mine, 0);
	if (prec_flight_begin(&flights, &ledger, &list, 0,
			      PREC_FLIGHT_SLOTS / 2) != PREC_GONE)
		fail("what was revoked is told to the device");
}

static void end(void)
{
	uint32_t i = below(SLOTS);
	uint32_t slot = below(50) ? slot_of(i) : PREC_FLIGHT_SLOTS + below(2);
	struct command was = commands[i];
	enum prec_status want = was.disturbed ? PREC_GONE : PREC_OK;
	uint32_t became = 0;
	uint32_t quiet = 7;
	uint32_t j;

	if (slot >= PREC_FLIGHT_SLOTS || was.ranges == 0) {
		if (prec_flight_end(&flights, &ledger, slot, &quiet) !=
			    PREC_INVALID ||
		    quiet != 0)
			fail("a command that is none has ended");
		return;
	}
	commands[i].ranges = 0;
	for (j = 0; j < was.ranges; j++)
		became += users(was.range[j]) == 0 &&
			  ledger.state[was.range[j]] != PREC_PIN_LIVE;
	if (prec_flight_end(&flights, &ledger, slot, &quiet) != want)
		fail("end says otherwise");
	if (quiet != became)
		fail("another number became quiet");
	believed += want == PREC_OK;
	disbelieved += want == PREC_GONE;
}

static void revoke(void)
{
	uint32_t client = below(CLIENTS);
	struct prec_space *mine = &windows[client];
	uint32_t quiet, range, w, i, j;

	if (mine->count == 0)
		return;
	w = below(mine->count);
	range = mine->slot[w];
	if (prec_ledger_revoke(&ledger, range, &quiet) != PREC_OK)
		fail("a window's range is not live");
	prec_space_remove(mine, w);
	for (i = 0; i < SLOTS; i++)
		for (j = 0; j < commands[i].ranges; j++)
			if (commands[i].range[j] == range)
				commands[i].disturbed = true;
	if (below(2) == 0 && quiet == PREC_NONE &&
	    prec_ledger_cut_off(&ledger, range) != PREC_OK)
		fail("a draining range is not cut off");
}

static void release(void)
{
	uint32_t range = prec_ledger_next_quiet(&ledger, below(RANGES));

	if (range == PREC_NONE)
		return;
	if (users(range) != 0)
		fail("a range in flight is quiet");
	if (prec_ledger_release(&ledger, range) != PREC_OK)
		fail("a quiet range is not released");
	released++;
}

static void compare(void)
{
	uint32_t told = 0;
	uint32_t i, j;

	for (i = 0; i < PREC_LEDGER_PLACES; i++) {
		told += flights.range[i] != 0;
		if (flights.range[i] != ledger.place.range[i])
			fail("what the device has is not what is pinned");
	}
	for (i = 0; i < SLOTS; i++)
		for (j = 0; j < commands[i].ranges; j++, told--)
			if (flights.range[slot_of(i) * PREC_PAGES_RANGES + j] !=
			    commands[i].range[j] + 1)
				fail("another range is in flight");
	if (told != 0)
		fail("more is in flight");
	for (i = 0; i < RANGES; i++)
		if (ledger.pins[i] != users(i))
			fail("another number of pins");
}

static void start(void)
{
	uint32_t i;

	memset(&flights, 0, sizeof(flights));
	memset(windows, 0, sizeof(windows));
	memset(commands, 0, sizeof(commands));
	prec_ledger_init(&ledger);
	for (i = 0; i < CLIENTS; i++)
		if (prec_ledger_quota(&ledger, i,
				      RANGES / CLIENTS * PREC_DEVICE_PAGE) !=
		    PREC_OK)
			fail("a quota is refused");
}

int main(void)
{
	start();
	for (step = 1; step <= STEPS; step++) {
		static void (*const acts[])(void) = {
			lend, begin, begin, begin,  begin_too_late,
			end,  end,   end,   revoke, release,
		};

		acts[below(sizeof(acts) / sizeof(acts[0]))]();
		compare();
	}
	printf("%u commands, %u believed, %u not, %u ranges released\n", begun,
	       believed, disbelieved, released);
	if (begun == 0 || believed == 0 || disbelieved == 0 || released == 0)
		fail("something has never occurred");
	return 0;
}
