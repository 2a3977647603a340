// SPDX-License-Identifier: MIT
/*
 * Honest chains come out as they were put in; hostile ones are refused, each
 * with the answer that its kind has, and the queue goes on.
 */
#include "lent-ring.h"

#include "virtio/split.h"

#define SIZE  16u
#define DESC  BASE
#define AVAIL (BASE + 0x1000)
#define USED  (BASE + 0x2000)

static void desc_at(uint64_t table, uint32_t i, uint64_t addr, uint32_t len,
		    uint16_t flags, uint16_t next)
{
	struct virtq_desc d = { addr, len, flags, next };

	put(table + 16ull * i, &d, sizeof(d));
}

static void desc(uint32_t i, uint64_t addr, uint32_t len, uint16_t flags,
		 uint16_t next)
{
	desc_at(DESC, i, addr, len, flags, next);
}

static void offer(uint16_t head)
{
	uint16_t index = get16(AVAIL + 2);

	put16(AVAIL + 4 + 2ull * (index % SIZE), head);
	put16(AVAIL + 2, (uint16_t)(index + 1));
}

/* A fresh queue and an honest read of one sector, not yet offered. */
static void begin(void)
{
	memset(low, 0, HALF);
	CHECK(split_setup(&queue, &space, SIZE, DESC, AVAIL, USED), PREC_OK);
	desc(0, HEADER, 16, VIRTQ_DESC_F_NEXT, 1);
	desc(1, DATA, 512, VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, 2);
	desc(2, STATUS, 1, VIRTQ_DESC_F_WRITE, 0);
	header(VIRTIO_BLK_T_IN, 7);
}

static enum virtq_answer next(void)
{
	return split_next(&queue, &space, &chain);
}

/* Offer descriptor 0: it is refused as a chain, without a word. */
#define REFUSED()                                                              \
	do {                                                                   \
		offer(0);                                                      \
		CHECK(next(), VIRTQ_MALFORMED);                                \
		CHECK(chain.count, 0);                                         \
		CHECK(decode(), VIRTQ_MALFORMED);                              \
		CHECK(split_complete(&queue, &space, chain.head, 0), PREC_OK); \
		CHECK(queue.state, VIRTQ_READY);                               \
	} while (0)

/* Offer descriptor 0: it is refused as a chain, and the status, which is where
 * it should be, says so. */
#define FAILED()                                                               \
	do {                                                                   \
		offer(0);                                                      \
		CHECK(next(), VIRTQ_MALFORMED);                                \
		FAILS_AT(STATUS);                                              \
		CHECK(split_complete(&queue, &space, chain.head, 1), PREC_OK); \
		CHECK(queue.state, VIRTQ_READY);                               \
	} while (0)

/* Offer descriptor 0: it is a request, answered without I/O. */
#define ANSWERED(status)                                                       \
	do {                                                                   \
		offer(0);                                                      \
		CHECK(next(), VIRTQ_TAKEN);                                    \
		CHECK(decode(), VIRTQ_TAKEN);                                  \
		CHECK(block.op, VBLK_ANSWER);                                  \
		CHECK(block.answer, status);                                   \
	} while (0)

static void honest(void)
{
	struct vblk_done done = { PREC_OK, true, 511 };
	struct vblk_outcome out;
	bool yes = false;

	begin();
	CHECK(next(), VIRTQ_EMPTY);
	offer(0);
	CHECK(next(), VIRTQ_TAKEN);
	CHECK(chain.count, 3);
	CHECK(chain.readable, 1);
	CHECK(decode(), VIRTQ_TAKEN);
	CHECK(block.op, VBLK_READ);
	CHECK(block.offset, 7 * 512);
	CHECK(block.bytes, 512);
	CHECK(block.count, 1);
	CHECK(chain.segment[block.first].host, (uintptr_t)at(DATA));
	CHECK(block.status.host, (uintptr_t)at(STATUS));
	out = vblk_outcome(&block, done);
	CHECK(out.status, VIRTIO_BLK_S_IOERR);
	CHECK(out.used, 511);
	done.moved = 512;
	done.same_epoch = false;
	out = vblk_outcome(&block, done);
	CHECK(out.status, VIRTIO_BLK_S_IOERR);
	CHECK(out.used, 0);
	done.same_epoch = true;
	*(unsigned char *)at(STATUS) = 5;
	CHECK(vblk_complete(&queue, &space, &block, done, false), VBLK_TOLD);
	CHECK(*(unsigned char *)at(STATUS), VIRTIO_BLK_S_OK);
	CHECK(get16(USED + 2), 1);
	CHECK(*(uint32_t *)at(USED + 4), 0);
	CHECK(*(uint32_t *)at(USED + 8), 513);
	/* once only */
	CHECK(split_complete(&queue, &space, block.head, 513), PREC_INVALID);
	CHECK(get16(USED + 2), 1);
	CHECK(split_should_notify(&queue, &space, &yes), PREC_OK);
	CHECK(yes, true);
	put16(AVAIL, VIRTQ_AVAIL_F_NO_INTERRUPT);
	CHECK(split_should_notify(&queue, &space, &yes), PREC_OK);
	CHECK(yes, false);
	CHECK(get16(USED), 0);
}

