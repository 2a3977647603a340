// SPDX-License-Identifier: MIT
/*
 * A controller that says and does what the input says: what it is, how commands
 * end, which it loses, what it completes that it was not asked for.  Whatever
 * that is, it is refused, or each transfer ends once, within its size, and the
 * store can be closed.
 */
#include <stdlib.h>

#include "tests/store/fake-nvme.h"

#include "fuzz.h"

#define TRANSFERS 6u
#define SIZE	  (3 * NVME_BUFFER)

static uint8_t memory[SIZE];

void fuzz_prepare(void)
{
}

/* Bytes of its pages, and of its register, that are otherwise. */
static void claim(struct fake *fake, struct fuzz_bytes *bytes)
{
	for (uint8_t left = fuzz_byte(bytes) % 16; left > 0; left--) {
		uint16_t at = (uint16_t)fuzz_bits(bytes, 16);
		uint8_t value = fuzz_byte(bytes);

		if (at & 0x8000)
			((uint8_t *)&fake->cap)[at % 8] = value;
		else if (at & 0x4000)
			fake->identity[at % NVME_PAGE] = value;
		else
			fake->space[at % 512] = value;
	}
	/* Nobody waits for two minutes here until it is ready. */
	fake->cap &= ~0xff000000ull;
}

static void behave(struct fake *fake, struct fuzz_bytes *bytes)
{
	static const enum fake_manner manners[] = { FAKE_GOOD, FAKE_GOOD,
						    FAKE_HOLDS, FAKE_LOSES,
						    FAKE_STUCK };

	fake->manner = manners[fuzz_byte(bytes) % 5];
	fake->loses = fuzz_byte(bytes) % 8;
	fake->status = (uint16_t)fuzz_bits(bytes, 16) & 0x7fff;
	fake->failing = fuzz_byte(bytes) % 8;
	fake->lies = fuzz_byte(bytes) & 1;
	fake->aborts = fuzz_byte(bytes) & 1;
	if (fuzz_byte(bytes) % 16 == 15)
		fake->csts |= NVME_CSTS_FATAL;
	if (fuzz_byte(bytes) % 32 == 31)
		fake->gone = true;
}

static void fill(struct store_io *io, struct prec_span *span,
		 struct store_range *range, const struct store *store,
		 struct fuzz_bytes *bytes)
{
	static const enum store_io_kind kinds[] = { STORE_READ, STORE_WRITE,
						    STORE_FLUSH, STORE_DISCARD,
						    STORE_WRITE_ZEROES };
	uint64_t size =
		(fuzz_bits(bytes, 16) % (SIZE / STORE_SECTOR)) * STORE_SECTOR;
	uint64_t offset = fuzz_bits(bytes, 16) * STORE_SECTOR;

	memset(io, 0, sizeof(*io));
	io->kind = kinds[fuzz_byte(bytes) % 5];
	if (size > store->capacity)
		size = store->capacity;
	if (offset > store->capacity - size)
		offset = store->capacity - size;
	*span = fake_span(memory, size);
	*range = (struct store_range){ offset, size, fuzz_byte(bytes) & 1 };
	io->size = io->kind == STORE_FLUSH ? 0 : size;
	io->offset = offset;
	if (io->kind == STORE_READ || io->kind == STORE_WRITE) {
		io->spans = span;
		io->span_count = 1;
	} else if (io->kind != STORE_FLUSH) {
		io->offset = 0;
		io->ranges = range;
		io->range_count = 1;
	}
}

static void serve(struct fake *fake, struct store *store,
		  struct fuzz_bytes *bytes)
{
	struct nvme_store *nvme = (struct nvme_store *)store;
	struct store_io ios[TRANSFERS];
	struct prec_span spans[TRANSFERS];
	struct store_range ranges[TRANSFERS];
	struct store_error error;
	struct store_lane *lane = store->ops->lane_open(store, &error);
	uint32_t ended = 0, turns = 0;

	if (!lane)
		return;
	for (uint32_t i = 0; i < TRANSFERS; i++) {
		behave(fake, bytes);
		fill(&ios[i], &spans[i], &ranges[i], store, bytes);
		MUST(store->ops->add(lane, &ios[i]));
		ended += fake_turn(lane);
		if (fuzz_byte(bytes) % 4 == 0 && ended == 0)
			store->ops->cancel(lane, &ios[i]);
	}
	/* From now on it is as good as one can be that has lost commands. */
	if (!nvme->dead && fake->manner == FAKE_HOLDS)
		fake_let_go(fake);
	fake->manner = FAKE_LOSES;
	fake->loses = 0;
	nvme->patience = (struct nvme_patience){ 0, 0, 0 };
	while (ended < TRANSFERS) {
		nvme_guard_look(nvme);
		ended += fake_turn(lane);
		MUST(++turns < 1000);
	}
	MUST(ended == TRANSFERS);
	for (uint32_t i = 0; i < TRANSFERS; i++)
		MUST(ios[i].result.done <= ios[i].size &&
		     (ios[i].result.status != PREC_OK ||
		      ios[i].result.done == ios[i].size));
	store->ops->lane_close(lane);
}

void fuzz_one(const uint8_t *data, size_t size)
{
	struct fuzz_bytes bytes = { data, size };
	static struct fake fake;
	struct store_error error = { .text = "" };
	struct store *store;

	fake_begin(&fake, fuzz_byte(&bytes) & 1 ? 512 : 4096, 0);
	claim(&fake, &bytes);
	store = nvme_open_on(&fake.bus, 1, false, &error);
	MUST(store || error.text[0]);
	if (store) {
		((struct nvme_store *)store)->controller.admin_ms = 0;
		((struct nvme_store *)store)->controller.timeout_ms = 1;
		serve(&fake, store, &bytes);
		store->ops->close(store);
	}
	fake_end(&fake);
}
