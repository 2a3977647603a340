// SPDX-License-Identifier: MIT
/*
 * As ring-malformed, for packed rings: honest lists come out as they were put
 * in; hostile ones are refused, each with the answer that its kind has, and the
 * queue goes on unless the list has no end or no name of its own.
 */
#include "lent-ring.h"

#include "virtio/packed.h"

#define SIZE   16u
#define DESC   BASE
#define DRIVER (BASE + 0x1000) /* what the client wants to be told */
#define DEVICE (BASE + 0x2000) /* what we want to be told */

#define NEXT	 VIRTQ_DESC_F_NEXT
#define WRITE	 VIRTQ_DESC_F_WRITE
#define INDIRECT VIRTQ_DESC_F_INDIRECT
#define AVAIL	 PVIRTQ_DESC_F_AVAIL
#define USED	 PVIRTQ_DESC_F_USED

/* The client's side. */
static uint32_t slot;
static bool wrap;

/* What is offered: changed by each case, and put into the ring by offer. */
static struct pvirtq_desc list[SIZE];

static void put_desc(uint64_t address, struct pvirtq_desc d)
{
	put(address, &d, sizeof(d));
}

static struct pvirtq_desc get_desc(uint32_t i)
{
	struct pvirtq_desc d;

	memcpy(&d, at(DESC + 16ull * i), sizeof(d));
	return d;
}

static void in_table(uint32_t i, uint64_t addr, uint32_t len, uint16_t flags)
{
	put_desc(TABLE + 16ull * i,
		 (struct pvirtq_desc){ addr, len, 0xfffe, flags });
}

/* An honest read of one sector. */
static void honest_list(void)
{
	list[0] = (struct pvirtq_desc){ HEADER, 16, 0xfffe, NEXT };
	list[1] = (struct pvirtq_desc){ DATA, 512, 0xfffe, NEXT | WRITE };
	list[2] = (struct pvirtq_desc){ STATUS, 1, 0, WRITE };
	header(VIRTIO_BLK_T_IN, 7);
}

static void begin_with(uint32_t size)
{
	memset(low, 0, HALF);
	CHECK(packed_setup(&queue, &space, size, DESC, DRIVER, DEVICE),
	      PREC_OK);
	slot = 0;
	wrap = true;
	honest_list();
}

static void begin(void)
{
	begin_with(SIZE);
}

/* Make `count` of the list available; the last one has this id. */
static void offer(uint32_t count, uint16_t id)
{
	for (uint32_t i = 0; i < count; i++) {
		struct pvirtq_desc d = list[i];

		if (i + 1 == count)
			d.id = id;
		d.flags |= wrap ? AVAIL : USED;
		put_desc(DESC + 16ull * slot, d);
		slot++;
		if (slot == queue.size) {
			slot = 0;
			wrap = !wrap;
		}
	}
}

static enum virtq_answer next(void)
{
	return packed_next(&queue, &space, &chain);
}

static enum prec_status complete(uint32_t id, uint32_t len)
{
	return packed_complete(&queue, &space, id, len);
}

/* The list is refused, and the status, which is where it should be, says so. */
#define FAILED(n)                                                              \
	do {                                                                   \
		offer(n, 5);                                                   \
		CHECK(next(), VIRTQ_MALFORMED);                                \
		FAILS_AT(STATUS);                                              \
		CHECK(chain.head, 5);                                          \
		CHECK(complete(chain.head, 1), PREC_OK);                       \
		CHECK(queue.state, VIRTQ_READY);                               \
	} while (0)

/* The list is refused without a word, but can be given back. */
#define REFUSED(n)                                                             \
	do {                                                                   \
		offer(n, 5);                                                   \
		CHECK(next(), VIRTQ_MALFORMED);                                \
		CHECK(chain.count, 0);                                         \
		CHECK(decode(), VIRTQ_MALFORMED);                              \
		CHECK(chain.head, 5);                                          \
		CHECK(complete(chain.head, 0), PREC_OK);                       \
		CHECK(queue.state, VIRTQ_READY);                               \
	} while (0)

#define BROKEN()                                                               \
	do {                                                                   \
		CHECK(next(), VIRTQ_STOPPED);                                  \
		CHECK(queue.state, VIRTQ_BROKEN);                              \
		CHECK(queue.in_flight, 0);                                     \
		CHECK(next(), VIRTQ_STOPPED);                                  \
	} while (0)