/* VIRTIO 2.7.10: the index passes the event exactly once. */
static void event_index(void)
{
	bool yes = true;

	begin();
	queue.event_index = true;
	put16(AVAIL + 4 + 2 * SIZE, 1);
	for (unsigned int i = 0; i < 3; i++) {
		offer(0);
		CHECK(next(), VIRTQ_TAKEN);
		CHECK(split_complete(&queue, &space, 0, 0), PREC_OK);
		CHECK(split_should_notify(&queue, &space, &yes), PREC_OK);
		CHECK(yes, i == 1);
	}
	CHECK(split_ask_for_kick(&queue, &space), PREC_OK);
	CHECK(get16(USED + 4 + 8 * SIZE), 3);
}

/* The indices wrap, and the slots with them. */
static void wrap(void)
{
	begin();
	split_seek(&queue, 0xfffe, 0xfffe);
	put16(AVAIL + 2, 0xfffe);
	for (unsigned int i = 0; i < 5; i++) {
		offer(0);
		CHECK(next(), VIRTQ_TAKEN);
		CHECK(split_complete(&queue, &space, 0, i), PREC_OK);
		CHECK(*(uint32_t *)at(USED + 8 + 8ull * ((14 + i) % SIZE)), i);
	}
	CHECK(get16(USED + 2), 3);
	CHECK(next(), VIRTQ_EMPTY);
}

static void framing(void)
{
	unsigned char bytes[16];

	/* header in three pieces, status on the end of the data */
	begin();
	memcpy(bytes, at(HEADER), 16);
	memcpy(at(DATA + 0x1000), bytes, 5);
	memcpy(at(DATA + 0x2001), bytes + 5, 6);
	memcpy(at(DATA + 0x3000), bytes + 11, 5);
	desc(0, DATA + 0x1000, 5, VIRTQ_DESC_F_NEXT, 1);
	desc(1, DATA + 0x2001, 6, VIRTQ_DESC_F_NEXT, 2);
	desc(2, DATA + 0x3000, 5, VIRTQ_DESC_F_NEXT, 3);
	desc(3, DATA, 513, VIRTQ_DESC_F_WRITE, 0);
	offer(0);
	CHECK(next(), VIRTQ_TAKEN);
	CHECK(decode(), VIRTQ_TAKEN);
	CHECK(block.op, VBLK_READ);
	CHECK(block.sector, 7);
	CHECK(block.bytes, 512);
	CHECK(block.status.address, DATA + 512);

	/* header and data of a write in one descriptor */
	begin();
	header(VIRTIO_BLK_T_OUT, 3);
	desc(0, HEADER, 16 + 1024, VIRTQ_DESC_F_NEXT, 1);
	desc(1, DATA, 1, VIRTQ_DESC_F_WRITE, 0);
	offer(0);
	CHECK(next(), VIRTQ_TAKEN);
	CHECK(decode(), VIRTQ_TAKEN);
	CHECK(block.op, VBLK_WRITE);
	CHECK(block.bytes, 1024);
	CHECK(chain.segment[block.first].address, HEADER + 16);

	/* a write: header in two pieces, the data behind the second */
	begin();
	header(VIRTIO_BLK_T_OUT, 7);
	memcpy(bytes, at(HEADER), 16);
	memcpy(at(DATA + 0x1000), bytes, 8);
	memcpy(at(DATA + 0x2000), bytes + 8, 8);
	desc(0, DATA + 0x1000, 8, VIRTQ_DESC_F_NEXT, 1);
	desc(1, DATA + 0x2000, 8 + 512, VIRTQ_DESC_F_NEXT, 2);
	offer(0);
	CHECK(next(), VIRTQ_TAKEN);
	CHECK(decode(), VIRTQ_TAKEN);
	CHECK(block.op, VBLK_WRITE);
	CHECK(block.sector, 7);
	CHECK(block.bytes, 512);
	CHECK(chain.segment[block.first].address, DATA + 0x2008);
	CHECK(chain.segment[block.first].host, (uintptr_t)at(DATA + 0x2008));

	/* pieces that overlap */
	begin();
	desc(0, HEADER, 8, VIRTQ_DESC_F_NEXT, 3);
	desc(3, HEADER + 4, 8, VIRTQ_DESC_F_NEXT, 1);
	offer(0);
	CHECK(next(), VIRTQ_TAKEN);
	FAILS_AT(STATUS);

	/* data across two regions that touch */
	begin();
	desc(1, HIGH - 100, 512, VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, 2);
	offer(0);
	CHECK(next(), VIRTQ_TAKEN);
	CHECK(chain.count, 4);
	CHECK(chain.segment[1].size, 100);
	CHECK(chain.segment[2].host, (uintptr_t)high);
	CHECK(decode(), VIRTQ_TAKEN);
	CHECK(block.bytes, 512);
	CHECK(block.count, 2);
}

