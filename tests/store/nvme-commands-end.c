// SPDX-License-Identifier: MIT
/*
 * No command outlives the guard's patience, however stubborn its controller,
 * and none is said to have failed while the controller could still carry it
 * out.  Those that a reset drops but nobody has given up are put again, once
 * each.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <precarium/lending_linux.h>

#include "tests/store/fake-nvme.h"

#define SIZE 8192u

static struct fake fake;
static struct nvme_store *nvme;
static struct store_lane *lane, *neighbour;
static uint8_t memory[2][SIZE];

/* With queues of so many entries. */
static void begin_with(uint32_t entries)
{
	struct store_error error;
	struct store *store;

	fake_begin(&fake, 512, 0);
	fake.cap = (fake.cap & ~0xffffull) | (entries - 1);
	store = fake_open(&fake);
	nvme = (struct nvme_store *)store;
	nvme->controller.admin_ms = 20;
	nvme->controller.timeout_ms = 20;
	nvme->patience = (struct nvme_patience){ 1 << 30, 1 << 30, 1 << 30 };
	lane = store->ops->lane_open(store, &error);
	neighbour = store->ops->lane_open(store, &error);
	MUST(lane && neighbour);
}

static void begin(void)
{
	begin_with(64);
}

static void end(void)
{
	nvme->store.ops->lane_close(lane);
	nvme->store.ops->lane_close(neighbour);
	nvme->store.ops->close(&nvme->store);
	fake_end(&fake);
}

struct transfer_of {
	struct store_io io;
	struct prec_span span;
};

static void add(struct store_lane *to, struct transfer_of *one,
		enum store_io_kind kind, uint32_t which, uint64_t offset)
{
	memset(one, 0, sizeof(*one));
	one->span = fake_span(memory[which], SIZE);
	one->io.kind = kind;
	one->io.offset = offset;
	one->io.size = SIZE;
	one->io.spans = &one->span;
	one->io.span_count = 1;
	MUST(to->store->ops->add(to, &one->io));
	fake_turn(to);
}

/* The lane works, for a new transfer. */
static bool works(struct store_lane *on)
{
	struct transfer_of one;
	bool good;

	memset(memory[0], 0x5a, SIZE);
	add(on, &one, STORE_WRITE, 0, 65536);
	good = one.io.result.status == PREC_OK && one.io.result.done == SIZE;
	return good && fake.disk[65536 + SIZE - 1] == 0x5a;
}

/* One write of this lane is lost, and its neighbour has a write in flight, when
 * the guard runs out of patience. */
static void lose(enum fake_manner manner, bool aborts, uint32_t deletes,
		 uint32_t restarts, uint32_t resets)
{
	bool survives = manner != FAKE_BROKEN;
	struct transfer_of lost, other;

	begin();
	memset(memory[0], 1, SIZE);
	memset(memory[1], 2, SIZE);
	fake.manner = manner;
	fake.aborts = aborts;
	add(lane, &lost, STORE_WRITE, 0, 0);
	nvme->patience = (struct nvme_patience){ 0, 0, 0 };
	nvme_guard_look(nvme);
	EXPECT(nvme->events.aborts == 1);
	nvme->patience.command = 1 << 30;
	/* The neighbour's is young. */
	add(neighbour, &other, STORE_WRITE, 1, SIZE);
	fake.loses = 0;
	if (!aborts)
		EXPECT(fake_turn(lane) == 0);
	nvme_guard_look(nvme);
	EXPECT(nvme->events.deletes == deletes);
	EXPECT(nvme->events.restarts == restarts);
	EXPECT(nvme->events.resets == resets);
	EXPECT(nvme->dead == !survives);
	EXPECT(store_events(&nvme->store).gone == !survives);
	if (!restarts)
		fake_let_go(&fake);
	EXPECT(fake_turn(lane) == 1 && fake_turn(neighbour) == 1);
	EXPECT(lost.io.result.status == PREC_SYSTEM);
	EXPECT(lost.io.result.done == 0);
	EXPECT(lost.io.result.error == (aborts	   ? ECANCELED
					: survives ? ETIMEDOUT
						   : ENODEV));
	EXPECT(other.io.result.status == (survives ? PREC_OK : PREC_SYSTEM));
	EXPECT(!survives || fake.disk[SIZE] == 2);
	EXPECT(fake.disk[0] == 0);
	EXPECT(fake.commands[NVME_WRITE] == survives);
	EXPECT(works(lane) == survives && works(neighbour) == survives);
	EXPECT(fake.closed == !survives);
	end();
}