static void honest(void)
{
	begin();
	CHECK(next(), VIRTQ_EMPTY);
	offer(3, 9);
	CHECK(next(), VIRTQ_TAKEN);
	CHECK(chain.head, 9);
	CHECK(chain.count, 3);
	CHECK(chain.readable, 1);
	CHECK(decode(), VIRTQ_TAKEN);
	CHECK(block.op, VBLK_READ);
	CHECK(block.head, 9);
	CHECK(block.offset, 7 * 512);
	CHECK(block.bytes, 512);
	CHECK(chain.segment[block.first].host, (uintptr_t)at(DATA));
	CHECK(block.status.host, (uintptr_t)at(STATUS));
	CHECK(next(), VIRTQ_EMPTY);
	CHECK(complete(9, 513), PREC_OK);
	CHECK(get_desc(0).id, 9);
	CHECK(get_desc(0).len, 513);
	CHECK(get_desc(0).flags, AVAIL | USED | WRITE);
	CHECK(get_desc(1).addr, DATA); /* and nothing else */
	CHECK(get_desc(1).flags, AVAIL | NEXT | WRITE);
	/* once only */
	CHECK(complete(9, 513), PREC_INVALID);
	CHECK(complete(SIZE, 513), PREC_INVALID);
	CHECK(get_desc(3).flags, 0);
}

/* Used descriptors come in the order of completion, and each skips as many as
 * its list was long (2.8.6). */
static void order(void)
{
	begin();
	offer(3, 1);
	list[0] = (struct pvirtq_desc){ STATUS, 1, 0, WRITE };
	offer(1, 2);
	honest_list();
	offer(3, 3);
	for (unsigned int i = 1; i <= 3; i++) {
		CHECK(next(), VIRTQ_TAKEN);
		CHECK(chain.head, i);
	}
	CHECK(complete(2, 0), PREC_OK);
	CHECK(get_desc(0).id, 2);
	CHECK(get_desc(0).flags, AVAIL | USED); /* nothing was written */
	CHECK(complete(3, 7), PREC_OK);
	CHECK(get_desc(1).id, 3);
	CHECK(get_desc(1).len, 7);
	CHECK(complete(1, 8), PREC_OK);
	CHECK(get_desc(4).id, 1);
	CHECK(queue.next_used, 7);
	CHECK(queue.next_avail, 7);
}

/* Round a ring whose size is no multiple of the list's length. */
static void rounds(void)
{
	begin_with(5);
	for (unsigned int i = 0; i < 23; i++) {
		uint32_t first = slot;
		uint16_t used = wrap ? AVAIL | USED | WRITE : WRITE;

		offer(3, (uint16_t)(i % 5));
		CHECK(next(), VIRTQ_TAKEN);
		CHECK(chain.head, i % 5);
		CHECK(chain.segment[1].address, DATA);
		CHECK(chain.segment[2].address, STATUS);
		CHECK(complete(i % 5, i + 1), PREC_OK);
		CHECK(get_desc(first).id, i % 5);
		CHECK(get_desc(first).len, i + 1);
		CHECK(get_desc(first).flags, used);
		CHECK(next(), VIRTQ_EMPTY);
	}
	begin_with(1);
	list[0] = (struct pvirtq_desc){ STATUS, 1, 0, WRITE };
	for (unsigned int i = 0; i < 3; i++) {
		offer(1, 0);
		CHECK(next(), VIRTQ_TAKEN);
		CHECK(complete(0, 1), PREC_OK);
		CHECK(next(), VIRTQ_EMPTY);
	}
}