static void indirect(void)
{
	begin();
	desc(0, TABLE, 48, VIRTQ_DESC_F_INDIRECT | VIRTQ_DESC_F_WRITE, 9);
	desc_at(TABLE, 0, HEADER, 16, VIRTQ_DESC_F_NEXT, 2);
	desc_at(TABLE, 2, DATA, 512, VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, 1);
	desc_at(TABLE, 1, STATUS, 1, VIRTQ_DESC_F_WRITE, 0);
	offer(0);
	CHECK(next(), VIRTQ_TAKEN);
	CHECK(decode(), VIRTQ_TAKEN);
	CHECK(block.op, VBLK_READ);
	CHECK(block.bytes, 512);
	CHECK(split_complete(&queue, &space, 0, 0), PREC_OK);
	/* its cycles, its exits, itself again, and its lengths */
	desc_at(TABLE, 1, STATUS, 1, VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, 2);
	REFUSED();
	desc_at(TABLE, 1, STATUS, 1, VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, 3);
	REFUSED();
	desc_at(TABLE, 1, STATUS, 1, VIRTQ_DESC_F_WRITE, 0);
	desc_at(TABLE, 2, DATA, 512, VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, 4);
	REFUSED();
	desc_at(TABLE, 0, TABLE, 48, VIRTQ_DESC_F_INDIRECT, 0);
	REFUSED();
	desc_at(TABLE, 0, HEADER, 16, 0, 0);
	desc(0, TABLE, 47, VIRTQ_DESC_F_INDIRECT, 0);
	REFUSED();
	desc(0, TABLE, 0, VIRTQ_DESC_F_INDIRECT, 0);
	REFUSED();
	memset(room, 0, LENGTH);
	desc(0, LONG, LENT_TABLE_MAX * 16, VIRTQ_DESC_F_INDIRECT, 0);
	offer(0);
	CHECK(next(), VIRTQ_TAKEN);
	CHECK(split_complete(&queue, &space, 0, 0), PREC_OK);
	desc(0, LONG, (LENT_TABLE_MAX + 1) * 16, VIRTQ_DESC_F_INDIRECT, 0);
	REFUSED();
	desc(0, TABLE, 0xfffffff0, VIRTQ_DESC_F_INDIRECT, 0);
	REFUSED();
	desc(0, TABLE, 48, VIRTQ_DESC_F_INDIRECT | VIRTQ_DESC_F_NEXT, 1);
	REFUSED();
	desc(0, DESC, 48, VIRTQ_DESC_F_INDIRECT, 0);
	REFUSED();
	desc(0, AVAIL, 16, VIRTQ_DESC_F_INDIRECT, 0);
	REFUSED();
	/* the header on the table that was fetched */
	desc(0, TABLE, 48, VIRTQ_DESC_F_INDIRECT, 0);
	desc_at(TABLE, 0, TABLE + 16, 16, VIRTQ_DESC_F_NEXT, 1);
	desc_at(TABLE, 1, STATUS, 1, VIRTQ_DESC_F_WRITE, 0);
	offer(0);
	CHECK(next(), VIRTQ_TAKEN);
	FAILS_AT(STATUS);
	CHECK(split_complete(&queue, &space, 0, 1), PREC_OK);
	/* data that is not lent, before the table and in it */
	desc_at(TABLE, 0, HEADER, 16, VIRTQ_DESC_F_NEXT, 1);
	desc_at(TABLE, 1, BASE - 512, 512,
		VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, 2);
	desc_at(TABLE, 2, STATUS, 1, VIRTQ_DESC_F_WRITE, 0);
	FAILED();
	desc_at(TABLE, 1, DATA, 512, VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, 2);
	desc(0, BASE - 16, 16, VIRTQ_DESC_F_NEXT, 1);
	desc(1, TABLE, 48, VIRTQ_DESC_F_INDIRECT, 0);
	FAILED();
	/* and its end is not found */
	desc_at(TABLE, 2, STATUS, 1, VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, 3);
	REFUSED();
}

