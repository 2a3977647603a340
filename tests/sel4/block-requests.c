// SPDX-License-Identifier: MIT
/* The block device of src/virtio over lent memory: a store in memory, and a
 * client that takes what it lent at any time. */
#include "scenario.h"

#include "virtio/blk_complete.h"

#define SECTORS	  64u
#define RING_SIZE 8u
#define RANDOM	  200u

static uint8_t store[SECTORS * 512];
static struct virtq queue;
static struct virtq_request chain;
static struct prec_space space;
static struct vblk_ranges ranges;

static struct prec_result move(const struct vblk_request *block)
{
	struct prec_result nothing = { PREC_OK, 0, 0 };
	const struct prec_span *spans = &chain.segment[block->first];

	if (block->op == VBLK_READ)
		return prec_scatter(spans, block->count, store + block->offset,
				    block->bytes);
	if (block->op == VBLK_WRITE)
		return prec_gather(store + block->offset, block->bytes, spans,
				   block->count);
	return nothing;
}

static enum virtq_answer serve_one(struct prec_region *region)
{
	static const struct vblk_device device = { .capacity = SECTORS,
						   .blk_size = 512,
						   .queues = 1 };
	uint64_t epoch = prec_region_epoch(region);
	enum virtq_answer answer = split_next(&queue, &space, &chain);
	struct vblk_request block;
	struct vblk_done done;
	struct prec_result did;

	if (answer != VIRTQ_TAKEN)
		return answer;
	answer = vblk_decode(&device, &queue, &space, &chain, &block, &ranges);
	if (answer != VIRTQ_TAKEN)
		return answer;
	did = move(&block);
	done.status = did.status;
	done.moved = did.done;
	done.same_epoch = prec_region_epoch(region) == epoch;
	if (vblk_complete(&queue, &space, &block, done, false) != VBLK_TOLD)
		return VIRTQ_LOST;
	return VIRTQ_TAKEN;
}

static void set_up(struct prec_region *region)
{
	client_ask(CLIENT_FILL, 7, 4, 0);
	client_ask(CLIENT_RING, 0, 0, 0);
	lend_all(region);
	space.count = 0;
	EXPECT_EQ(prec_space_add(&space, GUEST, region->span.size,
				 region->span.host, PREC_READ | PREC_WRITE, 0),
		  PREC_OK);
	EXPECT_EQ(split_setup(&queue, &space, RING_SIZE, GUEST, GUEST + 0x100,
			      GUEST + 0x200),
		  PREC_OK);
}

static void expect_result(uint64_t index, uint64_t status, uint64_t used)
{
	EXPECT_EQ(client_ask(CLIENT_RESULT, 0, 0, 0), index);
	EXPECT_EQ(seL4_GetMR(1), status);
	EXPECT_EQ(seL4_GetMR(2), used);
}

static void data_moves(struct prec_region *region)
{
	uint64_t wrong = 0, i;

	EXPECT_EQ(serve_one(region), VIRTQ_EMPTY);
	client_ask(CLIENT_REQUEST, VIRTIO_BLK_T_OUT, 8, 2);
	EXPECT_EQ(serve_one(region), VIRTQ_TAKEN);
	expect_result(1, VIRTIO_BLK_S_OK, 1);
	for (i = 0; i < 8192; i++)
		wrong += store[8 * 512 + i] != client_pattern(0x2000 + i, 7);
	EXPECT_EQ(wrong, 0);
	for (i = 0; i < sizeof(store); i++)
		store[i] = client_pattern(i, 8);
	client_ask(CLIENT_REQUEST, VIRTIO_BLK_T_IN, 16, 2);
	EXPECT_EQ(serve_one(region), VIRTQ_TAKEN);
	expect_result(2, VIRTIO_BLK_S_OK, 8193);
	EXPECT_EQ(client_ask(CLIENT_PEEK, 0x2000, 0, 0),
		  client_pattern(16 * 512, 8));
	EXPECT_EQ(client_ask(CLIENT_PEEK, 0x3fff, 0, 0),
		  client_pattern(16 * 512 + 8191, 8));
}

static void what_is_gone_fails(struct prec_region *region)
{
	client_ask(CLIENT_REVOKE, 3, 0, 0); /* the second page of data */
	client_ask(CLIENT_REQUEST, VIRTIO_BLK_T_IN, 0, 2);
	EXPECT_EQ(serve_one(region), VIRTQ_TAKEN);
	expect_result(3, VIRTIO_BLK_S_IOERR, 0);
	client_ask(CLIENT_REVOKE, 1, 0, 0); /* the status byte */
	client_ask(CLIENT_REQUEST, VIRTIO_BLK_T_FLUSH, 0, 1);
	EXPECT(serve_one(region) != VIRTQ_TAKEN);
	client_ask(CLIENT_REVOKE, 0, 0, 0); /* the ring */
	EXPECT_EQ(serve_one(region), VIRTQ_GONE);
}

/* At any time: in the ring, the request or the data, or not at all.  What says
 * that it is well has moved all its bytes. */
static void at_random(uint64_t turns, uint64_t page)
{
	struct prec_region region;
	enum virtq_answer answer;
	uint64_t wrong = 0;

	set_up(&region);
	client_ask(CLIENT_REQUEST, VIRTIO_BLK_T_OUT, 8, 2);
	client_ask(CLIENT_REVOKE_LATER, page, turns, 0);
	for (uint64_t i = 0; i < 8192; i++)
		store[8 * 512 + i] = 0;
	answer = serve_one(&region);
	EXPECT(answer == VIRTQ_TAKEN || answer == VIRTQ_GONE ||
	       answer == VIRTQ_LOST);
	if (answer == VIRTQ_TAKEN && client_ask(CLIENT_RESULT, 0, 0, 0) == 1 &&
	    seL4_GetMR(1) == VIRTIO_BLK_S_OK) {
		for (uint64_t i = 0; i < 8192; i++)
			wrong += store[8 * 512 + i] !=
				 client_pattern(0x2000 + i, 7);
		EXPECT_EQ(wrong, 0);
	}
	client_ask(CLIENT_PEEK, 0, 0, 0);
	EXPECT_EQ(prec_region_unmap(&region), PREC_OK);
}

void block_requests(void)
{
	struct prec_region region;
	uint64_t random = 1;

	set_up(&region);
	data_moves(&region);
	what_is_gone_fails(&region);
	EXPECT_EQ(prec_region_unmap(&region), PREC_OK);
	for (uint32_t i = 0; i < RANDOM; i++) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		at_random(random >> 33 & 0xfff, random >> 50 & 3);
	}
}