static void indirect(void)
{
	begin();
	list[0] = (struct pvirtq_desc){ TABLE, 48, 0, INDIRECT | WRITE };
	in_table(0, HEADER, 16, 0);
	in_table(1, DATA, 512, WRITE);
	in_table(2, STATUS, 1, WRITE);
	offer(1, 4);
	CHECK(next(), VIRTQ_TAKEN);
	CHECK(chain.head, 4);
	CHECK(decode(), VIRTQ_TAKEN);
	CHECK(block.op, VBLK_READ);
	CHECK(block.bytes, 512);
	CHECK(complete(4, 0), PREC_OK);
	/* 2.8.7: flags that mean nothing there; the table's length ends it */
	in_table(0, HEADER, 16, INDIRECT);
	in_table(2, STATUS, 1, WRITE | NEXT | AVAIL | USED);
	offer(1, 4);
	CHECK(next(), VIRTQ_TAKEN);
	CHECK(chain.count, 3);
	CHECK(complete(4, 0), PREC_OK);
	/* its lengths */
	list[0] = (struct pvirtq_desc){ TABLE, 47, 0, INDIRECT };
	REFUSED(1);
	list[0].len = 0;
	REFUSED(1);
	list[0].len = 0xfffffff0;
	REFUSED(1);
	memset(room, 0, LENGTH);
	list[0].addr = LONG;
	list[0].len = (LENT_TABLE_MAX + 1) * 16;
	REFUSED(1);
	list[0].len = LENT_TABLE_MAX * 16;
	offer(1, 4);
	CHECK(next(), VIRTQ_TAKEN);
	CHECK(complete(4, 0), PREC_OK);
	/* on the ring and the structures of events */
	list[0] = (struct pvirtq_desc){ DESC, 48, 0, INDIRECT };
	REFUSED(1);
	list[0].addr = DRIVER - 12;
	list[0].len = 16;
	REFUSED(1);
	list[0].addr = DEVICE;
	REFUSED(1);
	/* 2.8.19: in a list it has no place, first or last */
	honest_list();
	list[0] = (struct pvirtq_desc){ TABLE, 48, 0, INDIRECT | NEXT };
	REFUSED(3);
	honest_list();
	list[2] = (struct pvirtq_desc){ TABLE, 16, 0, INDIRECT };
	in_table(0, STATUS, 1, WRITE);
	REFUSED(3);
	/* the header on the table that was fetched; data that is not lent */
	list[0] = (struct pvirtq_desc){ TABLE, 48, 0, INDIRECT };
	in_table(0, TABLE + 16, 16, 0);
	in_table(1, DATA, 512, WRITE);
	in_table(2, STATUS, 1, WRITE);
	offer(1, 4);
	CHECK(next(), VIRTQ_TAKEN);
	FAILS_AT(STATUS);
	CHECK(complete(4, 1), PREC_OK);
	in_table(0, HEADER, 16, 0);
	in_table(1, BASE - 512, 512, WRITE);
	FAILED(1);
}

static void lists(void)
{
	static const struct {
		uint64_t addr;
		uint32_t len;
		uint32_t kept; /* its last byte, if the list ends there */
	} bad[] = {
		{ BASE - 1, 512, 1 }, /* outside, but for its end */
		{ BASE - 512, 512, 0 },
		{ HIGH + HALF - 1, 2, 0 },	/* a byte outside */
		{ ~0ull, 512, 0 },		/* wraps */
		{ DATA, ~0u, 0 },		/* enormous */
		{ LENT, 512, 0 },		/* lent for reading */
		{ DESC + 32, 16, 0 },		/* on the ring */
		{ DESC + 16 * SIZE - 1, 2, 1 }, /* on its last byte */
		{ DRIVER - 1, 2, 0 },		/* on the client's wishes */
		{ DRIVER + 3, 2, 1 },
		{ DEVICE - 1, 2, 0 }, /* on ours */
		{ DEVICE + 3, 2, 1 },
	};

	begin();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		honest_list();
		list[1].addr = bad[i].addr;
		list[1].len = bad[i].len;
		FAILED(3);
		list[2] = list[1];
		list[2].flags = WRITE;
		offer(3, 5);
		CHECK(next(), VIRTQ_MALFORMED);
		CHECK(chain.count, bad[i].kept);
		CHECK(complete(5, 0), PREC_OK);
	}
	honest_list();
	list[1].flags = NEXT;
	list[1].addr = BASE - 1;
	FAILED(3); /* outside, to be read */
	honest_list();
	list[2].flags = 0;
	REFUSED(3); /* readable after writable */
	honest_list();
	offer(3, 5);
	CHECK(next(), VIRTQ_TAKEN); /* and it still serves */
}