/* The last byte of a chain whose data is not lent, wherever it may lie. */
static void last_bytes(void)
{
	desc(1, BASE - 1, 512, VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, 2);
	desc(2, STATUS - 7, 8, VIRTQ_DESC_F_WRITE, 0);
	FAILED(); /* at the end of more */
	desc(2, STATUS, 1, VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, 3);
	desc(3, ~0ull, 0, VIRTQ_DESC_F_WRITE, 0);
	FAILED(); /* before nothing */
	desc(3, BASE - 1, 1, VIRTQ_DESC_F_WRITE, 0);
	REFUSED(); /* not lent */
	desc(3, HIGH + HALF - 1, 2, VIRTQ_DESC_F_WRITE, 0);
	REFUSED(); /* a byte outside */
	desc(3, ~0ull, (uint32_t)BASE + 2, VIRTQ_DESC_F_WRITE, 0);
	REFUSED(); /* wraps to what is lent */
	desc(3, LENT, 1, VIRTQ_DESC_F_WRITE, 0);
	REFUSED(); /* lent for reading */
	desc(3, USED, 3, VIRTQ_DESC_F_WRITE, 0);
	REFUSED(); /* on a ring */
	desc(1, BASE - 1, 1, VIRTQ_DESC_F_WRITE, 2);
	REFUSED(); /* no other */
}

static void chains(void)
{
	begin();
	desc(2, STATUS, 1, VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, 1);
	REFUSED(); /* a cycle */
	desc(2, STATUS, 0, VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, 2);
	REFUSED(); /* a cycle of nothing */
	desc(2, STATUS, 1, VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, SIZE);
	desc(SIZE, STATUS, 1, VIRTQ_DESC_F_WRITE, 0);
	REFUSED(); /* out of the table, though what lies there would do */
	desc(2, STATUS, 1, 0, 0);
	REFUSED(); /* readable after writable */
	desc(2, STATUS, 1, VIRTQ_DESC_F_WRITE, 0);
	desc(1, BASE - 1, 512, VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, 2);
	FAILED(); /* outside */
	desc(1, HIGH + HALF - 1, 2, VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, 2);
	FAILED(); /* a byte outside */
	desc(1, ~0ull, 512, VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, 2);
	FAILED(); /* wraps */
	desc(1, DATA, ~0u, VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, 2);
	FAILED(); /* enormous */
	desc(1, LENT, 512, VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, 2);
	FAILED(); /* lent for reading */
	desc(1, USED - 1, 2, VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, 2);
	FAILED(); /* we would write our own used ring */
	desc(1, DESC + 32, 16, VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, 2);
	FAILED(); /* and descriptors */
	desc(1, AVAIL, 2, VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, 2);
	FAILED(); /* and the avail ring */
	desc(1, BASE - 1, 512, VIRTQ_DESC_F_NEXT, 2);
	FAILED(); /* outside, to be read */
	desc(1, DATA, 512, VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, 3);
	desc(3, HEADER, 16, VIRTQ_DESC_F_NEXT, 2);
	FAILED(); /* readable after writable, before the status */
	last_bytes();
	desc(1, DATA, 512, VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, 2);
	desc(2, STATUS, 1, VIRTQ_DESC_F_WRITE, 0);
	offer(0);
	CHECK(next(), VIRTQ_TAKEN); /* and it still serves */
}