/* The controller fails, or is pulled out, with commands in flight. */
static void fail_or_go(bool gone, bool asked)
{
	struct transfer_of one, two;
	struct store_error error;

	begin();
	memset(memory[0], 3, SIZE);
	fake.manner = FAKE_LOSES;
	add(lane, &one, STORE_WRITE, 0, 0);
	add(neighbour, &two, STORE_READ, 1, 0);
	fake.manner = FAKE_GOOD;
	if (asked)
		MUST(write(fake.removed[1], "x", 1) == 1);
	else if (gone)
		fake.gone = true;
	else
		fake.csts |= NVME_CSTS_FATAL;
	nvme_guard_look(nvme);
	EXPECT(fake_turn(lane) == 1 && fake_turn(neighbour) == 1);
	EXPECT(nvme->dead == (gone || asked) && fake.closed == nvme->dead);
	EXPECT(one.io.result.status == (nvme->dead ? PREC_SYSTEM : PREC_OK));
	EXPECT(two.io.result.status == (nvme->dead ? PREC_SYSTEM : PREC_OK));
	EXPECT(works(lane) == !nvme->dead);
	EXPECT(nvme->store.ops->resize(&nvme->store, 0, &error) == !nvme->dead);
	EXPECT(!nvme->dead || strstr(error.text, "is gone"));
	end();
}

/* A command with which the controller fails each time is not put for ever. */
static void fail_again_and_again(void)
{
	struct transfer_of one;
	uint32_t looks = 0;

	begin();
	fake.manner = FAKE_LOSES;
	add(lane, &one, STORE_WRITE, 0, 0);
	while (fake_turn(lane) == 0) {
		fake.csts |= NVME_CSTS_FATAL;
		nvme_guard_look(nvme);
		MUST(++looks < 10);
	}
	EXPECT(looks > 1 && one.io.result.error == ETIMEDOUT);
	fake.manner = FAKE_GOOD;
	EXPECT(works(lane));
	end();
}

/* Who cancels a read waits for nobody; who cancels a write, until the
 * controller cannot carry it out any more. */
static void cancel(enum store_io_kind kind)
{
	bool read = kind == STORE_READ;
	struct transfer_of one;

	begin();
	memset(memory[0], 9, SIZE);
	fake.manner = FAKE_LOSES;
	add(lane, &one, kind, 0, 0);
	lane->store->ops->cancel(lane, &one.io);
	EXPECT(fake_turn(lane) == read);
	EXPECT(nvme->pairs[1]->used || nvme->pairs[0]->used);
	/* What it says later changes nothing of the client's. */
	memset(fake.disk, 4, SIZE);
	if (read)
		fake_let_go(&fake);
	nvme->patience.hurried = 0;
	nvme->patience.aborted = 0;
	nvme_guard_look(nvme);
	nvme_guard_look(nvme);
	EXPECT(fake_turn(lane) == !read);
	EXPECT(one.io.result.status == PREC_SYSTEM && one.io.result.done == 0);
	EXPECT(memory[0][0] == 9 && fake.disk[0] == 4);
	fake.manner = FAKE_GOOD;
	EXPECT(works(lane));
	EXPECT(!nvme->pairs[0]->used && !nvme->pairs[1]->used);
	end();
}

/* An error is tried again, unless the controller says that this is of no
 * use. */
static void errors(uint16_t status, uint32_t times, int32_t error,
		   uint32_t tries)
{
	struct transfer_of one;

	begin();
	fake.status = status;
	fake.failing = times;
	add(lane, &one, STORE_WRITE, 0, 0);
	for (uint32_t i = 0; i < 10; i++)
		fake_turn(lane);
	EXPECT(one.io.result.status == (error ? PREC_SYSTEM : PREC_OK));
	EXPECT(one.io.result.error == error);
	EXPECT(fake.commands[NVME_WRITE] == tries);
	end();
}

