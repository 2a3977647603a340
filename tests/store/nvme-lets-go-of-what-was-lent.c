// SPDX-License-Identifier: MIT
/*
 * G8, G9: memory that clients lend to a controller stays in its reach while a
 * command that was told of it may be carried out, and not longer: whether the
 * command completes, is lost, is dropped by a reset, or the controller goes.
 * What is taken back in use is no success, and the others go on.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "tests/store/fake-nvme.h"

#define SIZE 16384u

static struct fake fake;
static struct nvme_store *nvme;
static struct store_lane *lane;
static uint8_t *memory[2];
static struct store_loan loans[2];

struct one {
	struct store_io io;
	struct prec_span span;
};

static void lend(uint32_t which)
{
	loans[which] = (struct store_loan){
		.span = fake_span(memory[which], SIZE),
		.owner = which,
		.state = STORE_LOAN_COMING,
	};
	lane->store->ops->lend(lane, &loans[which]);
}

static void begin_with(uint64_t pin, bool holds)
{
	struct store_error error;

	fake_begin(&fake, 512, 3);
	nvme = (struct nvme_store *)fake_open(&fake);
	nvme_pin(&nvme->store, pin, holds);
	lane = nvme->store.ops->lane_open(&nvme->store, &error);
	MUST(lane);
	memset(fake.disk, 0x5d, 65536);
	memset(memory[0], 0x11, SIZE);
	memset(memory[1], 0x22, SIZE);
	lend(0);
	lend(1);
	fake_settle(lane, 2);
}

static void begin(uint64_t pin)
{
	begin_with(pin, false);
}

static void take_back(uint32_t which)
{
	loans[which].state = STORE_LOAN_LEAVING;
	lane->store->ops->take_back(lane, &loans[which]);
}

/* Does it leave now?  What is held is unmapped once what was used is. */
static bool leaves(uint32_t which)
{
	const struct store_loan *loan = NULL;

	for (uint32_t i = 0; !loan && i < 3; i++) {
		while (nvme_guard_map(nvme))
			continue;
		loan = lane->store->ops->settled(lane);
	}
	return loan == &loans[which] && loan->state == STORE_LOAN_LEFT;
}

static void end(void)
{
	for (uint32_t i = 0; i < 2; i++) {
		if (loans[i].state != STORE_LOAN_HERE)
			continue;
		take_back(i);
		EXPECT(leaves(i));
	}
	EXPECT(fake.closed || fake_lent(&fake) == 0);
	lane->store->ops->lane_close(lane);
	nvme->store.ops->close(&nvme->store);
	fake_end(&fake);
}

static void add(struct one *one, enum store_io_kind kind, uint32_t which)
{
	memset(one, 0, sizeof(*one));
	one->span = fake_span(memory[which], SIZE);
	one->io = (struct store_io){ .kind = kind,
				     .owner = which,
				     .size = SIZE,
				     .spans = &one->span,
				     .span_count = 1 };
	MUST(lane->store->ops->add(lane, &one->io));
}

static bool moved(const struct one *one)
{
	return one->io.result.status == PREC_OK && one->io.result.done == SIZE;
}

/* All that the client has lent is in this state, and costs so much. */
static bool has(uint32_t which, enum prec_pin_state state, uint64_t bytes)
{
	struct prec_pin_account account =
		lane->store->ops->account(lane, which);
	uint64_t all = 0;

	for (uint32_t i = 0; i <= PREC_PIN_CONDEMNED; i++)
		all += account.bytes[i];
	return all == bytes && account.bytes[state] == bytes;
}

static void unused(void)
{
	begin(UINT64_MAX);
	EXPECT(loans[0].state == STORE_LOAN_HERE && fake_lent(&fake) == 2);
	EXPECT(has(0, PREC_PIN_LIVE, SIZE) && has(1, PREC_PIN_LIVE, SIZE));
	take_back(0);
	EXPECT(fake_lent(&fake) == 2 && has(0, PREC_PIN_QUIET, SIZE));
	EXPECT(leaves(0) && has(0, PREC_PIN_LIVE, 0));
	EXPECT(fake_lent(&fake) == 1);
	end();
}

/* The command completes when the memory was taken back: the bytes are there,
 * and nobody is told that they are. */
static void completes(void)
{
	struct one read, other;

	begin(UINT64_MAX);
	fake.manner = FAKE_HOLDS;
	add(&read, STORE_READ, 0);
	add(&other, STORE_READ, 1);
	EXPECT(fake_turn(lane) == 0);
	take_back(0);
	EXPECT(!leaves(0) && fake_lent(&fake) == 2);
	EXPECT(has(0, PREC_PIN_DRAINING, SIZE) && has(1, PREC_PIN_LIVE, SIZE));
	fake_let_go(&fake);
	EXPECT(fake_turn(lane) == 2);
	EXPECT(read.io.result.status == PREC_GONE && memory[0][0] == 0x5d);
	EXPECT(moved(&other) && memory[1][SIZE - 1] == 0x5d);
	EXPECT(leaves(0));
	end();
}

/* With a hold the controller reaches it no more, although the command is in
 * flight, and nobody gets its pages before that has ended. */
