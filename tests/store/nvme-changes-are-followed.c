// SPDX-License-Identifier: MIT
/*
 * A namespace that changes while it is served, as its controller reports: a
 * store that has all of it grows and shrinks with it, one that was made smaller
 * stays so, and one whose blocks are others now ends.  A controller that
 * reports nothing, or what nobody asked for, harms nobody.
 */
#include <stdlib.h>

#include "tests/store/fake-nvme.h"

#define SIZE 4096u

static struct fake fake;
static struct nvme_store *nvme;
static struct store_lane *lane;
static uint8_t memory[SIZE];

static void begin(bool tells)
{
	struct store_error error;

	fake_begin(&fake, 512, 0);
	if (!tells)
		fake_put(fake.identity, 92, 0, 4);
	nvme = (struct nvme_store *)fake_open(&fake);
	lane = nvme->store.ops->lane_open(&nvme->store, &error);
	MUST(lane);
}

static void end(void)
{
	lane->store->ops->lane_close(lane);
	nvme->store.ops->close(&nvme->store);
	fake_end(&fake);
}

/* What the store has after the guard has looked, in blocks. */
static uint64_t looked(void)
{
	nvme_guard_look(nvme);
	return store_capacity(&nvme->store) / 512;
}

/* Its lane is woken, so that clients are told. */
static bool is_woken(void)
{
	eventfd_t count;

	return eventfd_read(lane->fd, &count) == 0;
}

static enum prec_status read_at(uint64_t block)
{
	struct prec_span span = fake_span(memory, SIZE);
	struct store_io io = { .kind = STORE_READ,
			       .offset = block * 512,
			       .size = SIZE,
			       .spans = &span,
			       .span_count = 1 };

	MUST(lane->store->ops->add(lane, &io));
	fake_run(lane, 1);
	return io.result.status;
}

static bool resized(uint64_t blocks)
{
	struct store_error error;

	return nvme->store.ops->resize(&nvme->store, blocks * 512, &error);
}

static void grows_and_shrinks(void)
{
	begin(true);
	EXPECT(looked() == FAKE_BLOCKS && !is_woken());
	/* Each is found, so the log of the one before was read. */
	EXPECT(fake_change(&fake, 4096, 9));
	EXPECT(looked() == 4096 && is_woken());
	EXPECT(fake_change(&fake, 100, 9));
	EXPECT(looked() == 100 && is_woken());
	EXPECT(!is_woken() && read_at(8) == PREC_OK);
	EXPECT(fake_change(&fake, FAKE_BLOCKS, 9));
	/* Whatever else the admin queue is used for meanwhile. */
	EXPECT(resized(0) && looked() == FAKE_BLOCKS);
	EXPECT(fake_change(&fake, 4096, 9) && looked() == 4096);
	end();
}

static void was_made_smaller(void)
{
	begin(true);
	EXPECT(resized(1000) && looked() == 1000);
	EXPECT(fake_change(&fake, 4096, 9) && looked() == 1000);
	EXPECT(resized(4000) && looked() == 4000);
	EXPECT(fake_change(&fake, 500, 9) && looked() == 500);
	end();
}

/* A restart drops the command that waits for events. */
static void is_restarted(void)
{
	begin(true);
	fake.csts |= NVME_CSTS_FATAL;
	EXPECT(looked() == FAKE_BLOCKS && nvme->events.restarts == 1);
	EXPECT(fake_change(&fake, 3000, 9) && looked() == 3000);
	end();
}

/* To go on would be to read and write elsewhere. */
static void becomes_another(uint64_t blocks, uint8_t log2)
{
	begin(true);
	EXPECT(read_at(0) == PREC_OK && fake_change(&fake, blocks, log2));
	EXPECT(looked() == FAKE_BLOCKS && nvme->dead && fake.closed);
	EXPECT(nvme->events.gone == 1 && read_at(0) == PREC_SYSTEM);
	end();
}

static void tells_nothing(void)
{
	begin(false);
	EXPECT(!fake_change(&fake, 4096, 9) && looked() == FAKE_BLOCKS);
	EXPECT(resized(0) && looked() == 4096);
	end();
}

int main(void)
{
	grows_and_shrinks();
	was_made_smaller();
	is_restarted();
	becomes_another(FAKE_BLOCKS, 12);
	becomes_another(FAKE_BLOCKS, 13);
	becomes_another(0, 9);
	tells_nothing();
	return expect_end();
}