static void rings(void)
{
	begin();
	offer(SIZE);
	CHECK(next(), VIRTQ_STOPPED);
	CHECK(queue.state, VIRTQ_BROKEN);
	offer(0);
	CHECK(next(), VIRTQ_STOPPED);
	CHECK(virtq_rebase(&queue, &space), PREC_GONE);
	CHECK(queue.state, VIRTQ_BROKEN);

	begin(); /* the same head twice */
	offer(0);
	offer(0);
	CHECK(next(), VIRTQ_TAKEN);
	CHECK(next(), VIRTQ_STOPPED);
	CHECK(queue.state, VIRTQ_BROKEN);
	CHECK(split_complete(&queue, &space, 0, 1), PREC_GONE);
	CHECK(queue.in_flight, 0);
	CHECK(get16(USED + 2), 0);

	begin(); /* an index that jumps */
	put16(AVAIL + 2, SIZE + 1);
	CHECK(next(), VIRTQ_STOPPED);
	CHECK(queue.state, VIRTQ_BROKEN);

	begin(); /* taken over from a server that died */
	CHECK(split_retake(&queue, &space, 0, &chain), VIRTQ_TAKEN);
	CHECK(split_retake(&queue, &space, 0, &chain), VIRTQ_STOPPED);
	CHECK(split_retake(&queue, &space, SIZE, &chain), VIRTQ_STOPPED);
	CHECK(queue.in_flight, 1);
	CHECK(queue.state, VIRTQ_READY);

	begin(); /* the region goes, and comes back */
	prec_space_remove(&space, 0);
	CHECK(virtq_rebase(&queue, &space), PREC_GONE);
	CHECK(queue.state, VIRTQ_DETACHED);
	CHECK(next(), VIRTQ_STOPPED);
	CHECK(prec_space_add(&space, BASE, HALF, (uintptr_t)low, 3, 0),
	      PREC_OK);
	CHECK(virtq_rebase(&queue, &space), PREC_OK);
	offer(0);
	CHECK(next(), VIRTQ_TAKEN);
}

static void setups(void)
{
	static const struct {
		uint32_t size;
		uint64_t desc, avail, used;
		enum prec_status want;
	} t[] = {
		{ 0, DESC, AVAIL, USED, PREC_INVALID },
		{ 3, DESC, AVAIL, USED, PREC_INVALID },
		{ 65536, DESC, AVAIL, USED, PREC_INVALID },
		{ 16, DESC + 8, AVAIL, USED, PREC_INVALID },
		{ 16, DESC, AVAIL + 1, USED, PREC_INVALID },
		{ 16, DESC, AVAIL, USED + 2, PREC_INVALID },
		{ 16, 0, AVAIL, USED, PREC_RANGE },
		{ 16, DESC, HIGH - 4, USED, PREC_RANGE },
		{ 16, DESC, AVAIL, ~3ull, PREC_RANGE },
		{ 16, DESC, AVAIL, LENT, PREC_RIGHTS },
		{ 16, DESC, AVAIL, DROP, PREC_RIGHTS },
		{ 16, SKEW, AVAIL, USED, PREC_INVALID },
		{ 16, BENT, AVAIL, USED, PREC_INVALID },
		{ 16, DESC, DESC + 254, USED, PREC_OVERLAP },
		{ 16, DESC, AVAIL, DESC + 252, PREC_OVERLAP },
		{ 16, DESC, AVAIL, AVAIL + 36, PREC_OVERLAP },
		{ 16, LENT, LENT + 256, USED, PREC_OK },
		{ 1024, DESC, HIGH, USED + 0x4000, PREC_OK },
		{ 32768, LONG, LONG + 0x80000, LONG + 0xa0000, PREC_OK },
		{ 1, DESC, AVAIL, USED, PREC_OK },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct virtq before;

		begin();
		before = queue;
		CHECK(split_setup(&queue, &space, t[i].size, t[i].desc,
				  t[i].avail, t[i].used),
		      t[i].want);
		if (t[i].want != PREC_OK)
			CHECK(memcmp(&before, &queue, sizeof(queue)), 0);
	}
}

