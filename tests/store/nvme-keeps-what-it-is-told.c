// SPDX-License-Identifier: MIT
/*
 * A namespace holds what was written, whatever pieces of memory it came from,
 * however a controller limits its commands, and in whichever order it completes
 * them: compared, transfer by transfer, with an array.
 */
#include <stdlib.h>
#include <sys/mman.h>

#include "tests/store/fake-nvme.h"

#define MEMORY	  (1u << 20)
#define SPANS_MAX 40u
#define TOGETHER  24u

static uint64_t seed;

static uint64_t draw(uint64_t below)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (seed >> 33) % below;
}

struct trial {
	struct store_io io;
	struct prec_span spans[SPANS_MAX];
	struct store_range ranges[3];
	uint8_t *memory;
	struct store_loan loan;
};

/* What the array and the namespace hold, and a client's memory for each of the
 * transfers that are in flight together. */
static struct fake fake;
static uint8_t *model;
static struct trial trials[TOGETHER];

/* The controller reaches the client's memory itself. */
static bool pins;

static uint64_t capacity(void)
{
	return (uint64_t)FAKE_BLOCKS * fake.block;
}

/* Odd pieces, at odd addresses, some of them empty, that add up. */
static void cut(struct trial *trial, uint64_t size)
{
	/* Whole pages, and then odd ones, where these make a difference. */
	bool whole = pins && draw(4);
	uint64_t at = whole ? draw(8) * 4096 + draw(8) * 512 : draw(64);
	uint64_t left = size;
	uint32_t count = 0;

	while (left > 0) {
		uint64_t piece = draw(4) ? draw(9000) : draw(200000);

		if (whole && draw(8))
			piece += 4096 - (at + piece) % 4096;

		if (piece > left || count + 1 == SPANS_MAX)
			piece = left;
		trial->spans[count++] = fake_span(trial->memory + at, piece);
		at += piece + (whole && draw(8) ? 0 : draw(3));
		left -= piece;
	}
	trial->io.spans = trial->spans;
	trial->io.span_count = count;
}

static void move(struct trial *trial)
{
	struct store_io *io = &trial->io;
	uint64_t blocks = 1 + draw(draw(3) ? 8 : 900000 / fake.block);

	io->kind = draw(2) ? STORE_READ : STORE_WRITE;
	io->size = blocks * fake.block;
	io->offset = draw(FAKE_BLOCKS - blocks + 1) * fake.block;
	io->durable = io->kind == STORE_WRITE && draw(4) == 0;
	cut(trial, io->size);
}

/* Blocks need not be whole in a discard. */
static void name_ranges(struct trial *trial)
{
	struct store_io *io = &trial->io;
	uint32_t block = fake.block;

	io->kind = draw(2) ? STORE_DISCARD : STORE_WRITE_ZEROES;
	io->range_count = 1 + (uint32_t)draw(3);
	io->ranges = trial->ranges;
	for (uint32_t i = 0; i < io->range_count; i++) {
		struct store_range *range = &trial->ranges[i];
		uint64_t blocks = draw(300);

		range->offset = draw(FAKE_BLOCKS - blocks + 1) * block;
		range->size = blocks * block;
		range->unmap = draw(2);
		if (io->kind == STORE_DISCARD && blocks > 1) {
			range->offset += 512 % block;
			range->size -= 512 % block;
		}
		io->size += range->size;
	}
}

static bool overlap(const struct trial *a, const struct trial *b)
{
	return a->io.offset < b->io.offset + b->io.size &&
	       b->io.offset < a->io.offset + a->io.size;
}

/* The array, of what certainly changes. */
static void play(const struct trial *trial)
{
	const struct store_io *io = &trial->io;
	uint64_t at = io->offset;

	for (uint32_t i = 0; io->kind == STORE_WRITE && i < io->span_count;
	     i++) {
		memcpy(model + at, (void *)(uintptr_t)io->spans[i].host,
		       io->spans[i].size);
		at += io->spans[i].size;
	}
	for (uint32_t i = 0; io->range_count && i < io->range_count; i++) {
		if (io->kind == STORE_WRITE_ZEROES)
			memset(model + io->ranges[i].offset, 0,
			       io->ranges[i].size);
		else /* the fake fills the whole blocks */
			memcpy(model + io->ranges[i].offset,
			       fake.disk + io->ranges[i].offset,
			       io->ranges[i].size);
	}
}

static bool has_read(const struct trial *trial)
{
	const struct store_io *io = &trial->io;
	uint64_t at = io->offset;

	for (uint32_t i = 0; i < io->span_count; i++) {
		if (memcmp((void *)(uintptr_t)io->spans[i].host, model + at,
			   io->spans[i].size) != 0)
			return false;
		at += io->spans[i].size;
	}
	return true;
}

static void end(const struct trial *trial)
{
	EXPECT(trial->io.result.status == PREC_OK);
	EXPECT(trial->io.result.done == trial->io.size);
	if (trial->io.kind == STORE_READ)
		EXPECT(has_read(trial));
	play(trial);
}