static void is_cut_off(void)
{
	struct one read, other;

	begin_with(UINT64_MAX, true);
	EXPECT(fake_lent(&fake) == 4 && has(0, PREC_PIN_LIVE, 2 * SIZE));
	fake.manner = FAKE_HOLDS;
	add(&read, STORE_READ, 0);
	add(&other, STORE_READ, 1);
	EXPECT(fake_turn(lane) == 0);
	take_back(0);
	EXPECT(!leaves(0) && fake_lent(&fake) == 3);
	EXPECT(has(0, PREC_PIN_QUARANTINED, 2 * SIZE));
	fake.faults = true;
	fake_let_go(&fake);
	EXPECT(fake.faulted > 0 && fake_turn(lane) == 2);
	EXPECT(read.io.result.status == PREC_GONE && memory[0][0] == 0x11);
	EXPECT(moved(&other) && memory[1][SIZE - 1] == 0x5d);
	EXPECT(leaves(0) && fake_lent(&fake) == 2);
	end();
}

/* It never completes: it is ended, and the neighbour's is not. */
static void is_lost(enum fake_manner manner, bool aborts)
{
	bool survives = manner != FAKE_BROKEN;
	struct one write, other;

	begin(UINT64_MAX);
	fake.manner = manner;
	fake.aborts = aborts;
	add(&write, STORE_WRITE, 0);
	add(&other, STORE_READ, 1);
	EXPECT(fake_turn(lane) == 0);
	take_back(0);
	nvme->patience.hurried = 0;
	nvme->patience.aborted = 0;
	fake.loses = 0;
	EXPECT(!leaves(0));
	for (uint32_t i = 0; i < 3; i++)
		nvme_guard_look(nvme);
	if (aborts)
		fake_let_go(&fake);
	fake_run(lane, 2);
	EXPECT(write.io.result.status == PREC_SYSTEM);
	EXPECT(write.io.result.error == (aborts	    ? ECANCELED
					 : survives ? ETIMEDOUT
						    : ENODEV));
	EXPECT(fake.commands[NVME_WRITE] == 0 && fake.disk[0] == 0x5d);
	EXPECT(moved(&other) == survives);
	EXPECT(fake.closed == !survives);
	EXPECT(leaves(0));
	end();
}

/* A reset drops the command; its memory stays lent, and it is put again. */
static void is_put_again(void)
{
	struct one read;

	begin(UINT64_MAX);
	fake.manner = FAKE_LOSES;
	fake.loses = 1;
	add(&read, STORE_READ, 0);
	EXPECT(fake_turn(lane) == 0);
	fake.csts |= NVME_CSTS_FATAL;
	nvme_guard_look(nvme);
	EXPECT(fake_turn(lane) == 1 && moved(&read) && memory[0][0] == 0x5d);
	EXPECT(nvme->events.restarts == 1 && fake_lent(&fake) == 2);
	end();
}

/* A read that is cancelled still has the client's memory. */
static void is_cancelled(void)
{
	struct one read;

	begin(UINT64_MAX);
	fake.manner = FAKE_LOSES;
	add(&read, STORE_READ, 0);
	fake_turn(lane);
	lane->store->ops->cancel(lane, &read.io);
	EXPECT(fake_turn(lane) == 0);
	nvme->patience.hurried = 0;
	nvme->patience.aborted = 0;
	nvme_guard_look(nvme);
	nvme_guard_look(nvme);
	EXPECT(fake_turn(lane) == 1);
	EXPECT(read.io.result.status == PREC_SYSTEM && memory[0][0] == 0x11);
	/* One that was not put yet has no command. */
	fake.manner = FAKE_GOOD;
	add(&read, STORE_READ, 0);
	lane->store->ops->cancel(lane, &read.io);
	EXPECT(fake_turn(lane) == 1 && memory[0][0] == 0x11);
	end();
}

/* What is not lent is copied; what may not be pinned is refused. */
static void is_refused(void)
{
	struct one read;

	begin(SIZE - 4096);
	EXPECT(loans[0].state == STORE_LOAN_REFUSED && loans[0].why);
	EXPECT(strstr(loans[0].why, "pin=SIZE") && fake_lent(&fake) == 0);
	add(&read, STORE_READ, 0);
	EXPECT(fake_turn(lane) == 1 && moved(&read) && memory[0][0] == 0x5d);
	EXPECT(fake.lent_used == 0);
	end();
	begin(SIZE);
	take_back(0);
	EXPECT(leaves(0));
	fake.refuses = true;
	lend(0);
	fake_settle(lane, 1);
	EXPECT(loans[0].state == STORE_LOAN_REFUSED && fake_lent(&fake) == 1);
	EXPECT(strstr(loans[0].why, "LimitMEMLOCK"));
	end();
}

/* Nobody's commands use what another has lent. */
static void is_of_one_client(void)
{
	struct one read;

	begin(UINT64_MAX);
	add(&read, STORE_READ, 0);
	read.io.owner = 1;
	EXPECT(fake_turn(lane) == 1 && moved(&read));
	EXPECT(fake.lent_used == 0);
	end();
}

int main(void)
{
	for (uint32_t i = 0; i < 2; i++)
		MUST((memory[i] = aligned_alloc(4096, SIZE)));
	unused();
	completes();
	is_cut_off();
	is_lost(FAKE_LOSES, true);
	is_lost(FAKE_LOSES, false);
	is_lost(FAKE_STUCK, false);
	is_lost(FAKE_DEAF, false);
	is_lost(FAKE_BROKEN, false);
	is_put_again();
	is_cancelled();
	is_refused();
	is_of_one_client();
	free(memory[0]);
	free(memory[1]);
	return expect_end();
}