static void requests(void)
{
	begin();
	header(99, 0);
	ANSWERED(VIRTIO_BLK_S_UNSUPP);
	begin();
	header(VIRTIO_BLK_T_IN, 1000);
	ANSWERED(VIRTIO_BLK_S_IOERR);
	begin();
	header(VIRTIO_BLK_T_IN, ~0ull);
	ANSWERED(VIRTIO_BLK_S_IOERR);
	begin();
	header(VIRTIO_BLK_T_IN, 1ull << 55);
	ANSWERED(VIRTIO_BLK_S_IOERR);
	begin(); /* the last sector is inside, one more is not */
	header(VIRTIO_BLK_T_IN, 999);
	offer(0);
	CHECK(next(), VIRTQ_TAKEN);
	CHECK(decode(), VIRTQ_TAKEN);
	CHECK(block.op, VBLK_READ);
	begin();
	header(VIRTIO_BLK_T_IN, 999);
	desc(1, DATA, 1024, VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, 2);
	ANSWERED(VIRTIO_BLK_S_IOERR);
	begin();
	desc(1, DATA, 511, VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, 2);
	ANSWERED(VIRTIO_BLK_S_IOERR);
	begin(); /* a write whose data is for us to write */
	header(VIRTIO_BLK_T_OUT, 0);
	ANSWERED(VIRTIO_BLK_S_IOERR);
	begin();
	header(VIRTIO_BLK_T_OUT, 0);
	desc(1, DATA, 512, VIRTQ_DESC_F_NEXT, 2);
	device.read_only = true;
	ANSWERED(VIRTIO_BLK_S_IOERR);
	device.read_only = false;
	begin();
	header(VIRTIO_BLK_T_FLUSH, 0);
	ANSWERED(VIRTIO_BLK_S_IOERR);
	begin();
	header(VIRTIO_BLK_T_GET_ID, 0);
	desc(1, DATA, 20, VIRTQ_DESC_F_NEXT, 2);
	ANSWERED(VIRTIO_BLK_S_IOERR);
	begin();
	header(VIRTIO_BLK_T_GET_ID, 0);
	desc(1, LONG, VBLK_ID_MAX, VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, 2);
	offer(0);
	CHECK(next(), VIRTQ_TAKEN);
	CHECK(decode(), VIRTQ_TAKEN);
	CHECK(block.op, VBLK_IDENTIFY);
	CHECK(block.bytes, VBLK_ID_MAX);
	CHECK(split_complete(&queue, &space, 0, 0), PREC_OK);
	desc(2, DATA, 2, VIRTQ_DESC_F_WRITE, 0);
	ANSWERED(VIRTIO_BLK_S_IOERR); /* a byte more */
	begin();
	header(VIRTIO_BLK_T_GET_ID, 0);
	desc(1, DATA, 20, VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, 2);
	offer(0);
	CHECK(next(), VIRTQ_TAKEN);
	CHECK(decode(), VIRTQ_TAKEN);
	CHECK(block.op, VBLK_IDENTIFY);
	begin();
	header(VIRTIO_BLK_T_FLUSH, 0);
	desc(0, HEADER, 16, VIRTQ_DESC_F_NEXT, 2);
	offer(0);
	CHECK(next(), VIRTQ_TAKEN);
	CHECK(decode(), VIRTQ_TAKEN);
	CHECK(block.op, VBLK_FLUSH);
	begin(); /* no place for a status */
	desc(0, HEADER, 16, 0, 0);
	offer(0);
	CHECK(next(), VIRTQ_TAKEN);
	CHECK(decode(), VIRTQ_MALFORMED);
	begin(); /* no header */
	desc(0, HEADER, 15, VIRTQ_DESC_F_NEXT, 2);
	offer(0);
	CHECK(next(), VIRTQ_TAKEN);
	FAILS_AT(STATUS);
	begin(); /* nothing but a status */
	desc(0, DATA, 512, VIRTQ_DESC_F_WRITE, 2);
	offer(0);
	CHECK(next(), VIRTQ_TAKEN);
	FAILS_AT(DATA + 511);
	begin(); /* the header is an entry of the ring */
	desc(0, DESC, 16, VIRTQ_DESC_F_NEXT, 2);
	offer(0);
	CHECK(next(), VIRTQ_TAKEN);
	FAILS_AT(STATUS);
}

static void range(uint32_t i, uint64_t sector, uint32_t sectors, uint32_t flags)
{
	struct {
		uint64_t sector;
		uint32_t sectors, flags;
	} one = { sector, sectors, flags };

	memcpy(at(DATA + 16ull * i), &one, sizeof(one));
}

/* Ranges at DATA, `bytes` of them in one piece. */
static void begin_ranges(uint32_t type, uint32_t bytes)
{
	begin();
	memset(at(DATA), 0, 4096);
	header(type, 0);
	desc(1, DATA, bytes, VIRTQ_DESC_F_NEXT, 2);
	device.discard = true;
	device.write_zeroes = true;
	range(0, 1, 2, 0);
}