static void rings(void)
{
	begin(); /* a list without an end */
	for (unsigned int i = 0; i < SIZE; i++)
		list[i] = (struct pvirtq_desc){ DATA, 1, 0, NEXT | WRITE };
	offer(SIZE, 0);
	BROKEN();

	begin(); /* one as long as the ring has one */
	for (unsigned int i = 0; i < SIZE; i++)
		list[i] = (struct pvirtq_desc){ DATA, 1, 0, NEXT | WRITE };
	list[SIZE - 1].flags = WRITE;
	offer(SIZE, 0);
	CHECK(next(), VIRTQ_TAKEN);
	CHECK(chain.count, SIZE);
	CHECK(queue.next_avail, 0);
	CHECK(queue.avail_wrap, false);

	begin(); /* a list that goes on where nothing is available */
	offer(2, 0);
	BROKEN();
	CHECK(queue.next_avail, 0);

	begin(); /* ids that are none, and one in flight already */
	offer(3, SIZE);
	BROKEN();
	begin();
	offer(3, 0xffff);
	BROKEN();
	begin();
	offer(3, 2);
	offer(3, 2);
	CHECK(next(), VIRTQ_TAKEN);
	CHECK(next(), VIRTQ_STOPPED);
	CHECK(queue.state, VIRTQ_BROKEN);
	CHECK(complete(2, 1), PREC_GONE);
	CHECK(queue.in_flight, 0);
	CHECK(get_desc(0).flags & USED, 0);

	begin(); /* flags of no descriptor that is available */
	for (unsigned int i = 0; i < 3; i++) {
		const uint16_t none[] = { 0, USED, AVAIL | USED };

		put16(DESC + PVIRTQ_DESC_FLAGS, none[i]);
		CHECK(next(), VIRTQ_EMPTY);
	}
	put16(DESC + PVIRTQ_DESC_FLAGS, AVAIL);
	CHECK(next(), VIRTQ_TAKEN);

	begin(); /* the region goes, and comes back */
	offer(3, 1);
	CHECK(next(), VIRTQ_TAKEN);
	prec_space_remove(&space, 0);
	CHECK(virtq_rebase(&queue, &space), PREC_GONE);
	CHECK(queue.state, VIRTQ_DETACHED);
	CHECK(next(), VIRTQ_STOPPED);
	CHECK(complete(1, 1), PREC_GONE);
	CHECK(prec_space_add(&space, BASE, HALF, (uintptr_t)low, 3, 0),
	      PREC_OK);
	CHECK(virtq_rebase(&queue, &space), PREC_OK);
	offer(3, 1);
	CHECK(next(), VIRTQ_TAKEN);
}

static enum virtq_answer retake(uint32_t count, uint16_t id)
{
	struct pvirtq_desc claim[VIRTQ_SIZE_MAX] = { { 0 } };

	for (uint32_t i = 0; i < count && i < SIZE; i++)
		claim[i] = list[i];
	if (count > 0 && count <= SIZE)
		claim[count - 1].id = id;
	return packed_retake(&queue, &space, claim, count, &chain);
}

#define CLAIM_BREAKS(count, id)                                                \
	do {                                                                   \
		CHECK(retake(count, id), VIRTQ_STOPPED);                       \
		BROKEN();                                                      \
		begin();                                                       \
	} while (0)

/* What somebody says was in flight is checked like what the ring says. */
static void claims(void)
{
	begin();
	CHECK(retake(3, 5), VIRTQ_TAKEN);
	CHECK(chain.head, 5);
	CHECK(chain.count, 3);
	CHECK(chain.segment[1].address, DATA);
	CHECK(queue.held[5], 3);
	CHECK(queue.next_avail, 0);
	CHECK(decode(), VIRTQ_TAKEN);
	CHECK(block.op, VBLK_READ);
	CHECK(complete(5, 513), PREC_OK);
	CHECK(queue.next_used, 3);
	list[1].addr = BASE - 1;
	CHECK(retake(3, 5), VIRTQ_MALFORMED);
	FAILS_AT(STATUS);
	CHECK(complete(5, 1), PREC_OK);
	in_table(0, HEADER, 16, 0);
	in_table(1, STATUS, 1, WRITE);
	list[0] = (struct pvirtq_desc){ TABLE, 32, 5, INDIRECT };
	CHECK(retake(1, 5), VIRTQ_TAKEN);
	CHECK(chain.count, 2);
	CHECK(retake(1, 5), VIRTQ_STOPPED); /* twice */
	CHECK(queue.state, VIRTQ_BROKEN);
	CHECK(queue.in_flight, 1);
	begin();
	CLAIM_BREAKS(3, SIZE); /* an id that is none */
	CLAIM_BREAKS(0, 5);
	CLAIM_BREAKS(2, 5); /* it goes on, and ends */
	list[1].flags &= (uint16_t)~NEXT;
	CLAIM_BREAKS(3, 5); /* it ends, and goes on */
	for (uint32_t i = 0; i < SIZE; i++)
		list[i] = (struct pvirtq_desc){ DATA, 1, 5, NEXT };
	CLAIM_BREAKS(SIZE + 1, 5); /* longer than the ring */
}