/* Several that do not touch the same blocks, or one of ranges, or a flush. */
static uint32_t begin(struct store_lane *lane)
{
	uint32_t count = draw(2) ? 1 + (uint32_t)draw(TOGETHER) : 1, added = 0;
	bool alone = count == 1 && draw(4);

	for (uint32_t i = 0; i < count; i++) {
		struct trial *trial = &trials[added];
		bool apart = true;

		memset(&trial->io, 0, sizeof(trial->io));
		trial->io.owner = added % 3;
		if (alone && draw(8) == 0)
			trial->io.kind = STORE_FLUSH;
		else if (alone)
			name_ranges(trial);
		else
			move(trial);
		for (uint32_t j = 0; j < added; j++)
			apart &= !overlap(trial, &trials[j]);
		if (!apart)
			continue;
		for (uint32_t j = 0; j < MEMORY; j += 509)
			trial->memory[j] = (uint8_t)draw(256);
		MUST(lane->store->ops->add(lane, &trial->io));
		added++;
	}
	return added;
}

static void rounds(struct store_lane *lane, uint32_t count)
{
	while (count--) {
		uint32_t begun, ended = 0, turns = 0;

		fake.manner = draw(2) ? FAKE_HOLDS : FAKE_GOOD;
		begun = begin(lane);
		while (ended < begun) {
			ended += fake_turn(lane);
			fake_let_go(&fake);
			MUST(++turns < 1000);
		}
		fake.manner = FAKE_GOOD;
		for (uint32_t i = 0; i < begun; i++)
			end(&trials[i]);
	}
	EXPECT(memcmp(model, fake.disk, capacity()) == 0);
}

static void lend_all(struct store_lane *lane)
{
	for (uint32_t i = 0; i < TOGETHER; i++) {
		trials[i].loan = (struct store_loan){
			.span = fake_span(trials[i].memory, MEMORY),
			.owner = i % 3,
			.state = STORE_LOAN_COMING,
		};
		lane->store->ops->lend(lane, &trials[i].loan);
	}
	fake_settle(lane, TOGETHER);
	EXPECT(fake_lent(&fake) == TOGETHER);
}

static void take_all_back(struct store_lane *lane)
{
	for (uint32_t i = 0; i < TOGETHER; i++) {
		EXPECT(trials[i].loan.state == STORE_LOAN_HERE);
		trials[i].loan.state = STORE_LOAN_LEAVING;
		lane->store->ops->take_back(lane, &trials[i].loan);
	}
	fake_settle(lane, TOGETHER);
	EXPECT(fake_lent(&fake) == 0);
}

static void try(uint32_t block, uint8_t mdts, uint32_t entries, bool plain)
{
	struct store_error error;
	struct store_lane *lane;
	struct store *store;

	fake_begin(&fake, block, mdts);
	fake.cap = (fake.cap & ~0xffffull) | (entries - 1);
	if (plain) /* it has nothing that it need not have */
		fake_put(fake.identity, 520, 0, 2);
	store = fake_open(&fake);
	model = calloc(1, capacity());
	if (pins)
		nvme_pin(store, 1 << 30, false);
	lane = store->ops->lane_open(store, &error);
	MUST(model && lane);
	if (pins)
		lend_all(lane);
	EXPECT(store->capacity == capacity() && store->block_size == block);
	rounds(lane, 40);
	EXPECT(fake.durable > 0);
	EXPECT(fake.largest <= (pins ? 524288 : NVME_BUFFER));
	EXPECT(pins == (fake.lent_used > 0));
	if (pins)
		take_all_back(lane);
	EXPECT(mdts == 0 || fake.largest <= NVME_PAGE << mdts);
	EXPECT(!plain || (fake.commands[NVME_WRITE_ZEROES] == 0 &&
			  fake.commands[NVME_DATASET] == 0));
	EXPECT(plain ||
	       (fake.commands[NVME_DATASET] > 0 &&
		fake.commands[NVME_WRITE_ZEROES] > 0 && fake.deallocated > 0));
	store->ops->lane_close(lane);
	store->ops->close(store);
	free(model);
	fake_end(&fake);
}

/* A controller that makes fewer zeroes at a time than it may: they are
 * written. */
static void refuse_zeroes(void)
{
	struct store_range range = { .offset = 512, .size = 300 * 512 };
	struct store_io io = { .kind = STORE_WRITE_ZEROES,
			       .size = range.size,
			       .ranges = &range,
			       .range_count = 1 };
	struct store_error error;
	struct store_lane *lane;
	struct store *store;

	fake_begin(&fake, 512, 0);
	fake.zeroes_max = 16;
	memset(fake.disk, 7, capacity());
	store = fake_open(&fake);
	lane = store->ops->lane_open(store, &error);
	MUST(lane && store->ops->add(lane, &io));
	fake_run(lane, 1);
	EXPECT(io.result.status == PREC_OK && io.result.done == range.size);
	EXPECT(fake.disk[511] == 7 && fake.disk[512] == 0);
	EXPECT(fake.disk[301 * 512 - 1] == 0 && fake.disk[301 * 512] == 7);
	store->ops->lane_close(lane);
	store->ops->close(store);
	fake_end(&fake);
}

int main(void)
{
	for (uint32_t i = 0; i < TOGETHER; i++)
		MUST((trials[i].memory = aligned_alloc(4096, MEMORY)));
	for (seed = 1; seed < 5; seed++) {
		uint64_t kept = seed;

		pins = seed > 2;
		try(512, 0, 64, false);
		try(4096, 5, 64, false);
		try(512, 1, 2, true);
		try(4096, 0, 3, true);
		seed = kept;
	}
	refuse_zeroes();
	for (uint32_t i = 0; i < TOGETHER; i++)
		free(trials[i].memory);
	return expect_end();
}