#define TAKEN(what, count_, bytes_)                                            \
	do {                                                                   \
		offer(0);                                                      \
		CHECK(next(), VIRTQ_TAKEN);                                    \
		CHECK(decode(), VIRTQ_TAKEN);                                  \
		CHECK(block.op, what);                                         \
		CHECK(block.count, 0);                                         \
		CHECK(block.bytes, bytes_);                                    \
		CHECK(ranges.count, count_);                                   \
		CHECK(ranges.range[0].offset, 512);                            \
		CHECK(ranges.range[0].size, 1024);                             \
	} while (0)

static void one_range(void)
{
	begin_ranges(VIRTIO_BLK_T_DISCARD, 16);
	TAKEN(VBLK_DISCARD, 1, 1024);
	begin_ranges(VIRTIO_BLK_T_WRITE_ZEROES, 16);
	TAKEN(VBLK_ZEROES, 1, 1024);
	CHECK(ranges.range[0].unmap, false);
	begin_ranges(VIRTIO_BLK_T_WRITE_ZEROES, 16);
	range(0, 1, 2, 1);
	TAKEN(VBLK_ZEROES, 1, 1024);
	CHECK(ranges.range[0].unmap, true);
	begin_ranges(VIRTIO_BLK_T_DISCARD, 16);
	range(0, 1, 0, 0); /* nothing is soon done */
	ANSWERED(VIRTIO_BLK_S_OK);
	begin_ranges(VIRTIO_BLK_T_DISCARD, 16 * VBLK_RANGES_MAX);
	range(VBLK_RANGES_MAX - 1, 0, 1000, 0);
	TAKEN(VBLK_DISCARD, VBLK_RANGES_MAX, 1002 * 512);
	CHECK(ranges.range[VBLK_RANGES_MAX - 1].size, 1000 * 512);
}

/* 5.2.6.2, and what no driver sends. */
static void wrong_ranges(uint32_t type)
{
	const uint32_t sizes[] = { 1, 8, 15, 17, 31, 257, 272, 4096 };
	const struct {
		uint64_t sector;
		uint32_t sectors;
	} outside[] = {
		{ 1000, 1 },	   { 999, 2 }, { 0, 1001 }, { ~0ull, 2 },
		{ 1ull << 55, 1 }, { 0, ~0u }, { 1001, 0 },
	};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		begin_ranges(type, sizes[i]);
		ANSWERED(VIRTIO_BLK_S_IOERR);
	}
	for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
		begin_ranges(type, 32);
		range(1, outside[i].sector, outside[i].sectors, 0);
		ANSWERED(VIRTIO_BLK_S_IOERR);
		/* Unknown flags come first, wherever they are. */
		for (uint32_t j = 0; j < 2; j++) {
			begin_ranges(type, 32);
			range(1, outside[i].sector, outside[i].sectors, 0);
			put16(DATA + 16 * j + 14, 0x8000);
			ANSWERED(VIRTIO_BLK_S_UNSUPP);
		}
	}
	begin_ranges(type, 16);
	range(0, 1, 2, type == VIRTIO_BLK_T_DISCARD ? 1 : 3);
	ANSWERED(VIRTIO_BLK_S_UNSUPP);
	begin_ranges(type, 16);
	device.capacity = VBLK_CAPACITY_MAX;
	range(0, 1, VBLK_RANGE_SECTORS_MAX + 1, 0);
	ANSWERED(VIRTIO_BLK_S_IOERR);
	device.capacity = 1000;
	begin_ranges(type, 16); /* no data at all */
	desc(0, HEADER, 16, VIRTQ_DESC_F_NEXT, 2);
	ANSWERED(VIRTIO_BLK_S_IOERR);
	begin_ranges(type, 16); /* data for us to write */
	desc(1, DATA, 16, VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, 2);
	ANSWERED(VIRTIO_BLK_S_IOERR);
	begin_ranges(type, 16);
	device.read_only = true;
	ANSWERED(VIRTIO_BLK_S_IOERR);
	device.read_only = false;
	begin_ranges(type, 16);
	device.discard = false;
	device.write_zeroes = false;
	ANSWERED(VIRTIO_BLK_S_UNSUPP);
}