static bool notify(void)
{
	bool yes = false;

	CHECK(packed_should_notify(&queue, &space, &yes), PREC_OK);
	return yes;
}

/* 2.8.10: what the client wants to be told. */
static void events(void)
{
	begin_with(3);
	list[0] = (struct pvirtq_desc){ STATUS, 1, 0, WRITE };
	CHECK(notify(), true);
	put16(DRIVER + 2, PVIRTQ_EVENT_F_DISABLE);
	CHECK(notify(), false);
	put16(DRIVER + 2, PVIRTQ_EVENT_F_DESC | 0xfff8);
	CHECK(notify(), true); /* not negotiated: said in vain */
	queue.event_index = true;
	CHECK(notify(), false); /* nothing was used since */
	for (unsigned int i = 0; i < 12; i++) {
		/* Descriptor 1 of the second round of the ring, then of each
		 * other one: the wrap counter tells them apart. */
		put16(DRIVER, 1);
		offer(1, 0);
		CHECK(next(), VIRTQ_TAKEN);
		CHECK(complete(0, 1), PREC_OK);
		CHECK(notify(), i % 6 == 4);
	}
	/* several at once, across the end of the ring and of both rounds */
	for (unsigned int i = 0; i < 12; i++) {
		put16(DRIVER, i % 6 < 3 ? (uint16_t)(i % 3 | PVIRTQ_EVENT_WRAP)
					: (uint16_t)(i % 3));
		for (unsigned int j = 0; j < 3; j++) {
			offer(1, 0);
			CHECK(next(), VIRTQ_TAKEN);
			CHECK(complete(0, 1), PREC_OK);
		}
		CHECK(notify(), (i % 6 < 3) == (i % 2 == 0));
	}
	put16(DRIVER, 3); /* no slot of the ring */
	CHECK(notify(), true);
}

/* 2.8.10: what we want to be told. */
static void wishes(void)
{
	begin();
	CHECK(get16(DEVICE + 2), PVIRTQ_EVENT_F_ENABLE);
	queue.event_index = true;
	offer(3, 0);
	CHECK(next(), VIRTQ_TAKEN);
	CHECK(packed_ask_for_kick(&queue, &space), PREC_OK);
	CHECK(get16(DEVICE), 3 | PVIRTQ_EVENT_WRAP);
	CHECK(get16(DEVICE + 2), PVIRTQ_EVENT_F_DESC);
	queue.avail_wrap = false;
	CHECK(packed_ask_for_kick(&queue, &space), PREC_OK);
	CHECK(get16(DEVICE), 3);
}

/* Where a ring goes on, as vhost-user writes it. */
static void bases(void)
{
	begin();
	CHECK(packed_base(&queue), 0x80008000);
	offer(3, 1);
	CHECK(next(), VIRTQ_TAKEN);
	CHECK(packed_base(&queue), 0x80008003);
	CHECK(packed_seek(&queue, 0x8000u | SIZE), PREC_INVALID);
	CHECK(packed_seek(&queue, SIZE << 16), PREC_INVALID);
	CHECK(packed_base(&queue), 0x80008003);
	CHECK(packed_seek(&queue, 0x0005800f), PREC_OK);
	CHECK(queue.next_avail, 15);
	CHECK(queue.avail_wrap, true);
	CHECK(queue.next_used, 5);
	CHECK(queue.used_wrap, false);
	CHECK(packed_base(&queue), 0x0005800f);
	slot = 15;
	CHECK(complete(1, 1), PREC_OK);
	CHECK(get_desc(5).flags, WRITE);
	offer(3, 6);
	CHECK(next(), VIRTQ_TAKEN);
	CHECK(packed_base(&queue), 0x00080002);
}

