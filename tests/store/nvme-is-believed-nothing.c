// SPDX-License-Identifier: MIT
/*
 * What a controller says is a claim.  One that says what cannot be served is
 * refused with one line that tells what is expected, and nothing is left
 * behind; one that completes what it was not asked for deceives nobody.
 */
#include <stdlib.h>

#include "tests/store/fake-nvme.h"

static struct fake fake;

/* One claim: bytes of a page, or of a register, that are otherwise. */
struct claim {
	const char *about;
	char where; /* c: controller, n: namespace, r: CAP */
	uint32_t at;
	uint64_t value;
	uint32_t bytes;
	const char *line; /* part of it; NULL: it is served */
};

static const struct claim claims[] = {
	{ "no blocks", 'n', 0, 0, 8, "has no blocks" },
	{ "2^64 blocks", 'n', 0, ~0ull, 8, "fewer than 2^63 bytes" },
	{ "blocks of a byte", 'n', 130, 0, 1, "blocks of 2^0 bytes" },
	{ "blocks of 2^63 bytes", 'n', 130, 63, 1, "blocks of 2^63 bytes" },
	{ "blocks of 2^255 bytes", 'n', 130, 255, 1, "blocks of 2^255 bytes" },
	{ "blocks of 8 KiB", 'n', 130, 13, 1, "expected 512 or 4096" },
	{ "metadata", 'n', 128, 8, 2, "has metadata" },
	{ "protection", 'n', 29, 1, 1, "has metadata, or protection" },
	{ "a format that it has not", 'n', 26, 1, 1, "has format 1 of 1" },
	{ "the last format", 'n', 26, 0x6f, 1, "has format 63 of 1" },
	{ "write protection", 'n', 99, 1, 1, "expected read-only" },
	{ "entries of a byte", 'c', 512, 0, 1, "queues of unknown entries" },
	{ "large entries only", 'c', 513, 0x88, 1, "queues of unknown" },
	{ "a discovery controller", 'c', 111, 2, 1, "type 2" },
	{ "no type", 'c', 111, 0, 1, NULL },
	{ "no limit", 'c', 77, 0, 1, NULL },
	{ "a limit of 2^255 pages", 'c', 77, 255, 1, NULL },
	{ "a limit of a page", 'c', 77, 0, 1, NULL },
	{ "one entry", 'r', 0, 0, 2, "queues of 1 entries" },
	{ "pages of 64 KiB", 'r', 6, 4, 1, "no pages of 4 KiB" },
	{ "no NVM commands", 'r', 4, 0, 1, "no NVM" },
	{ "wide doorbells", 'r', 4, 0x2f, 1, "room for 2 pairs" },
	{ "nothing, being gone", 'r', 0, ~0ull, 8, "does not answer" },
};

static uint8_t *place_of(char where)
{
	return where == 'c'   ? fake.identity
	       : where == 'n' ? fake.space
			      : (uint8_t *)&fake.cap;
}

static void try_claim(const struct claim *claim)
{
	struct store_error error = { .text = "" };
	struct store *store;
	bool good;

	fake_begin(&fake, 512, 0);
	fake_put(place_of(claim->where), claim->at, claim->value, claim->bytes);
	store = nvme_open_on(&fake.bus, 1, false, &error);
	good = claim->line ? !store && strstr(error.text, claim->line) &&
				     strstr(error.text, "expected")
			   : store != NULL;
	if (!EXPECT(good))
		printf("it claims %s: %s\n", claim->about, error.text);
	if (store)
		store->ops->close(store);
	EXPECT(fake.closed && !(fake.cc & NVME_CC_ENABLE));
	fake_end(&fake);
}

static void another_namespace(uint32_t number, const char *line)
{
	struct store_error error = { .text = "" };

	fake_begin(&fake, 512, 0);
	EXPECT(!nvme_open_on(&fake.bus, number, false, &error));
	if (!EXPECT(strstr(error.text, line)))
		printf("namespace %u: %s\n", number, error.text);
	fake_end(&fake);
}

/* Pages of noise: read or refused, and never more than they can mean. */
static void noise(void)
{
	struct nvme_identity identity = { .namespaces = 0 };
	uint8_t one[NVME_PAGE], two[NVME_PAGE];
	struct nvme_namespace space;
	uint32_t read = 0;

	fake_begin(&fake, 512, 0);
	srandom(1);
	for (uint32_t i = 0; i < 20000; i++) {
		struct store_error error = { .text = "" };

		memcpy(one, fake.identity, NVME_PAGE);
		memcpy(two, fake.space, NVME_PAGE);
		for (uint32_t j = 0; j < 1 + i % 40; j++) {
			one[70 + random() % 460] = (uint8_t)random();
			two[random() % 400] = (uint8_t)random();
		}
		if (nvme_read_controller(one, "it", &identity, &error) &&
		    nvme_read_namespace(two, "it", 1, &identity, &space,
					&error)) {
			EXPECT(space.block == 512 || space.block == 4096);
			EXPECT(space.capacity >= space.block &&
			       space.capacity <= INT64_MAX &&
			       space.capacity % space.block == 0);
			EXPECT(identity.bytes_max >= NVME_PAGE);
			read++;
		} else {
			EXPECT(strstr(error.text, "expected"));
		}
	}
	/* Nobody has opened it. */
	iova_free(fake.bus.addresses);
	fake.closed = true;
	fake_end(&fake);
	EXPECT(read > 1000 && read < 19000);
}

/* It completes slots that are not in flight, all the time. */
static void lies(void)
{
	static uint8_t memory[65536 * 4];
	struct prec_span span = fake_span(memory, sizeof(memory));
	struct store_io io = { .kind = STORE_WRITE,
			       .size = sizeof(memory),
			       .spans = &span,
			       .span_count = 1 };
	struct store_error error;
	struct store_lane *lane;
	struct store *store;

	fake_begin(&fake, 512, 0);
	/* A slot less, so that some of the lies are of none. */
	fake.lies = true;
	store = fake_open(&fake);
	lane = store->ops->lane_open(store, &error);
	MUST(lane);
	for (uint32_t i = 0; i < 100; i++) {
		memset(memory, (int)i, sizeof(memory));
		io.kind = i % 2 ? STORE_READ : STORE_WRITE;
		MUST(store->ops->add(lane, &io));
		fake_run(lane, 1);
		EXPECT(io.result.status == PREC_OK &&
		       io.result.done == io.size);
		EXPECT(memory[sizeof(memory) - 1] == (i & ~1u));
	}
	EXPECT(((struct nvme_store *)store)->pairs[0]->queue.nonsense > 100);
	store->ops->lane_close(lane);
	store->ops->close(store);
	fake_end(&fake);
}

int main(void)
{
	for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++)
		try_claim(&claims[i]);
	another_namespace(2, "namespace 2 has no blocks");
	another_namespace(5, "namespace 5 is not there");
	noise();
	lies();
	return expect_end();
}