/* Memory that is gone is found before a command has its bytes, and after it. */
static void lose_memory(enum store_io_kind kind)
{
	uint64_t size = 4 * NVME_BUFFER, left = 2 * NVME_BUFFER + 4096;
	struct prec_lending lending = { .rights = PREC_READ | PREC_WRITE };
	struct prec_region region;
	struct store_io io = { .kind = kind, .spans = &region.span };

	lending.fd = memfd_create("client", MFD_CLOEXEC);
	lending.size = size;
	MUST(lending.fd >= 0 && ftruncate(lending.fd, (off_t)size) == 0);
	MUST(prec_region_map(&region, &lending, NULL) == PREC_OK);
	MUST(ftruncate(lending.fd, (off_t)left) == 0);
	begin();
	memset(fake.disk, 6, size);
	io.size = size;
	io.span_count = 1;
	MUST(lane->store->ops->add(lane, &io));
	fake_run(lane, 1);
	EXPECT(io.result.status == PREC_GONE);
	EXPECT(io.result.done ==
	       (kind == STORE_READ ? left : 2ull * NVME_BUFFER));
	EXPECT(fake.disk[2 * NVME_BUFFER] == 6);
	EXPECT(works(lane));
	end();
	MUST(prec_region_unmap(&region) == PREC_OK);
	close(lending.fd);
}

/* Two pieces of a transfer fail, the later one first: what lies before the
 * earlier one has moved.  The later one has the lower slot, as that is free
 * only after another transfer has ended. */
static void fail_out_of_order(void)
{
	static uint8_t bytes[2 * NVME_BUFFER];
	struct prec_span span = fake_span(bytes, sizeof(bytes));
	struct store_io io = { .kind = STORE_READ,
			       .size = sizeof(bytes),
			       .spans = &span,
			       .span_count = 1 };
	struct transfer_of one;
	uint32_t queue;

	begin_with(3);
	fake.manner = FAKE_HOLDS;
	add(lane, &one, STORE_READ, 0, 0);
	MUST(lane->store->ops->add(lane, &io));
	fake_turn(lane);
	queue = fake.held[0].queue;
	fake.held[0].queue = 0;
	fake_complete(&fake, queue, fake.held[0].command.slot, 0, 0);
	EXPECT(fake_turn(lane) == 1);
	EXPECT(fake.held[0].command.slot < fake.held[1].command.slot);
	fake.status = 0x281 | NVME_DO_NOT_RETRY;
	fake.failing = 2;
	fake_let_go(&fake);
	EXPECT(fake_turn(lane) == 1);
	EXPECT(io.result.status == PREC_SYSTEM && io.result.done == 0);
	end();
}

/* Once a flush has failed, none succeeds: the disk has lost what it said it
 * had. */
static void failed_flush(void)
{
	struct store_io one = { .kind = STORE_FLUSH }, two = one;

	begin();
	fake.status = 0x281 | NVME_DO_NOT_RETRY;
	fake.failing = 1;
	MUST(lane->store->ops->add(lane, &one));
	fake_run(lane, 1);
	MUST(lane->store->ops->add(lane, &two));
	fake_run(lane, 1);
	EXPECT(one.result.status == PREC_SYSTEM && one.first_sync_failed);
	EXPECT(two.result.status == PREC_SYSTEM && !two.first_sync_failed);
	EXPECT(fake.commands[NVME_FLUSH] == 1);
	end();
}

/* A block cut in two is the driver's mistake. */
static void odd(void)
{
	struct transfer_of one;

	begin();
	add(lane, &one, STORE_WRITE, 0, 256);
	EXPECT(one.io.result.status == PREC_SYSTEM);
	EXPECT(one.io.result.error == EINVAL);
	EXPECT(fake.commands[NVME_WRITE] == 0);
	end();
}

int main(void)
{
	lose(FAKE_LOSES, true, 0, 0, 0);
	lose(FAKE_LOSES, false, 1, 0, 0);
	lose(FAKE_STUCK, false, 1, 1, 0);
	lose(FAKE_DEAF, false, 1, 2, 1);
	lose(FAKE_BROKEN, false, 1, 1, 1);
	fail_or_go(false, false);
	fail_or_go(true, false);
	fail_or_go(false, true);
	fail_again_and_again();
	cancel(STORE_READ);
	cancel(STORE_WRITE);
	errors(NVME_BEYOND_END | NVME_DO_NOT_RETRY, 1, EIO, 1);
	errors(0x082, 2, 0, 3);
	errors(0x082, 99, EIO, 5);
	errors(NVME_NO_SPACE | NVME_DO_NOT_RETRY, 1, ENOSPC, 1);
	lose_memory(STORE_READ);
	lose_memory(STORE_WRITE);
	fail_out_of_order();
	failed_flush();
	odd();
	return expect_end();
}