static void setups(void)
{
	static const struct {
		uint32_t size;
		uint64_t desc, driver, device;
		enum prec_status want;
	} t[] = {
		{ 0, DESC, DRIVER, DEVICE, PREC_INVALID },
		{ 32769, LONG, DRIVER, DEVICE, PREC_INVALID },
		{ 16, DESC + 8, DRIVER, DEVICE, PREC_INVALID },
		{ 16, DESC, DRIVER + 2, DEVICE, PREC_INVALID },
		{ 16, DESC, DRIVER, DEVICE + 2, PREC_INVALID },
		{ 16, HIGH + HALF - 128, DRIVER, DEVICE, PREC_RANGE },
		{ 16, DESC, 0, DEVICE, PREC_RANGE },
		{ 16, DESC, DRIVER, ~3ull, PREC_RANGE },
		{ 16, LENT, DRIVER, DEVICE, PREC_RIGHTS },
		{ 16, DROP, DRIVER, DEVICE, PREC_RIGHTS },
		{ 16, DESC, DROP, DEVICE, PREC_RIGHTS },
		{ 16, DESC, DRIVER, LENT, PREC_RIGHTS },
		{ 16, SKEW, DRIVER, DEVICE, PREC_INVALID },
		{ 16, BENT, DRIVER, DEVICE, PREC_INVALID },
		{ 16, DESC, DESC + 252, DEVICE, PREC_OVERLAP },
		{ 16, DESC, DRIVER, DESC, PREC_OVERLAP },
		{ 16, DESC, DRIVER, DRIVER, PREC_OVERLAP },
		{ 16, DESC, LENT, DEVICE, PREC_OK },
		{ 16, DESC, DESC + 256, DESC + 260, PREC_OK },
		{ 1023, DESC, HIGH, DEVICE + 0x4000, PREC_OK },
		{ 32767, LONG, DRIVER, DEVICE, PREC_OK },
		{ 32768, LONG, DRIVER, DEVICE, PREC_OK },
		{ 1, DESC, DRIVER, DEVICE, PREC_OK },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct virtq before;

		begin();
		before = queue;
		CHECK(packed_setup(&queue, &space, t[i].size, t[i].desc,
				   t[i].driver, t[i].device),
		      t[i].want);
		if (t[i].want != PREC_OK)
			CHECK(memcmp(&before, &queue, sizeof(queue)), 0);
	}
}

static void table_at(uint64_t table, uint32_t count)
{
	list[0] = (struct pvirtq_desc){ table, 16 * count, 0, INDIRECT };
	for (uint32_t i = 0; i < count; i++)
		put_desc(table + 16ull * i,
			 (struct pvirtq_desc){ DATA, 0, 0, WRITE });
	put_desc(table, (struct pvirtq_desc){ HEADER, 16, 0, 0 });
	put_desc(table + 16, (struct pvirtq_desc){ DATA, 512, 0, WRITE });
	put_desc(table + 16ull * (count - 1),
		 (struct pvirtq_desc){ STATUS, 1, 0, WRITE });
}

/* As of split rings. */
static void scattered_tables(void)
{
	begin();
	for (uint32_t cut = 1; cut < 48; cut++) {
		table_at(HIGH - cut, 3);
		offer(1, 4);
		CHECK(next(), VIRTQ_TAKEN);
		CHECK(decode(), VIRTQ_TAKEN);
		CHECK(block.op, VBLK_READ);
		CHECK(block.bytes, 512);
		CHECK(block.status.address, STATUS);
		CHECK(complete(4, 0), PREC_OK);
	}
	list[0] = (struct pvirtq_desc){ HIGH + HALF - 47, 48, 0, INDIRECT };
	REFUSED(1);
	list[0].addr = BASE - 1;
	REFUSED(1);
	list[0].addr = DROP;
	REFUSED(1);
	for (uint32_t skew = 0; skew < 16; skew++) {
		uint32_t most = LENT_PIECES_MAX - (skew > 0);

		table_at(TINY + skew, most);
		offer(1, 4);
		CHECK(next(), VIRTQ_TAKEN);
		CHECK(chain.count, 3);
		CHECK(complete(4, 0), PREC_OK);
		table_at(TINY + skew, most + 1);
		REFUSED(1);
	}
}

int main(void)
{
	lend();
	honest();
	order();
	rounds();
	indirect();
	scattered_tables();
	lists();
	rings();
	claims();
	events();
	wishes();
	bases();
	setups();
	return end();
}