/* However the client cut it; and no byte is fetched twice. */
static void cut_ranges(void)
{
	begin_ranges(VIRTIO_BLK_T_DISCARD, 32); /* with the header */
	memmove(at(HEADER + 16), at(DATA), 32);
	desc(0, HEADER, 48, VIRTQ_DESC_F_NEXT, 2);
	TAKEN(VBLK_DISCARD, 2, 1024);
	for (uint32_t cut = 1; cut < 64; cut++) {
		begin_ranges(VIRTIO_BLK_T_DISCARD, 0);
		range(1, 500, 1, 0);
		range(2, 999, 1, 0);
		memmove(at(DATA + 16), at(DATA), 48);
		memcpy(at(DATA), at(HEADER), 16);
		desc(0, DATA, cut, VIRTQ_DESC_F_NEXT, 1);
		desc(1, DATA + cut, 64 - cut, VIRTQ_DESC_F_NEXT, 2);
		TAKEN(VBLK_DISCARD, 3, 4 * 512);
		CHECK(ranges.range[1].offset, 500 * 512);
		CHECK(ranges.range[2].offset, 999 * 512);
	}
	begin_ranges(VIRTIO_BLK_T_DISCARD, 16); /* the same twice */
	desc(1, DATA, 16, VIRTQ_DESC_F_NEXT, 3);
	desc(3, DATA, 16, VIRTQ_DESC_F_NEXT, 2);
	ANSWERED(VIRTIO_BLK_S_IOERR);
	begin_ranges(VIRTIO_BLK_T_DISCARD, 16); /* the header for a range */
	desc(1, HEADER, 16, VIRTQ_DESC_F_NEXT, 2);
	ANSWERED(VIRTIO_BLK_S_IOERR);
	begin_ranges(VIRTIO_BLK_T_DISCARD, 16); /* a part of it */
	desc(0, HEADER, 24, VIRTQ_DESC_F_NEXT, 1);
	desc(1, HEADER + 23, 8, VIRTQ_DESC_F_NEXT, 2);
	ANSWERED(VIRTIO_BLK_S_IOERR);
	begin_ranges(VIRTIO_BLK_T_DISCARD, 16); /* an entry of the ring */
	desc(1, DESC, 16, VIRTQ_DESC_F_NEXT, 2);
	ANSWERED(VIRTIO_BLK_S_IOERR);
}

static void table_at(uint64_t table, uint32_t count)
{
	desc(0, table, 16 * count, VIRTQ_DESC_F_INDIRECT, 0);
	desc_at(table, 0, HEADER, 16, VIRTQ_DESC_F_NEXT, 1);
	desc_at(table, 1, DATA, 512, VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, 2);
	desc_at(table, 2, STATUS, 1, VIRTQ_DESC_F_WRITE, 0);
}

/* One that is in several regions is gathered, wherever they touch. */
static void scattered_tables(void)
{
	begin();
	for (uint32_t cut = 1; cut < 48; cut++) {
		table_at(HIGH - cut, 3);
		offer(0);
		CHECK(next(), VIRTQ_TAKEN);
		CHECK(decode(), VIRTQ_TAKEN);
		CHECK(block.op, VBLK_READ);
		CHECK(block.bytes, 512);
		CHECK(block.status.address, STATUS);
		CHECK(split_complete(&queue, &space, 0, 0), PREC_OK);
	}
	/* a byte of it is not lent, or not to be read, or it is on a ring */
	desc(0, HIGH + HALF - 47, 48, VIRTQ_DESC_F_INDIRECT, 0);
	REFUSED();
	desc(0, BASE - 1, 48, VIRTQ_DESC_F_INDIRECT, 0);
	REFUSED();
	desc(0, DROP, 48, VIRTQ_DESC_F_INDIRECT, 0);
	REFUSED();
	/* in as many as it may be, and in more */
	for (uint32_t skew = 0; skew < 16; skew++) {
		uint32_t most = LENT_PIECES_MAX - (skew > 0);

		table_at(TINY + skew, most);
		offer(0);
		CHECK(next(), VIRTQ_TAKEN);
		CHECK(chain.count, 3);
		CHECK(split_complete(&queue, &space, 0, 0), PREC_OK);
		table_at(TINY + skew, most + 1);
		REFUSED();
	}
}

int main(void)
{
	lend();
	honest();
	event_index();
	wrap();
	framing();
	indirect();
	scattered_tables();
	chains();
	rings();
	setups();
	requests();
	one_range();
	wrong_ranges(VIRTIO_BLK_T_DISCARD);
	wrong_ranges(VIRTIO_BLK_T_WRITE_ZEROES);
	cut_ranges();
	return end();
}
